//! HTTP responses as values: programs, error pages, install scripts, badges. `transport` sends them.

pub mod badge;
pub mod early;
mod preconditions;
pub mod install;
pub mod page;
pub mod platforms;
mod range;
pub mod message;
pub mod script;
pub mod program;

pub use early::{EarlyResponse, ResponseSink};
pub use message::{Body, Response, Status, Stream};
