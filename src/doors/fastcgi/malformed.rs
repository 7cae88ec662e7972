//! Bytes that are not as the FastCGI specification 1.0 lays them out.

/// What is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Another protocol, or records that got out of step.
    #[error("a record of version {0}")]
    Version(u8),
    /// Its body has 8 bytes.
    #[error("an FCGI_BEGIN_REQUEST of {0} bytes")]
    BeginRequest(usize),
    /// What says that it is longer than it is.
    #[error("a name-value pair without its end")]
    Pair,
}
