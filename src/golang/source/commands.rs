//! Finds the commands of an unpacked module.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::golang::source::constraint::{BuildRequirement, CgoBuild};
use crate::golang::source::header::FileHeader;

/// Directories without commands for users: those that Go ignores, and examples.
pub const SKIPPED_DIRECTORIES: &[&str] = &["internal", "testdata", "examples", "example", "vendor"];

/// How deep directories are searched. All commands of the test corpus are far less deep.
const MAX_DEPTH: usize = 12;

/// How much of a file is read, in bytes: enough for licence, comments and imports. A file may have half a gigabyte.
pub(super) const MAX_FILE_BYTES: u64 = 256 << 10;

/// Finds the directories of the commands in an unpacked module, relative to its root. If the root is a command, it is the only result,
/// as "".
pub fn find_commands(module: &Path) -> Vec<String> {
    if is_user_command(module) {
        return vec![String::new()];
    }
    let mut found = Vec::new();
    collect(module, "", 0, &mut found);
    // The root needs build tags, which the client can pass.
    if found.is_empty() && is_command(module) && package_requirement(module) == Some(BuildRequirement::Tags) {
        found.push(String::new());
    }
    found
}

/// Whether the directory has a `package main` that can be built: it has a function `main`, without which it does not link, and
/// `//go:build ignore` does not exclude it.
pub fn is_command(dir: &Path) -> bool {
    command_requirement(dir).is_some_and(|requirement| requirement <= BuildRequirement::Tags)
}

/// Whether the directory has a command for users: one that needs no build tags. One that needs cgo counts: it is likely the requested
/// one, although it cannot be built here.
fn is_user_command(dir: &Path) -> bool {
    command_requirement(dir).is_some_and(|requirement| requirement <= BuildRequirement::Cgo)
}

/// The requirement of the command in this directory; `None` if there is no command.
fn command_requirement(dir: &Path) -> Option<BuildRequirement> {
    let requirement = |text: String| {
        let header = FileHeader::parse(&text);
        let is_main = header.package == Some("main") && may_have_main(&text);
        is_main.then(|| BuildRequirement::from_header(&header))
    };
    go_texts(dir).filter_map(requirement).min()
}

/// The requirement of the package in this directory: that of its least demanding file; `None` if there is no Go file.
pub fn package_requirement(dir: &Path) -> Option<BuildRequirement> {
    go_texts(dir)
        .map(|text| BuildRequirement::from_header(&FileHeader::parse(&text)))
        .min()
}

/// Whether a file of the package imports "C", and so needs cgo and a C compiler.
pub fn imports_c(dir: &Path) -> bool {
    go_texts(dir).any(|text| has_import_c(&text))
}

/// Whether this build has files that import "C" in this directory, which builds without cgo leave out.
pub fn has_cgo_files(dir: &Path, build: &CgoBuild<'_>) -> bool {
    let matches_name = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| build.matches_name(&name.to_string_lossy()))
    };
    let mut texts = go_files(dir)
        .filter(matches_name)
        .filter_map(|path| read_start(&path).ok());
    texts.any(|text| has_import_c(&text) && build.matches_header(&FileHeader::parse(&text)))
}

fn has_import_c(text: &str) -> bool {
    const C: &str = "\"C\"";
    let imports = |line: &str| line.trim().trim_start_matches("import ").trim() == C;
    // Nearly all files end here, and a build reads thousands.
    text.contains(C) && text.lines().any(imports)
}

/// Whether the module has no go.mod and imports other modules. `go install` then selects their newest versions, so its output changes
/// from day to day.
pub fn has_unpinned_dependencies(module: &Path, path: &str) -> bool {
    !module.join("go.mod").exists() && imports_other_modules(module, path, 0)
}

/// Whether any package of this tree imports a path outside the module and the standard library: its first element is a host.
fn imports_other_modules(dir: &Path, module: &str, depth: usize) -> bool {
    let is_other = |import: &str| {
        let host = import.split('/').next().unwrap_or_default();
        host.contains('.') && import != module && !import.starts_with(&format!("{module}/"))
    };
    if go_texts(dir).any(|text| read_imports(&text).any(is_other)) {
        return true;
    }
    depth < MAX_DEPTH
        && list_directories(dir)
            .iter()
            .any(|name| imports_other_modules(&dir.join(name), module, depth + 1))
}

/// Reads the quoted paths of the import declarations, which precede all others (Go specification, "Source file organization").
fn read_imports(text: &str) -> impl Iterator<Item = &str> {
    let is_declaration = |line: &&str| {
        ["func ", "type ", "var ", "const "]
            .iter()
            .any(|word| line.starts_with(word))
    };
    text.lines()
        .take_while(move |line| !is_declaration(line))
        .filter_map(|line| line.split('"').nth(1))
}

/// Collects the commands in all subdirectories of `parent`, depth first.
fn collect(root: &Path, parent: &str, depth: usize, found: &mut Vec<String>) {
    for name in list_directories(&root.join(parent)) {
        if SKIPPED_DIRECTORIES.contains(&name.as_str()) {
            continue;
        }
        let dir = if parent.is_empty() {
            name
        } else {
            format!("{parent}/{name}")
        };
        if is_user_command(&root.join(&dir)) {
            found.push(dir.clone());
        }
        if depth < MAX_DEPTH {
            collect(root, &dir, depth + 1, found);
        }
    }
}

/// Whether an import path may contain this element, judged by its characters (golang.org/x/mod/module, CheckImportPath). A module's
/// zip may contain others, with spaces for example.
pub fn is_importable(element: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+".contains(&b);
    !element.is_empty() && element.bytes().all(is_allowed)
}

/// The subdirectories of `dir` that Go does not ignore, sorted.
fn list_directories(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with(['_', '.']) && name != "testdata" && is_importable(name))
        .collect();
    names.sort();
    names
}

/// The first `MAX_FILE_BYTES` of each Go file in `dir`, without tests.
fn go_texts(dir: &Path) -> impl Iterator<Item = String> {
    go_files(dir).filter_map(|path| read_start(&path).ok())
}

/// The Go files in `dir`, without tests.
fn go_files(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths.filter(|path| is_source(&path.to_string_lossy()) && path.is_file())
}

/// Whether the path is that of a Go file without tests that Go does not ignore.
pub(super) fn is_source(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".go") && !name.ends_with("_test.go") && !name.starts_with(['_', '.'])
}

fn read_start(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    // Otherwise the first reads would be of 32 bytes, 64, and so on.
    let mut bytes = Vec::with_capacity(file.metadata()?.len().min(MAX_FILE_BYTES) as usize);
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a file declares a function `main`, or may declare it in the part that was not read.
fn may_have_main(text: &str) -> bool {
    let is_main = |rest: &str| {
        let name = rest.trim_start();
        name.len() < rest.len()
            && name
                .strip_prefix("main")
                .is_some_and(|rest| rest.trim_start().starts_with('('))
    };
    text.len() as u64 >= MAX_FILE_BYTES || text.split("func").skip(1).any(is_main)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golang::resolve::ranking::{Clues, Ranking, rank};

    #[derive(Debug, PartialEq, Eq)]
    enum Choice {
        Command(String),
        Several(Vec<String>),
        None,
    }

    fn choose(module: &Path, names: &[&str]) -> Choice {
        let clues = Clues {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Clues::default()
        };
        match rank(&find_commands(module), &clues) {
            Ranking::Decided(dir, _) => Choice::Command(dir),
            Ranking::Several(dirs, _) => Choice::Several(dirs),
            Ranking::None => Choice::None,
        }
    }

    fn module(dirs: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (dir, text) in dirs {
            fs::create_dir_all(root.path().join(dir)).unwrap();
            fs::write(root.path().join(dir).join("x.go"), text).unwrap();
        }
        root
    }

    #[test]
    fn dependencies_are_unpinned_without_go_mod_and_with_imports() {
        for (text, is_unpinned) in [
            ("package main\nimport \"fmt\"\n", false),
            ("package main\nimport \"a.b/c/own\"\n", false),
            ("package main\nimport (\n\tx \"d.e/f\"\n)\n", true),
            ("package main\nfunc main() {\n\tprintln(\"d.e/f\")\n}\n", false),
        ] {
            let root = module(&[("cmd/x", text)]);
            assert_eq!(
                has_unpinned_dependencies(root.path(), "a.b/c"),
                is_unpinned,
                "{text}"
            );
            fs::write(root.path().join("go.mod"), "module a.b/c\n").unwrap();
            assert!(!has_unpinned_dependencies(root.path(), "a.b/c"), "{text}");
        }
    }

    #[test]
    fn obvious_command_is_chosen() {
        let main = "// c\n/* d */ package main\n\nfunc main() {}\n";
        let library = "package x\n";
        for (dirs, expected) in [
            (vec![("", main), ("cmd/a", main)], Choice::Command(String::new())),
            (
                vec![("", library), ("cmd/a", main)],
                Choice::Command("cmd/a".into()),
            ),
            (
                vec![("cmd/a", main), ("cmd/repo", main)],
                Choice::Command("cmd/repo".into()),
            ),
            (
                vec![("repo", main), ("cmd/repo", main)],
                Choice::Command("cmd/repo".into()),
            ),
            (
                vec![("cmd/a", main), ("cmd/b", main)],
                Choice::Several(vec!["cmd/a".into(), "cmd/b".into()]),
            ),
            (
                vec![("cmd/a", main), ("cmd/a/test/b", main), ("cmd/a/test/c", main)],
                Choice::Command("cmd/a".into()),
            ),
            (
                vec![("cmd/a", main), ("cmd/a/b", main), ("cmd/ab", main)],
                Choice::Several(vec!["cmd/a".into(), "cmd/ab".into(), "cmd/a/b".into()]),
            ),
            (
                vec![
                    ("", library),
                    ("internal/gen", main),
                    ("examples/a", main),
                    ("_x", main),
                ],
                Choice::None,
            ),
            (
                vec![("gen", "//go:build ignore\n\npackage main\nfunc main() {}\n")],
                Choice::None,
            ),
            (
                vec![("gen", "//go:build generate\n\npackage main\nfunc main() {}\n")],
                Choice::None,
            ),
            (
                vec![("", "//go:build ours\n\npackage main\nfunc main() {}\n")],
                Choice::Command(String::new()),
            ),
            (
                vec![
                    ("", "//go:build cgo\n\npackage main\nfunc main() {}\n"),
                    ("cmd/helper", main),
                ],
                Choice::Command(String::new()),
            ),
            (
                vec![("cmd/repo", "//go:build cgo\n\npackage main\nfunc main() {}\n")],
                Choice::Command("cmd/repo".into()),
            ),
            (
                vec![
                    ("", "//go:build ours\n\npackage main\nfunc main() {}\n"),
                    ("cmd/repo", main),
                ],
                Choice::Command("cmd/repo".into()),
            ),
            (
                vec![("integration", "package main\n\nfunc mainly() {}\n")],
                Choice::None,
            ),
            (
                vec![("odd", "package main; func\tmain ( ) {}\n")],
                Choice::Command("odd".into()),
            ),
            (
                vec![(
                    "large",
                    &format!("package main\n{}", " ".repeat(MAX_FILE_BYTES as usize)),
                )],
                Choice::Command("large".into()),
            ),
        ] {
            assert_eq!(choose(module(&dirs).path(), &["repo"]), expected, "{dirs:?}");
        }
    }

    #[test]
    fn library_with_a_generator_is_not_a_command() {
        let root = module(&[("", "//go:build generate\n\npackage main\nfunc main() {}\n")]);
        fs::write(root.path().join("lib.go"), "// func main() {}\npackage lib\n").unwrap();
        assert_eq!(choose(root.path(), &["repo"]), Choice::None);
    }
}
