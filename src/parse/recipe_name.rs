//! The recipes that a client can request.

use std::fmt;

/// A way to build a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecipeName {
    /// Like `go install`.
    Install,
    /// With the author's release configuration.
    Release,
}

impl fmt::Display for RecipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecipeName::Install => "install",
            RecipeName::Release => "release",
        })
    }
}
