//! Makes an artifact, once.

pub mod builder;
pub mod check;
pub mod compilation;
pub mod eviction;
pub mod main_module;
pub mod progress;
pub mod recipe;
pub mod wait;
pub mod warm;

pub use compilation::Compilation;
pub use recipe::Recipe;
pub use wait::{Stage, Wait, failed, kept};
