//! Checks that the build ID of a compiled package is the hash of its content.
//!
//! `go` trusts the build ID that it reads from a cached archive: it hashes the second half, the content ID, into the cache keys
//! of the packages that import it (cmd/go/internal/work/buildid.go). But a tool wrote the archive. A compiler that a package has
//! taken over could write the content ID of another version, and `go` would cache the importers as importers of that version.
//!
//! The hash is that of `FindAndHash` in cmd/internal/buildid: SHA-256 with the build ID replaced by zeros. Only the two copies
//! that the compiler writes are replaced here. A copy elsewhere is content: otherwise two archives could have the same hash.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::libc;
use sha2::{Digest, Sha256};

use crate::store::key::hex;

/// Why a tool must not read an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The build ID does not match the content, or the file does not have the format of the compiler's archives.
    #[error("the build ID does not match the content")]
    Forged,
    /// The file cannot be read.
    #[error("cannot read the archive: {0}")]
    Unreadable(#[from] io::Error),
}

/// The mode bit of a checked archive in the compile cache: the sticky bit, which Linux ignores on files. `go` creates the files
/// of its cache without it, and no tool can write there.
const CHECKED: u32 = 0o1000;

/// Length of a build ID: ACTION/CONTENT, each 120 bits in base64.
const ID_LEN: usize = 41;

/// Bytes of each half.
const HALF_ID_BYTES: usize = 15;

/// The global header of an archive (cmd/internal/archive).
const MAGIC: &[u8] = b"!<arch>\n";

/// The header of each archive entry: name, four numbers, size, and two constant bytes.
const ENTRY_LEN: usize = 60;
const ENTRY_SIZE: Range<usize> = 48..58;
const ENTRY_END: &[u8] = b"`\n";

/// The names of the two entries that contain the build ID: export data and object code.
const ENTRIES: [&[u8]; 2] = [b"__.PKGDEF       ", b"_go_.o          "];

/// Bytes to read of an entry's body. Its first line contains the platform, the version of Go and its experiments.
const HEADER_LEN: usize = 1024;

/// Checks an archive in the directory of a build.
pub fn check_archive(archive: &Path) -> Result<(), ArchiveError> {
    check_file(&open(archive)?)
}

/// Checks an archive in the compile cache, unless it has been checked before: files there never change.
pub fn check_cached_archive(archive: &Path) -> Result<(), ArchiveError> {
    let metadata = fs::symlink_metadata(archive)?;
    let mode = metadata.permissions().mode();
    // Neither `go` nor a tool creates links there. Links point into an image, and its archives were compiled without any module.
    if metadata.is_symlink() || mode & CHECKED != 0 {
        return Ok(());
    }
    let file = open(archive)?;
    check_file(&file)?;
    // Without the bit, the next tool checks it again.
    file.set_permissions(Permissions::from_mode(mode | CHECKED)).ok();
    Ok(())
}

/// Reads the action ID in an archive, the first half of its build ID, and decodes it. `None` if the file has another format.
pub fn read_action_id(archive: &Path) -> io::Result<Option<String>> {
    let build_id = BuildId::read(&open(archive)?)?;
    Ok(build_id.and_then(|build_id| decode_action_id(build_id.id.split(|byte| *byte == b'/').next()?)))
}

/// Decodes an action ID: the first 30 hexadecimal digits of the hash of the action (cmd/internal/buildid, HashToString).
pub fn decode_action_id(id: &[u8]) -> Option<String> {
    let hash = URL_SAFE_NO_PAD.decode(id).ok()?;
    (hash.len() == HALF_ID_BYTES).then(|| hex(&hash))
}

/// Opens the file, without following a link or waiting for the writer of a FIFO.
fn open(archive: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY);
    options.open(archive)
}

fn check_file(file: &File) -> Result<(), ArchiveError> {
    if !file.metadata()?.is_file() {
        return Err(ArchiveError::Forged);
    }
    let build_id = BuildId::read(file)?.ok_or(ArchiveError::Forged)?;
    let hash = hash_without_id(file, &build_id.offsets)?;
    let content_id = URL_SAFE_NO_PAD.encode(&hash[..HALF_ID_BYTES]);
    let matches = build_id.id.split(|byte| *byte == b'/').nth(1) == Some(content_id.as_bytes());
    matches.then_some(()).ok_or(ArchiveError::Forged)
}

/// The build ID in an archive, and the offsets of its two copies.
struct BuildId {
    id: Vec<u8>,
    offsets: [u64; 2],
}

impl BuildId {
    /// Reads the build ID. Returns `None` unless the file has the format of the compiler's archives: `go` also finds build IDs in
    /// ELF and Mach-O files, and excludes parts of those from the hash.
    fn read(file: &File) -> io::Result<Option<BuildId>> {
        let mut magic = [0; MAGIC.len()];
        if !fill(file, &mut magic, 0)? || magic != MAGIC {
            return Ok(None);
        }
        let Some(first) = ArchiveEntry::read(file, MAGIC.len() as u64, ENTRIES[0])? else {
            return Ok(None);
        };
        let Some(second) = ArchiveEntry::read(file, first.end, ENTRIES[1])? else {
            return Ok(None);
        };
        let is_same = first.id == second.id;
        Ok(is_same.then_some(BuildId {
            id: first.id,
            offsets: [first.id_offset, second.id_offset],
        }))
    }
}

/// An archive entry that contains a build ID.
struct ArchiveEntry {
    id: Vec<u8>,
    id_offset: u64,
    /// Offset of the next entry.
    end: u64,
}

impl ArchiveEntry {
    fn read(file: &File, offset: u64, name: &[u8]) -> io::Result<Option<ArchiveEntry>> {
        let mut head = [0; ENTRY_LEN];
        if !fill(file, &mut head, offset)? {
            return Ok(None);
        }
        let body_offset = offset + ENTRY_LEN as u64;
        let mut body = vec![0; HEADER_LEN];
        let read = file.read_at(&mut body, body_offset)?;
        body.truncate(read);
        Ok(ArchiveEntry::parse(&head, &body, body_offset, name))
    }

    /// Parses the header of an entry, and the beginning of its body.
    fn parse(head: &[u8; ENTRY_LEN], body: &[u8], body_offset: u64, name: &[u8]) -> Option<ArchiveEntry> {
        if !head.starts_with(name) || !head.ends_with(ENTRY_END) {
            return None;
        }
        let size = str::from_utf8(&head[ENTRY_SIZE]).ok()?.trim_end();
        let size: u64 = size.parse().ok()?;
        let platform_len = body.iter().position(|byte| *byte == b'\n')?;
        let (platform, rest) = body.split_at(platform_len);
        let quoted = rest.strip_prefix(b"\nbuild id \"")?;
        let id = quoted.get(..ID_LEN)?;
        let is_valid =
            platform.starts_with(b"go object ") && quoted[ID_LEN..].starts_with(b"\"\n") && is_id(id);
        let id_offset = body_offset + (body.len() - quoted.len()) as u64;
        let end = body_offset.checked_add(size)?;
        let contains_id = end >= id_offset + ID_LEN as u64;
        (is_valid && contains_id).then_some(ArchiveEntry {
            id: id.to_owned(),
            id_offset,
            // Entries begin at even offsets.
            end: end.checked_next_multiple_of(2)?,
        })
    }
}

/// Whether these bytes are two base64 halves without escapes.
fn is_id(id: &[u8]) -> bool {
    let is_half = |half: &[u8]| {
        half.len() == ID_LEN / 2
            && half
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
    };
    let halves: Vec<_> = id.split(|byte| *byte == b'/').collect();
    halves.len() == 2 && halves.into_iter().all(is_half)
}

/// Fills the buffer. Returns false if the file ends before that.
fn fill(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, offset) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        filled => filled.map(|()| true),
    }
}

/// SHA-256 of a file, with zeros in place of the ID at each of these offsets.
fn hash_without_id(file: &File, id_offsets: &[u64]) -> io::Result<[u8; 32]> {
    let (mut hash, mut chunk, mut at) = (Sha256::new(), vec![0; 1 << 17], 0);
    loop {
        let read = match file.read_at(&mut chunk, at) {
            Ok(0) => return Ok(hash.finalize().into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        let chunk = &mut chunk[..read];
        for id_offset in id_offsets {
            let in_chunk = |offset: u64| offset.saturating_sub(at).min(read as u64) as usize;
            chunk[in_chunk(*id_offset)..in_chunk(id_offset + ID_LEN as u64)].fill(0);
        }
        hash.update(chunk);
        at += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_regular_file_is_an_archive() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("text"), "package x").unwrap();
        fs::write(at("empty"), "").unwrap();
        symlink(at("text"), at("link")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for name in ["text", "empty", "link", "fifo", ""] {
            assert!(check_archive(&at(name)).is_err(), "{name}");
        }
        assert!(check_cached_archive(&at("text")).is_err());
        assert!(
            check_cached_archive(&at("link")).is_ok(),
            "a link points into an image"
        );
    }
}
