//! The layers of a cell: what each one denies, and how much of it the kernel enforces.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A layer, named by what it denies access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LayerName {
    /// Files outside the cell.
    Files,
    /// The network, and local sockets.
    Network,
    /// Other processes.
    Processes,
    /// Kernel interfaces that no build needs.
    Kernel,
    /// The privileges of root.
    Privileges,
}

impl LayerName {
    /// All layers.
    pub const ALL: [LayerName; 5] = [
        LayerName::Files,
        LayerName::Network,
        LayerName::Processes,
        LayerName::Kernel,
        LayerName::Privileges,
    ];

    /// The name in the output of `doctor` and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            LayerName::Files => "files",
            LayerName::Network => "network",
            LayerName::Processes => "processes",
            LayerName::Kernel => "kernel",
            LayerName::Privileges => "privileges",
        }
    }

    /// The risk if the layer is not fully enforced.
    fn risk(self) -> &'static str {
        match self {
            LayerName::Files => "a module that exploits a compiler can access files of this user",
            LayerName::Network => "a module that exploits a compiler can access the network",
            LayerName::Processes => "a module that exploits a compiler can access processes of this user",
            LayerName::Kernel => "a module that exploits a compiler can attack more of the kernel",
            LayerName::Privileges => "a module that exploits a compiler has the privileges of root",
        }
    }
}

/// How much of a layer the kernel enforces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforcement {
    /// The kernel denied every attempt.
    Full,
    /// The kernel allowed these attempts.
    Partial(Vec<String>),
    /// The kernel allowed every attempt.
    None,
}

/// One layer of one kind of cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Which layer.
    pub name: LayerName,
    /// How much of it is enforced.
    pub enforcement: Enforcement,
}

/// `files: fully enforced`, or what is missing and the risk.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_str();
        match &self.enforcement {
            Enforcement::Full => write!(f, "{name}: fully enforced"),
            Enforcement::Partial(allowed) => {
                write!(
                    f,
                    "{name}: partly enforced (allowed: {}): {}",
                    allowed.join(", "),
                    self.name.risk()
                )
            }
            Enforcement::None => write!(f, "{name}: not enforced: {}", self.name.risk()),
        }
    }
}
