//! What the tools of a build read from the compile cache is what was once written there. Go looks at the size of a cache entry
//! and no further (cmd/go/internal/cache, `GetFile`), so it would link a bit that the disk has lost, and we would serve it.
//!
//! The name of an output, `XX/SHA256-d`, says what it hashes to; each tool, before it starts, notes which it reads.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::store::evict::remove;
use crate::store::key::hex;

/// The outputs that one build reads, each hashed once.
pub struct Archives {
    /// The file into which the tools note them, one a line.
    notes: PathBuf,
    /// So many bytes of it have been read.
    until: u64,
    seen: HashSet<PathBuf>,
    damaged: Vec<PathBuf>,
}

impl Archives {
    /// Of the build whose tools note in `notes`.
    pub fn noted_in(notes: &Path) -> Archives {
        Archives {
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
            if !self.seen.contains(&path) {
                if !is_whole(&path)? {
                    self.damaged.push(path.clone());
                }
                self.seen.insert(path);
            }
        }
        Ok(())
    }

    /// When the build has ended: those that are not what they were.
    pub fn damaged(mut self) -> io::Result<Vec<PathBuf>> {
        self.look()?;
        Ok(self.damaged)
    }
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

/// Has everything compiled anew, as what was compiled against a damaged output cannot be told from the rest: the index goes,
/// `XX/ID-a`, and with it what was damaged. Builds that run keep the outputs that they have found.
pub fn forget(cache: &Path, damaged: &[PathBuf]) -> io::Result<()> {
    for shelf in fs::read_dir(cache)? {
        let shelf = shelf?;
        if !shelf.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(shelf.path())? {
            let path = entry?.path();
            if path.as_os_str().as_encoded_bytes().ends_with(b"-a") {
                remove(&path)?;
            }
        }
    }
    damaged.iter().try_for_each(|path| remove(path))
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
        let mut archives = Archives::noted_in(&notes);
        let line = |path: &Path| path.display().to_string();
        fs::write(&notes, format!("{}\n/gone-d\n{}", line(&good), line(&bad))).unwrap();
        archives.look().unwrap();
        assert_eq!(archives.damaged, Vec::<PathBuf>::new());
        fs::write(&notes, format!("{}\n/gone-d\n{}\n", line(&good), line(&bad))).unwrap();
        let damaged = archives.damaged().unwrap();
        assert_eq!(damaged, [bad]);

        forget(dir.path(), &damaged).unwrap();
        let left: Vec<_> = fs::read_dir(&shelf)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(left, [good]);
    }
}
