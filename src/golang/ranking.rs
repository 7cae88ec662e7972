//! Which command OWNER/REPO means: one rule, the strongest evidence first.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::candidate::{last_name, without_major};

/// Path elements of directories that hold programs for the author, not for users.
const DEVELOPMENT: &[&str] = &[
    "hack",
    "tools",
    "tool",
    "scripts",
    "script",
    "test",
    "tests",
    "testing",
    "e2e",
    "integration",
    "docs",
    "doc",
    "contrib",
    "examples",
    "example",
    "misc",
    "bench",
    "benchmark",
    "benchmarks",
    "fuzz",
    "gen",
    "generate",
    "codegen",
    "ci",
    "dev",
    "mock",
    "mocks",
];

/// What decided which command is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// The client named the package.
    #[default]
    Named,
    /// The module's root is a command.
    Root,
    /// The author's release configuration builds it.
    ReleaseConfig,
    /// There is no other command.
    OnlyCommand,
    /// All others lie in development directories.
    NotDevelopment,
    /// It is the only one directly in `cmd/`.
    OnlyInCmd,
    /// It has the repository's name.
    Name,
    /// The README installs it, and no other.
    Readme,
    /// All others lie below it.
    Outermost,
}

impl Evidence {
    /// The name in `Gox-Command` and in `.json`.
    pub fn name(self) -> &'static str {
        match self {
            Evidence::Named => "named",
            Evidence::Root => "root",
            Evidence::ReleaseConfig => "release-config",
            Evidence::OnlyCommand => "only-command",
            Evidence::NotDevelopment => "not-development",
            Evidence::OnlyInCmd => "only-in-cmd",
            Evidence::Name => "name",
            Evidence::Readme => "readme",
            Evidence::Outermost => "outermost",
        }
    }
}

/// What the module says about its commands. Directories are relative to the module's root.
#[derive(Debug, Default)]
pub struct Clues {
    /// What was typed below the module's root, so that `cmd/` may lie there.
    pub below: String,
    /// Names of the repository, the exact ones first.
    pub names: Vec<String>,
    /// Commands that the release configuration builds, in its order, and what it calls them.
    pub released: Vec<(String, Option<String>)>,
    /// Commands that the README installs.
    pub installed: Vec<String>,
    /// The README.
    pub readme: String,
}

/// What the evidence says.
#[derive(Debug, PartialEq, Eq)]
pub enum Ranking {
    /// One command.
    Decided(String, Evidence),
    /// Several, the likeliest first, and why that one comes first.
    Several(Vec<String>, &'static str),
    /// There are no commands.
    None,
}

/// Decides between `commands`.
pub fn rank(commands: &[String], clues: &Clues) -> Ranking {
    let one = |left: &[&String], by| match left {
        [only] => Some(Ranking::Decided((*only).clone(), by)),
        [] | [..] => None,
    };
    if commands.is_empty() {
        return Ranking::None;
    }
    if commands.contains(&clues.below) {
        return Ranking::Decided(clues.below.clone(), Evidence::Root);
    }
    let released = clues.released.iter();
    let released: Vec<&String> = released
        .filter_map(|(dir, _)| commands.iter().find(|command| *command == dir))
        .collect();
    let (left, by_others_gone) = match (released.is_empty(), commands) {
        (false, _) => (released, Evidence::ReleaseConfig),
        (true, [_]) => (commands.iter().collect(), Evidence::OnlyCommand),
        (true, [..]) => (commands.iter().collect(), Evidence::NotDevelopment),
    };
    let users: Vec<&String> = left.iter().filter(|dir| !is_development(dir)).copied().collect();
    let left = if users.is_empty() { left } else { users };
    let only = |is_such: &dyn Fn(&&String) -> bool| left.iter().copied().filter(is_such).collect::<Vec<_>>();
    one(&left, by_others_gone)
        .or_else(|| one(&only(&|dir| clues.is_in_cmd(dir)), Evidence::OnlyInCmd))
        .or_else(|| one(clues.named(&left).as_slice(), Evidence::Name))
        .or_else(|| one(&only(&|dir| clues.installed.contains(dir)), Evidence::Readme))
        .or_else(|| one(&outermost(&left), Evidence::Outermost))
        .unwrap_or_else(|| clues.list(commands))
}

impl Clues {
    fn is_in_cmd(&self, dir: &str) -> bool {
        let below = match self.below.as_str() {
            "" => Some(dir),
            below => dir.strip_prefix(below).and_then(|rest| rest.strip_prefix('/')),
        };
        let name = below.and_then(|dir| without_major(dir).strip_prefix("cmd/"));
        name.is_some_and(|name| !name.contains('/'))
    }

    /// Those with a name of the repository, with an exact one before a shortened one; where several have it, those in `cmd/`.
    fn named<'a>(&self, left: &[&'a String]) -> Vec<&'a String> {
        let named = |name: &String| {
            let has_name = |dir: &&String| self.names_of(dir).any(|own| own.eq_ignore_ascii_case(name));
            let named: Vec<&String> = left.iter().copied().filter(has_name).collect();
            let in_cmd: Vec<&String> = named.iter().copied().filter(|dir| self.is_in_cmd(dir)).collect();
            if named.len() > 1 { in_cmd } else { named }
        };
        let mut named = self.names.iter().map(named);
        named.find(|named| named.len() == 1).unwrap_or_default()
    }

    /// What a command is called: by its directory, and by the release configuration.
    fn names_of<'a>(&'a self, dir: &'a str) -> impl Iterator<Item = &'a str> {
        let released = self.released.iter().filter(move |(other, _)| other == dir);
        let binary = released.filter_map(|(_, binary)| binary.as_deref());
        std::iter::once(last_name(dir)).chain(binary)
    }

    /// All of them, the likeliest first.
    fn list(&self, commands: &[String]) -> Ranking {
        let is_released = |dir: &String| self.released.iter().position(|(released, _)| released == dir);
        let place = |dir: &String| {
            (
                is_released(dir).unwrap_or(usize::MAX),
                is_development(dir),
                !self.installed.contains(dir),
                !self.is_in_cmd(dir),
                Reverse(self.mentions(dir)),
            )
        };
        let mut dirs = commands.to_vec();
        dirs.sort_by_cached_key(place);
        let why = match dirs.as_slice() {
            [first, ..] if is_released(first).is_some() => "its author releases it",
            [first, ..] if self.installed.contains(first) => "the README installs it",
            [first, second, ..] if self.mentions(first) > self.mentions(second) => {
                "the README names it most often"
            }
            [first, .., last] if self.is_in_cmd(first) && !self.is_in_cmd(last) => "it is in cmd/",
            [..] => "",
        };
        Ranking::Several(dirs, why)
    }

    /// How often the README has the command's name as a word.
    fn mentions(&self, dir: &str) -> usize {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        let words = self.readme.split(|c| !is_part(c));
        words.filter(|word| *word == last_name(dir)).count()
    }
}

/// Whether any element of the path says so.
pub fn is_development(dir: &str) -> bool {
    dir.split('/').any(|element| DEVELOPMENT.contains(&element))
}

/// Those that lie below no other: what does helps the command above it, as golang/vuln's integration tests do.
fn outermost<'a>(dirs: &[&'a String]) -> Vec<&'a String> {
    let is_above = |dir: &str, other: &str| dir.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
    let is_outermost = |dir: &&&String| !dirs.iter().any(|other| is_above(dir, other));
    dirs.iter().filter(is_outermost).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a case says about its commands.
    #[derive(Default)]
    struct Said {
        released: &'static [(&'static str, Option<&'static str>)],
        readme: &'static str,
        installed: &'static [&'static str],
        below: &'static str,
    }

    fn ranked(commands: &[&str], said: &Said) -> Ranking {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let released = said.released.iter();
        let clues = Clues {
            below: said.below.to_owned(),
            names: owned(&["go-repo", "repo"]),
            released: released
                .map(|(dir, binary)| ((*dir).to_owned(), binary.map(str::to_owned)))
                .collect(),
            installed: owned(said.installed),
            readme: said.readme.to_owned(),
        };
        rank(&owned(commands), &clues)
    }

    #[test]
    fn the_strongest_evidence_decides() {
        let nothing = Said::default;
        for (commands, said, expected) in [
            (&[""][..], nothing(), ("", "root")),
            (&["x"], nothing(), ("x", "only-command")),
            (&["hack/x"], nothing(), ("hack/x", "only-command")),
            (
                &["cmd/repo", "cmd/x"],
                Said {
                    released: &[("cmd/x", None), ("cmd/gone", None)],
                    ..nothing()
                },
                ("cmd/x", "release-config"),
            ),
            (
                &["cmd/x", "cmd/y", "tools/z"],
                Said {
                    released: &[("tools/z", None), ("cmd/y", None)],
                    ..nothing()
                },
                ("cmd/y", "release-config"),
            ),
            (
                &["cmd/x", "cmd/y", "cmd/z"],
                Said {
                    released: &[("cmd/x", None), ("cmd/y", Some("repo"))],
                    ..nothing()
                },
                ("cmd/y", "name"),
            ),
            (&["hack/gen", "x"], nothing(), ("x", "not-development")),
            (&["a/docs/gen", "cmd/x", "y"], nothing(), ("cmd/x", "only-in-cmd")),
            (&["cmd/x/v2", "y"], nothing(), ("cmd/x/v2", "only-in-cmd")),
            (
                &["sub/cmd/x", "sub/y"],
                Said {
                    below: "sub",
                    ..nothing()
                },
                ("sub/cmd/x", "only-in-cmd"),
            ),
            (
                &["cmd/x", "cmd/go-repo", "cmd/repo"],
                nothing(),
                ("cmd/go-repo", "name"),
            ),
            (&["cmd/x", "cmd/Repo"], nothing(), ("cmd/Repo", "name")),
            (&["cmd/x", "cmd/y", "a/repo/v5"], nothing(), ("a/repo/v5", "name")),
            (&["cmd/x", "cmd/repo", "repo"], nothing(), ("cmd/repo", "name")),
            (
                &["cmd/x", "cmd/y"],
                Said {
                    installed: &["cmd/y", "gone"],
                    ..nothing()
                },
                ("cmd/y", "readme"),
            ),
            (&["x", "x/y", "x/z"], nothing(), ("x", "outermost")),
        ] {
            let Ranking::Decided(dir, evidence) = ranked(commands, &said) else {
                panic!("{commands:?} is not decided");
            };
            assert_eq!((dir.as_str(), evidence.name()), expected, "{commands:?}");
        }
    }

    #[test]
    fn a_list_begins_with_the_likeliest() {
        let nothing = Said::default;
        for (commands, said, expected, why) in [
            (&["cmd/x", "cmd/y"][..], nothing(), &["cmd/x", "cmd/y"][..], ""),
            (&["a", "hack/b", "c"], nothing(), &["a", "c", "hack/b"], ""),
            (
                &["a", "cmd/x", "cmd/y"],
                nothing(),
                &["cmd/x", "cmd/y", "a"],
                "it is in cmd/",
            ),
            (
                &["cmd/x", "cmd/y", "cmd/z"],
                Said {
                    released: &[("cmd/z", None), ("cmd/y", None)],
                    ..nothing()
                },
                &["cmd/z", "cmd/y", "cmd/x"],
                "its author releases it",
            ),
            (
                &["cmd/x", "cmd/y", "cmd/z"],
                Said {
                    installed: &["cmd/z", "cmd/y"],
                    ..nothing()
                },
                &["cmd/y", "cmd/z", "cmd/x"],
                "the README installs it",
            ),
            (
                &["cmd/x", "cmd/y"],
                Said {
                    readme: "Run `y`, not x; y is best.",
                    ..nothing()
                },
                &["cmd/y", "cmd/x"],
                "the README names it most often",
            ),
        ] {
            let expected = Ranking::Several(expected.iter().map(|dir| (*dir).to_owned()).collect(), why);
            assert_eq!(ranked(commands, &said), expected, "{commands:?}");
        }
        assert_eq!(ranked(&[], &nothing()), Ranking::None);
    }
}
