//! Parses the untrusted parts of a request: target, version, platform, build options and header fields. No I/O.
//!
//! Each type is parsed once, by a closed grammar. Its values are safe in paths, arguments and headers without further checks, and
//! print text that parses to the same value. This module uses no other module, and does not know the flags of `go`.

mod arch;
mod build_options;
mod cacheability;
mod client_hints;
mod content_coding;
pub mod executable;
mod file_name;
mod go_version;
mod hash_algorithm;
mod host;
mod min_age;
mod named_file;
mod pasted;
mod platform;
mod printable;
mod recipe_name;
mod sidecar;
mod system_release;
mod target;
mod user_agent;
mod version;
mod weight;
mod windows;

pub use arch::{ArchFamily, Level};
pub use build_options::{BadBuildOptions, BuildOptions};
pub use cacheability::Cacheability;
pub use client_hints::{ACCEPT_CH, ClientHints};
pub use content_coding::ContentCoding;
pub use file_name::{FileName, is_generic_name};
pub use go_version::{BadGoVersion, GoVersion};
pub use hash_algorithm::HashAlgorithm;
pub use min_age::{BadMinAge, MinAge};
pub use named_file::{BadNamedFile, NamedFile};
pub use pasted::correct;
pub use platform::{Platform, UnknownPlatform};
pub use printable::Printable;
pub use recipe_name::RecipeName;
pub use sidecar::{Sidecar, VERSION_LIST_SUFFIX, is_program_path};
pub use system_release::SystemRelease;
pub use target::{BadTarget, Target};
pub use user_agent::{UndetectedPlatform, detect_platform};
pub use version::{BadVersion, Version};
pub use weight::parse_weights;
pub use windows::is_device;
