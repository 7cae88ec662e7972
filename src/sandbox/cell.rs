//! The rights of a sandboxed process, as a value that its parent passes to it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::limits::ResourceLimits;
use crate::hidden_command::HiddenCommand;

/// The rights of one process and its descendants. Everything else is denied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The kind of process.
    pub role: Role,
    /// Files that may be read, and directories with all their content.
    pub read: Vec<PathBuf>,
    /// Files and directories that may also be executed.
    pub execute: Vec<PathBuf>,
    /// Files and directories that may be read and changed. A tool can create only regular files there, a driver also directories.
    pub write: Vec<PathBuf>,
    /// Resource limits to set. `None`: inherits those of the parent.
    pub limits: Option<ResourceLimits>,
    /// Whether to fail if the kernel cannot enforce the file rights.
    pub must_enforce: bool,
}

/// The kinds of process that handle code of module authors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// `go`: has a session of its own, and may connect to these TCP ports.
    Driver {
        /// The ports of the module proxy and the checksum database.
        ports: Vec<u16>,
    },
    /// `compile`, `asm` or `link`: stays in the driver's process group, and has no network.
    Tool,
}

impl Cell {
    /// Returns the command `gox-server enter PARENT CELL -- COMMAND`, which this process must start. `self_exe` is the path of gox-server.
    pub fn command(&self, self_exe: &Path, command: Vec<OsString>) -> io::Result<Command> {
        let cell = serde_json::to_string(self)?;
        let enter = HiddenCommand::Enter {
            parent: std::process::id(),
            cell,
            command,
        };
        Ok(enter.command(self_exe))
    }
}
