//! Builds programs: the recipe and its key, the wait for a slot, the builder process, compilation, progress and eviction.

mod charge;
pub mod check;
pub mod compilation;
pub mod core_packages;
pub mod eviction;
pub mod main_module;
pub mod make;
pub mod progress;
pub mod recipe;
mod shared_packages;
pub mod shared_program;
pub mod state;
mod stored_result;
pub mod wait;
pub mod warm;
pub mod without_cgo;

pub use compilation::Compilation;
pub use recipe::Recipe;
pub use shared_program::SharedProgram;
pub use state::BuildState;
pub use wait::{Stage, Waiter, find_artifact, find_failure};
