//! Makes an artifact, once.

pub mod builder;
pub mod check;
pub mod progress;
pub mod queue;
pub mod recipe;

pub use queue::artifact;
pub use recipe::Recipe;
