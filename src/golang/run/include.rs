//! Checks the `#include` directives of a package's assembler files.
//!
//! Go's assembler opens any file that an `#include` names, and quotes it in its errors. So assembler files may include only
//! files of their own module, as those of cloudflare/circl do, and Go's headers. This check does not depend on the kernel.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why the assembler must not read a file. The first field of each variant is the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum IncludeError {
    /// The file includes a file outside of its package or module.
    #[error("{0}: an #include is outside of {1}")]
    Outside(String, &'static str),
    /// A `#` that could start a directive by macro expansion. The text is the assembler's own for other such `#`.
    #[error("{0}: '#' must be first item on line")]
    HiddenHash(String),
    /// The file exists and cannot be read.
    #[error("{0}: cannot be read: {1}")]
    Unreadable(String, io::Error),
}

/// Checks these files of the package in `directory`, and all files that they include. Returns the included files of `module`
/// that are outside of `directory`.
pub fn check_includes<'a>(
    directory: &Path,
    module: &Path,
    files: impl Iterator<Item = &'a Path>,
) -> Result<Vec<PathBuf>, IncludeError> {
    let scope = if module == directory {
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
            // The assembler reports it, with the position.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => continue,
            // The assembler may be able to read a file that is too large to be read here.
            Err(error) => return Err(IncludeError::Unreadable(name(), error)),
        };
        let text = String::from_utf8_lossy(&text);
        if has_hidden_hash(&text) {
            return Err(IncludeError::HiddenHash(name()));
        }
        for operand in include_operands(&text) {
            let included = resolve_include(directory, module, &operand)
                .ok_or_else(|| IncludeError::Outside(name(), scope))?;
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

/// Resolves the quoted string of an `#include` to a file below the package's directory or in its module.
///
/// The assembler resolves all names from the package's directory, whatever file includes them, and then from directories of Go.
/// So a name that starts with `..` must exist in the module: otherwise it could be resolved from those.
fn resolve_include(directory: &Path, module: &Path, quoted: &str) -> Option<PathBuf> {
    let mut base = directory;
    let mut name = unquote_plain(quoted)?;
    while let Some(below) = name.strip_prefix("../") {
        base = base.parent().filter(|above| above.starts_with(module))?;
        name = below;
    }
    let descends = name.split('/').all(|element| !matches!(element, "" | "." | ".."));
    let file = base.join(name);
    (descends && (base == directory || file.is_file())).then_some(file)
}

/// The content of a quoted string without escapes.
fn unquote_plain(quoted: &str) -> Option<&str> {
    let name = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-+/".contains(&b);
    name.bytes().all(is_plain).then_some(name)
}

/// The operand of each `#include`. A `#` in a comment or a string counts too: this does not rely on the assembler's lexer, and
/// a false match only rejects the file.
fn include_operands(text: &str) -> Vec<String> {
    let directive = |rest: &str| skip_space(rest).strip_prefix("include").map(operand);
    text.match_indices('#')
        .filter_map(|(at, _)| directive(&text[at + 1..]))
        .collect()
}

/// Whether a `#` is not the first item on its line. As the body or an argument of a macro it could start a directive that no
/// file contains. Comments and literals are those of text/scanner, which the assembler uses.
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
                skip_literal(next, after)
            }
            _ => {
                is_first = false;
                after
            }
        };
    }
    false
}

/// The text after a literal; `body` starts after its quote. A newline ends the literal too, even an escaped one.
fn skip_literal(quote: char, body: &str) -> &str {
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

/// The quoted string after `include`, or the rest of the line where there is none.
fn operand(rest: &str) -> String {
    let line = skip_space(rest).lines().next().unwrap_or_default();
    let quoted = line
        .strip_prefix('"')
        .and_then(|body| body.find('"'))
        .map(|end| &line[..end + 2]);
    quoted.unwrap_or(line).chars().take(200).collect()
}

/// Skips white space and comments.
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
    fn include_outside_of_module_is_detected() {
        for (text, is_outside) in [
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
            let found = include_operands(text)
                .iter()
                .any(|operand| resolve_include(package, Path::new("/m@v1"), operand).is_none());
            assert_eq!(found, is_outside, "{text:?}");
        }
    }

    #[test]
    fn hash_that_a_macro_could_expand_is_detected() {
        for (text, is_hidden) in [
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
            assert_eq!(has_hidden_hash(text), is_hidden, "{text:?}");
        }
    }

    #[test]
    fn included_files_are_checked_too() {
        let module = tempfile::tempdir().unwrap();
        let package = module.path().join("p");
        fs::create_dir(&package).unwrap();
        fs::write(package.join("a.s"), "#include \"b.h\"\n").unwrap();
        fs::write(package.join("b.h"), "#include \"../c.h\"\n").unwrap();
        let check = || check_includes(&package, module.path(), [Path::new("a.s")].into_iter());
        assert!(check().is_err(), "a file above the package must exist");
        let above = module.path().join("c.h");
        fs::write(&above, "// nothing\n").unwrap();
        assert_eq!(check().unwrap(), vec![above.clone()]);
        fs::write(&above, "#include \"../../secret\"\n").unwrap();
        assert_eq!(
            check().unwrap_err().to_string(),
            "c.h: an #include is outside of its module"
        );
    }
}
