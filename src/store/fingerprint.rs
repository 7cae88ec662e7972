//! Size and hashes of a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::resume_unwind;
use std::thread;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

use super::key::hex;
use crate::parse::HashAlgorithm;

/// Size and hashes of a file. Hashes are in hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The number of bytes.
    pub size: u64,
    /// The SHA-256.
    pub sha256: String,
    /// The SHA-512. Programs that early versions of gox-server published do not have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
}

impl Fingerprint {
    /// Reads a file from its first byte to its end, and hashes it. Each hash has a thread of its own: clients wait for a new program.
    pub fn read(file: &File) -> io::Result<Fingerprint> {
        thread::scope(|scope| {
            let sha512 = thread::Builder::new().spawn_scoped(scope, || hash::<Sha512>(file))?;
            let (size, sha256) = hash::<Sha256>(file)?;
            let (_, sha512) = sha512.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            Ok(Fingerprint {
                size,
                sha256,
                sha512: Some(sha512),
            })
        })
    }

    /// The hash of this algorithm, if there is one.
    pub fn hash(&self, algorithm: HashAlgorithm) -> Option<&str> {
        match algorithm {
            HashAlgorithm::Sha256 => Some(&self.sha256),
            HashAlgorithm::Sha512 => self.sha512.as_deref(),
        }
    }
}

/// Returns the size of a file, and its hash in hexadecimal.
fn hash<D: Digest>(file: &File) -> io::Result<(u64, String)> {
    let (mut size, mut hash, mut chunk) = (0, D::new(), vec![0; 1 << 17]);
    loop {
        match file.read_at(&mut chunk, size) {
            Ok(0) => return Ok((size, hex(&hash.finalize()))),
            Ok(n) => {
                hash.update(&chunk[..n]);
                size += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
