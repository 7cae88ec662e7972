//! Keeps artifacts, failures and resolutions, as files under one directory. Knows no HTTP and no Go.
//!
//! Every process that has the directory may use it at the same time: a file is written aside and renamed into
//! place, and never changed again; exclusion is flock(2), which the kernel gives back however its owner ends.

pub mod artifact;
pub mod budget;
mod copy;
pub mod counters;
pub mod disk;
pub mod evict;
pub mod file;
pub mod fingerprint;
pub mod key;
pub mod lock;
mod modules;
mod observation;
pub mod remove;
pub mod representation;
pub mod room;
mod seal;
mod sweep;
pub mod table;
mod ticket;
pub mod turns;

pub use artifact::{Artifact, Description, Meta};
pub use counters::Counter;
pub use disk::Store;
pub use fingerprint::Fingerprint;
pub use key::{BuildKey, KeyMaker};
pub use representation::Representation;
pub use table::Table;
