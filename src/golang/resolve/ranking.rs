//! Decides which command OWNER/REPO means. The strongest evidence is applied first.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::golang::resolve::candidate::{last_name, without_major};

/// Names of directories with programs for the module's developers, not for users.
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

/// The evidence that selected a command.
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
    /// All other commands are in development directories.
    NotDevelopment,
    /// It is the only command directly in `cmd/`.
    OnlyInCmd,
    /// Its name is the repository's name.
    Name,
    /// It is the only command that the README installs.
    Readme,
    /// All other commands are in directories below it.
    Outermost,
}

impl Evidence {
    /// The value in the `Gox-Command` header and in `.json`.
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

    /// The evidence as the end of a sentence about the command.
    pub fn describe(self) -> &'static str {
        match self {
            Evidence::Named => "as the URL says",
            Evidence::Root => "at the module's root",
            Evidence::ReleaseConfig => "which the author's release configuration builds",
            Evidence::OnlyCommand => "the only command",
            Evidence::NotDevelopment => "the only one outside development directories",
            Evidence::OnlyInCmd => "the only one directly in cmd/",
            Evidence::Name => "which has the repository's name",
            Evidence::Readme => "which the README installs",
            Evidence::Outermost => "the outermost one",
        }
    }
}

/// Clues about the commands of a module. Directories are relative to the module's root.
#[derive(Debug, Default)]
pub struct Clues {
    /// The requested subdirectory. A `cmd/` directory in it counts like one at the root.
    pub subdirectory: String,
    /// Names of the repository, exact names before shortened ones.
    pub names: Vec<String>,
    /// Directories of the commands that the release configuration builds, in its order, and the binary's name.
    pub released: Vec<(String, Option<String>)>,
    /// Directories of the commands that the README installs.
    pub installed: Vec<String>,
    /// The README's text.
    pub readme: String,
}

/// The result of `rank`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranking {
    /// One command is selected, by this evidence.
    Decided(String, Evidence),
    /// No evidence selects one. The likeliest comes first, with the reason for that.
    Several(Vec<String>, &'static str),
    /// There are no commands.
    None,
}

/// Selects one of `commands`, or sorts them.
pub fn rank(commands: &[String], clues: &Clues) -> Ranking {
    let select_single = |dirs: &[&String], evidence| match dirs {
        [dir] => Some(Ranking::Decided((*dir).clone(), evidence)),
        [] | [..] => None,
    };
    if commands.is_empty() {
        return Ranking::None;
    }
    if commands.contains(&clues.subdirectory) {
        return Ranking::Decided(clues.subdirectory.clone(), Evidence::Root);
    }
    let released = clues.released.iter();
    let released: Vec<&String> = released
        .filter_map(|(dir, _)| commands.iter().find(|command| *command == dir))
        .collect();
    let (remaining, single_evidence) = match (released.is_empty(), commands) {
        (false, _) => (released, Evidence::ReleaseConfig),
        (true, [_]) => (commands.iter().collect(), Evidence::OnlyCommand),
        (true, [..]) => (commands.iter().collect(), Evidence::NotDevelopment),
    };
    let for_users: Vec<&String> = remaining
        .iter()
        .filter(|dir| !is_development(dir))
        .copied()
        .collect();
    let remaining = if for_users.is_empty() {
        remaining
    } else {
        for_users
    };
    let matching =
        |matches: &dyn Fn(&&String) -> bool| remaining.iter().copied().filter(matches).collect::<Vec<_>>();
    select_single(&remaining, single_evidence)
        .or_else(|| select_single(&matching(&|dir| clues.is_in_cmd(dir)), Evidence::OnlyInCmd))
        .or_else(|| select_single(&clues.with_repository_name(&remaining), Evidence::Name))
        .or_else(|| select_single(&matching(&|dir| clues.installed.contains(dir)), Evidence::Readme))
        .or_else(|| select_single(&outermost(&remaining), Evidence::Outermost))
        .unwrap_or_else(|| clues.sort_by_likelihood(commands))
}

impl Clues {
    fn is_in_cmd(&self, dir: &str) -> bool {
        let relative = match self.subdirectory.as_str() {
            "" => Some(dir),
            subdirectory => dir
                .strip_prefix(subdirectory)
                .and_then(|rest| rest.strip_prefix('/')),
        };
        let name = relative.and_then(|dir| without_major(dir).strip_prefix("cmd/"));
        name.is_some_and(|name| !name.contains('/'))
    }

    /// The command with a name of the repository. Exact names are tried first; of several matches, one in `cmd/` counts.
    fn with_repository_name<'a>(&self, dirs: &[&'a String]) -> Vec<&'a String> {
        let matches = |name: &String| {
            let has_name = |dir: &&String| self.names_of(dir).any(|own| own.eq_ignore_ascii_case(name));
            let matches: Vec<&String> = dirs.iter().copied().filter(has_name).collect();
            let in_cmd: Vec<&String> = matches
                .iter()
                .copied()
                .filter(|dir| self.is_in_cmd(dir))
                .collect();
            if matches.len() > 1 { in_cmd } else { matches }
        };
        let mut by_name = self.names.iter().map(matches);
        by_name.find(|commands| commands.len() == 1).unwrap_or_default()
    }

    /// The names of a command: of its directory, and of its binary in the release configuration.
    fn names_of<'a>(&'a self, dir: &'a str) -> impl Iterator<Item = &'a str> {
        let released = self.released.iter().filter(move |(other, _)| other == dir);
        let binary = released.filter_map(|(_, binary)| binary.as_deref());
        std::iter::once(last_name(dir)).chain(binary)
    }

    /// Sorts all commands, the likeliest first.
    fn sort_by_likelihood(&self, commands: &[String]) -> Ranking {
        let release_position = |dir: &String| self.released.iter().position(|(released, _)| released == dir);
        let sort_key = |dir: &String| {
            (
                release_position(dir).unwrap_or(usize::MAX),
                is_development(dir),
                !self.installed.contains(dir),
                !self.is_in_cmd(dir),
                Reverse(self.count_mentions(dir)),
            )
        };
        let mut dirs = commands.to_vec();
        dirs.sort_by_cached_key(sort_key);
        let why = match dirs.as_slice() {
            [first, ..] if release_position(first).is_some() => "its author releases it",
            [first, ..] if self.installed.contains(first) => "the README installs it",
            [first, second, ..] if self.count_mentions(first) > self.count_mentions(second) => {
                "the README names it most often"
            }
            [..] => "",
        };
        Ranking::Several(dirs, why)
    }

    /// Counts the command's name as a whole word in the README.
    fn count_mentions(&self, dir: &str) -> usize {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        let words = self.readme.split(|c| !is_part(c));
        words.filter(|word| *word == last_name(dir)).count()
    }
}

/// Whether any element of the path is the name of a development directory.
pub fn is_development(dir: &str) -> bool {
    dir.split('/').any(|element| DEVELOPMENT.contains(&element))
}

/// The commands that are not in a directory below another command: a nested one usually supports the outer one, as golang/vuln's
/// integration tests do.
fn outermost<'a>(dirs: &[&'a String]) -> Vec<&'a String> {
    let is_above = |dir: &str, other: &str| dir.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
    let is_outermost = |dir: &&&String| !dirs.iter().any(|other| is_above(dir, other));
    dirs.iter().filter(is_outermost).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clues of one test case.
    #[derive(Default)]
    struct CaseClues {
        released: &'static [(&'static str, Option<&'static str>)],
        readme: &'static str,
        installed: &'static [&'static str],
        subdirectory: &'static str,
    }

    fn rank_case(commands: &[&str], case: &CaseClues) -> Ranking {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let released = case.released.iter();
        let clues = Clues {
            subdirectory: case.subdirectory.to_owned(),
            names: owned(&["go-repo", "repo"]),
            released: released
                .map(|(dir, binary)| ((*dir).to_owned(), binary.map(str::to_owned)))
                .collect(),
            installed: owned(case.installed),
            readme: case.readme.to_owned(),
        };
        rank(&owned(commands), &clues)
    }

    #[test]
    fn strongest_evidence_selects_the_command() {
        let no_clues = CaseClues::default;
        for (commands, case, expected) in [
            (&[""][..], no_clues(), ("", "root")),
            (&["x"], no_clues(), ("x", "only-command")),
            (&["hack/x"], no_clues(), ("hack/x", "only-command")),
            (
                &["cmd/repo", "cmd/x"],
                CaseClues {
                    released: &[("cmd/x", None), ("cmd/gone", None)],
                    ..no_clues()
                },
                ("cmd/x", "release-config"),
            ),
            (
                &["cmd/x", "cmd/y", "tools/z"],
                CaseClues {
                    released: &[("tools/z", None), ("cmd/y", None)],
                    ..no_clues()
                },
                ("cmd/y", "release-config"),
            ),
            (
                &["cmd/x", "cmd/y", "cmd/z"],
                CaseClues {
                    released: &[("cmd/x", None), ("cmd/y", Some("repo"))],
                    ..no_clues()
                },
                ("cmd/y", "name"),
            ),
            (&["hack/gen", "x"], no_clues(), ("x", "not-development")),
            (
                &["a/docs/gen", "cmd/x", "y"],
                no_clues(),
                ("cmd/x", "only-in-cmd"),
            ),
            (&["cmd/x/v2", "y"], no_clues(), ("cmd/x/v2", "only-in-cmd")),
            (
                &["sub/cmd/x", "sub/y"],
                CaseClues {
                    subdirectory: "sub",
                    ..no_clues()
                },
                ("sub/cmd/x", "only-in-cmd"),
            ),
            (
                &["cmd/x", "cmd/go-repo", "cmd/repo"],
                no_clues(),
                ("cmd/go-repo", "name"),
            ),
            (&["cmd/x", "cmd/Repo"], no_clues(), ("cmd/Repo", "name")),
            (
                &["cmd/x", "cmd/y", "a/repo/v5"],
                no_clues(),
                ("a/repo/v5", "name"),
            ),
            (&["cmd/x", "cmd/repo", "repo"], no_clues(), ("cmd/repo", "name")),
            (
                &["cmd/x", "cmd/y"],
                CaseClues {
                    installed: &["cmd/y", "gone"],
                    ..no_clues()
                },
                ("cmd/y", "readme"),
            ),
            (&["x", "x/y", "x/z"], no_clues(), ("x", "outermost")),
        ] {
            let Ranking::Decided(dir, evidence) = rank_case(commands, &case) else {
                panic!("{commands:?} is not decided");
            };
            assert_eq!((dir.as_str(), evidence.name()), expected, "{commands:?}");
        }
    }

    #[test]
    fn likeliest_command_is_listed_first() {
        let no_clues = CaseClues::default;
        for (commands, case, expected, why) in [
            (&["cmd/x", "cmd/y"][..], no_clues(), &["cmd/x", "cmd/y"][..], ""),
            (&["a", "hack/b", "c"], no_clues(), &["a", "c", "hack/b"], ""),
            (&["a", "cmd/x", "cmd/y"], no_clues(), &["cmd/x", "cmd/y", "a"], ""),
            (
                &["cmd/x", "cmd/y", "cmd/z"],
                CaseClues {
                    released: &[("cmd/z", None), ("cmd/y", None)],
                    ..no_clues()
                },
                &["cmd/z", "cmd/y", "cmd/x"],
                "its author releases it",
            ),
            (
                &["cmd/x", "cmd/y", "cmd/z"],
                CaseClues {
                    installed: &["cmd/z", "cmd/y"],
                    ..no_clues()
                },
                &["cmd/y", "cmd/z", "cmd/x"],
                "the README installs it",
            ),
            (
                &["cmd/x", "cmd/y"],
                CaseClues {
                    readme: "Run `y`, not x; y is best.",
                    ..no_clues()
                },
                &["cmd/y", "cmd/x"],
                "the README names it most often",
            ),
        ] {
            let expected = Ranking::Several(expected.iter().map(|dir| (*dir).to_owned()).collect(), why);
            assert_eq!(rank_case(commands, &case), expected, "{commands:?}");
        }
        assert_eq!(rank_case(&[], &no_clues()), Ranking::None);
    }
}
