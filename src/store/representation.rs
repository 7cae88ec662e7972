//! The bytes that stand for a program in an answer (RFC 9110 section 3.2).

use std::fs::File;
use std::path::PathBuf;

use super::{Description, Fingerprint};
use crate::asked::Coding;

/// A program as it is, or a copy of it in a content coding.
#[derive(Debug)]
pub struct Representation {
    /// What the program is.
    pub description: Description,
    /// The SHA-256 of the program itself, in hexadecimal.
    pub program_sha256: String,
    /// `None`: as it is.
    pub coding: Option<Coding>,
    /// Which bytes these are.
    pub fingerprint: Fingerprint,
    /// They themselves, open: what is removed or replaced from now on does not matter.
    pub file: File,
    /// Where they lie, for a web server that sends them.
    pub path: PathBuf,
    /// Whether a copy was made for this answer: it takes room that nothing took before.
    pub is_new: bool,
}
