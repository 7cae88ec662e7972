//! Parses an author's GoReleaser configuration: which commands are released, and how each is built.
//!
//! The file is untrusted. The parser is bounded, and templates are not evaluated here but in `release_flags`.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::golang::resolve::candidate::join;
use crate::golang::source::commands::is_importable;
use crate::parse::FileName;

/// File names of the configuration, in GoReleaser's order (goreleaser.com/customization).
pub const FILES: &[&str] = &[
    ".config/goreleaser.yml",
    ".config/goreleaser.yaml",
    ".goreleaser.yml",
    ".goreleaser.yaml",
    "goreleaser.yml",
    "goreleaser.yaml",
];

/// The largest file that is read, in bytes. Real ones have some kilobytes.
const MAX_BYTES: u64 = 256 << 10;

/// The largest total size of the builds of one command, in bytes. They are cached in its resolution, and passed to the builder in one
/// argument, which the kernel limits to 128 KiB (MAX_ARG_STRLEN).
const MAX_BUILD_BYTES: usize = 16 << 10;

/// YAML nodes, with aliases expanded. Real files have some hundreds.
const MAX_NODES: usize = 50_000;

/// YAML aliases. Real files have a few.
const MAX_ALIASES: usize = 1000;

/// The used parts of a configuration.
#[derive(Debug, Default, Deserialize)]
pub struct ReleaseConfig {
    /// The project's name.
    pub project_name: Option<String>,
    builds: Option<Vec<BuildEntry>>,
    /// The single build of older configurations.
    build: Option<BuildEntry>,
    /// Why the configuration is unavailable, if it is.
    #[serde(skip)]
    unavailable: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BuildEntry {
    builder: Option<String>,
    main: Option<String>,
    dir: Option<String>,
    binary: Option<String>,
    goos: OneOrMany,
    ldflags: Option<OneOrMany>,
    flags: OneOrMany,
    tags: OneOrMany,
    env: OneOrMany,
}

/// A string or a list of strings; any other value is ignored.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Several(Vec<String>),
    One(String),
    Other(IgnoredAny),
}

impl Default for OneOrMany {
    fn default() -> OneOrMany {
        OneOrMany::Several(Vec::new())
    }
}

impl OneOrMany {
    fn to_vec(&self) -> Vec<String> {
        match self {
            OneOrMany::Several(words) => words.clone(),
            OneOrMany::One(word) => vec![word.clone()],
            OneOrMany::Other(_) => Vec::new(),
        }
    }
}

/// How the author builds one command. The strings are templates that are not evaluated yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseBuild {
    /// The project's name; if the configuration has none, the repository's.
    pub project: String,
    /// The program's name.
    pub binary: Option<FileName>,
    /// The operating systems this build is for; empty for all.
    pub goos: Vec<String>,
    /// Linker flags.
    pub ldflags: Vec<String>,
    /// Flags of `go build`.
    pub flags: Vec<String>,
    /// Build tags.
    pub tags: Vec<String>,
    /// Environment variables: `NAME=VALUE`.
    pub env: Vec<String>,
}

impl ReleaseBuild {
    fn size(&self) -> usize {
        let lists = [&self.goos, &self.ldflags, &self.flags, &self.tags, &self.env];
        let words = lists
            .into_iter()
            .flatten()
            .chain([&self.project])
            .map(String::as_str)
            .chain(self.binary.as_ref().map(FileName::as_str));
        words.map(str::len).sum()
    }
}

/// GoReleaser's default for an entry without ldflags (goreleaser.com/customization/builds/go).
const DEFAULT_LDFLAGS: &str = "-s -w -X main.version={{.Version}} -X main.commit={{.Commit}} -X main.date={{.Date}} -X main.builtBy=goreleaser";

impl ReleaseConfig {
    /// Reads the configuration of the unpacked module `dir`.
    pub fn read(dir: &Path) -> ReleaseConfig {
        let unavailable = |why: String| ReleaseConfig {
            unavailable: Some(why),
            ..ReleaseConfig::default()
        };
        let Some((name, file)) = FILES
            .iter()
            .find_map(|name| Some((name, File::open(dir.join(name)).ok()?)))
        else {
            return unavailable("The module has no release configuration (.goreleaser.yaml).".to_owned());
        };
        let mut bytes = Vec::new();
        if let Err(error) = file.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
            return unavailable(format!("Cannot read {name}: {error}"));
        }
        if bytes.len() as u64 > MAX_BYTES {
            return unavailable(format!("{name} is larger than {MAX_BYTES} bytes."));
        }
        ReleaseConfig::parse(&bytes)
            .unwrap_or_else(|error| unavailable(format!("Cannot parse {name}: {error}")))
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

    fn entries(&self) -> impl Iterator<Item = &BuildEntry> {
        self.builds.iter().flatten().chain(&self.build)
    }

    /// Lists the released commands: the directory relative to the module's root, and the program's name.
    pub fn list_commands(&self, module: &str) -> Vec<(String, Option<String>)> {
        let entries = self.entries().filter(|entry| entry.is_go());
        let mut commands: Vec<(String, Option<String>)> = Vec::new();
        for entry in entries {
            let Some(dir) = entry.directory(module) else {
                continue;
            };
            if !commands.iter().any(|(known, _)| *known == dir) {
                let name = entry.plain_binary(self.project_name.as_deref());
                commands.push((dir, name.map(|name| name.to_string())));
            }
        }
        commands
    }

    /// The working directories of the builds, relative to the module's root. They may be nested modules.
    pub fn directories(&self) -> impl Iterator<Item = String> {
        let dirs = self.entries().filter_map(|entry| entry.dir.as_deref());
        dirs.filter_map(plain_directory).filter(|dir| !dir.is_empty())
    }

    /// Finds the builds of the command in `directory`. The error is a sentence that says why they are unknown.
    pub fn find_builds(
        &self,
        module: &str,
        directory: &str,
        repository: &str,
    ) -> Result<Vec<ReleaseBuild>, String> {
        if let Some(why) = &self.unavailable {
            return Err(why.clone());
        }
        let project = self.project_name.as_deref().unwrap_or(repository);
        // Without entries, GoReleaser builds the module's root.
        let default = BuildEntry::default();
        let default = self.entries().next().is_none().then_some(&default);
        let own = self
            .entries()
            .chain(default)
            .filter(|entry| entry.is_go() && entry.directory(module).as_deref() == Some(directory));
        let builds: Vec<ReleaseBuild> = own.map(|entry| entry.to_release_build(project)).collect();
        if builds.is_empty() {
            let shown = if directory.is_empty() { "." } else { directory };
            return Err(format!("The release configuration does not build {shown}."));
        }
        let bytes: usize = builds.iter().map(ReleaseBuild::size).sum();
        if bytes > MAX_BUILD_BYTES {
            return Err(format!(
                "The builds of this command in the release configuration are larger than {MAX_BUILD_BYTES} bytes."
            ));
        }
        Ok(builds)
    }
}

impl BuildEntry {
    /// Whether the Go compiler builds it. Other builders are for other languages or import a finished binary.
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
            Some((parent, file)) if file.ends_with(".go") => parent,
            None if main.ends_with(".go") => ".",
            Some(_) | None => main,
        };
        let dir = plain_directory(self.dir.as_deref().unwrap_or("."))?;
        Some(join(&dir, &plain_directory(main)?))
    }

    fn to_release_build(&self, project: &str) -> ReleaseBuild {
        let ldflags = self.ldflags.as_ref();
        let ldflags = ldflags.map_or_else(|| vec![DEFAULT_LDFLAGS.to_owned()], OneOrMany::to_vec);
        ReleaseBuild {
            project: project.to_owned(),
            binary: self.plain_binary(Some(project)),
            goos: self.goos.to_vec(),
            ldflags,
            flags: self.flags.to_vec(),
            tags: self.tags.to_vec(),
            env: self.env.to_vec(),
        }
    }

    /// The program's file name. `bin/step` gives `step`; anything from the first template on is cut off.
    fn plain_binary(&self, project: Option<&str>) -> Option<FileName> {
        let binary = self.binary.as_deref()?;
        let normalized = binary.replace("{{ .ProjectName }}", "{{.ProjectName}}");
        let binary = match normalized.as_str() {
            "{{.ProjectName}}" => project?,
            binary => binary.split("{{").next()?.trim_end_matches(['-', '_', '.']),
        };
        // A path outside the output directory is not a program name.
        if binary.starts_with('/') || binary.split('/').any(|element| element == "..") {
            return None;
        }
        FileName::parse(binary.rsplit('/').next()?)
    }
}

/// Normalizes a directory relative to the module's root: removes `.` elements. `None` for any other path, including templates.
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
    fn entries_give_commands_and_names() {
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
                config(&format!("project_name: project\nbuilds:\n  - {entry}\n")).list_commands("a.b/c");
            let commands: Vec<_> = commands
                .iter()
                .map(|(dir, name)| (dir.as_str(), name.as_deref()))
                .collect();
            assert_eq!(commands, Vec::from_iter(expected), "{entry}");
        }
    }

    #[test]
    fn command_without_an_entry_has_no_release_build() {
        let builds = |text: &str, dir: &str| config(text).find_builds("a.b/c", dir, "c");
        assert_eq!(builds("version: 2\n", "").unwrap()[0].ldflags, [DEFAULT_LDFLAGS]);
        assert_eq!(builds("builds:\n", "").unwrap()[0].project, "c");
        assert!(
            builds("version: 2\n", "cmd/x")
                .unwrap_err()
                .contains("does not build cmd/x")
        );
        assert!(builds("builds: [", "").unwrap_err().contains("Cannot parse"));
        let nothing = ReleaseConfig::read(tempfile::tempdir().unwrap().path());
        assert!(
            nothing
                .find_builds("a.b/c", "", "c")
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
            let start = std::time::Instant::now();
            assert!(config(&text).find_builds("a.b/c", "", "c").is_err());
            assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
        }
    }
}
