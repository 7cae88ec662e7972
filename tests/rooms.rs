//! The house: which room of src/ may know which, and what is said in one room only. ARCHITECTURE.md draws it, this holds it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Who may name whom. `main` may name everybody, and nobody may name `main` or the rooms that are not on their line.
const MAY_KNOW: [(&str, &[&str]); 25] = [
    ("asked", &[]),
    // The shape of an answer depends on what was asked and on what is known of the program.
    ("answer", &["asked", "store", "request"]),
    ("sandbox", &[]),
    ("store", &["asked"]),
    (
        "golang",
        &["asked", "answer", "sandbox", "store", "config", "detached"],
    ),
    (
        "build",
        &[
            "asked", "answer", "golang", "sandbox", "store", "config", "detached",
        ],
    ),
    ("request", &[]),
    ("refusals", &["asked", "answer", "request"]),
    ("meaning", &["asked", "answer", "config", "golang", "store"]),
    (
        "default_go",
        &["answer", "asked", "build", "config", "golang", "meaning", "store"],
    ),
    (
        "handler",
        &[
            "default_go",
            "advisories",
            "asked",
            "answer",
            "golang",
            "build",
            "store",
            "config",
            "request",
            "refusals",
            "service",
            "sidecars",
            "meaning",
            "detached",
        ],
    ),
    ("doors", &["answer", "handler", "config", "request", "journal"]),
    ("journal", &["answer", "config", "request"]),
    (
        "terminal",
        &[
            "advisories",
            "asked",
            "answer",
            "build",
            "golang",
            "store",
            "config",
            "refusals",
            "meaning",
        ],
    ),
    (
        "verify",
        &["answer", "build", "config", "golang", "sandbox", "store"],
    ),
    ("config", &["asked"]),
    ("doctor", &["golang", "store", "sandbox", "config"]),
    (
        "service",
        &[
            "asked", "answer", "build", "golang", "sandbox", "store", "config", "request", "installs",
        ],
    ),
    (
        "sidecars",
        &[
            "advisories",
            "asked",
            "answer",
            "build",
            "golang",
            "sbom",
            "store",
            "config",
            "request",
        ],
    ),
    ("sbom", &["golang", "store"]),
    ("advisories", &["answer", "config", "golang", "store"]),
    (
        "installs",
        &[
            "asked", "answer", "golang", "store", "config", "request", "refusals", "meaning",
        ],
    ),
    ("detached", &["store", "config"]),
    ("first_process", &[]),
    ("lib", &[]),
];

/// What the front may not know, though the doors beside it may.
const UNKNOWN_TO_FRONT: [&str; 5] = ["asked", "golang", "store", "build", "handler"];

/// One file, up to its tests: they may do what they like.
struct Source {
    /// Below src/.
    path: String,
    lines: Vec<String>,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let (code, tests) = text.split_once("\n#[cfg(test)]\n").unwrap_or((text, ""));
        // The tests end with the file, or what stands behind them is code.
        let code = match tests.split_once("\n}\n") {
            None if tests.lines().count() < 2 => code,
            Some((_, "")) => code,
            None | Some(_) => text,
        };
        Source {
            path: path.to_owned(),
            lines: code.lines().map(str::to_owned).collect(),
        }
    }

    /// `golang` for golang/resolve.rs, `handler` for handler.rs.
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// Lines that are code, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self
            .lines
            .iter()
            .enumerate()
            .map(|(index, line)| (index + 1, line.trim()));
        numbered.filter(|(_, line)| !line.starts_with("//"))
    }

    /// The rooms that it names: by `crate::room`, by `use crate::{room, …}`, by climbing up with `super::`.
    fn knows(&self) -> BTreeSet<String> {
        // A file of a room is one step below it, and mod.rs is the room itself.
        let depth = self.path.matches('/').count() + usize::from(!self.path.ends_with("mod.rs"));
        let roots = [
            "crate::".to_owned(),
            "super::".repeat(depth),
            "gox_server::".to_owned(),
        ];
        let text: String = self.code().map(|(_, line)| format!("{line}\n")).collect();
        let mut found = BTreeSet::new();
        for root in &roots {
            for (at, _) in text.match_indices(root.as_str()) {
                let after = &text[at + root.len()..];
                match after.strip_prefix('{') {
                    Some(group) => found.extend(first_names(group)),
                    None => found.extend(name(after)),
                }
            }
        }
        found.remove(self.room());
        found
    }
}

/// The first names of a group's paths: `a` and `b` of `a::{x, y}, b}`.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut names) = (0_i32, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.extend(name(group[start..at].trim()));
                return names;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.extend(name(group[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn name(text: &str) -> Option<String> {
    let end = text
        .find(|letter: char| !letter.is_ascii_lowercase() && letter != '_')
        .unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = crate::support::walk(&root)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"));
    files
        .map(|path| {
            Source::new(
                path.strip_prefix(&root).unwrap().to_str().unwrap(),
                &fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

/// Every breach of every rule, one a line.
fn breaches(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .flat_map(|source| [directions(source), words(source), length(source)].concat())
        .collect()
}

fn directions(source: &Source) -> Vec<String> {
    if source.room() == "main" {
        return Vec::new();
    }
    let rooms: Vec<_> = MAY_KNOW.iter().map(|(room, _)| *room).chain(["main"]).collect();
    let Some((_, allowed)) = MAY_KNOW.iter().find(|(room, _)| *room == source.room()) else {
        return vec![format!("{}: a room that nobody has drawn", source.path)];
    };
    let front = source.path.starts_with("doors/front");
    let known = source.knows();
    let known = known
        .iter()
        .map(String::as_str)
        .filter(|name| rooms.contains(name));
    known
        .filter(|name| !allowed.contains(name) || (front && UNKNOWN_TO_FRONT.contains(name)))
        .map(|name| format!("{} knows {name}", source.path))
        .collect()
}

/// What is said in one room only.
fn words(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in source.code() {
        let mut only = |breach: bool, what: &str| {
            if breach {
                found.push(format!("{}:{number}: {what}: {line}", source.path));
            }
        };
        let reads_environment =
            line.contains("env::var") || line.contains("env::args") || line.contains("env::set_var");
        only(
            reads_environment && !["config", "main"].contains(&source.room()),
            "reads the environment",
        );
        let is_unsafe = line.contains("unsafe ") || line.contains("unsafe_code");
        only(
            is_unsafe && source.room() != "sandbox" && !line.contains("deny(") && !line.contains("forbid("),
            "unsafe",
        );
        // What the operator sets, config may name; and lib.rs says nothing.
        let speaks_go = quoted(line).any(go_variable) && !["golang", "config"].contains(&source.room());
        only(speaks_go, "spells Go's variables");
    }
    found
}

/// The texts between quotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

fn go_variable(text: &str) -> bool {
    let name = text.split('=').next().unwrap_or_default();
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    letters
        && name.len() > 3
        && (name == "CGO_ENABLED" || (name.starts_with("GO") && !name.starts_with("GOX")))
}

/// What one can read at one sitting.
fn length(source: &Source) -> Vec<String> {
    let lines = source.lines.len();
    // A file of tests alone is a table, and may be long.
    if lines > 400 && !source.path.ends_with("tests.rs") {
        vec![format!("{} has {lines} lines before its tests", source.path)]
    } else {
        Vec::new()
    }
}

#[test]
fn the_house_is_as_it_is_drawn() {
    let found = breaches(&sources());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_room_is_drawn_and_none_is_empty() {
    let rooms: BTreeSet<_> = sources().iter().map(|source| source.room().to_owned()).collect();
    let drawn: BTreeSet<_> = MAY_KNOW
        .iter()
        .map(|(room, _)| (*room).to_owned())
        .chain(["main".to_owned()])
        .collect();
    assert_eq!(rooms, drawn);
}

/// The rules have to be seen to break: each of these files breaks one.
#[test]
fn a_breach_is_found() {
    for (path, text, expected) in [
        (
            "asked/target.rs",
            "use crate::store::Key;",
            "asked/target.rs knows store",
        ),
        (
            "asked/target.rs",
            "use super::super::store::Key;",
            "asked/target.rs knows store",
        ),
        (
            "asked/mod.rs",
            "let x = super::golang::go();",
            "asked/mod.rs knows golang",
        ),
        (
            "store/key.rs",
            "use crate::{asked::Target, config::{Config, Limits}};",
            "store/key.rs knows config",
        ),
        ("handler.rs", "use crate::doors::cgi;", "handler.rs knows doors"),
        (
            "doors/front/mod.rs",
            "use crate::handler;",
            "doors/front/mod.rs knows handler",
        ),
        ("cellar/mod.rs", "", "cellar/mod.rs: a room that nobody has drawn"),
        (
            "store/disk.rs",
            "let x = std::env::var(\"HOME\");",
            "store/disk.rs:1: reads the environment: let x = std::env::var(\"HOME\");",
        ),
        (
            "asked/target.rs",
            "\n#[cfg(test)]\nmod tests;\n\nuse crate::doors;\n",
            "asked/target.rs knows doors",
        ),
        (
            "asked/target.rs",
            "\n#[cfg(test)]\nmod tests {\n}\nuse crate::doors;\n",
            "asked/target.rs knows doors",
        ),
        (
            "store/disk.rs",
            "\nunsafe { x() }",
            "store/disk.rs:2: unsafe: unsafe { x() }",
        ),
        (
            "build/recipe.rs",
            "e.set(\"GOOS\", os)",
            "build/recipe.rs:1: spells Go's variables: e.set(\"GOOS\", os)",
        ),
        (
            "build/recipe.rs",
            &"x();\n".repeat(401),
            "build/recipe.rs has 401 lines before its tests",
        ),
    ] {
        assert_eq!(breaches(&[Source::new(path, text)]), [expected]);
    }
    let fine = "// unsafe in words, crate::doors too\nuse crate::asked::Target;\n\n#[cfg(test)]\nmod tests {\n    use crate::doors;\n}\n";
    assert_eq!(
        breaches(&[Source::new("golang/mains.rs", fine)]),
        [] as [String; 0]
    );
}
