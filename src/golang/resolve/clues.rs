//! Collects clues about which command a target means, from the module's release configuration and README.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::golang::release::release_config::ReleaseConfig;
use crate::golang::resolve::candidate::{Candidate, join, last_name, without_major};
use crate::golang::resolve::ranking::Clues;
use crate::golang::source::commands;
use crate::parse::{Target, is_generic_name};

/// How much of a README is read, in bytes. Installation instructions come early.
const README_BYTES: u64 = 256 << 10;

/// File names of a README, the most common first.
const READMES: &[&str] = &[
    "README.md",
    "readme.md",
    "Readme.md",
    "README.rst",
    "README",
    "README.adoc",
];

impl Clues {
    /// Finds the commands in the requested subdirectory of the unpacked module `dir`. Includes released commands that need build tags.
    pub(super) fn find_commands(&self, dir: &Path) -> Vec<String> {
        let found = commands::find_commands(&dir.join(&self.subdirectory));
        let mut commands: Vec<String> = found
            .iter()
            .map(|command| join(&self.subdirectory, command))
            .collect();
        for (released, _) in &self.released {
            let is_below =
                self.subdirectory.is_empty() || released.starts_with(&format!("{}/", self.subdirectory));
            if is_below && !commands.contains(released) && commands::is_command(&dir.join(released)) {
                commands.push(released.clone());
            }
        }
        commands
    }
}

/// Reads the clues for `target` in the unpacked module `dir`.
pub(super) fn read_clues(
    target: &Target,
    candidate: &Candidate,
    dir: &Path,
    config: &ReleaseConfig,
) -> Clues {
    let readme = read_readme(dir);
    let typed = target.import_path();
    let typed_root = typed.strip_suffix(&candidate.subdirectory).unwrap_or(&typed);
    let roots = [candidate.root(), typed_root.trim_end_matches('/')];
    Clues {
        subdirectory: candidate.subdirectory.clone(),
        names: repository_names(target, candidate, config.project_name.as_deref()),
        released: config.list_commands(candidate.root()),
        installed: find_installed(&readme, &roots).into_iter().collect(),
        readme,
    }
}

/// Names of the repository: as typed, of the module, of the release configuration; then the same without affixes such as `go-`.
fn repository_names(target: &Target, candidate: &Candidate, project: Option<&str>) -> Vec<String> {
    let mut exact = vec![target.name(), last_name(&candidate.module)];
    exact.extend(project);
    if let [_, owner, repo] = target.elements()
        && is_generic_name(repo)
    {
        exact.push(owner);
    }
    // A module path may be a host alone: tailscale.com.
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

fn read_readme(dir: &Path) -> String {
    let read = |name: &&str| {
        let mut bytes = Vec::new();
        let file = File::open(dir.join(name)).ok()?;
        file.take(README_BYTES).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    READMES.iter().find_map(read).unwrap_or_default()
}

/// The packages in `go install` and `go get` lines, relative to the module's root. `roots` are the paths of that root.
fn find_installed(readme: &str, roots: &[&str]) -> BTreeSet<String> {
    let is_end = |c: char| c.is_whitespace() || "`'\"();&|<>\\".contains(c);
    let lines = readme
        .split("go install ")
        .skip(1)
        .chain(readme.split("go get ").skip(1));
    let packages = lines.flat_map(|rest| rest.lines().next().unwrap_or_default().split(is_end));
    packages
        .filter_map(|word| relative_package(word, roots))
        .collect()
}

/// The directory of a package argument, relative to the module's root; `None` for other words and for `...` patterns.
fn relative_package(word: &str, roots: &[&str]) -> Option<String> {
    let path = word.split('@').next()?.trim_end_matches('/');
    if path.contains("...") {
        return None;
    }
    if let Some(relative) = path.strip_prefix("./") {
        return Some(relative.to_owned());
    }
    let relative = |root: &&str| {
        let rest = path.strip_prefix(*root)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/').to_owned())
    };
    let package = roots.iter().find_map(relative)?;
    let (first, rest) = package.split_once('/').unwrap_or((&package, ""));
    // A first element `vN` is the major version suffix of the module.
    let is_major = without_major(&join("x", first)) == "x";
    Some(if is_major { rest.to_owned() } else { package })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_go_install_lines_are_found() {
        for (readme, expected) in [
            ("`go install a.b/c/cmd/x@latest`", vec!["cmd/x"]),
            ("go install -tags foo a.b/c/v2/cmd/x@v2.1.0\n", vec!["cmd/x"]),
            ("    go get -u github.com/o/c/cmd/x/v2\n", vec!["cmd/x/v2"]),
            ("go install ./cmd/x && x", vec!["cmd/x"]),
            ("go install a.b/c/... a.b/cd/x a.b/d", vec![]),
            ("go install a.b/c@latest\ngo install a.b/c/y", vec!["", "y"]),
            ("go build a.b/c/x", vec![]),
        ] {
            let found: Vec<String> = find_installed(readme, &["a.b/c", "github.com/o/c"])
                .into_iter()
                .collect();
            assert_eq!(found, expected, "{readme}");
        }
    }

    #[test]
    fn readme_may_install_below_the_root_of_the_typed_path() {
        let dir = tempfile::tempdir().unwrap();
        let readme = "go install github.com/o/r/sub/cmd/x@latest";
        std::fs::write(dir.path().join("README.md"), readme).unwrap();
        let target = Target::parse(b"/o/r/sub").unwrap();
        let candidate = Candidate {
            module: "a.b/c".to_owned(),
            subdirectory: "sub".to_owned(),
        };
        let config = ReleaseConfig::read(dir.path());
        let clues = read_clues(&target, &candidate, dir.path(), &config);
        assert_eq!(clues.installed, ["sub/cmd/x"]);
    }

    #[test]
    fn repository_names_include_short_forms() {
        for (typed, module, expected) in [
            ("/o/go-foo", "github.com/o/go-foo/v2", vec!["go-foo", "foo"]),
            ("/o/foo-cli", "a.b/bar", vec!["foo-cli", "bar", "foo"]),
            ("/owner/cli", "github.com/owner/cli", vec!["cli", "owner"]),
            ("/o/home", "example.com", vec!["home", "example.com", "example"]),
        ] {
            let target = Target::parse(typed.as_bytes()).unwrap();
            let candidate = Candidate::root_package(module.to_owned());
            let mut names = repository_names(&target, &candidate, None);
            let mut seen = BTreeSet::new();
            names.retain(|name| seen.insert(name.clone()));
            assert_eq!(names, expected, "{typed}");
        }
    }
}
