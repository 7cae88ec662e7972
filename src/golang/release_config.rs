//! The author's release configuration, as GoReleaser reads it: which commands are released, and how each is built.
//!
//! It is data of a stranger: read by a parser with bounds, never evaluated here (golang/stamp.rs does).

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::candidate::join;
use super::mains::is_importable;
use crate::asked::FileName;

/// Where GoReleaser looks, in its order (goreleaser.com/customization).
const FILES: &[&str] = &[
    ".config/goreleaser.yml",
    ".config/goreleaser.yaml",
    ".goreleaser.yml",
    ".goreleaser.yaml",
    "goreleaser.yml",
    "goreleaser.yaml",
];

/// Real ones have some kilobytes.
const MAX_BYTES: u64 = 256 << 10;

/// All entries of one command: they are remembered with what its name means, and handed to the builder as part of one argument, which
/// the kernel limits to 128 KiB (MAX_ARG_STRLEN).
const MAX_BUILD_BYTES: usize = 16 << 10;

/// Nodes of the file, aliases replayed: real ones have some hundreds.
const MAX_NODES: usize = 50_000;

/// Aliases of the file. Real ones have a handful.
const MAX_ALIASES: usize = 1000;

/// What matters of a configuration.
#[derive(Debug, Default, Deserialize)]
pub struct ReleaseConfig {
    /// What the author calls the project.
    pub project_name: Option<String>,
    builds: Option<Vec<Entry>>,
    /// As older configurations write a single one.
    build: Option<Entry>,
    /// Why there is none.
    #[serde(skip)]
    missing: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    builder: Option<String>,
    main: Option<String>,
    dir: Option<String>,
    binary: Option<String>,
    goos: Words,
    ldflags: Option<Words>,
    flags: Words,
    tags: Words,
    env: Words,
}

/// One string, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Words {
    Several(Vec<String>),
    One(String),
    Other(IgnoredAny),
}

impl Default for Words {
    fn default() -> Words {
        Words::Several(Vec::new())
    }
}

impl Words {
    fn list(&self) -> Vec<String> {
        match self {
            Words::Several(words) => words.clone(),
            Words::One(word) => vec![word.clone()],
            Words::Other(_) => Vec::new(),
        }
    }
}

/// How the author builds one command: templates, not evaluated yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// What the author calls the project, or else the repository's name.
    pub project: String,
    /// What the author calls the program.
    pub binary: Option<String>,
    /// The systems of this entry; empty for any.
    pub goos: Vec<String>,
    /// Flags for the linker.
    pub ldflags: Vec<String>,
    /// Flags for `go build`.
    pub flags: Vec<String>,
    /// Build tags.
    pub tags: Vec<String>,
    /// Variables, as `NAME=VALUE`.
    pub env: Vec<String>,
}

impl Build {
    fn bytes(&self) -> usize {
        let lists = [&self.goos, &self.ldflags, &self.flags, &self.tags, &self.env];
        let words = lists
            .into_iter()
            .flatten()
            .chain(&self.binary)
            .chain([&self.project]);
        words.map(String::len).sum()
    }
}

/// What GoReleaser takes where an entry has no ldflags (goreleaser.com/customization/builds/go).
const DEFAULT_LDFLAGS: &str = "-s -w -X main.version={{.Version}} -X main.commit={{.Commit}} -X main.date={{.Date}} -X main.builtBy=goreleaser";

impl ReleaseConfig {
    /// Reads that of the unpacked module `dir`.
    pub fn read(dir: &Path) -> ReleaseConfig {
        let missing = |why: String| ReleaseConfig {
            missing: Some(why),
            ..ReleaseConfig::default()
        };
        let Some((name, file)) = FILES
            .iter()
            .find_map(|name| Some((name, File::open(dir.join(name)).ok()?)))
        else {
            return missing("The module has no release configuration (.goreleaser.yaml).".to_owned());
        };
        let mut bytes = Vec::new();
        if let Err(error) = file.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
            return missing(format!("{name} cannot be read: {error}"));
        }
        if bytes.len() as u64 > MAX_BYTES {
            return missing(format!("{name} is larger than {MAX_BYTES} bytes."));
        }
        ReleaseConfig::parse(&bytes)
            .unwrap_or_else(|error| missing(format!("{name} cannot be read: {error}")))
    }

    fn parse(bytes: &[u8]) -> Result<ReleaseConfig, serde_saphyr::Error> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_nodes: MAX_NODES,
                max_events: 2 * MAX_NODES,
                max_aliases: MAX_ALIASES,
                max_anchors: MAX_ALIASES,
                max_recorded_anchor_events: MAX_NODES,
            },
            alias_limits: serde_saphyr::alias_limits! {
                max_total_replayed_events: MAX_NODES,
            },
            with_snippet: false,
        };
        serde_saphyr::from_slice_with_options(bytes, options)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.builds.iter().flatten().chain(&self.build)
    }

    /// Directories of the commands that are built, relative to the module's root, and what each is called.
    pub fn commands(&self, module: &str) -> Vec<(String, Option<String>)> {
        let entries = self.entries().filter(|entry| entry.is_go());
        let mut commands: Vec<(String, Option<String>)> = Vec::new();
        for entry in entries {
            let Some(dir) = entry.directory(module) else {
                continue;
            };
            if !commands.iter().any(|(known, _)| *known == dir) {
                commands.push((dir, entry.plain_binary(self.project_name.as_deref())));
            }
        }
        commands
    }

    /// Directories in which the author builds, relative to the module's root: modules inside the repository may lie there.
    pub fn directories(&self) -> impl Iterator<Item = String> {
        let dirs = self.entries().filter_map(|entry| entry.dir.as_deref());
        dirs.filter_map(plain_directory).filter(|dir| !dir.is_empty())
    }

    /// How the command in `directory` is built, or why that is not known.
    pub fn builds(&self, module: &str, directory: &str, repository: &str) -> Result<Vec<Build>, String> {
        if let Some(why) = &self.missing {
            return Err(why.clone());
        }
        let project = self.project_name.as_deref().unwrap_or(repository);
        // Without any entry the module's root is built.
        let default = Entry::default();
        let default = self.entries().next().is_none().then_some(&default);
        let own = self
            .entries()
            .chain(default)
            .filter(|entry| entry.is_go() && entry.directory(module).as_deref() == Some(directory));
        let builds: Vec<Build> = own.map(|entry| entry.build(project)).collect();
        if builds.is_empty() {
            let shown = if directory.is_empty() { "." } else { directory };
            return Err(format!("The release configuration does not build {shown}."));
        }
        let bytes: usize = builds.iter().map(Build::bytes).sum();
        if bytes > MAX_BUILD_BYTES {
            return Err(format!(
                "The builds of this command have more than {MAX_BUILD_BYTES} bytes."
            ));
        }
        Ok(builds)
    }
}

impl Entry {
    /// Whether Go compiles it, and not another language's compiler or an earlier step.
    fn is_go(&self) -> bool {
        matches!(self.builder.as_deref(), None | Some("" | "go"))
    }

    /// The directory of its main package, relative to the module's root.
    fn directory(&self, module: &str) -> Option<String> {
        let main = self.main.as_deref().unwrap_or(".");
        let main = main
            .strip_prefix(module)
            .map_or(main, |rest| rest.trim_start_matches('/'));
        let main = match main.rsplit_once('/') {
            Some((above, file)) if file.ends_with(".go") => above,
            None if main.ends_with(".go") => ".",
            Some(_) | None => main,
        };
        let dir = plain_directory(self.dir.as_deref().unwrap_or("."))?;
        Some(join(&dir, &plain_directory(main)?))
    }

    fn build(&self, project: &str) -> Build {
        let ldflags = self.ldflags.as_ref();
        let ldflags = ldflags.map_or_else(|| vec![DEFAULT_LDFLAGS.to_owned()], Words::list);
        Build {
            project: project.to_owned(),
            binary: self.plain_binary(Some(project)),
            goos: self.goos.list(),
            ldflags,
            flags: self.flags.list(),
            tags: self.tags.list(),
            env: self.env.list(),
        }
    }

    /// What the program is called: `bin/step` is a `step`, and what follows behind a platform's template is left out.
    fn plain_binary(&self, project: Option<&str>) -> Option<String> {
        let binary = self.binary.as_deref()?;
        let named = binary.replace("{{ .ProjectName }}", "{{.ProjectName}}");
        let binary = match named.as_str() {
            "{{.ProjectName}}" => project?,
            binary => binary.split("{{").next()?.trim_end_matches(['-', '_', '.']),
        };
        // A path that leaves the author's own directory names no program.
        if binary.starts_with('/') || binary.split('/').any(|element| element == "..") {
            return None;
        }
        let name = binary.rsplit('/').next()?;
        FileName::parse(name).map(|name| name.to_string())
    }
}

/// A relative directory below the module's root, without `.` in it; `None` for any other, as for a template.
fn plain_directory(path: &str) -> Option<String> {
    let part = |component: Component<'_>| match component {
        Component::CurDir => Some(String::new()),
        Component::Normal(name) => {
            let name = name.to_str()?;
            is_importable(name).then(|| name.to_owned())
        }
        Component::RootDir | Component::ParentDir | Component::Prefix(_) => None,
    };
    let parts: Option<Vec<String>> = Path::new(path).components().map(part).collect();
    let parts: Vec<String> = parts?.into_iter().filter(|part| !part.is_empty()).collect();
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ReleaseConfig {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".goreleaser.yml"), text).unwrap();
        ReleaseConfig::read(dir.path())
    }

    #[test]
    fn entries_name_commands() {
        for (entry, expected) in [
            ("main: .", Some(("", None))),
            ("binary: x", Some(("", Some("x")))),
            ("main: ./cmd/x/", Some(("cmd/x", None))),
            ("main: ./cmd/x/main.go", Some(("cmd/x", None))),
            ("main: main.go", Some(("", None))),
            ("main: a.b/c/cmd/x", Some(("cmd/x", None))),
            ("{dir: sub, main: ./cmd/x}", Some(("sub/cmd/x", None))),
            ("{main: x, binary: 'bin/y'}", Some(("x", Some("y")))),
            (
                "{main: x, binary: 'y-{{ .Os }}-{{ .Arch }}'}",
                Some(("x", Some("y"))),
            ),
            (
                "{main: x, binary: '{{ .ProjectName }}'}",
                Some(("x", Some("project"))),
            ),
            ("{main: x, binary: '{{ .Os }}'}", Some(("x", None))),
            ("{main: x, binary: 'a\"b'}", Some(("x", None))),
            ("{main: x, binary: ../../etc/passwd}", Some(("x", None))),
            ("main: ../x", None),
            ("main: /x", None),
            ("main: '{{ .Env.MAIN }}'", None),
            ("{main: x, builder: rust}", None),
        ] {
            let entry = if entry.starts_with('{') {
                entry.to_owned()
            } else {
                format!("{{{entry}}}")
            };
            let commands =
                config(&format!("project_name: project\nbuilds:\n  - {entry}\n")).commands("a.b/c");
            let commands: Vec<_> = commands
                .iter()
                .map(|(dir, name)| (dir.as_str(), name.as_deref()))
                .collect();
            assert_eq!(commands, Vec::from_iter(expected), "{entry}");
        }
    }

    #[test]
    fn a_command_without_an_entry_has_no_release() {
        let builds = |text: &str, dir: &str| config(text).builds("a.b/c", dir, "c");
        assert_eq!(builds("version: 2\n", "").unwrap()[0].ldflags, [DEFAULT_LDFLAGS]);
        assert_eq!(builds("builds:\n", "").unwrap()[0].project, "c");
        assert!(
            builds("version: 2\n", "cmd/x")
                .unwrap_err()
                .contains("does not build cmd/x")
        );
        assert!(builds("builds: [", "").unwrap_err().contains("cannot be read"));
        let nothing = ReleaseConfig::read(tempfile::tempdir().unwrap().path());
        assert!(
            nothing
                .builds("a.b/c", "", "c")
                .unwrap_err()
                .contains("no release configuration")
        );
    }

    #[test]
    fn aliases_and_nesting_are_bounded() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let before = format!("*a{}, ", n - 1).repeat(10);
            text += &format!("a{n}: &a{n} [{}]\n", before.trim_end_matches(", "));
        }
        text += "builds: *a8\n";
        for text in [
            text,
            "[".repeat(100_000),
            "x: ".repeat(50_000),
            "- ".repeat(100_000),
        ] {
            let begun = std::time::Instant::now();
            assert!(config(&text).builds("a.b/c", "", "c").is_err());
            assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
        }
    }
}
