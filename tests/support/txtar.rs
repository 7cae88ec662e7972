//! Small text trees: the txtar format of Go's own tests, with a note after a file's name for what text cannot say.
//!
//! `-- NAME --` starts a file, `-- NAME | NOTE --` a file with a note; what stands before the first is a comment.
//! Knows nothing of modules. tests/modules/README.md lists the notes; `modproxy` gives them their meaning.

/// One archive: a comment, then files in order.
#[derive(Debug, PartialEq)]
pub(crate) struct Archive {
    pub(crate) comment: String,
    pub(crate) files: Vec<File>,
}

/// One file of an archive.
#[derive(Debug, PartialEq)]
pub(crate) struct File {
    pub(crate) name: String,
    /// What stands after the bar in the header, or nothing.
    pub(crate) note: String,
    pub(crate) text: String,
}

impl Archive {
    /// Never fails: a line that is no header is text, as in Go's own parser.
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

/// Replaces each `⟦TEXT⟧` by TEXT, and each `⟦N×TEXT⟧` by N times TEXT. In TEXT, `\xHH` is a byte, so that an archive stays
/// text that a terminal and a diff can show, whatever bytes its files hold.
pub(crate) fn expand(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('⟦') {
        let (inside, after) = after.split_once('⟧').expect("⟦ has its ⟧");
        let (times, inside) = match inside.split_once('×') {
            Some((times, inside)) => (times.parse().expect("a number stands before ×"), inside),
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
        bytes.push(u8::from_str_radix(hex, 16).expect("two hex digits follow \\x"));
        bytes.extend_from_slice(after.as_bytes());
    }
    bytes
}

#[test]
fn an_archive_is_a_comment_and_files() {
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
fn brackets_repeat_and_carry_bytes() {
    assert_eq!(expand("a⟦3×(⟧1⟦\\x1b[0m\\xff⟧z"), b"a(((1\x1b[0m\xffz");
}
