//! What is asked for beside a program: the same path with an ending more. A repository whose own name ends so is asked for with
//! its version.

/// What is told of a program without the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sidecar {
    /// `.sha256`: the line that `sha256sum --check` reads.
    Sha256,
    /// `.json`: all that is known of it.
    Json,
    /// `.cdx.json`: which modules are in it, as CycloneDX has it.
    Sbom,
    /// `.log`: what the compiler said, or how far it is.
    Log,
}

const ENDINGS: [(&str, Sidecar); 4] = [
    (".sha256", Sidecar::Sha256),
    // Before the ending that it ends with.
    (".cdx.json", Sidecar::Sbom),
    (".json", Sidecar::Json),
    (".log", Sidecar::Log),
];

impl Sidecar {
    /// The path of the program, and what of it is wanted if not itself.
    pub fn split(path: &[u8]) -> (&[u8], Option<Sidecar>) {
        let found = ENDINGS
            .iter()
            .find_map(|(ending, sidecar)| Some((path.strip_suffix(ending.as_bytes())?, Some(*sidecar))));
        found.unwrap_or((path, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_taken_off_once() {
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
