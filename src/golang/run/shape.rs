//! Patterns for the lines that `go` and its tools print: literal text with fields.
//!
//! Text of a module author can occur before a position (a file name, by a `//line` directive) and after it (a literal that a
//! parser quotes), but `go` writes the position between them. No field matches a position, so no text of an author matches a
//! whole line.

/// A field of non-space characters: a module's path and version, a URL.
const WORD: char = '*';

/// A field of any characters on one line, without a position.
const TEXT: char = '~';

/// Matches `shape` at the start of the text, with the shortest fields. Returns the text after it.
pub(super) fn strip_shape<'t>(shape: &str, text: &'t str) -> Option<&'t str> {
    let at = shape.find([WORD, TEXT]).unwrap_or(shape.len());
    let (literal, rest) = shape.split_at(at);
    let text = text.strip_prefix(literal)?;
    let mut fields = rest.chars();
    let Some(field) = fields.next() else {
        return Some(text);
    };
    let rest = fields.as_str();
    let next = &rest[..rest.find([WORD, TEXT]).unwrap_or(rest.len())];
    let is_end = |c: char| {
        if field == WORD {
            c.is_whitespace()
        } else {
            c == '\n'
        }
    };
    let longest = text.find(is_end).unwrap_or(text.len());
    let end = match next {
        "" => longest,
        next => text.find(next)?,
    };
    let is_field = (1..=longest).contains(&end);
    // The colon after a field may belong to a position.
    let has_position = || field == TEXT && strip_position(&text[..end + next.len()]).is_some();
    (is_field && !has_position()).then(|| strip_shape(rest, &text[end..]))?
}

/// Whether the text starts with a complete line that matches `shape`. A shape may have several lines.
pub(super) fn starts_with_line(shape: &str, text: &str) -> bool {
    strip_shape(shape, text).is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'))
}

/// The text after the first position, `FILE:LINE: ` or `FILE:LINE:COLUMN: `, of the first line.
pub(super) fn strip_position(text: &str) -> Option<&str> {
    let line = text.lines().next()?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mut searched = 0;
    while let Some(found) = line[searched..].find(": ") {
        let end = searched + found;
        let (file, number) = line[..end].rsplit_once(':').unwrap_or_default();
        if is_number(number) && !file.is_empty() {
            return Some(&text[end + 2..]);
        }
        searched = end + 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_matches_a_complete_line() {
        for (shape, line, has) in [
            ("a *: b", "a x: b", true),
            ("a *: b", "a x: b\n\tmore", true),
            ("a *: b", "a x: bc", false),
            ("a *: b", "a x y: b", false),
            ("a *: b", "a : b", false),
            ("a *", "a x", true),
            ("a *", "a x y", false),
            ("a ~: b", "a x y: b", true),
            ("a ~: b", "a x\ny: b", false),
            ("a ~", "a x:1: y", false),
            ("a ~: b", "a x:1:2: y: b", false),
            ("a ~: ~", "a x:1:2: y", false),
            ("a\n\t* b", "a\n\tx b", true),
        ] {
            assert_eq!(starts_with_line(shape, line), has, "{shape} {line}");
        }
    }

    #[test]
    fn first_position_of_the_first_line_is_stripped() {
        for (line, rest) in [
            ("a.go:1:2: x", Some("x")),
            ("parser.y:35: x: y", Some("x: y")),
            ("a b.go:1:2: c.go:3:4: x", Some("c.go:3:4: x")),
            ("a: b:x: c", None),
            (":1: x", None),
            ("a.go:1:2:", None),
            ("x\na.go:1:2: y", None),
        ] {
            assert_eq!(strip_position(line), rest, "{line}");
        }
    }
}
