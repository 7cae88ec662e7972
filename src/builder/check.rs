//! Checks a program before it is published: one regular file, an executable for the platform, not too large.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::error::{Error, Reason, internal_error};
use crate::parse::{Platform, executable};
use crate::store::Fingerprint;
use crate::store::key::hex;

/// A program that passed the checks and may be published.
#[derive(Debug)]
pub struct CheckedProgram {
    /// The file.
    pub path: PathBuf,
    /// Its size and hashes.
    pub fingerprint: Fingerprint,
}

/// Finds the program that a build left in `bin`, and checks it.
pub fn check_program(bin: &Path, platform: &Platform, max_bytes: u64) -> Result<CheckedProgram, Error> {
    let path = find_only_file(bin)?;
    let mut file = File::open(&path).map_err(|e| internal_error("open the program", &e))?;
    let size = file
        .metadata()
        .map_err(|e| internal_error("stat the program", &e))?
        .len();
    if size > max_bytes {
        return Err(Error::new(Reason::TooLarge).detail(format!("{size} bytes; the limit is {max_bytes}")));
    }
    let mut head = vec![0; executable::expected_header(platform).len()];
    file.read_exact(&mut head)
        .map_err(|e| internal_error("read the program", &e))?;
    if !executable::is_program_of(platform, &head) {
        return Err(Error::new(Reason::Internal).log(format!("not a program for {platform}: {}", hex(&head))));
    }
    let fingerprint = Fingerprint::read(&file).map_err(|e| internal_error("read the program", &e))?;
    Ok(CheckedProgram { path, fingerprint })
}

/// Whether the program contains the path of this directory. `-trimpath` does not remove it if an assembler file includes a file of
/// another directory than its package's (cmd/asm of Go 1.26; programs of go-ethereum, for example).
pub fn contains_path(program: &Path, directory: &Path) -> io::Result<bool> {
    const CHUNK: usize = 1 << 20;
    let path = memmem::Finder::new(directory.as_os_str().as_encoded_bytes());
    let mut file = File::open(program)?;
    let mut bytes = Vec::with_capacity(2 * CHUNK);
    while file.by_ref().take(CHUNK as u64).read_to_end(&mut bytes)? > 0 {
        if path.find(&bytes).is_some() {
            return Ok(true);
        }
        // The path may start in this chunk and end in the next.
        let overlap = bytes.len().min(path.needle().len());
        bytes.drain(..bytes.len() - overlap);
    }
    Ok(false)
}

/// Finds the only file below `bin`. Go writes the program to `bin`, or to a directory named after the platform below it. A symlink
/// or a second file is an error.
fn find_only_file(bin: &Path) -> Result<PathBuf, Error> {
    let mut files = Vec::new();
    let mut pending = vec![bin.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).map_err(|e| internal_error("find the program", &e))? {
            let entry = entry.map_err(|e| internal_error("find the program", &e))?;
            let kind = entry
                .file_type()
                .map_err(|e| internal_error("stat the program", &e))?;
            if kind.is_dir() {
                pending.push(entry.path())
            } else {
                files.push((entry.path(), kind))
            }
        }
    }
    match files.as_slice() {
        [(path, kind)] if kind.is_file() => Ok(path.clone()),
        found => Err(Error::new(Reason::Internal).log(format!("expected one program, found {found:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn path_is_found_at_every_offset() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Path::new("/var/cache/modules");
        for before in [0, 1, (1 << 20) - 9, 1 << 20, (3 << 20) - 1] {
            let text = [&vec![b'/'; before][..], b"/var/cache/modules/a.b"].concat();
            fs::write(file.path(), &text).unwrap();
            assert!(contains_path(file.path(), path).unwrap(), "{before}");
            fs::write(file.path(), &text[..text.len() - 5]).unwrap();
            assert!(!contains_path(file.path(), path).unwrap(), "{before}");
        }
    }

    /// M30: a build must leave one regular file that starts with an executable header, and no other file.
    #[test]
    fn only_a_single_executable_is_published() {
        let platform = Platform::new("linux", "amd64").unwrap();
        let bin = tempfile::tempdir().unwrap();
        let program = bin.path().join("linux_amd64/program");
        fs::create_dir(bin.path().join("linux_amd64")).unwrap();
        let whole = [executable::expected_header(&platform), vec![0; 1000]].concat();
        fs::write(&program, &whole).unwrap();
        let published = check_program(bin.path(), &platform, 2000).unwrap();
        assert_eq!(
            (&published.path, published.fingerprint.size),
            (&program, whole.len() as u64)
        );

        let reason = |max_bytes| {
            check_program(bin.path(), &platform, max_bytes)
                .map(|checked| checked.path)
                .map_err(|error| error.reason)
        };
        assert_eq!(reason(1000), Err(Reason::TooLarge));
        for other in ["second", "linux_amd64/second"] {
            fs::write(bin.path().join(other), "").unwrap();
            assert_eq!(reason(2000), Err(Reason::Internal), "{other}");
            fs::remove_file(bin.path().join(other)).unwrap();
        }
        for not_a_program in [b"#!/bin/sh\nexit 0".to_vec(), vec![], b"MZ".to_vec()] {
            fs::write(&program, not_a_program).unwrap();
            assert_eq!(reason(2000), Err(Reason::Internal));
        }
        fs::remove_file(&program).unwrap();
        assert_eq!(reason(2000), Err(Reason::Internal), "no file");
        symlink("/bin/sh", &program).unwrap();
        assert_eq!(reason(2000), Err(Reason::Internal), "a symlink");
    }
}
