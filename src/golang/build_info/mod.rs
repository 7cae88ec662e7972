//! What Go's linker writes into every program: which modules it was made of, by which Go, with which settings
//! (Go's debug/buildinfo and runtime/debug, `BuildInfo`).

mod blob;

use std::fs::File;
use std::io;

use crate::answer::refusal::clean;
use crate::asked::Platform;

/// The build information of a program. Control characters in it are replaced: the program may be a stranger's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInfo {
    /// The Go that compiled it: `go1.26.8`. Empty for WebAssembly, which does not say it.
    pub go: String,
    /// The import path of the command.
    pub package: String,
    /// The module of the command. A program that was compiled from loose files has none.
    pub main: Option<Module>,
    /// All other modules that are linked, in Go's order.
    pub dependencies: Vec<Module>,
    /// Flags and variables of the build, in Go's order.
    pub settings: Vec<(String, String)>,
    /// Whether it has debugging information (DWARF); `None` where its format does not tell.
    pub has_dwarf: Option<bool>,
}

/// A module that is linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its path.
    pub path: String,
    /// Its version; `(devel)` where it was compiled from a directory.
    pub version: String,
    /// Its hash, as go.sum has it: `h1:…`. Empty where Go knew none.
    pub sum: String,
    /// The module that a replace directive put in its place.
    pub replacement: Option<Box<Module>>,
}

impl Module {
    /// The module whose code is linked: itself, or what replaces it.
    pub fn linked(&self) -> &Module {
        self.replacement.as_deref().unwrap_or(self)
    }
}

impl BuildInfo {
    /// Reads the build information of a program; `None` where there is none that Go 1.18 or newer wrote.
    pub fn read(program: &File) -> io::Result<Option<BuildInfo>> {
        let Some(blob) = blob::find(program)? else {
            return Ok(None);
        };
        Ok(BuildInfo::parse(&blob.go, &blob.modules).map(|info| BuildInfo {
            has_dwarf: blob.has_dwarf,
            ..info
        }))
    }

    /// Reads the text that `go version -m` prints, without its indentation (runtime/debug, `ParseBuildInfo`).
    pub(super) fn parse(go: &str, text: &str) -> Option<BuildInfo> {
        let mut info = BuildInfo {
            go: clean(go),
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
                "path" => info.package = clean(rest),
                "mod" => (info.main, is_dependency) = (Some(module(rest)?), false),
                "dep" => {
                    info.dependencies.push(module(rest)?);
                    is_dependency = true;
                }
                "=>" => {
                    let replaced = match is_dependency {
                        true => info.dependencies.last_mut(),
                        false => info.main.as_mut(),
                    };
                    replaced?.replacement = Some(Box::new(module(rest)?));
                }
                "build" => info.settings.push(setting(rest)?),
                // Newer versions of Go may write more.
                _ => {}
            }
        }
        Some(info)
    }

    /// What `go version -m` prints of it, a fact a line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("go\t{}", self.go), format!("path\t{}", self.package)];
        let main = self.main.iter().map(|module| ("mod", module));
        let modules = main.chain(self.dependencies.iter().map(|module| ("dep", module)));
        for (kind, module) in modules {
            let line = |kind: &str, module: &Module| {
                format!("{kind}\t{}\t{}\t{}", module.path, module.version, module.sum)
            };
            lines.push(line(kind, module));
            lines.extend(module.replacement.iter().map(|other| line("=>", other)));
        }
        let settings = self.settings.iter();
        lines.extend(settings.map(|(key, value)| format!("build\t{key}={value}")));
        lines
    }

    /// The value of a setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        let mut settings = self.settings.iter();
        settings
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The platform that it was compiled for, if it is one that is built here.
    pub fn platform(&self) -> Option<Platform> {
        let (os, arch) = (self.setting("GOOS")?, self.setting("GOARCH")?);
        let level = LEVELS.iter().find_map(|name| self.setting(name));
        match level {
            Some(level) => format!("{os}/{arch}/{level}").parse().ok(),
            None => format!("{os}/{arch}").parse().ok(),
        }
    }

    /// The module of the command, where the program was made by `go install MODULE@VERSION`: then its hash is known.
    pub fn installed(&self) -> Option<&Module> {
        self.main.as_ref().filter(|main| {
            main.replacement.is_none() && main.sum.starts_with("h1:") && main.version.starts_with('v')
        })
    }
}

/// The variables of the levels of architectures (cmd/go/internal/cfg, `GetArchEnv`).
pub const LEVELS: [&str; 8] = [
    "GO386",
    "GOAMD64",
    "GOARM",
    "GOARM64",
    "GOMIPS",
    "GOMIPS64",
    "GOPPC64",
    "GORISCV64",
];

/// `PATH\tVERSION\tHASH`; the hash may be missing.
fn module(columns: &str) -> Option<Module> {
    let mut columns = columns.split('\t');
    let (path, version) = (columns.next()?, columns.next()?);
    let sum = columns.next().unwrap_or_default();
    columns.next().is_none().then(|| Module {
        path: clean(path),
        version: clean(version),
        sum: clean(sum),
        replacement: None,
    })
}

/// `KEY=VALUE`; a value with spaces is quoted as in Go, where JSON's escapes suffice for all but control characters.
fn setting(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let value = match value.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        Some(raw) => raw.to_owned(),
        None if value.starts_with('"') => serde_json::from_str(value).unwrap_or_else(|_| value.to_owned()),
        None => value.to_owned(),
    };
    Some((clean(key), clean(&value)))
}

#[cfg(test)]
mod tests;
