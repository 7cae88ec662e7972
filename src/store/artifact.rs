//! A program in the store, and its metadata.

use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::encoded_copy::EncodedCopy;
use super::{Fingerprint, Representation};
use crate::parse::{Cacheability, ContentCoding};

/// Metadata of a program that is known before the build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The module path.
    pub module: String,
    /// The exact version of the module.
    pub version: String,
    /// The import path of the command.
    pub package: String,
    /// The Go version, such as `go1.26.8`.
    pub go: String,
    /// The platform, such as `linux/arm/6`.
    pub platform: String,
    /// The name of the recipe.
    pub recipe: String,
    /// A shell command that reproduces the program on any machine.
    pub verify: String,
    /// The immutable URL of the program, relative to the mount point.
    pub exact: String,
    /// The file name that the response suggests.
    pub file_name: String,
    /// The time of the module version, seconds since 1970.
    pub module_time: u64,
}

/// Metadata of a program after the build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Metadata from before the build.
    #[serde(flatten)]
    pub description: Description,
    /// Size and hashes of the program.
    #[serde(flatten)]
    pub fingerprint: Fingerprint,
    /// Duration of the build, seconds.
    pub build_seconds: f64,
    /// Packages that were compiled without their cgo files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_cgo: Vec<String>,
    /// Dependencies that `go` chose on the day of the build, if the module does not list all of them.
    #[serde(default, rename = "needs", skip_serializing_if = "Option::is_none")]
    pub generated: Option<GeneratedModFiles>,
}

impl Meta {
    /// The cacheability that the build adds to that of the URL: dependencies that `go` chose today may differ tomorrow.
    pub fn cacheability(&self) -> Cacheability {
        match self.generated {
            Some(_) => Cacheability::ByVersion,
            None => Cacheability::Immutable,
        }
    }
}

/// The files that `go` generated for a module with a missing or incomplete go.mod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneratedModFiles {
    /// The go.mod.
    pub go_mod: String,
    /// The go.sum.
    pub go_sum: String,
}

/// A program that was checked before it was published, and has not changed since.
#[derive(Debug)]
pub struct Artifact {
    /// Its metadata.
    pub meta: Meta,
    /// The program, open. It stays readable after an eviction.
    pub file: File,
    /// Its path, for a web server that sends the file itself.
    pub path: PathBuf,
}

impl Artifact {
    /// Returns a copy in this content coding. Falls back to the program itself if there is no copy.
    pub fn into_representation(self, coding: Option<ContentCoding>) -> Representation {
        if let Some(coding) = coding {
            match EncodedCopy::find_or_create(&self, coding) {
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
                Ok(None) => log::warn!(
                    "no {} copy of {}: another process did not finish it in time",
                    coding.name(),
                    self.path.display()
                ),
                Err(error) => log::warn!(
                    "cannot create a {} copy of {}: {error}",
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
