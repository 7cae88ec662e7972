//! Parses a path that ends in a file's name: `/-/bin/PLATFORM/[HOST/]OWNER/REPO[/SUB...][@VERSION]/NAME`, or with a sidecar's suffix after
//! NAME. Clients save the file under its name, and the line in `NAME.sha256` names the same file.

use super::{BadTarget, Platform, Sidecar, Target, UnknownPlatform};

/// The paths of named files begin with this. `-` is not a valid owner.
const PREFIX: &str = "/-/bin/";

/// A path that ends in a file's name. Whether the program has this name is known when the target is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The platform of the program.
    pub platform: Platform,
    /// The program.
    pub target: Target,
    /// The file name as typed, without the suffix of a sidecar; empty if the path ends with the target.
    name: String,
    sidecar: Option<Sidecar>,
}

impl NamedFile {
    /// Parses a path below `/-/bin/`, exactly as received. Returns `None` for other paths.
    pub fn parse(path: &[u8]) -> Option<Result<NamedFile, BadNamedFile>> {
        let (path, sidecar) = Sidecar::split(path.strip_prefix(PREFIX.as_bytes())?);
        Some(NamedFile::parse_split(path, sidecar))
    }

    fn parse_split(path: &[u8], sidecar: Option<Sidecar>) -> Result<NamedFile, BadNamedFile> {
        let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
        let (element, path) = path.split_at(end);
        let platform = Platform::parse_path_element(&String::from_utf8_lossy(element))?;
        let (before, name) = split_name(path);
        let (target, name) = match Target::parse(before) {
            Ok(target) => (with_directory(&target, name).unwrap_or(target), name),
            Err(bad) if path.contains(&b'@') => return Err(bad.into()),
            // The name is missing, as in /-/bin/linux-amd64/OWNER/REPO.
            Err(_) => (Target::parse(path)?, &b""[..]),
        };
        Ok(NamedFile {
            platform,
            target,
            name: String::from_utf8_lossy(name).into_owned(),
            sidecar,
        })
    }

    /// Prints the path of a program's file.
    pub fn path(platform: &Platform, target: &impl std::fmt::Display, name: &str) -> String {
        format!("{PREFIX}{}{target}/{name}", platform.path_element())
    }

    /// Returns which file of the program with this file name is requested: the program itself, or a sidecar. Fails with the right path
    /// if the program has another name.
    pub fn sidecar(&self, file_name: &str) -> Result<Option<Sidecar>, String> {
        let suffix = self.sidecar.map_or("", Sidecar::suffix);
        if file_name == format!("{}{suffix}", self.name) {
            // A program may be called `words.json`.
            Ok(None)
        } else if file_name == self.name {
            Ok(self.sidecar)
        } else {
            Err(NamedFile::path(&self.platform, &self.target, file_name) + suffix)
        }
    }
}

/// The target of a path with a directory between the version and the file name. Since no program has such a name, the response is the
/// right path.
fn with_directory(target: &Target, name: &[u8]) -> Option<Target> {
    let (directory, _) = str::from_utf8(name).ok()?.rsplit_once('/')?;
    let path = format!("/{}/{directory}@{}", target.import_path(), target.version());
    Target::parse(path.as_bytes()).ok()
}

/// Splits the path of a target with a file name after it. The name follows the version, or else is the last element.
fn split_name(path: &[u8]) -> (&[u8], &[u8]) {
    let slash = match path.iter().position(|byte| matches!(byte, b'@' | b'%')) {
        Some(version) => path[version..]
            .iter()
            .position(|byte| *byte == b'/')
            .map(|at| version + at),
        None => path.iter().rposition(|byte| *byte == b'/'),
    };
    match slash {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (path, b""),
    }
}

/// Why a path below `/-/bin/` is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNamedFile {
    /// The first element is not a platform.
    #[error(transparent)]
    Platform(#[from] UnknownPlatform),
    /// The elements after it are not a target.
    #[error(transparent)]
    Target(#[from] BadTarget),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> NamedFile {
        let named = NamedFile::parse(path.as_bytes()).expect(path);
        named.unwrap_or_else(|bad| panic!("{path}: {bad}"))
    }

    #[test]
    fn printed_path_parses_to_the_same_file() {
        for path in [
            "/-/bin/linux-amd64/o/r@v1.0.0/r",
            "/-/bin/linux-arm-6/o/r/cmd/x@v1/x",
            "/-/bin/linux-amd64-v3/example.org/r@main/r",
            "/-/bin/windows-amd64/o/r/r.exe",
        ] {
            let named = parsed(path);
            assert_eq!(NamedFile::path(&named.platform, &named.target, &named.name), path);
            assert_eq!(named.sidecar(&named.name), Ok(None), "{path}");
        }
        assert_eq!(NamedFile::parse(b"/o/r@v1.0.0"), None);
        assert_eq!(NamedFile::parse(b"/-/binary/o/r"), None);
    }

    #[test]
    fn file_must_have_the_name_of_the_program() {
        for (path, file_name, file) in [
            ("linux-amd64/o/r@v1/r.sha256", "r", Ok(Some(Sidecar::Sha256))),
            ("linux-amd64/o/r@v1/r.cdx.json", "r", Ok(Some(Sidecar::Sbom))),
            ("macos-x64/o/r@v1/words.json", "words.json", Ok(None)),
            (
                "linux-amd64/o/r@v1/words.json.json",
                "words.json",
                Ok(Some(Sidecar::Json)),
            ),
            ("linux-arm-v7/o/r@v1/x", "r", Err("/-/bin/linux-arm/o/r@v1/r")),
            (
                "windows-amd64/o/r@v1/r.sha256",
                "r.exe",
                Err("/-/bin/windows-amd64/o/r@v1/r.exe.sha256"),
            ),
            ("linux-amd64/o/r@v1", "r", Err("/-/bin/linux-amd64/o/r@v1/r")),
            ("linux-amd64/o/r", "r", Err("/-/bin/linux-amd64/o/r/r")),
            ("linux-amd64/o/r@v1/", "r", Err("/-/bin/linux-amd64/o/r@v1/r")),
            (
                "linux-amd64/o/r@v1/cmd/x/x",
                "x",
                Err("/-/bin/linux-amd64/o/r/cmd/x@v1/x"),
            ),
            (
                "linux-amd64/o/r@v1.log",
                "r",
                Err("/-/bin/linux-amd64/o/r@v1/r.log"),
            ),
        ] {
            let named = parsed(&format!("{PREFIX}{path}"));
            assert_eq!(named.sidecar(file_name), file.map_err(str::to_owned), "{path}");
        }
    }

    #[test]
    fn invalid_platform_or_target_is_refused() {
        for path in [
            "",
            "linux",
            "linux/amd64/o/r",
            "linux-vax/o/r@v1/r",
            "../o/r@v1/r",
        ] {
            let named = NamedFile::parse(format!("{PREFIX}{path}").as_bytes());
            assert!(
                matches!(named, Some(Err(BadNamedFile::Platform(_)))),
                "{path}: {named:?}"
            );
        }
        for path in [
            "linux-amd64",
            "linux-amd64/",
            "linux-amd64/o",
            "linux-amd64/o/r@-x/r",
            "linux-amd64/o/../r",
        ] {
            let named = NamedFile::parse(format!("{PREFIX}{path}").as_bytes());
            assert!(
                matches!(named, Some(Err(BadNamedFile::Target(_)))),
                "{path}: {named:?}"
            );
        }
    }
}
