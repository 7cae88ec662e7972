//! Reads an author's release configuration, evaluates its templates, and takes build flags from it.

pub mod release_config;
pub mod release_flags;
mod template;
