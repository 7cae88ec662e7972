//! What the tools of a build read from the compile cache is what was once written there. Go looks at the size of a cache entry
//! and no further (cmd/go/internal/cache, `GetFile`), so it would link a bit that the disk has lost, and we would serve it.
//!
//! The name of an output, `XX/SHA256-d`, says what it hashes to; each tool, before it starts, notes which it reads.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::sandbox::build_id::{BadArchive, check_cached};
use crate::store::key::hex;
use crate::store::remove::remove;

/// The outputs that one build reads, each hashed once.
pub struct Archives {
    /// GOCACHE.
    cache: PathBuf,
    /// The file into which the tools note them, one a line.
    notes: PathBuf,
    /// So many bytes of it have been read.
    until: u64,
    seen: HashSet<PathBuf>,
    damaged: Vec<PathBuf>,
}

impl Archives {
    /// Of the build whose tools note in `notes` what they read from `cache`.
    pub fn new(cache: &Path, notes: &Path) -> Archives {
        Archives {
            cache: cache.to_owned(),
            notes: notes.to_owned(),
            until: 0,
            seen: HashSet::new(),
            damaged: Vec::new(),
        }
    }

    /// Hashes what has been noted since the last look. Called while the build runs, whose linker takes longer than this.
    pub fn look(&mut self) -> io::Result<()> {
        let mut notes = File::open(&self.notes)?;
        notes.seek(SeekFrom::Start(self.until))?;
        let mut text = String::new();
        notes.read_to_string(&mut text)?;
        // What follows the last newline is being written.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.until += whole as u64;
        for path in text[..whole].lines().map(PathBuf::from) {
            // Where tools are not confined, one of them may have written here.
            if is_below(&path, &self.cache) && !self.seen.contains(&path) {
                if !is_whole(&path)? {
                    self.damaged.push(path.clone());
                }
                self.seen.insert(path);
            }
        }
        Ok(())
    }

    /// When the build has ended: those that are not what they were.
    pub fn damaged(&mut self) -> io::Result<Vec<PathBuf>> {
        self.look()?;
        Ok(self.damaged.clone())
    }

    /// When the build has failed: those whose build ID is not that of their content, which no tool was given to read.
    pub fn forged(&self) -> Vec<PathBuf> {
        let is_forged = |path: &&PathBuf| matches!(check_cached(path), Err(BadArchive::Forged));
        self.seen.iter().filter(is_forged).cloned().collect()
    }
}

fn is_below(path: &Path, dir: &Path) -> bool {
    let plain = |part| matches!(part, Component::Normal(_));
    path.strip_prefix(dir)
        .is_ok_and(|rest| rest.components().all(plain))
}

/// What is gone meanwhile has harmed nobody: a tool that needed it has failed.
fn is_whole(output: &Path) -> io::Result<bool> {
    let mut file = match File::open(output) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        opened => opened?,
    };
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 1 << 17]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => hash.update(&chunk[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A disk that cannot read it has not kept it.
            Err(_) => return Ok(false),
        }
    }
    let name = output.file_name().unwrap_or_default().as_encoded_bytes();
    Ok(name.strip_suffix(b"-d") == Some(hex(&hash.finalize()).as_bytes()))
}

/// Has everything compiled anew, as what was compiled against a damaged output cannot be told from the rest: the index of the
/// cache goes, `XX/ID-a`, and with it what was damaged. Builds that run keep the outputs that they have found.
pub fn forget(cache: &Path, damaged: &[PathBuf]) -> io::Result<()> {
    let actions = entries(cache, b"-a")?;
    actions.iter().chain(damaged).try_for_each(|path| remove(path))
}

/// Has the modules read anew: what Go remembers of their files lies among the outputs, and begins so (cmd/go/internal/modindex).
pub fn forget_modules(cache: &Path) -> io::Result<()> {
    const BEGINNING: &[u8] = b"go index v";
    for path in entries(cache, b"-d")? {
        let mut beginning = [0; BEGINNING.len()];
        let read = File::open(&path).and_then(|mut file| file.read_exact(&mut beginning));
        // What is shorter, or gone, is none.
        if read.is_ok() && beginning == BEGINNING {
            remove(&path)?;
        }
    }
    Ok(())
}

/// From now on this `go` reads the modules themselves.
pub fn believe_no_index(command: &mut Command) {
    command.env("GODEBUG", "goindex=0");
}

fn entries(cache: &Path, kind: &[u8]) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for shelf in fs::read_dir(cache)? {
        let shelf = shelf?;
        if shelf.file_type()?.is_dir() {
            for entry in fs::read_dir(shelf.path())? {
                entries.push(entry?.path());
            }
        }
    }
    entries.retain(|path| path.as_os_str().as_encoded_bytes().ends_with(kind));
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_is_looked_at_when_its_line_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = dir.path().join("ba");
        fs::create_dir(&shelf).unwrap();
        // SHA-256 of "abc", FIPS 180-2 appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad-d";
        let [good, bad] = [abc, &abc.replace('7', "8")].map(|name| shelf.join(name));
        for path in [&good, &bad, &shelf.join("01-a")] {
            fs::write(path, "abc").unwrap();
        }
        let notes = dir.path().join("notes");
        let mut archives = Archives::new(dir.path(), &notes);
        let line = |path: &Path| path.display().to_string();
        fs::write(
            &notes,
            format!("{}\n/elsewhere-d\n{0}/../x-d\n{}", line(&good), line(&bad)),
        )
        .unwrap();
        archives.look().unwrap();
        assert_eq!(archives.damaged, Vec::<PathBuf>::new());
        fs::write(
            &notes,
            format!("{}\n/elsewhere-d\n{0}/../x-d\n{}\n", line(&good), line(&bad)),
        )
        .unwrap();
        let damaged = archives.damaged().unwrap();
        assert_eq!(damaged, [bad]);

        let left = || entries(dir.path(), b"").unwrap();
        forget(dir.path(), &damaged).unwrap();
        assert_eq!(left(), std::slice::from_ref(&good));
        fs::write(shelf.join("02-d"), "go index v2\n").unwrap();
        forget_modules(dir.path()).unwrap();
        assert_eq!(left(), [good]);
    }
}
