//! Makes untrusted text safe for terminals, logs, pages and shells.

/// Replaces control characters (except tab and newline) and bidirectional controls with U+FFFD.
pub fn sanitize(text: &str) -> String {
    let is_safe = |c: char| matches!(c, '\t' | '\n') || !(c.is_control() || is_bidi_control(c));
    text.chars()
        .map(|c| if is_safe(c) { c } else { '\u{FFFD}' })
        .collect()
}

/// Whether a character changes the direction of text (Unicode Standard Annex 9).
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Quotes a word for sh: within single quotes only a single quote is special (POSIX XCU 2.2.2).
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Formats a number of bytes for people, in decimal units.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_at_most_one_decimal() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (1_250_000, "1.2 MB"),
            (10_737_418_240, "10.7 GB"),
            (u64::MAX, "18446744073.7 GB"),
        ] {
            assert_eq!(format_bytes(bytes), text);
        }
    }
}
