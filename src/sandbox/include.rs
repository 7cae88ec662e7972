//! Go's assembler opens whatever an `#include` names, and quotes it in its errors. So a package's assembler files may
//! include only what lies in their own module, as cloudflare/circl's do, or what Go's own headers are called; this holds on
//! every kernel.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why an assembler file, or what it includes, is not let near the assembler.
#[derive(Debug, thiserror::Error)]
pub enum Included {
    /// A file, and what it leaves.
    #[error("{0}: an #include leaves {1}")]
    Leaves(String, &'static str),
    /// As the assembler says it of a `#` that is in the file.
    #[error("{0}: '#' must be first item on line")]
    Hash(String),
    /// It is there, and cannot be looked at.
    #[error("{0}: cannot be read: {1}")]
    Unreadable(String, io::Error),
}

/// Checks these files of the package in `directory`, and all that they include. Returns what they include from elsewhere
/// in `module`, the tree around it.
pub fn stays_within<'a>(
    directory: &Path,
    module: &Path,
    files: impl Iterator<Item = &'a Path>,
) -> Result<Vec<PathBuf>, Included> {
    let within = if module == directory {
        "its package"
    } else {
        "its module"
    };
    let mut seen = HashSet::new();
    let mut open: Vec<PathBuf> = files.map(|file| directory.join(file)).collect();
    while let Some(file) = open.pop() {
        let name = || {
            let name = file.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        let text = match fs::read(&file) {
            Ok(text) => text,
            // The assembler says it better.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => continue,
            // What is too large to be read here may not be so there.
            Err(error) => return Err(Included::Unreadable(name(), error)),
        };
        let text = String::from_utf8_lossy(&text);
        if has_hidden_hash(&text) {
            return Err(Included::Hash(name()));
        }
        for path in includes(&text) {
            let included =
                included(directory, module, &path).ok_or_else(|| Included::Leaves(name(), within))?;
            if seen.insert(included.clone()) {
                open.push(included);
            }
        }
    }
    Ok(seen
        .into_iter()
        .filter(|file| !file.starts_with(directory))
        .collect())
}

/// The file that an include's quoted string names: however deep below the package, or up and down again within the module.
/// The assembler looks for it from the package's directory, whatever file includes it, and then in directories of Go's own:
/// so what lies above has to be there.
fn included(directory: &Path, module: &Path, quoted: &str) -> Option<PathBuf> {
    let mut base = directory;
    let mut name = plain_name(quoted)?;
    while let Some(below) = name.strip_prefix("../") {
        base = base.parent().filter(|above| above.starts_with(module))?;
        name = below;
    }
    let down = name.split('/').all(|element| !matches!(element, "" | "." | ".."));
    let file = base.join(name);
    (down && (base == directory || file.is_file())).then_some(file)
}

/// What an include's quoted string holds, if it needs no unquoting.
fn plain_name(quoted: &str) -> Option<&str> {
    let name = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-+/".contains(&b);
    name.bytes().all(plain).then_some(name)
}

/// What each `#include` names. A `#` counts wherever it stands, in comments and strings too: the lexer's idea of those
/// is not relied on, and an include too many here is only a refusal.
fn includes(text: &str) -> Vec<String> {
    let directive = |rest: &str| skip_space(rest).strip_prefix("include").map(operand);
    text.match_indices('#')
        .filter_map(|(at, _)| directive(&text[at + 1..]))
        .collect()
}

/// Whether a `#` stands elsewhere than first on its line: as a macro's text or argument it would begin a directive that is
/// in no file. Comments and literals are those of text/scanner, which the assembler reads by.
fn has_hidden_hash(text: &str) -> bool {
    let mut is_first = true;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let after = &rest[next.len_utf8()..];
        rest = match next {
            '/' if after.starts_with('/') => after.find('\n').map_or("", |end| &after[end..]),
            '/' if after.starts_with('*') => after[1..].split_once("*/").map_or("", |(_, rest)| rest),
            '\n' => {
                is_first = true;
                after
            }
            '\t' | '\r' | ' ' => after,
            '#' if !is_first => return true,
            '"' | '\'' => {
                is_first = false;
                past_literal(next, after)
            }
            _ => {
                is_first = false;
                after
            }
        };
    }
    false
}

/// What follows a literal of which the quote is read. It ends with its line at the latest, escaped or not.
fn past_literal(quote: char, body: &str) -> &str {
    let mut is_escaped = false;
    for (at, next) in body.char_indices() {
        match next {
            '\n' => return &body[at..],
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if next == quote => return &body[at + 1..],
            _ => {}
        }
    }
    ""
}

/// The quoted string, or what stands in its place.
fn operand(rest: &str) -> String {
    let line = skip_space(rest).lines().next().unwrap_or_default();
    let quoted = line
        .strip_prefix('"')
        .and_then(|body| body.find('"'))
        .map(|end| &line[..end + 2]);
    quoted.unwrap_or(line).chars().take(200).collect()
}

/// Blanks and comments, as between the words of a directive.
fn skip_space(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let Some(comment) = text.strip_prefix("/*") else {
            return text;
        };
        text = comment.split_once("*/").map_or("", |(_, rest)| rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_out_of_the_module_is_seen() {
        for (text, leaves) in [
            ("#include \"textflag.h\"\n", false),
            ("  #  include   \"sub/asm.h\" // why\n", false),
            ("// nothing to include \"/etc/passwd\"\n", false),
            ("#include \"/etc/passwd\"\n", true),
            ("#include \"../x.h\"\n", true),
            ("#include \"a/../../x.h\"\n", true),
            ("#include \"\\x2fetc/passwd\"\n", true),
            ("#/* c */include /* d */ \"/etc/passwd\"\n", true),
            ("#include `/etc/passwd`\n", true),
            ("DATA x, \"/*\"\n#include \"/etc/passwd\"\n\"*/\"\n", true),
            ("TEXT x; #include \"/etc/passwd\"\n", true),
            ("#/*#*/include \"/etc/passwd\"\n", true),
        ] {
            let package = Path::new("/m@v1/p");
            let found = includes(text)
                .iter()
                .any(|path| included(package, Path::new("/m@v1"), path).is_none());
            assert_eq!(found, leaves, "{text:?}");
        }
    }

    #[test]
    fn no_macro_begins_a_directive() {
        for (text, hidden) in [
            ("#define H #\nH include \"/etc/passwd\"\n", true),
            ("#define H(i) # i\nH(include) \"/etc/passwd\"\n", true),
            ("#define X(h) h\nX(#) include \"/etc/passwd\"\n", true),
            ("#define H \\\n\tA #\n", true),
            ("DATA x, \"\\\"\" #\n", true),
            ("DATA x, \"open\n\"/*\" #\n", true),
            ("DATA x, \"\\\n#define Y\n", false),
            ("// issue #1\r #2\n/* #3\n x #4 */ #ifdef X // #5\n", false),
            ("DATA x, \"#\" /* # */\nCMPB R0, $'#'\n\t#endif\n", false),
        ] {
            assert_eq!(has_hidden_hash(text), hidden, "{text:?}");
        }
    }

    #[test]
    fn what_is_included_is_read_too() {
        let module = tempfile::tempdir().unwrap();
        let package = module.path().join("p");
        fs::create_dir(&package).unwrap();
        fs::write(package.join("a.s"), "#include \"b.h\"\n").unwrap();
        fs::write(package.join("b.h"), "#include \"../c.h\"\n").unwrap();
        let checked = || stays_within(&package, module.path(), [Path::new("a.s")].into_iter());
        assert!(checked().is_err(), "what lies above has to be there");
        let above = module.path().join("c.h");
        fs::write(&above, "// nothing\n").unwrap();
        assert_eq!(checked().unwrap(), vec![above.clone()]);
        fs::write(&above, "#include \"../../secret\"\n").unwrap();
        assert_eq!(
            checked().unwrap_err().to_string(),
            "c.h: an #include leaves its module"
        );
    }
}
