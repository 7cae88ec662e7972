//! What tells bytes from all others.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

use super::key::hex;
use crate::asked::HashAlgorithm;

/// What is known of some bytes; all hashes in hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many there are.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: String,
    /// Their SHA-512. What was published before it was asked for has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
}

impl Fingerprint {
    /// Reads to the end.
    pub fn of(mut bytes: impl Read) -> io::Result<Fingerprint> {
        let (mut size, mut sha256, mut sha512) = (0, Sha256::new(), Sha512::new());
        let mut chunk = vec![0; 1 << 17];
        loop {
            match bytes.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => {
                    size += n as u64;
                    sha256.update(&chunk[..n]);
                    sha512.update(&chunk[..n]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Fingerprint {
            size,
            sha256: hex(&sha256.finalize()),
            sha512: Some(hex(&sha512.finalize())),
        })
    }

    /// The hash of this algorithm, if it is known.
    pub fn hash(&self, algorithm: HashAlgorithm) -> Option<&str> {
        match algorithm {
            HashAlgorithm::Sha256 => Some(&self.sha256),
            HashAlgorithm::Sha512 => self.sha512.as_deref(),
        }
    }
}
