//! Parser for the txtar format of Go's tests, extended by notes.
//!
//! `-- NAME --` starts a file, `-- NAME | NOTE --` a file with a note; text before the first file is a comment.
//! tests/modules/README.md lists the notes; `modproxy` interprets them.

/// An archive: a comment and files.
#[derive(Debug, PartialEq)]
pub(crate) struct Archive {
    pub(crate) comment: String,
    pub(crate) files: Vec<File>,
}

/// A file of an archive.
#[derive(Debug, PartialEq)]
pub(crate) struct File {
    pub(crate) name: String,
    /// The text after the bar in the header, or empty.
    pub(crate) note: String,
    pub(crate) text: String,
}

impl Archive {
    /// Never fails: a line that is not a valid header is text, as in Go's parser.
    pub(crate) fn parse(text: &str) -> Archive {
        let mut archive = Archive {
            comment: String::new(),
            files: Vec::new(),
        };
        for line in text.split_inclusive('\n') {
            match header(line) {
                Some((name, note)) => {
                    let (name, note) = (name.to_owned(), note.to_owned());
                    archive.files.push(File {
                        name,
                        note,
                        text: String::new(),
                    });
                }
                None => match archive.files.last_mut() {
                    Some(file) => file.text.push_str(line),
                    None => archive.comment.push_str(line),
                },
            }
        }
        archive
    }
}

fn header(line: &str) -> Option<(&str, &str)> {
    let inner = line.trim_end().strip_prefix("-- ")?.strip_suffix(" --")?;
    Some(match inner.split_once(" | ") {
        Some((name, note)) => (name.trim(), note.trim()),
        None => (inner.trim(), ""),
    })
}

/// Replaces each `⟦TEXT⟧` by TEXT, and each `⟦N×TEXT⟧` by N times TEXT. In TEXT, `\xHH` is a byte, so that archives remain
/// printable text.
pub(crate) fn expand(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('⟦') {
        let (inside, after) = after.split_once('⟧').expect("⟦ without ⟧");
        let (times, inside) = match inside.split_once('×') {
            Some((times, inside)) => (times.parse().expect("no number before ×"), inside),
            None => (1, inside),
        };
        bytes.extend_from_slice(before.as_bytes());
        bytes.extend(unescape(inside).repeat(times));
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn unescape(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (hex, after) = piece.split_at(2);
        bytes.push(u8::from_str_radix(hex, 16).expect("no two hex digits after \\x"));
        bytes.extend_from_slice(after.as_bytes());
    }
    bytes
}

#[test]
fn archive_has_comment_and_files() {
    let archive = Archive::parse("why\n-- a/b.go --\nx\n-- not a header\n-- c | zeros 9 --\n");
    assert_eq!(archive.comment, "why\n");
    let names: Vec<_> = archive
        .files
        .iter()
        .map(|file| (&*file.name, &*file.note, &*file.text))
        .collect();
    assert_eq!(
        names,
        [("a/b.go", "", "x\n-- not a header\n"), ("c", "zeros 9", "")]
    );
}

#[test]
fn brackets_repeat_and_encode_bytes() {
    assert_eq!(expand("a⟦3×(⟧1⟦\\x1b[0m\\xff⟧z"), b"a(((1\x1b[0m\xffz");
}
