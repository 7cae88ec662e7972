//! Reads the source of an unpacked module: its commands and their build constraints.

pub mod commands;
pub mod constraint;
pub mod header;
