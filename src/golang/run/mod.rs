//! Runs `go` and its tools, and parses their output.

pub mod build_id;
pub mod cache_entry;
pub mod cache_verifier;
pub mod collector;
pub mod command;
pub mod compiled_package;
pub mod diagnosis;
pub mod disk_quota;
pub mod failure;
pub mod flags;
pub mod include;
pub mod messages;
pub mod platform;
mod shape;
pub mod tool;
pub mod tool_runs;
pub mod warmed;
