//! Looks at a program before anybody can be served it: that it is one regular file, of the right kind, not too large.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::{Platform, executable};
use crate::store::Fingerprint;
use crate::store::key::hex;

/// A program that may be published.
#[derive(Debug)]
pub struct Checked {
    /// Where it lies.
    pub path: PathBuf,
    /// Which bytes it is.
    pub fingerprint: Fingerprint,
}

/// Finds the one program that a build left in `bin`, and checks it.
pub fn check(bin: &Path, platform: &Platform, max_bytes: u64) -> Result<Checked, Refusal> {
    let path = only_file(bin)?;
    let mut file = File::open(&path).map_err(|e| trouble("open the program", &e))?;
    let size = file
        .metadata()
        .map_err(|e| trouble("look at the program", &e))?
        .len();
    if size > max_bytes {
        return Err(Refusal::new(Reason::TooLarge).detail(format!("{size} bytes; {max_bytes} are served")));
    }
    let expected = executable::head(platform);
    let mut head = vec![0; expected.len()];
    file.read_exact(&mut head)
        .map_err(|e| trouble("read the program", &e))?;
    if head != expected {
        return Err(
            Refusal::new(Reason::Internal).log(format!("not a program for {platform}: {}", hex(&head)))
        );
    }
    let fingerprint =
        Fingerprint::of(head.as_slice().chain(file)).map_err(|e| trouble("read the program", &e))?;
    Ok(Checked { path, fingerprint })
}

/// Whether the program holds the path of this directory. `-trimpath` leaves it there where assembler is included from another
/// directory than the package's (cmd/asm of Go 1.26; go-ethereum's programs do).
pub fn holds(program: &Path, directory: &Path) -> io::Result<bool> {
    const CHUNK: usize = 1 << 20;
    let path = memmem::Finder::new(directory.as_os_str().as_encoded_bytes());
    let mut file = File::open(program)?;
    let mut bytes = Vec::with_capacity(2 * CHUNK);
    while file.by_ref().take(CHUNK as u64).read_to_end(&mut bytes)? > 0 {
        if path.find(&bytes).is_some() {
            return Ok(true);
        }
        // The path may begin in this chunk and end in the next.
        let kept = bytes.len().min(path.needle().len());
        bytes.drain(..bytes.len() - kept);
    }
    Ok(false)
}

/// The program lies in `bin`, or in a directory of its platform below that. A link or a second file is not ours.
fn only_file(bin: &Path) -> Result<PathBuf, Refusal> {
    let mut files = Vec::new();
    let mut open = vec![bin.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).map_err(|e| trouble("look for the program", &e))? {
            let entry = entry.map_err(|e| trouble("look for the program", &e))?;
            let kind = entry
                .file_type()
                .map_err(|e| trouble("look at the program", &e))?;
            if kind.is_dir() {
                open.push(entry.path())
            } else {
                files.push((entry.path(), kind))
            }
        }
    }
    match files.as_slice() {
        [(path, kind)] if kind.is_file() => Ok(path.clone()),
        found => Err(Refusal::new(Reason::Internal).log(format!("one program was expected: {found:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_is_found_wherever_it_stands() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Path::new("/var/cache/modules");
        for before in [0, 1, (1 << 20) - 9, 1 << 20, (3 << 20) - 1] {
            let text = [&vec![b'/'; before][..], b"/var/cache/modules/a.b"].concat();
            fs::write(file.path(), &text).unwrap();
            assert!(holds(file.path(), path).unwrap(), "{before}");
            fs::write(file.path(), &text[..text.len() - 5]).unwrap();
            assert!(!holds(file.path(), path).unwrap(), "{before}");
        }
    }

    /// M30: what a build may leave is one regular file that begins as a program does, and nothing beside it.
    #[test]
    fn one_program_and_nothing_else_is_published() {
        let platform = Platform::new("linux", "amd64").unwrap();
        let bin = tempfile::tempdir().unwrap();
        let program = bin.path().join("linux_amd64/program");
        fs::create_dir(bin.path().join("linux_amd64")).unwrap();
        let whole = [executable::head(&platform), vec![0; 1000]].concat();
        fs::write(&program, &whole).unwrap();
        let published = check(bin.path(), &platform, 2000).unwrap();
        assert_eq!(
            (&published.path, published.fingerprint.size),
            (&program, whole.len() as u64)
        );

        let reason = |max_bytes| {
            check(bin.path(), &platform, max_bytes)
                .map(|checked| checked.path)
                .map_err(|refusal| refusal.reason)
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
        assert_eq!(reason(2000), Err(Reason::Internal), "nothing at all");
        symlink("/bin/sh", &program).unwrap();
        assert_eq!(reason(2000), Err(Reason::Internal), "a link");
    }
}
