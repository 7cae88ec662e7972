//! The errors of a resolution that suggest another path: several commands, no command, no package.

use crate::error::{Error, Reason};
use crate::golang::resolve::Resolver;
use crate::golang::resolve::candidate::{Candidate, join, last_name, without_major};
use crate::golang::resolve::downloaded::DownloadedModule;
use crate::golang::resolve::nested_commands::NestedCommand;
use crate::golang::source::commands;
use crate::parse::{Target, Version};

/// How many commands an error for a missing package suggests.
const MAX_SUGGESTED: usize = 5;

impl Resolver<'_> {
    /// The error for a module with several commands and no evidence for one: lists them all.
    pub(super) fn several_commands_error(
        &self,
        candidate: &Candidate,
        dirs: &[String],
        nested: &[NestedCommand],
        why: &str,
    ) -> Error {
        let root = self.typed_root(candidate);
        let root = root.unwrap_or_else(|| self.target.import_path());
        let path = |dir: &String| match nested.iter().any(|nested| nested.directory == *dir) {
            // The path of a nested module does not contain the major version of the outer one.
            true => self.service_path(&join(without_major(&root), dir)),
            false => self.service_path(&join(&root, dir)),
        };
        let paths: Vec<String> = dirs.iter().map(path).collect();
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

    /// The error for a directory without a command. Suggests the module's root if the module has commands elsewhere, and what the README
    /// installs from outside the module.
    pub(super) fn no_command_error(
        &self,
        candidate: &Candidate,
        downloaded: &DownloadedModule,
        installed: &[String],
    ) -> Error {
        let root = self
            .typed_root(candidate)
            .filter(|_| !commands::find_commands(&downloaded.dir).is_empty());
        let root = root.map(|root| self.service_path(&root));
        let elsewhere = installed.iter().filter(|dir| !downloaded.contains(dir));
        let elsewhere: Vec<String> = elsewhere.map(|dir| join(candidate.root(), dir)).collect();
        let sentence =
            |path: &String| format!("\nIts README installs {path}, which is not part of this module.");
        let sentences: String = elsewhere.iter().map(sentence).collect();
        // Without the version: a nested module has versions of its own.
        let targets = elsewhere
            .iter()
            .filter_map(|path| Target::parse(format!("/{path}").as_bytes()).ok());
        Error::new(Reason::NoCommand)
            .detail(join(&candidate.module, &candidate.subdirectory) + &sentences)
            .suggest(root.into_iter().chain(targets.map(|target| target.to_string())))
    }

    /// The error for a directory that does not exist. Suggests commands of the module, those with the same name first.
    pub(super) fn no_package_error(&self, candidate: &Candidate, downloaded: &DownloadedModule) -> Error {
        let mut commands = commands::find_commands(&downloaded.dir);
        let name = last_name(&candidate.subdirectory);
        commands.sort_by_key(|dir| last_name(dir) != name);
        let root = self.typed_root(candidate);
        let paths = root.iter().flat_map(|root| {
            let commands = commands.iter().take(MAX_SUGGESTED);
            commands.map(|dir| self.service_path(&join(root, dir)))
        });
        Error::new(Reason::NoSuchPackage)
            .detail(format!("{} has no {}", candidate.module, candidate.subdirectory))
            .suggest(paths)
    }
}
