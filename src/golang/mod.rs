//! The only room that speaks Go: its variables, its arguments, its words.

pub mod archives;
pub mod build_info;
pub mod candidate;
pub mod command;
mod constraint;
pub mod diagnosis;
pub mod downloaded;
pub mod failure;
pub mod growth;
mod header;
mod list;
pub mod mains;
mod majors;
pub mod memory;
pub mod mentioned;
mod messages;
pub mod module_files;
mod notices;
pub mod rebuild;
pub mod resolve;
pub mod resolved;
mod shape;
pub mod tool_runs;
pub mod toolchain;
mod turn;
pub mod vanity;
pub mod vulnerabilities;
pub mod vulnerability_database;
pub mod warmed;
pub mod work;

pub use resolved::Resolved;
pub use toolchain::Toolchain;
