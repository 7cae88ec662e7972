//! What the program behind the front can do wrong: one closed list.
//! Before the answer's head is out a fault becomes a 502 or 503; after it, the connection is cut.
//! Clients are told the status only. The words here are for the log.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::head::Malformed;

#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("cannot start the program: {0}")]
    CouldNotStart(#[source] io::Error),
    #[error("cannot read what the program says: {0}")]
    Unreadable(#[source] io::Error),
    #[error("the program ended its output before its head was whole ({0})")]
    NoHead(ExitStatus),
    #[error("the program's head is malformed: {0}")]
    Malformed(#[from] Malformed),
    #[error("the program failed ({0})")]
    Failed(ExitStatus),
    #[error("the program promised {promised} bytes and gave {given}")]
    WrongLength { promised: u64, given: u64 },
    #[error("cannot send {}: {source}", path.display())]
    SentFile { path: PathBuf, source: io::Error },
}
