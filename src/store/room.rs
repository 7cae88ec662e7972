//! How full the disk is, by whatever fills it.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// A build with less room has little chance; and of a small disk it shall not be much.
const WANTED: u64 = 256 << 20;
const PART: u64 = 20;

/// The room on a disk, bytes.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// What is free.
    pub free: u64,
    /// What shall be free before a build begins.
    pub wanted: u64,
}

impl Room {
    /// On the disk of this file.
    pub fn of(path: &Path) -> io::Result<Room> {
        let disk = statvfs(path)?;
        let bytes = |blocks: u64| blocks * disk.fragment_size();
        Ok(Room {
            free: bytes(disk.blocks_available()),
            wanted: WANTED.min(bytes(disk.blocks()) / PART),
        })
    }

    /// Whether a build under way has to end, before it takes the last of what others need.
    pub fn is_short(self) -> bool {
        self.free < self.wanted / 2
    }
}
