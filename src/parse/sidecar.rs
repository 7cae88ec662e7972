//! Sidecar files of a program: the same path with a suffix, such as `.sha256`. A repository with such a suffix in its name can be
//! requested with a version.

use super::Target;

/// Suffix of the list of versions of a module.
pub const VERSION_LIST_SUFFIX: &str = ".versions";

/// A file about a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sidecar {
    /// `.sha256`: a line for `sha256sum --check`.
    Sha256,
    /// `.json`: its metadata.
    Json,
    /// `.cdx.json`: its modules, in CycloneDX format.
    Sbom,
    /// `.log`: the output of the compiler, or the progress of the build.
    Log,
    /// `.events`: the progress of the build as server-sent events.
    Events,
}

const SUFFIXES: [(&str, Sidecar); 5] = [
    (".sha256", Sidecar::Sha256),
    // Before `.json`, which it ends with.
    (".cdx.json", Sidecar::Sbom),
    (".json", Sidecar::Json),
    (".log", Sidecar::Log),
    (".events", Sidecar::Events),
];

impl Sidecar {
    /// Splits a path into the path of the program and the sidecar, if any.
    pub fn split(path: &[u8]) -> (&[u8], Option<Sidecar>) {
        let found = SUFFIXES
            .iter()
            .find_map(|(suffix, sidecar)| Some((path.strip_suffix(suffix.as_bytes())?, Some(*sidecar))));
        found.unwrap_or((path, None))
    }

    /// Returns the suffix of the sidecar's path.
    pub fn suffix(self) -> &'static str {
        let found = SUFFIXES.iter().find(|(_, sidecar)| *sidecar == self);
        found.map_or("", |(suffix, _)| suffix)
    }
}

/// Whether a path is that of a program, and not of a page of the service, a sidecar or a list of versions. Only programs accept POST.
pub fn is_program_path(path: &[u8]) -> bool {
    let is_version_list = path.ends_with(VERSION_LIST_SUFFIX.as_bytes());
    let (program, sidecar) = Sidecar::split(path);
    !is_version_list && sidecar.is_none() && Target::parse(program).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_pages_and_files_have_no_program_path() {
        for (path, is_program) in [
            ("/o/r", true),
            ("/github.com/o/r/cmd/x@v1.2.3", true),
            ("/", false),
            ("/robots.txt", false),
            ("/favicon.ico", false),
            ("/-/status", false),
            ("/-/bin/linux-amd64/o/r/r", false),
            ("/-/install/o/r", false),
            ("/o/r.events", false),
            ("/o/r.versions", false),
            ("/o/../r", false),
        ] {
            assert_eq!(is_program_path(path.as_bytes()), is_program, "{path}");
        }
    }

    #[test]
    fn one_suffix_is_removed() {
        for (path, program, sidecar) in [
            ("/o/r", "/o/r", None),
            ("/o/r.sha256", "/o/r", Some(Sidecar::Sha256)),
            ("/o/r@v1.2.3.json", "/o/r@v1.2.3", Some(Sidecar::Json)),
            ("/o/r.cdx.json", "/o/r", Some(Sidecar::Sbom)),
            ("/o/r.json.log", "/o/r.json", Some(Sidecar::Log)),
            ("/o/r.json@latest", "/o/r.json@latest", None),
        ] {
            assert_eq!(
                Sidecar::split(path.as_bytes()),
                (program.as_bytes(), sidecar),
                "{path}"
            );
        }
    }
}
