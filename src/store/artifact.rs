//! A program that can be served, and everything that is known of it.

use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::copy::Copy;
use super::{Fingerprint, Representation};
use crate::asked::{Coding, Guess};

/// What is known of a program before it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The module's path.
    pub module: String,
    /// The exact version.
    pub version: String,
    /// The import path of the command.
    pub package: String,
    /// `go1.26.8`.
    pub go: String,
    /// `linux/arm/6`.
    pub platform: String,
    /// Which recipe made it.
    pub recipe: String,
    /// The line that makes it anywhere.
    pub verify: String,
    /// The URL, below the mount point, that always means these bytes.
    pub exact: String,
    /// The file name that the client is told.
    pub file_name: String,
    /// When the version was made, seconds since 1970.
    pub module_time: u64,
}

/// What is known of a program that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// What it is.
    #[serde(flatten)]
    pub description: Description,
    /// Which bytes it is.
    #[serde(flatten)]
    pub fingerprint: Fingerprint,
    /// How long the build took, seconds.
    pub build_seconds: f64,
    /// What a module from before go.mod got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
}

impl Meta {
    /// What it leaves open whatever its URL says: what was found on one day is found otherwise on another.
    pub fn guess(&self) -> Guess {
        match self.needs {
            Some(_) => Guess::Version,
            None => Guess::Nothing,
        }
    }
}

/// What `go` wrote for a module that did not say what it needs, on the day of the build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Needs {
    /// The go.mod.
    pub go_mod: String,
    /// The go.sum.
    pub go_sum: String,
}

/// A program that was checked before it was published, and has not changed since.
#[derive(Debug)]
pub struct Artifact {
    /// What is known of it.
    pub meta: Meta,
    /// The program itself, open: what is removed or replaced from now on does not matter.
    pub file: File,
    /// Where it lies, for a web server that sends it.
    pub path: PathBuf,
}

impl Artifact {
    /// What stands for it in an answer: a copy in this coding, or, where that cannot be had, the program itself.
    pub fn represented(self, coding: Option<Coding>) -> Representation {
        if let Some(coding) = coding {
            match Copy::of(&self, coding) {
                Ok(Some(copy)) => {
                    return Representation {
                        description: self.meta.description,
                        program_sha256: self.meta.fingerprint.sha256,
                        coding: Some(coding),
                        fingerprint: copy.fingerprint,
                        file: copy.file,
                        path: copy.path,
                        is_new: copy.is_new,
                    };
                }
                Ok(None) => log::warn!("no {} copy of {} came", coding.name(), self.path.display()),
                Err(error) => log::warn!(
                    "cannot keep a {} copy of {}: {error}",
                    coding.name(),
                    self.path.display()
                ),
            }
        }
        Representation {
            description: self.meta.description,
            program_sha256: self.meta.fingerprint.sha256.clone(),
            coding: None,
            fingerprint: self.meta.fingerprint,
            file: self.file,
            path: self.path,
            is_new: false,
        }
    }
}
