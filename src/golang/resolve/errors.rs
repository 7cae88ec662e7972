//! The errors of a resolution that suggest another path: several commands, no command, no package.

use crate::error::{Error, Reason};
use crate::golang::resolve::Resolver;
use crate::golang::resolve::candidate::{Candidate, join};
use crate::golang::resolve::downloaded::DownloadedModule;
use crate::golang::source::commands;
use crate::parse::Version;

impl Resolver<'_> {
    /// The error for a module with several commands and no evidence for one: lists them all.
    pub(super) fn several_commands_error(&self, candidate: &Candidate, dirs: &[String], why: &str) -> Error {
        let root = self.typed_root(candidate);
        let root = root.unwrap_or_else(|| self.target.import_path());
        let paths: Vec<String> = dirs
            .iter()
            .map(|dir| self.service_path(&join(&root, dir)))
            .collect();
        let error = Error::new(Reason::SeveralCommands).suggest(paths);
        match why {
            "" => error,
            why => error.detail(format!("The first is likely the one you want: {why}.")),
        }
    }

    /// The path on this service for `package`, at the requested version.
    fn service_path(&self, package: &str) -> String {
        let package = package.strip_prefix("github.com/").unwrap_or(package);
        match self.target.version() {
            Version::Latest => format!("/{package}"),
            named @ (Version::Exact(_) | Version::Prefix(_) | Version::Revision(_)) => {
                format!("/{package}@{}", named.query())
            }
        }
    }

    /// The import path as the client typed it, without the subdirectory: the module's root.
    fn typed_root(&self, candidate: &Candidate) -> Option<String> {
        let typed = self.target.import_path();
        let root = typed.strip_suffix(&candidate.subdirectory)?.strip_suffix('/')?;
        Some(root.to_owned())
    }

    /// The error for a directory without a command. Suggests the module's root if the module has commands elsewhere, and names the
    /// nested modules that the README installs but the module proxy does not have.
    pub(super) fn no_command_error(
        &self,
        candidate: &Candidate,
        downloaded: &DownloadedModule,
        installed: &[String],
    ) -> Error {
        let root = self
            .typed_root(candidate)
            .filter(|_| !commands::find_commands(&downloaded.dir).is_empty());
        let elsewhere = installed.iter().filter(|dir| !downloaded.contains(dir));
        let elsewhere = elsewhere.map(|dir| join(candidate.root(), dir));
        let elsewhere = elsewhere.map(|module| {
            format!("\nIts README installs {module}, a nested module that the module proxy does not have.")
        });
        let detail = join(&candidate.module, &candidate.subdirectory) + &elsewhere.collect::<String>();
        Error::new(Reason::NoCommand)
            .detail(detail)
            .suggest(root.map(|root| self.service_path(&root)))
    }

    /// The error for a directory that does not exist. Suggests the module's root.
    pub(super) fn no_package_error(&self, candidate: &Candidate) -> Error {
        let suggestion = self.typed_root(candidate).map(|root| self.service_path(&root));
        Error::new(Reason::NoSuchPackage)
            .detail(format!("{} has no {}", candidate.module, candidate.subdirectory))
            .suggest(suggestion)
    }
}
