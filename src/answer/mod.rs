//! What the person is told: every answer is a value, and the doors put it on the wire.

pub mod beginning;
mod conditions;
pub mod install;
mod notices;
pub mod page;
pub mod platforms;
mod range;
pub mod reason;
pub mod refusal;
pub mod response;
pub mod script;
pub mod served;

pub use beginning::{Audience, Beginning};
pub use notices::Notices;
pub use reason::Reason;
pub use refusal::Refusal;
pub use response::{Body, Response, Status};
