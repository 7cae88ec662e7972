//! All knowledge about Go: its environment variables, arguments, messages and file formats. No other module uses these.

pub mod build_info;
pub mod cache_layout;
pub mod link_id;
pub mod rebuild;
pub mod relay;
pub mod release;
pub mod resolve;
pub mod run;
pub mod source;
pub mod toolchain;
pub mod vulnerabilities;
pub mod vulnerability_database;

pub use resolve::resolved::Resolved;
pub use toolchain::Toolchain;
