//! What a confined process may touch: a value, passed from who starts it to who enters it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::limits::Limits;

/// Everything that one process tree is allowed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Who goes in.
    pub inmate: Inmate,
    /// Files and directories, with what is below them, that may be read.
    pub read: Vec<PathBuf>,
    /// … that may be read and executed.
    pub execute: Vec<PathBuf>,
    /// … that may be read and changed. Only regular files and directories can be made there.
    pub write: Vec<PathBuf>,
    /// What rlimits hold, if this process sets them: a linker has what it inherits from its driver.
    pub limits: Option<Limits>,
    /// Whether to refuse to start where the kernel cannot enforce the file rights.
    pub must_hold: bool,
}

/// The two kinds of process that touch a stranger's code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inmate {
    /// `go`: leads a session of its own and may connect to these TCP ports.
    Driver {
        /// The module proxy's and the checksum database's.
        ports: Vec<u16>,
    },
    /// `compile`, `asm`, `link`: stays in the driver's process group and has no network at all.
    Tool,
}
