//! Go's assembler opens whatever an `#include` names, and quotes it in its errors. So a package's assembler files may
//! include only what lies in their own module, as cloudflare/circl's do, or what Go's own headers are called; this holds on
//! every kernel.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// An `#include` that is not the module's.
#[derive(Debug, thiserror::Error)]
#[error("{file}: an #include leaves the module")]
pub struct Leaves {
    file: String,
}

/// Checks these files of the package in `directory`, and all that they include. Returns what they include from elsewhere
/// in `module`, the tree around it.
pub fn stays_within<'a>(
    directory: &Path,
    module: &Path,
    files: impl Iterator<Item = &'a Path>,
) -> Result<Vec<PathBuf>, Leaves> {
    let mut seen = HashSet::new();
    let mut open: Vec<PathBuf> = files.map(|file| directory.join(file)).collect();
    while let Some(file) = open.pop() {
        // What cannot be read here cannot be read by the assembler either; it says so better.
        let Ok(text) = fs::read(&file) else { continue };
        for path in includes(&String::from_utf8_lossy(&text)) {
            let Some(included) = included(directory, module, &path) else {
                let file = file
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                return Err(Leaves { file });
            };
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
    text.split('#').skip(1).filter_map(directive).collect()
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
        ] {
            let package = Path::new("/m@v1/p");
            let found = includes(text)
                .iter()
                .any(|path| included(package, Path::new("/m@v1"), path).is_none());
            assert_eq!(found, leaves, "{text:?}");
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
            "c.h: an #include leaves the module"
        );
    }
}
