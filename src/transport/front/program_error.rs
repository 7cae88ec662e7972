//! The errors of the CGI program behind the front. The messages are for the log; the client gets only a status, or an aborted
//! response if the headers were already sent.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::head::InvalidHead;

#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("cannot start the program: {0}")]
    Start(#[source] io::Error),
    #[error("cannot read the output of the program: {0}")]
    Read(#[source] io::Error),
    #[error("the program closed its output before the end of the headers ({0})")]
    NoHead(ExitStatus),
    #[error("invalid headers from the program: {0}")]
    InvalidHead(#[from] InvalidHead),
    #[error("the program failed ({0})")]
    Failed(ExitStatus),
    #[error("the program sent {actual} bytes instead of {expected}")]
    WrongLength { expected: u64, actual: u64 },
    #[error("cannot send {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}
