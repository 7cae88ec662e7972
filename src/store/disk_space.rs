//! Free space on the disk of the state directory, whatever fills it.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// The reserve: this many bytes, or a fraction of a small disk. A build with less free space is likely to fail.
const RESERVE: u64 = 256 << 20;
const RESERVE_DIVISOR: u64 = 20;

/// Space on a file system, bytes.
#[derive(Debug, Clone, Copy)]
pub struct DiskSpace {
    /// Free space.
    pub free: u64,
    /// Space that should be free before a build starts.
    pub reserve: u64,
}

impl DiskSpace {
    /// Reads the free space on the file system of `path`.
    pub fn read(path: &Path) -> io::Result<DiskSpace> {
        let disk = statvfs(path)?;
        let bytes = |blocks: u64| blocks * disk.fragment_size();
        Ok(DiskSpace {
            free: bytes(disk.blocks_available()),
            reserve: RESERVE.min(bytes(disk.blocks()) / RESERVE_DIVISOR),
        })
    }

    /// Bytes that an eviction has to free to restore the reserve.
    pub fn missing(self) -> u64 {
        self.reserve.saturating_sub(self.free)
    }

    /// Whether a running build has to stop, so that other processes keep some space.
    pub fn is_low(self) -> bool {
        self.free < self.reserve / 2
    }
}
