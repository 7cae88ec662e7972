//! Which packages of an unpacked module are commands.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::constraint::Needs;
use super::header::Header;

/// Directories that hold no program for others: Go's own rules, and what examples are called.
pub const NOT_COUNTED: &[&str] = &["internal", "testdata", "examples", "example", "vendor"];

/// Deeper than any command of the corpus by far.
const MAX_DEPTH: usize = 12;

/// What is read of a file: licence, comment and imports fit in, and a file of half a gigabyte does not.
const BEGINNING: u64 = 256 << 10;

/// The directories of the commands in an unpacked module, relative to its root: the root's alone, "", where it is a command.
pub fn commands(module: &Path) -> Vec<String> {
    let mut found = Vec::new();
    if is_program(module) {
        return vec![String::new()];
    }
    collect(module, "", 0, &mut found);
    // A client that knows its tags names them.
    if found.is_empty() && is_command(module) && needs(module) == Some(Needs::Tags) {
        found.push(String::new());
    }
    found
}

/// Whether the directory holds a `package main` that is built: no test, and not `//go:build ignore`. One without a function
/// `main` holds tests, and does not link.
pub fn is_command(dir: &Path) -> bool {
    command_needs(dir).is_some_and(|needs| needs <= Needs::Tags)
}

/// Whether it is a command for others: one that nobody has to name tags for. One that is behind `cgo` is what is meant,
/// though it cannot be had here.
fn is_program(dir: &Path) -> bool {
    command_needs(dir).is_some_and(|needs| needs <= Needs::Cgo)
}

/// What the command in this directory needs, if there is one.
fn command_needs(dir: &Path) -> Option<Needs> {
    let needs = |text: String| {
        let header = Header::read(&text);
        let begins_a_command = header.package == Some("main") && may_have_main(&text);
        begins_a_command.then(|| Needs::of_file(&header))
    };
    go_files(dir).filter_map(needs).min()
}

/// What the package needs, if there is one.
pub fn needs(dir: &Path) -> Option<Needs> {
    go_files(dir)
        .map(|text| Needs::of_file(&Header::read(&text)))
        .min()
}

/// Whether a file of the package imports "C", for which cgo, and so a C compiler, is needed.
pub fn imports_c(dir: &Path) -> bool {
    go_files(dir).any(|text| {
        text.lines()
            .any(|line| line.trim().trim_start_matches("import ").trim() == "\"C\"")
    })
}

/// Whether the module states nowhere what it needs, and needs other modules: it is from before go.mod. Nobody's `go install`
/// then makes the same bytes on another day.
pub fn states_no_needs(module: &Path, path: &str) -> bool {
    !module.join("go.mod").exists() && imports_others(module, path, 0)
}

/// Whether any package of this tree imports a path with a host that is not the module's own.
fn imports_others(dir: &Path, module: &str, depth: usize) -> bool {
    let is_other = |import: &str| {
        let host = import.split('/').next().unwrap_or_default();
        host.contains('.') && import != module && !import.starts_with(&format!("{module}/"))
    };
    if go_files(dir).any(|text| imports(&text).any(is_other)) {
        return true;
    }
    let below = directories(dir);
    depth < MAX_DEPTH
        && below
            .iter()
            .any(|name| imports_others(&dir.join(name), module, depth + 1))
}

/// What stands in quotes in the import declarations, which precede all others (Go specification, "Source file organization").
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let is_declaration = |line: &&str| {
        ["func ", "type ", "var ", "const "]
            .iter()
            .any(|word| line.starts_with(word))
    };
    text.lines()
        .take_while(move |line| !is_declaration(line))
        .filter_map(|line| line.split('"').nth(1))
}

fn collect(root: &Path, below: &str, depth: usize, found: &mut Vec<String>) {
    for name in directories(&root.join(below)) {
        if NOT_COUNTED.contains(&name.as_str()) {
            continue;
        }
        let dir = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        if is_program(&root.join(&dir)) {
            found.push(dir.clone());
        }
        if depth < MAX_DEPTH {
            collect(root, &dir, depth + 1, found);
        }
    }
}

/// Whether an import path may have this element, by its letters (golang.org/x/mod/module, CheckImportPath). A module's zip may hold
/// others, with spaces above all.
pub fn is_importable(element: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"-._~+".contains(&b);
    !element.is_empty() && element.bytes().all(is_letter)
}

/// The directories in `dir` that Go looks at, sorted.
fn directories(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with(['_', '.']) && name != "testdata" && is_importable(name))
        .collect();
    names.sort();
    names
}

/// How its Go files begin, one after the other: what is looked for stands above all else.
fn go_files(dir: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let is_go = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".go")
            && !name.ends_with("_test.go")
            && !name.starts_with(['_', '.'])
            && path.is_file()
    };
    paths.filter(is_go).filter_map(|path| beginning(&path).ok())
}

fn beginning(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BEGINNING).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a function `main` is declared in what was read of a file, or may be in what was not.
fn may_have_main(text: &str) -> bool {
    let is_main = |rest: &str| {
        let name = rest.trim_start();
        name.len() < rest.len()
            && name
                .strip_prefix("main")
                .is_some_and(|rest| rest.trim_start().starts_with('('))
    };
    text.len() as u64 >= BEGINNING || text.split("func").skip(1).any(is_main)
}

#[cfg(test)]
mod tests {
    use super::super::ranking::{Clues, Ranking, rank};
    use super::*;

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
        match rank(&commands(module), &clues) {
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
    fn what_a_module_from_before_go_mod_needs() {
        for (text, needs) in [
            ("package main\nimport \"fmt\"\n", false),
            ("package main\nimport \"a.b/c/own\"\n", false),
            ("package main\nimport (\n\tx \"d.e/f\"\n)\n", true),
            ("package main\nfunc main() {\n\tprintln(\"d.e/f\")\n}\n", false),
        ] {
            let root = module(&[("cmd/x", text)]);
            assert_eq!(states_no_needs(root.path(), "a.b/c"), needs, "{text}");
            fs::write(root.path().join("go.mod"), "module a.b/c\n").unwrap();
            assert!(!states_no_needs(root.path(), "a.b/c"), "{text}");
        }
    }

    #[test]
    fn the_obvious_command_is_chosen() {
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
                    &format!("package main\n{}", " ".repeat(BEGINNING as usize)),
                )],
                Choice::Command("large".into()),
            ),
        ] {
            assert_eq!(choose(module(&dirs).path(), &["repo"]), expected, "{dirs:?}");
        }
    }
    #[test]
    fn a_library_with_a_generator_beside_it_is_no_command() {
        let root = module(&[("", "//go:build generate\n\npackage main\nfunc main() {}\n")]);
        fs::write(root.path().join("lib.go"), "// func main() {}\npackage lib\n").unwrap();
        assert_eq!(choose(root.path(), &["repo"]), Choice::None);
    }
}
