//! Size and hashes of a file.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

use super::key::hex;
use crate::parse::HashAlgorithm;

/// Size and hashes of some bytes. Hashes are in hexadecimal.
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
    /// Reads `bytes` to the end and hashes them.
    pub fn read(mut bytes: impl Read) -> io::Result<Fingerprint> {
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

    /// The hash of this algorithm, if there is one.
    pub fn hash(&self, algorithm: HashAlgorithm) -> Option<&str> {
        match algorithm {
            HashAlgorithm::Sha256 => Some(&self.sha256),
            HashAlgorithm::Sha512 => self.sha512.as_deref(),
        }
    }
}
