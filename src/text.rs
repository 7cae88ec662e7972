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
