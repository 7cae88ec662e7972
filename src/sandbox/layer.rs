//! One layer of a cell: what it keeps a process from, and how much of it is in force.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a layer keeps a process from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Name {
    /// Files that are not its own.
    Files,
    /// The network, and sockets of this machine.
    Network,
    /// Other processes.
    Processes,
    /// Parts of the kernel that no build needs.
    Kernel,
    /// The rights of root.
    Privileges,
}

impl Name {
    /// All there are.
    pub const ALL: [Name; 5] = [
        Name::Files,
        Name::Network,
        Name::Processes,
        Name::Kernel,
        Name::Privileges,
    ];

    /// In the words of `doctor` and the log.
    pub fn word(self) -> &'static str {
        match self {
            Name::Files => "files",
            Name::Network => "network",
            Name::Processes => "processes",
            Name::Kernel => "kernel",
            Name::Privileges => "privileges",
        }
    }

    /// What it means where the layer has a hole.
    fn costs(self) -> &'static str {
        match self {
            Name::Files => "a module that takes a compiler over reaches the files of this user",
            Name::Network => "a module that takes a compiler over reaches the network",
            Name::Processes => "a module that takes a compiler over reaches the processes of this user",
            Name::Kernel => "a module that takes a compiler over finds more of the kernel to attack",
            Name::Privileges => "a module that takes a compiler over has root's rights",
        }
    }
}

/// How much of a layer is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// Every attempt was denied.
    Fully,
    /// These attempts were not.
    Partly(Vec<String>),
    /// No attempt was denied.
    Not,
}

/// One layer of one kind of cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Which.
    pub name: Name,
    /// How much of it.
    pub holds: Holds,
}

/// `files: fully in force`, or what is missing and what that costs.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.word();
        match &self.holds {
            Holds::Fully => write!(f, "{name}: fully in force"),
            Holds::Partly(through) => {
                write!(
                    f,
                    "{name}: partly in force ({} got through): {}",
                    through.join(", "),
                    self.name.costs()
                )
            }
            Holds::Not => write!(f, "{name}: not in force: {}", self.name.costs()),
        }
    }
}
