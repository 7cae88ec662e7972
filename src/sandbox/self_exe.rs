//! The path of gox-server's own executable. Cells need a path to allow its execution, and `go` needs one to start its tools.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

/// The executable of this process, even if the file was replaced.
const PROC_SELF_EXE: &str = "/proc/self/exe";

/// Returns the path of the running executable. If that file was replaced or removed, returns a copy in `dir`, which belongs to this
/// process: parent and children must be the same version.
pub fn self_exe(dir: &Path) -> io::Result<PathBuf> {
    let (path, running) = (fs::read_link(PROC_SELF_EXE)?, fs::metadata(PROC_SELF_EXE)?);
    let inode = |file: &fs::Metadata| (file.dev(), file.ino());
    if fs::metadata(&path).is_ok_and(|file| inode(&file) == inode(&running)) {
        return Ok(path);
    }
    if statvfs(dir)?.flags().contains(FsFlags::ST_NOEXEC) {
        return Err(io::Error::other(format!(
            "{} was replaced, and a copy cannot run in {}, which is mounted noexec: restart gox-server",
            path.display(),
            dir.display()
        )));
    }
    let copy = dir.join("gox-server");
    if !copy.exists() {
        fs::copy(PROC_SELF_EXE, &copy)?;
    }
    Ok(copy)
}
