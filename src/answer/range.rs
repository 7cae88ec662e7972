//! Parts of what is sent (RFC 9110 section 14).

/// What of the bytes is sent.
pub(super) enum Part {
    /// All.
    Whole,
    /// So many, from this one on.
    Bytes(u64, u64),
    /// Nothing: there is nothing so far out.
    Outside,
}

impl Part {
    /// One range of bytes (RFC 9110 section 14.1.2). Several, or what is no range, mean the whole: that is always right.
    pub(super) fn of(range: &str, size: u64) -> Part {
        let Some((first, last)) = range
            .strip_prefix("bytes=")
            .and_then(|spec| spec.trim().split_once('-'))
        else {
            return Part::Whole;
        };
        match (position(first), position(last)) {
            (Some(first), Some(last)) if last < first => Part::Whole,
            (Some(first), Some(_)) if first >= size => Part::Outside,
            (Some(first), None) if first >= size && last.is_empty() => Part::Outside,
            (Some(first), None) if last.is_empty() => Part::Bytes(first, size - first),
            (Some(first), Some(last)) => Part::Bytes(first, last.min(size - 1) - first + 1),
            (None, Some(0)) if first.is_empty() => Part::Outside,
            (None, Some(suffix)) if first.is_empty() && size > 0 => {
                Part::Bytes(size.saturating_sub(suffix), suffix.min(size))
            }
            _ => Part::Whole,
        }
    }
}

/// Digits and nothing else: a number in Rust may have a sign.
fn position(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_range_or_the_whole() {
        let shown = |range: &str| match Part::of(range, 100) {
            Part::Whole => "whole".to_owned(),
            Part::Bytes(start, len) => format!("{start}+{len}"),
            Part::Outside => "outside".to_owned(),
        };
        for (range, expected) in [
            ("bytes=0-9", "0+10"),
            ("bytes=90-", "90+10"),
            ("bytes=-10", "90+10"),
            ("bytes=-1000", "0+100"),
            ("bytes=50-1000", "50+50"),
            ("bytes=100-", "outside"),
            ("bytes=-0", "outside"),
            ("bytes=9-0", "whole"),
            ("bytes=200-100", "whole"),
            ("bytes=200-300", "outside"),
            ("bytes=200-x", "whole"),
            ("bytes=+0-+9", "whole"),
            ("bytes=0-1,5-6", "whole"),
            ("lines=0-1", "whole"),
            ("bytes=x-", "whole"),
        ] {
            assert_eq!(shown(range), expected, "{range}");
        }
    }
}
