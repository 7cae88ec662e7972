//! Checks that the build ID of a compiled package is the hash of its content. `go` believes the build ID that it reads from a
//! cached archive and hashes its second half, the content ID, into the names of the packages that import it
//! (cmd/go/internal/work/buildid.go). A tool wrote the archive: a compiler that a package has taken over could state the content ID
//! of another version, and its importers would be cached as importers of that version.
//!
//! The hash is that of `FindAndHash` in cmd/internal/buildid: SHA-256 with the build ID replaced by zeros. Here only the two places
//! where the compiler writes the ID are replaced: the ID in another place is content, or two archives could have one hash.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::libc;
use sha2::{Digest, Sha256};

/// An archive that a tool must not read.
#[derive(Debug, thiserror::Error)]
pub enum BadArchive {
    /// Its build ID is not that of its content, or it does not have the form of the compiler's archives.
    #[error("its build ID is not that of its content")]
    Forged,
    /// Reading it failed.
    #[error("its archive cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// Marks an archive in the compile cache that has been checked: the sticky bit, which has no meaning on a file in Linux. `go`
/// creates the files of its cache without it, and no tool can write there.
const CHECKED: u32 = 0o1000;

/// ACTION/CONTENT, each 120 bits in base64.
const ID_LEN: usize = 41;

/// The global header of an archive (cmd/internal/archive).
const MAGIC: &[u8] = b"!<arch>\n";

/// The header of each entry of an archive: name, four numbers, size, and two constant bytes.
const ENTRY_LEN: usize = 60;
const ENTRY_SIZE: Range<usize> = 48..58;
const ENTRY_END: &[u8] = b"`\n";

/// The names of the two entries that state the build ID: export data and object code.
const ENTRIES: [&[u8]; 2] = [b"__.PKGDEF       ", b"_go_.o          "];

/// Bytes to read of an entry. Its first line names the platform, the version of Go and its experiments.
const HEADER_LEN: usize = 1024;

/// Checks an archive in the directory of a build.
pub fn check(archive: &Path) -> Result<(), BadArchive> {
    check_file(&open(archive)?)
}

/// Checks an archive in the compile cache, unless it has been checked before: a file there never changes.
pub fn check_cached(archive: &Path) -> Result<(), BadArchive> {
    // Neither `go` nor a tool creates links there: they lead into an image, which was filled without any module.
    if fs::symlink_metadata(archive)?.is_symlink() {
        return Ok(());
    }
    let file = open(archive)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & CHECKED != 0 {
        return Ok(());
    }
    check_file(&file)?;
    // Without the mark it is checked again by the next tool.
    file.set_permissions(Permissions::from_mode(mode | CHECKED)).ok();
    Ok(())
}

/// Opens it without following a link or waiting for the writer of a FIFO.
fn open(archive: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY);
    options.open(archive)
}

fn check_file(file: &File) -> Result<(), BadArchive> {
    if !file.metadata()?.is_file() {
        return Err(BadArchive::Forged);
    }
    let stated = Stated::read(file)?.ok_or(BadArchive::Forged)?;
    let hash = hash_without(file, &stated.places)?;
    let content = URL_SAFE_NO_PAD.encode(&hash[..15]);
    let is_true = stated.id.split(|byte| *byte == b'/').nth(1) == Some(content.as_bytes());
    is_true.then_some(()).ok_or(BadArchive::Forged)
}

/// The build ID that an archive states, and the offsets of both copies.
struct Stated {
    id: Vec<u8>,
    places: [u64; 2],
}

impl Stated {
    /// Returns None unless the file has the form of the compiler's archives: `go` finds build IDs in ELF and Mach-O files too, and
    /// excludes parts of those from the hash.
    fn read(file: &File) -> io::Result<Option<Stated>> {
        let mut magic = [0; MAGIC.len()];
        if !fill(file, &mut magic, 0)? || magic != MAGIC {
            return Ok(None);
        }
        let Some(first) = Entry::read(file, MAGIC.len() as u64, ENTRIES[0])? else {
            return Ok(None);
        };
        let Some(second) = Entry::read(file, first.end, ENTRIES[1])? else {
            return Ok(None);
        };
        let is_same = first.id == second.id;
        Ok(is_same.then_some(Stated {
            id: first.id,
            places: [first.id_at, second.id_at],
        }))
    }
}

/// An entry of an archive that states a build ID.
struct Entry {
    id: Vec<u8>,
    id_at: u64,
    /// Offset of the next entry.
    end: u64,
}

impl Entry {
    fn read(file: &File, at: u64, name: &[u8]) -> io::Result<Option<Entry>> {
        let mut head = [0; ENTRY_LEN];
        if !fill(file, &mut head, at)? {
            return Ok(None);
        }
        let begins = at + ENTRY_LEN as u64;
        let mut header = vec![0; HEADER_LEN];
        let read = file.read_at(&mut header, begins)?;
        header.truncate(read);
        Ok(Entry::parse(&head, &header, begins, name))
    }

    fn parse(head: &[u8; ENTRY_LEN], header: &[u8], begins: u64, name: &[u8]) -> Option<Entry> {
        if !head.starts_with(name) || !head.ends_with(ENTRY_END) {
            return None;
        }
        let size = str::from_utf8(&head[ENTRY_SIZE]).ok()?.trim_end();
        let size: u64 = size.parse().ok()?;
        let platform_len = header.iter().position(|byte| *byte == b'\n')?;
        let (platform, rest) = header.split_at(platform_len);
        let quoted = rest.strip_prefix(b"\nbuild id \"")?;
        let id = quoted.get(..ID_LEN)?;
        let is_one =
            platform.starts_with(b"go object ") && quoted[ID_LEN..].starts_with(b"\"\n") && is_id(id);
        let id_at = begins + (header.len() - quoted.len()) as u64;
        let end = begins.checked_add(size)?;
        let holds_id = end >= id_at + ID_LEN as u64;
        (is_one && holds_id).then_some(Entry {
            id: id.to_owned(),
            id_at,
            // Entries begin at even offsets.
            end: end.checked_next_multiple_of(2)?,
        })
    }
}

/// Whether it is two base64 halves, which `go` reads as they are.
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

/// Fills the buffer. Returns false where the file ends before.
fn fill(file: &File, buffer: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        filled => filled.map(|()| true),
    }
}

/// SHA-256 of a file with zeros for the ID at each of these offsets.
fn hash_without(file: &File, places: &[u64]) -> io::Result<[u8; 32]> {
    let (mut hash, mut chunk, mut at) = (Sha256::new(), vec![0; 1 << 17], 0);
    loop {
        let read = match file.read_at(&mut chunk, at) {
            Ok(0) => return Ok(hash.finalize().into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        let chunk = &mut chunk[..read];
        for place in places {
            let within = |place: u64| place.saturating_sub(at).min(read as u64) as usize;
            chunk[within(*place)..within(place + ID_LEN as u64)].fill(0);
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
            assert!(check(&at(name)).is_err(), "{name}");
        }
        assert!(check_cached(&at("text")).is_err());
        assert!(check_cached(&at("link")).is_ok(), "it leads into an image");
    }
}
