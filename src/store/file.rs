//! Reads and lists small files, and writes them atomically.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

/// Reads a JSON file. A file that is missing, unreadable or invalid gives `None`: callers create it again.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Replaces a small file atomically: writes a temporary file and renames it.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_temporary(path, bytes)?.persist(path)?;
    Ok(())
}

/// The same, with this modification time.
pub fn replace_at(path: &Path, bytes: &[u8], at: SystemTime) -> io::Result<()> {
    let temporary = write_temporary(path, bytes)?;
    temporary.as_file().set_modified(at)?;
    temporary.persist(path)?;
    Ok(())
}

fn write_temporary(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut temporary = NamedTempFile::new_in(path.parent().unwrap_or(Path::new("/")))?;
    temporary.write_all(bytes)?;
    Ok(temporary)
}

/// Writes a new file and syncs it to disk.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Lists the entries of a directory that start with `prefix`.
pub fn list_entries(dir: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_bytes())
        {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// Lists all regular files below a directory, at any depth. Skips files that are removed meanwhile, and symbolic links.
pub fn files_below(dir: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let mut files = entries_below(dir)?;
    files.retain(|(_, metadata)| metadata.is_file());
    Ok(files)
}

/// The same with all directories below it.
pub(super) fn entries_below(dir: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let (mut entries_below, mut stack) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = stack.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                stack.push(entry.path());
            }
            if metadata.is_dir() || metadata.is_file() {
                entries_below.push((entry.path(), metadata));
            }
        }
    }
    Ok(entries_below)
}

/// Bytes that all files and directories below a directory take on disk: an empty directory takes 4 KB on ext4.
pub fn disk_usage(dir: &Path) -> io::Result<u64> {
    Ok(entries_below(dir)?
        .iter()
        .map(|(_, metadata)| allocated_bytes(metadata))
        .sum())
}

/// Bytes that a file or directory takes on disk.
pub(super) fn allocated_bytes(metadata: &Metadata) -> u64 {
    // stat(2): the unit of st_blocks.
    metadata.blocks() * 512
}
