//! A program in a content coding: made by the first request that wants it, once, and kept beside the program. Whoever asks
//! meanwhile waits for it; where it cannot be made, the program itself is as good.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::file::{read_json, replace};
use super::key::hex;
use super::lock::{Lock, Waiting};
use super::seal::Seal;
use super::{Artifact, Fingerprint};
use crate::asked::Coding;

/// Who asks first waits: 0.07 s for 6.6 MB, 0.43 s for 70 MB, of which 3.6 and 29.8 MB are left. Level 1 takes 0.31 s of the 70 MB
/// and leaves 4 % more, level 6 takes 1.50 s and leaves 4 % less.
const ZSTD_LEVEL: i32 = 3;

/// 0.13 s and 1.21 s of the same, of which 3.6 and 30.5 MB are left. Level 2 takes 0.83 s and leaves 4 % more, level 9 takes 3.85 s
/// and leaves 2 % less.
const GZIP_LEVEL: u32 = 5;

/// Whoever waits longer for a copy gets the program itself: then the disk is slow, or the maker stopped.
const PATIENCE: Duration = Duration::from_secs(10);

/// A copy, open.
pub(super) struct Copy {
    pub(super) fingerprint: Fingerprint,
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Whether this request made it, or waited for it.
    pub(super) is_new: bool,
}

/// What is written beside a copy.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The SHA-256 of the program.
    of: String,
    #[serde(flatten)]
    fingerprint: Fingerprint,
    seal: Seal,
}

impl Copy {
    /// The copy of this program, which is made if it is not there; `None` if somebody else tries to and does not get it done.
    pub(super) fn of(artifact: &Artifact, coding: Coding) -> io::Result<Option<Copy>> {
        let place = Place::new(artifact, coding);
        if let Some(copy) = place.look(artifact) {
            return Ok(Some(copy));
        }
        match Lock::try_take(&place.lock)? {
            // Between the look and the lock another may have made it.
            Some(_alone) if place.look(artifact).is_none() => place.make(artifact, coding)?,
            Some(_) => {}
            None => drop(Waiting::on(std::slice::from_ref(&place.lock)).within(PATIENCE)?),
        }
        Ok(place.look(artifact).map(|copy| Copy { is_new: true, ..copy }))
    }
}

/// Where a copy lies, and what is known of it.
struct Place {
    copy: PathBuf,
    kept: PathBuf,
    lock: PathBuf,
}

impl Place {
    fn new(artifact: &Artifact, coding: Coding) -> Place {
        let name = coding.name();
        Place {
            copy: artifact.path.with_file_name(name),
            kept: artifact.path.with_file_name(format!("{name}.json")),
            lock: artifact.path.with_file_name(format!("{name}.lock")),
        }
    }

    /// A copy of another program, or one that lost its end or was written to, is none: it is made again.
    fn look(&self, artifact: &Artifact) -> Option<Copy> {
        let kept: Kept = read_json(&self.kept)?;
        let file = File::open(&self.copy).ok()?;
        let right = kept.of == artifact.meta.fingerprint.sha256 && Seal::of(&file).ok()? == kept.seal;
        right.then_some(Copy {
            fingerprint: kept.fingerprint,
            file,
            path: self.copy.clone(),
            is_new: false,
        })
    }

    fn make(&self, artifact: &Artifact, coding: Coding) -> io::Result<()> {
        // One name, so that of what killed makers leave there is one at most; the next one overwrites it.
        let aside = self.copy.with_extension("new");
        let made = self.publish(artifact, coding, &aside);
        if made.is_err() {
            // A disk that is full shall not stay so for half a copy. If this fails too, there was none.
            fs::remove_file(&aside).ok();
        }
        made
    }

    fn publish(&self, artifact: &Artifact, coding: Coding, aside: &Path) -> io::Result<()> {
        let mut source = Source::new(&artifact.file);
        let file = encode(coding, &mut source, File::create(aside)?)?;
        // A copy has a hash of its own: it would make what was spoilt look right.
        if hex(&source.hash.finalize()) != artifact.meta.fingerprint.sha256 {
            return Err(io::Error::other("the program is not what was published"));
        }
        // As the program: a web server that sends it is another user.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.sync_all()?;
        // From its beginning.
        let file = File::open(aside)?;
        let kept = Kept {
            of: artifact.meta.fingerprint.sha256.clone(),
            fingerprint: Fingerprint::of(&file)?,
            seal: Seal::of(&file)?,
        };
        fs::rename(aside, &self.copy)?;
        replace(&self.kept, &serde_json::to_vec(&kept)?)
    }
}

fn encode(coding: Coding, source: &mut impl Read, target: File) -> io::Result<File> {
    match coding {
        Coding::Zstd => {
            let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL)?;
            // As gzip has it: whoever unpacks it sees whether it is whole.
            encoder.include_checksum(true)?;
            io::copy(source, &mut encoder)?;
            encoder.finish()
        }
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(target, Compression::new(GZIP_LEVEL));
            io::copy(source, &mut encoder)?;
            encoder.finish()
        }
    }
}

/// A program, read by offset, since its file is open for whoever sends it, and hashed.
struct Source<'a> {
    file: &'a File,
    offset: u64,
    hash: Sha256,
}

impl Source<'_> {
    fn new(file: &File) -> Source<'_> {
        Source {
            file,
            offset: 0,
            hash: Sha256::new(),
        }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.offset)?;
        self.offset += n as u64;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}
