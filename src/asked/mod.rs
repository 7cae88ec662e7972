//! What the person asked for: a target, a version, a platform, and wishes about the build. Parsing and printing, no I/O.
//!
//! Everything here is made from a stranger's bytes, once, by a closed grammar: what comes out may be put into a path, an
//! argument or a header without another look, and prints back to text that means the same. Knows no other room, and no Go:
//! what a level or a tag is called on a command line is said elsewhere.

mod coding;
pub mod executable;
mod file_name;
mod go_version;
mod guess;
mod hash_algorithm;
mod machine;
mod platform;
mod shown;
mod sidecar;
mod target;
mod user_agent;
mod version;
mod weight;
mod windows;
mod wish;

pub use coding::Coding;
pub use file_name::{FileName, is_generic};
pub use go_version::{BadGoVersion, GoVersion};
pub use guess::Guess;
pub use hash_algorithm::HashAlgorithm;
pub use machine::{Family, Level};
pub use platform::{Platform, UnknownPlatform};
pub use shown::Shown;
pub use sidecar::Sidecar;
pub use target::{BadTarget, Target};
pub use user_agent::{Untold, platform};
pub use version::{BadVersion, Version};
pub use weight::weighted;
pub use wish::{BadWish, RecipeName, Wish};
