//! Rules for src/, described in ARCHITECTURE.md: which module may import which, and which code is allowed in one module only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules that each module may import, by the table of ARCHITECTURE.md. `main`, which is not in it, may import all.
fn may_import() -> BTreeMap<&'static str, Vec<&'static str>> {
    let rows = include_str!("../ARCHITECTURE.md").lines();
    let rows = rows.filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let rows = rows.map(|(file, rest)| {
        let module = file.split(['/', '.']).next().unwrap();
        let imports = rest.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        (module, imports.split(", ").collect())
    });
    rows.chain([("lib", Vec::new())]).collect()
}

/// Flags of `go` and its tools that only `golang` may contain.
const GO_FLAGS: [&str; 8] = [
    "-trimpath",
    "-importcfg",
    "-toolexec",
    "-buildid",
    "-ldflags",
    "-tags",
    "-mod=mod",
    "-buildvcs=false",
];

/// Modules that the front may not import, although other transports may.
const FORBIDDEN_IN_FRONT: [&str; 5] = ["parse", "golang", "store", "builder", "handler"];

/// A source file without its unit tests.
struct Source {
    /// Below src/.
    path: String,
    lines: Vec<String>,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let (code, tests) = text.split_once("\n#[cfg(test)]\n").unwrap_or((text, ""));
        // Code after the test module counts.
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
    fn module(&self) -> &str {
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

    /// The modules that it refers to: `crate::module`, `use crate::{module, …}`, `super::module`.
    fn imports(&self) -> BTreeSet<String> {
        // mod.rs is the module itself; other files are one level deeper.
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
        found.remove(self.module());
        found
    }
}

/// The first names of the paths in a group: `a` and `b` in `a::{x, y}, b}`.
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

/// All violations, one per line.
fn violations(sources: &[Source]) -> Vec<String> {
    let may_import = may_import();
    sources
        .iter()
        .flat_map(|source| {
            [
                import_violations(source, &may_import),
                reserved_code_violations(source),
                length_violations(source),
            ]
            .concat()
        })
        .collect()
}

fn import_violations(source: &Source, may_import: &BTreeMap<&str, Vec<&str>>) -> Vec<String> {
    if source.module() == "main" {
        return Vec::new();
    }
    let Some(allowed) = may_import.get(source.module()) else {
        return vec![format!("{}: unknown module", source.path)];
    };
    let front = source.path.starts_with("transport/front");
    let imported = source.imports();
    let imported = imported
        .iter()
        .map(String::as_str)
        .filter(|name| *name == "main" || may_import.contains_key(name));
    imported
        .filter(|name| !allowed.contains(name) || (front && FORBIDDEN_IN_FRONT.contains(name)))
        .map(|name| format!("{} imports {name}", source.path))
        .collect()
}

/// Code that is allowed in one module only.
fn reserved_code_violations(source: &Source) -> Vec<String> {
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
            reads_environment && !["config", "main"].contains(&source.module()),
            "reads the environment",
        );
        let is_unsafe = line.contains("unsafe ") || line.contains("unsafe_code");
        only(
            is_unsafe && source.module() != "sandbox" && !line.contains("deny(") && !line.contains("forbid("),
            "unsafe",
        );
        // `config` names variables that the operator may set. Files of tests may contain any.
        let names_go = quoted(line).any(|text| is_go_variable(text) || GO_FLAGS.contains(&text))
            && !["golang", "config"].contains(&source.module())
            && !source.path.ends_with("tests.rs");
        only(names_go, "contains a variable or flag of Go");
    }
    found
}

/// The texts between quotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

fn is_go_variable(text: &str) -> bool {
    let name = text.split('=').next().unwrap_or_default();
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    letters
        && name.len() > 3
        && (name == "CGO_ENABLED" || (name.starts_with("GO") && !name.starts_with("GOX")))
}

/// The length limit of a file.
fn length_violations(source: &Source) -> Vec<String> {
    let lines = source.lines.len();
    // Files that contain only tests are tables and may be longer.
    if lines > 400 && !source.path.ends_with("tests.rs") {
        vec![format!("{} has {lines} lines before its tests", source.path)]
    } else {
        Vec::new()
    }
}

#[test]
fn source_follows_the_architecture_rules() {
    let found = violations(&sources());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_module_is_listed() {
    let modules: BTreeSet<_> = sources()
        .iter()
        .map(|source| source.module().to_owned())
        .collect();
    let listed: BTreeSet<_> = may_import()
        .into_keys()
        .chain(["main"])
        .map(str::to_owned)
        .collect();
    assert_eq!(modules, listed);
}

/// The control: each of these files violates one rule.
#[test]
fn each_rule_detects_its_violation() {
    for (path, text, expected) in [
        (
            "parse/target.rs",
            "use crate::store::Key;",
            "parse/target.rs imports store",
        ),
        (
            "parse/target.rs",
            "use super::super::store::Key;",
            "parse/target.rs imports store",
        ),
        (
            "parse/mod.rs",
            "let x = super::golang::go();",
            "parse/mod.rs imports golang",
        ),
        (
            "store/key.rs",
            "use crate::{parse::Target, config::{Config, Limits}};",
            "store/key.rs imports config",
        ),
        (
            "handler.rs",
            "use crate::transport::cgi;",
            "handler.rs imports transport",
        ),
        (
            "transport/front/mod.rs",
            "use crate::handler;",
            "transport/front/mod.rs imports handler",
        ),
        ("cellar/mod.rs", "", "cellar/mod.rs: unknown module"),
        (
            "store/disk.rs",
            "let x = std::env::var(\"HOME\");",
            "store/disk.rs:1: reads the environment: let x = std::env::var(\"HOME\");",
        ),
        (
            "parse/target.rs",
            "\n#[cfg(test)]\nmod tests;\n\nuse crate::transport;\n",
            "parse/target.rs imports transport",
        ),
        (
            "parse/target.rs",
            "\n#[cfg(test)]\nmod tests {\n}\nuse crate::transport;\n",
            "parse/target.rs imports transport",
        ),
        (
            "store/disk.rs",
            "\nunsafe { x() }",
            "store/disk.rs:2: unsafe: unsafe { x() }",
        ),
        (
            "builder/recipe.rs",
            "e.set(\"GOOS\", os)",
            "builder/recipe.rs:1: contains a variable or flag of Go: e.set(\"GOOS\", os)",
        ),
        (
            "sandbox/process.rs",
            "command.arg(\"-trimpath\")",
            "sandbox/process.rs:1: contains a variable or flag of Go: command.arg(\"-trimpath\")",
        ),
        (
            "builder/recipe.rs",
            &"x();\n".repeat(401),
            "builder/recipe.rs has 401 lines before its tests",
        ),
    ] {
        assert_eq!(violations(&[Source::new(path, text)]), [expected]);
    }
    let fine = "// unsafe in a comment, crate::transport too\nuse crate::parse::Target;\n\n#[cfg(test)]\nmod tests {\n    use crate::transport;\n}\n";
    assert_eq!(
        violations(&[Source::new("golang/source/commands.rs", fine)]),
        [] as [String; 0]
    );
}
