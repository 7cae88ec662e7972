//! Detects whether a published file was modified.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// Size and modification time of a regular file. Every write changes it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct FileStamp {
    bytes: u64,
    modified: (i64, i64),
}

impl FileStamp {
    /// Reads the stamp of an open file. Fails for other than regular files.
    pub(super) fn read(file: &File) -> io::Result<FileStamp> {
        FileStamp::from_metadata(&file.metadata()?)
    }

    /// The stamp of a file with this metadata. Fails for other than regular files.
    pub fn from_metadata(metadata: &Metadata) -> io::Result<FileStamp> {
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(FileStamp {
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}
