//! The bytes that a response sends for a program (RFC 9110 section 3.2).

use std::fs::File;
use std::path::PathBuf;

use super::{Description, Fingerprint};
use crate::parse::ContentCoding;

/// A program, or a copy of it in a content coding.
#[derive(Debug)]
pub struct Representation {
    /// Metadata of the program.
    pub description: Description,
    /// The SHA-256 of the program without content coding, in hexadecimal.
    pub program_sha256: String,
    /// The content coding. `None`: the program itself.
    pub coding: Option<ContentCoding>,
    /// Size and hashes of these bytes.
    pub fingerprint: Fingerprint,
    /// The bytes, open. They stay readable after an eviction.
    pub file: File,
    /// Their path, for a web server that sends the file itself.
    pub path: PathBuf,
    /// Whether the copy was created for this response. The caller then starts an eviction, since the copy takes disk space.
    pub is_new: bool,
}
