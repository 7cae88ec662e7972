//! Violations of the format of the FastCGI specification 1.0.

/// Why bytes are not valid FastCGI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Another protocol, or the position is not the start of a record.
    #[error("unsupported record version {0}")]
    Version(u8),
    /// The body of FCGI_BEGIN_REQUEST does not have 8 bytes.
    #[error("FCGI_BEGIN_REQUEST has {0} bytes instead of 8")]
    BeginRequest(usize),
    /// The length of a name-value pair exceeds the data.
    #[error("truncated name-value pair")]
    Pair,
}
