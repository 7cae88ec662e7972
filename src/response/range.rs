//! Range requests (RFC 9110 section 14).

/// The part of a representation that a Range header selects.
pub(super) enum ByteRange {
    /// The whole representation.
    Whole,
    /// Offset of the first byte, and number of bytes.
    Part(u64, u64),
    /// No byte: the range starts after the end (416).
    Unsatisfiable,
}

impl ByteRange {
    /// Parses a Range header with one byte range (section 14.1.2). An invalid header, or one with several ranges, is ignored
    /// and selects the whole representation, which section 14.2 allows.
    pub(super) fn parse(range: &str, size: u64) -> ByteRange {
        let Some((first, last)) = range
            .strip_prefix("bytes=")
            .and_then(|spec| spec.trim().split_once('-'))
        else {
            return ByteRange::Whole;
        };
        match (parse_position(first), parse_position(last)) {
            (Some(first), Some(last)) if last < first => ByteRange::Whole,
            (Some(first), Some(_)) if first >= size => ByteRange::Unsatisfiable,
            (Some(first), None) if first >= size && last.is_empty() => ByteRange::Unsatisfiable,
            (Some(first), None) if last.is_empty() => ByteRange::Part(first, size - first),
            (Some(first), Some(last)) => ByteRange::Part(first, last.min(size - 1) - first + 1),
            (None, Some(0)) if first.is_empty() => ByteRange::Unsatisfiable,
            (None, Some(suffix)) if first.is_empty() && size > 0 => {
                ByteRange::Part(size.saturating_sub(suffix), suffix.min(size))
            }
            _ => ByteRange::Whole,
        }
    }
}

/// Parses digits only: `u64::from_str` also accepts a sign.
fn parse_position(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_header_selects_one_range_or_the_whole() {
        let print = |range: &str| match ByteRange::parse(range, 100) {
            ByteRange::Whole => "whole".to_owned(),
            ByteRange::Part(start, len) => format!("{start}+{len}"),
            ByteRange::Unsatisfiable => "unsatisfiable".to_owned(),
        };
        for (range, expected) in [
            ("bytes=0-9", "0+10"),
            ("bytes=90-", "90+10"),
            ("bytes=-10", "90+10"),
            ("bytes=-1000", "0+100"),
            ("bytes=50-1000", "50+50"),
            ("bytes=100-", "unsatisfiable"),
            ("bytes=-0", "unsatisfiable"),
            ("bytes=9-0", "whole"),
            ("bytes=200-100", "whole"),
            ("bytes=200-300", "unsatisfiable"),
            ("bytes=200-x", "whole"),
            ("bytes=+0-+9", "whole"),
            ("bytes=0-1,5-6", "whole"),
            ("lines=0-1", "whole"),
            ("bytes=x-", "whole"),
        ] {
            assert_eq!(print(range), expected, "{range}");
        }
    }
}
