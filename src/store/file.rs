//! Small files: read as what they should be, and written whole or not at all; and which there are.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// What cannot be read, or is not what we write, is not there: it is made again.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Puts a small file in place in one step.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut aside = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("/")))?;
    aside.write_all(bytes)?;
    aside.persist(path)?;
    Ok(())
}

/// Writes a file that is new, and waits until it is on the disk.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The entries of a directory whose names begin so.
pub fn named(dir: &Path, beginning: &str) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(beginning.as_bytes())
        {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}
