//! Sidecar files of a program: the same path with a suffix, such as `.sha256`. A repository with such a suffix in its name can be
//! requested with a version.

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

#[cfg(test)]
mod tests {
    use super::*;

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
