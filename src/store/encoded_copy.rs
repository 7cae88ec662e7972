//! Copies of a program in a content coding. The first request that needs a copy creates it. Requests that need it meanwhile
//! wait for that one, and send the program itself if there is no copy in time.

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
use super::file_stamp::FileStamp;
use super::key::hex;
use super::lock::{Lock, LockWait};
use super::{Artifact, Fingerprint};
use crate::parse::ContentCoding;

/// The first request waits: 0.07 s for 6.6 MB and 0.43 s for 70 MB, which become 3.6 and 29.8 MB. For the 70 MB, level 1 takes
/// 0.31 s and the copy is 4 % larger; level 6 takes 1.50 s and the copy is 4 % smaller.
const ZSTD_LEVEL: i32 = 3;

/// 0.13 s and 1.21 s for the same programs, which become 3.6 and 30.5 MB. Level 2 takes 0.83 s and the copy is 4 % larger;
/// level 9 takes 3.85 s and the copy is 2 % smaller.
const GZIP_LEVEL: u32 = 5;

/// How long a request waits for another process to create a copy. A longer wait means a slow disk or a killed process.
const COPY_TIMEOUT: Duration = Duration::from_secs(10);

/// A copy of a program, open.
pub(super) struct EncodedCopy {
    pub(super) fingerprint: Fingerprint,
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Whether this request created the copy or waited for it.
    pub(super) is_new: bool,
}

/// The content of the JSON file beside a copy.
#[derive(Serialize, Deserialize)]
struct CopyMeta {
    /// The SHA-256 of the program.
    #[serde(rename = "of")]
    program_sha256: String,
    #[serde(flatten)]
    fingerprint: Fingerprint,
    #[serde(rename = "seal")]
    stamp: FileStamp,
}

impl EncodedCopy {
    /// Opens the copy of a program, and creates it if it is missing. Returns `None` if another process is creating it and does
    /// not finish in time.
    pub(super) fn find_or_create(
        artifact: &Artifact,
        coding: ContentCoding,
    ) -> io::Result<Option<EncodedCopy>> {
        let paths = CopyPaths::new(artifact, coding);
        if let Some(copy) = paths.open(artifact) {
            return Ok(Some(copy));
        }
        match Lock::try_acquire(&paths.lock)? {
            // Another process may have created it before this one acquired the lock.
            Some(_lock) if paths.open(artifact).is_none() => paths.create(artifact, coding)?,
            Some(_) => {}
            None => drop(LockWait::new(std::slice::from_ref(&paths.lock)).wait(COPY_TIMEOUT)?),
        }
        Ok(paths
            .open(artifact)
            .map(|copy| EncodedCopy { is_new: true, ..copy }))
    }
}

/// The files of a copy, beside the program.
struct CopyPaths {
    copy: PathBuf,
    meta: PathBuf,
    lock: PathBuf,
}

impl CopyPaths {
    fn new(artifact: &Artifact, coding: ContentCoding) -> CopyPaths {
        let name = coding.name();
        CopyPaths {
            copy: artifact.path.with_file_name(name),
            meta: artifact.path.with_file_name(format!("{name}.json")),
            lock: artifact.path.with_file_name(format!("{name}.lock")),
        }
    }

    /// Opens the copy. A copy of another program does not count, nor does one that was truncated or modified.
    fn open(&self, artifact: &Artifact) -> Option<EncodedCopy> {
        let meta: CopyMeta = read_json(&self.meta)?;
        let file = File::open(&self.copy).ok()?;
        let is_valid = meta.program_sha256 == artifact.meta.fingerprint.sha256
            && FileStamp::read(&file).ok()? == meta.stamp;
        is_valid.then_some(EncodedCopy {
            fingerprint: meta.fingerprint,
            file,
            path: self.copy.clone(),
            is_new: false,
        })
    }

    fn create(&self, artifact: &Artifact, coding: ContentCoding) -> io::Result<()> {
        // A fixed name: killed processes leave one file at most, and the next process overwrites it.
        let temporary = self.copy.with_extension("new");
        let created = self.write(artifact, coding, &temporary);
        if created.is_err() {
            // The disk may be full. If removal fails too, there is no such file.
            fs::remove_file(&temporary).ok();
        }
        created
    }

    fn write(&self, artifact: &Artifact, coding: ContentCoding, temporary: &Path) -> io::Result<()> {
        let mut program = HashingReader::new(&artifact.file);
        let file = encode(coding, &mut program, File::create(temporary)?)?;
        // The copy's own hash would hide that the program is damaged.
        if hex(&program.hash.finalize()) != artifact.meta.fingerprint.sha256 {
            return Err(io::Error::other(
                "the program does not have the SHA-256 that was published",
            ));
        }
        // A web server that sends the file itself runs as another user.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.sync_all()?;
        // It was opened for writing only.
        let file = File::open(temporary)?;
        let meta = CopyMeta {
            program_sha256: artifact.meta.fingerprint.sha256.clone(),
            fingerprint: Fingerprint::read(&file)?,
            stamp: FileStamp::read(&file)?,
        };
        fs::rename(temporary, &self.copy)?;
        replace(&self.meta, &serde_json::to_vec(&meta)?)
    }
}

fn encode(coding: ContentCoding, program: &mut impl Read, target: File) -> io::Result<File> {
    match coding {
        ContentCoding::Zstd => {
            let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL)?;
            // gzip always has a checksum. With it, the client detects a damaged file.
            encoder.include_checksum(true)?;
            io::copy(program, &mut encoder)?;
            encoder.finish()
        }
        ContentCoding::Gzip => {
            let mut encoder = GzEncoder::new(target, Compression::new(GZIP_LEVEL));
            io::copy(program, &mut encoder)?;
            encoder.finish()
        }
    }
}

/// Reads a program and hashes it. Reads by offset, since the response uses the position of the same open file.
struct HashingReader<'a> {
    file: &'a File,
    offset: u64,
    hash: Sha256,
}

impl HashingReader<'_> {
    fn new(file: &File) -> HashingReader<'_> {
        HashingReader {
            file,
            offset: 0,
            hash: Sha256::new(),
        }
    }
}

impl Read for HashingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.offset)?;
        self.offset += n as u64;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}
