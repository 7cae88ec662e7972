//! The shape of a line that `go` or a tool prints: literal text, and fields between it.
//!
//! An author's text can stand before a position (a file name, by a `//line` directive) and behind it (a literal that a parser
//! quotes), but `go` itself writes the position in between. No field spans one, so no author's text makes up a whole line.

/// A run of characters without white space: a module's path and version, a URL.
const WORD: char = '*';

/// A run of characters on one line that holds no position.
const WORDS: char = '~';

/// The text that follows the shortest beginning of this shape.
pub(super) fn after<'t>(shape: &str, text: &'t str) -> Option<&'t str> {
    let at = shape.find([WORD, WORDS]).unwrap_or(shape.len());
    let (literal, rest) = shape.split_at(at);
    let text = text.strip_prefix(literal)?;
    let mut fields = rest.chars();
    let Some(field) = fields.next() else {
        return Some(text);
    };
    let rest = fields.as_str();
    let next = &rest[..rest.find([WORD, WORDS]).unwrap_or(rest.len())];
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
    // The colon behind a field may be a position's.
    let holds_position = || field == WORDS && position(&text[..end + next.len()]).is_some();
    (is_field && !holds_position()).then(|| after(rest, &text[end..]))?
}

/// Whether the text begins with a line of this shape. A shape may have several lines.
pub(super) fn begins_with_line(shape: &str, text: &str) -> bool {
    after(shape, text).is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'))
}

/// The text behind the first position of its first line: `FILE:LINE: ` or `FILE:LINE:COLUMN: `.
pub(super) fn position(text: &str) -> Option<&str> {
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
    fn a_line_has_a_shape_as_a_whole() {
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
            assert_eq!(begins_with_line(shape, line), has, "{shape} {line}");
        }
    }

    #[test]
    fn a_position_is_the_first_of_its_line() {
        for (line, rest) in [
            ("a.go:1:2: x", Some("x")),
            ("parser.y:35: x: y", Some("x: y")),
            ("a b.go:1:2: c.go:3:4: x", Some("c.go:3:4: x")),
            ("a: b:x: c", None),
            (":1: x", None),
            ("a.go:1:2:", None),
            ("x\na.go:1:2: y", None),
        ] {
            assert_eq!(position(line), rest, "{line}");
        }
    }
}
