//! Reads the build information that Go's linker writes into every program: the linked modules, the version of Go and the build settings
//! (Go's debug/buildinfo and runtime/debug, `BuildInfo`).

mod blob;

use std::fs::File;
use std::io;

use crate::parse::Platform;
use crate::text::sanitize;

/// The build information of a program. Control characters are replaced: the program is untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInfo {
    /// The version of Go that compiled it: `go1.26.8`. Empty for WebAssembly, which does not contain it.
    pub go: String,
    /// The import path of the command.
    pub package: String,
    /// The module of the command; `None` for a program compiled from single files.
    pub main: Option<LinkedModule>,
    /// All other linked modules, in Go's order.
    pub dependencies: Vec<LinkedModule>,
    /// Build settings, flags and variables, in Go's order.
    pub settings: Vec<(String, String)>,
    /// Whether it has DWARF debugging information; `None` if its format does not show it.
    pub has_dwarf: Option<bool>,
}

/// A module that is linked into a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedModule {
    /// The module's path.
    pub path: String,
    /// The module's version; `(devel)` if it was compiled from a directory.
    pub version: String,
    /// The hash of its content, as in go.sum: `h1:…`. Empty if unknown.
    pub sum: String,
    /// The module that a `replace` directive substituted for it.
    pub replacement: Option<Box<LinkedModule>>,
}

impl LinkedModule {
    /// The module that is linked: the replacement, if there is one.
    pub fn effective(&self) -> &LinkedModule {
        self.replacement.as_deref().unwrap_or(self)
    }
}

impl BuildInfo {
    /// Reads the build information of a program; `None` if it has none, or was built by Go before 1.18.
    pub fn read(program: &File) -> io::Result<Option<BuildInfo>> {
        let Some(blob) = blob::find(program)? else {
            return Ok(None);
        };
        Ok(BuildInfo::parse(&blob.go, &blob.modules).map(|info| BuildInfo {
            has_dwarf: blob.has_dwarf,
            ..info
        }))
    }

    /// Parses the output of `go version -m` without its indentation (runtime/debug, `ParseBuildInfo`).
    pub(super) fn parse(go: &str, text: &str) -> Option<BuildInfo> {
        let mut info = BuildInfo {
            go: sanitize(go),
            package: String::new(),
            main: None,
            dependencies: Vec::new(),
            settings: Vec::new(),
            has_dwarf: None,
        };
        let mut is_dependency = false;
        for line in text.lines() {
            let (kind, rest) = line.split_once('\t').unwrap_or((line, ""));
            match kind {
                "path" => info.package = sanitize(rest),
                "mod" => (info.main, is_dependency) = (Some(parse_module(rest)?), false),
                "dep" => {
                    info.dependencies.push(parse_module(rest)?);
                    is_dependency = true;
                }
                "=>" => {
                    let replaced = match is_dependency {
                        true => info.dependencies.last_mut(),
                        false => info.main.as_mut(),
                    };
                    replaced?.replacement = Some(Box::new(parse_module(rest)?));
                }
                "build" => info.settings.push(parse_setting(rest)?),
                // Newer versions of Go may add other lines.
                _ => {}
            }
        }
        Some(info)
    }

    /// Formats it as the lines of `go version -m`, without indentation.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("go\t{}", self.go), format!("path\t{}", self.package)];
        let main = self.main.iter().map(|module| ("mod", module));
        let modules = main.chain(self.dependencies.iter().map(|module| ("dep", module)));
        for (kind, module) in modules {
            let line = |kind: &str, module: &LinkedModule| {
                format!("{kind}\t{}\t{}\t{}", module.path, module.version, module.sum)
            };
            lines.push(line(kind, module));
            lines.extend(module.replacement.iter().map(|other| line("=>", other)));
        }
        let settings = self.settings.iter();
        lines.extend(settings.map(|(key, value)| format!("build\t{key}={value}")));
        lines
    }

    /// All linked modules, that of the command first.
    pub fn modules(&self) -> impl Iterator<Item = &LinkedModule> {
        self.main.iter().chain(&self.dependencies)
    }

    /// The value of a build setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        let mut settings = self.settings.iter();
        settings
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The build tags, comma-separated.
    pub fn tags(&self) -> &str {
        self.setting("-tags").unwrap_or_default()
    }

    /// The platform it was compiled for; `None` if this service does not build for it.
    pub fn platform(&self) -> Option<Platform> {
        let (os, arch) = (self.setting("GOOS")?, self.setting("GOARCH")?);
        let level = LEVEL_VARIABLES.iter().find_map(|name| self.setting(name));
        match level {
            Some(level) => format!("{os}/{arch}/{level}").parse().ok(),
            None => format!("{os}/{arch}").parse().ok(),
        }
    }

    /// The module of the command, if the program was built by `go install PACKAGE@VERSION`: its version and hash are known.
    pub fn installed_module(&self) -> Option<&LinkedModule> {
        self.main.as_ref().filter(|main| {
            main.replacement.is_none() && main.sum.starts_with("h1:") && main.version.starts_with('v')
        })
    }
}

/// The variables that select an architecture level (cmd/go/internal/cfg, `GetArchEnv`).
pub const LEVEL_VARIABLES: [&str; 8] = [
    "GO386",
    "GOAMD64",
    "GOARM",
    "GOARM64",
    "GOMIPS",
    "GOMIPS64",
    "GOPPC64",
    "GORISCV64",
];

/// Parses `PATH\tVERSION\tHASH`. The hash may be missing.
fn parse_module(columns: &str) -> Option<LinkedModule> {
    let mut columns = columns.split('\t');
    let (path, version) = (columns.next()?, columns.next()?);
    let sum = columns.next().unwrap_or_default();
    columns.next().is_none().then(|| LinkedModule {
        path: sanitize(path),
        version: sanitize(version),
        sum: sanitize(sum),
        replacement: None,
    })
}

/// Parses `KEY=VALUE`. A value with spaces is quoted as a Go string; JSON's escapes are the same, except for control characters.
fn parse_setting(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let value = match value.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        Some(raw) => raw.to_owned(),
        None if value.starts_with('"') => serde_json::from_str(value).unwrap_or_else(|_| value.to_owned()),
        None => value.to_owned(),
    };
    Some((sanitize(key), sanitize(&value)))
}

#[cfg(test)]
mod tests;
