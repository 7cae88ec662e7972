//! Stores programs, failures and resolutions as files below one directory. Independent of HTTP and Go.
//!
//! Any number of processes may use the directory at the same time. They write a temporary file, rename it and never change it
//! again. Locks are flock(2): the kernel releases them when a process ends, however it ends.

pub mod artifact;
pub mod budget;
pub mod counters;
pub mod disk;
pub mod disk_space;
mod encoded_copy;
pub mod evict;
pub mod file;
pub mod file_stamp;
pub mod fingerprint;
pub mod key;
pub mod layout;
pub mod lock;
pub mod modules;
mod observation;
mod number_file;
mod queues;
pub mod recent;
pub mod remove;
pub mod representation;
mod requests;
pub mod slot_queue;
mod sweep;
pub mod table;
mod ticket;
mod totals;
pub mod waiting;
pub mod work_dir;

pub use artifact::{Artifact, Description, Meta};
pub use counters::Counter;
pub use disk::Store;
pub use fingerprint::Fingerprint;
pub use key::{BuildKey, KeyHasher};
pub use representation::Representation;
pub use table::Table;
pub use totals::Total;
