//! Reads what a module says about its own commands: its release configuration and its README.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::candidate::{Candidate, join, last_name, without_major};
use super::mains;
use super::ranking::Clues;
use super::release_config::ReleaseConfig;
use crate::asked::{Target, is_generic};

/// The first part of a README: installing comes early.
const README_BYTES: u64 = 256 << 10;

/// The README's names, by how common they are.
const READMES: &[&str] = &[
    "README.md",
    "readme.md",
    "Readme.md",
    "README.rst",
    "README",
    "README.adoc",
];

impl Clues {
    /// The commands of the unpacked module `dir` below what was typed, those among them that only the author's tags make one.
    pub(super) fn commands(&self, dir: &Path) -> Vec<String> {
        let found = mains::commands(&dir.join(&self.below));
        let mut commands: Vec<String> = found.iter().map(|found| join(&self.below, found)).collect();
        for (released, _) in &self.released {
            let is_below = self.below.is_empty() || released.starts_with(&format!("{}/", self.below));
            if is_below && !commands.contains(released) && mains::is_command(&dir.join(released)) {
                commands.push(released.clone());
            }
        }
        commands
    }
}

/// What the unpacked module `dir` says about the commands that `target` may mean.
pub(super) fn clues(target: &Target, candidate: &Candidate, dir: &Path, config: &ReleaseConfig) -> Clues {
    let readme = readme(dir);
    let typed = target.import_path();
    let roots = [candidate.root(), &typed];
    Clues {
        below: candidate.below.clone(),
        names: names(target, candidate, config.project_name.as_deref()),
        released: config.commands(candidate.root()),
        installed: installed(&readme, &roots).into_iter().collect(),
        readme,
    }
}

/// What the repository is called: by the client, by the module, by the author; then the same without what says that it is Go.
fn names(target: &Target, candidate: &Candidate, project: Option<&str>) -> Vec<String> {
    let mut exact = vec![target.name(), last_name(&candidate.module)];
    exact.extend(project);
    if let [_, owner, repo] = target.elements()
        && is_generic(repo)
    {
        exact.push(owner);
    }
    // A module path of a host alone, as tailscale.com.
    let hosts: Vec<&str> = exact
        .iter()
        .filter_map(|name| Some(name.rsplit_once('.')?.0))
        .collect();
    let shortened = |name: &&str| {
        let name = name.strip_prefix("go-").unwrap_or(name);
        let name = name.strip_suffix("-cli").unwrap_or(name);
        name.strip_suffix("-go").unwrap_or(name).to_owned()
    };
    let shortened: Vec<String> = exact.iter().map(shortened).collect();
    let exact = exact.into_iter().chain(hosts).map(str::to_owned);
    exact.chain(shortened).collect()
}

fn readme(dir: &Path) -> String {
    let read = |name: &&str| {
        let mut bytes = Vec::new();
        let file = File::open(dir.join(name)).ok()?;
        file.take(README_BYTES).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    READMES.iter().find_map(read).unwrap_or_default()
}

/// The packages of `go install` lines, relative to the module's root, by whichever of its names.
fn installed(readme: &str, roots: &[&str]) -> BTreeSet<String> {
    let is_end = |c: char| c.is_whitespace() || "`'\"();&|<>\\".contains(c);
    let lines = readme
        .split("go install ")
        .skip(1)
        .chain(readme.split("go get ").skip(1));
    let packages = lines.flat_map(|rest| rest.lines().next().unwrap_or_default().split(is_end));
    packages.filter_map(|word| package_below(word, roots)).collect()
}

/// The directory that a word of a `go install` line means.
fn package_below(word: &str, roots: &[&str]) -> Option<String> {
    let path = word.split('@').next()?.trim_end_matches('/');
    if path.contains("...") {
        return None;
    }
    if let Some(relative) = path.strip_prefix("./") {
        return Some(relative.to_owned());
    }
    let below = |root: &&str| {
        let rest = path.strip_prefix(*root)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/').to_owned())
    };
    let below = roots.iter().find_map(below)?;
    let (first, rest) = below.split_once('/').unwrap_or((&below, ""));
    // The major of the module itself.
    let is_major = without_major(&join("x", first)) == "x";
    Some(if is_major { rest.to_owned() } else { below })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_go_install_lines() {
        for (readme, expected) in [
            ("`go install a.b/c/cmd/x@latest`", vec!["cmd/x"]),
            ("go install -tags foo a.b/c/v2/cmd/x@v2.1.0\n", vec!["cmd/x"]),
            ("    go get -u github.com/o/c/cmd/x/v2\n", vec!["cmd/x/v2"]),
            ("go install ./cmd/x && x", vec!["cmd/x"]),
            ("go install a.b/c/... a.b/cd/x a.b/d", vec![]),
            ("go install a.b/c@latest\ngo install a.b/c/y", vec!["", "y"]),
            ("go build a.b/c/x", vec![]),
        ] {
            let found: Vec<String> = installed(readme, &["a.b/c", "github.com/o/c"])
                .into_iter()
                .collect();
            assert_eq!(found, expected, "{readme}");
        }
    }

    #[test]
    fn names_of_a_repository() {
        for (typed, module, expected) in [
            ("/o/go-foo", "github.com/o/go-foo/v2", vec!["go-foo", "foo"]),
            ("/o/foo-cli", "a.b/bar", vec!["foo-cli", "bar", "foo"]),
            ("/owner/cli", "github.com/owner/cli", vec!["cli", "owner"]),
            ("/o/home", "example.com", vec!["home", "example.com", "example"]),
        ] {
            let target = Target::parse(typed.as_bytes()).unwrap();
            let candidate = Candidate {
                module: module.to_owned(),
                below: String::new(),
            };
            let mut names = names(&target, &candidate, None);
            let mut seen = BTreeSet::new();
            names.retain(|name| seen.insert(name.clone()));
            assert_eq!(names, expected, "{typed}");
        }
    }
}
