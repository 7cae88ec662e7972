//! Reads the source of a module: its commands and their build constraints.

pub mod commands;
pub mod constraint;
pub mod header;
pub mod outline;
mod zip_names;
