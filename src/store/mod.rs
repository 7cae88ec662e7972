//! Keeps artifacts, failures and resolutions, as files under one directory. Knows no HTTP and no Go.
//!
//! Every process that has the directory may use it at the same time: a file is written aside, synced and renamed into
//! place, and never changed again; exclusion is flock(2), which the kernel gives back however its owner ends.

pub mod artifact;
pub mod disk;
pub mod key;
pub mod lock;

pub use artifact::{Artifact, Description, Meta};
pub use disk::Store;
pub use key::{BuildKey, KeyMaker};
