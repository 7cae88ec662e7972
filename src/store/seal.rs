//! What tells that a file is still what was published: anybody who writes to it changes this.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Seal {
    bytes: u64,
    modified: (i64, i64),
}

impl Seal {
    pub(super) fn of(file: &File) -> io::Result<Seal> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Seal {
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}
