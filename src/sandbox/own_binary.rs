//! gox-server's own file, for who starts it by its path: a cell names what may be executed in it, and `go` starts its tools so.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

/// This process's program, whatever became of the file.
const RUNNING: &str = "/proc/self/exe";

/// Where it lies. If it was replaced while this process runs, another version would be there, or nothing: then a copy in
/// `room`, which is this process's own.
pub fn own_binary(room: &Path) -> io::Result<PathBuf> {
    let (path, running) = (fs::read_link(RUNNING)?, fs::metadata(RUNNING)?);
    let inode = |file: &fs::Metadata| (file.dev(), file.ino());
    if fs::metadata(&path).is_ok_and(|there| inode(&there) == inode(&running)) {
        return Ok(path);
    }
    if statvfs(room)?.flags().contains(FsFlags::ST_NOEXEC) {
        let room = room.display();
        return Err(io::Error::other(format!(
            "the file was replaced while it runs, and no copy can be started in {room}, which is mounted noexec: start it again"
        )));
    }
    let copy = room.join("gox-server");
    if !copy.exists() {
        fs::copy(RUNNING, &copy)?;
    }
    Ok(copy)
}
