//! Commands with which gox-server starts itself. One enum renders the arguments of a new process and parses them there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Subcommand;

use crate::parse::GoVersion;

/// A command that no person types. `--help` does not list it.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum HiddenCommand {
    /// Builds RECIPE for CLIENT, by default the operator. Holds the build's lock as stdin and a slot as stdout.
    #[command(hide = true)]
    Builder {
        /// A recipe as JSON.
        recipe: String,
        /// The client that is charged.
        client: Option<String>,
    },
    /// Checks the object store and records what it does.
    #[command(hide = true)]
    CheckStore,
    /// Waits for a build slot and builds RECIPE for CLIENT. Reports on stdout that it waits, or why it does not.
    #[command(hide = true)]
    Enqueue {
        /// A recipe as JSON.
        recipe: String,
        /// The client that is charged.
        client: String,
    },
    /// Resolves TARGET again. Holds the refresh lock as stdin and a slot as stdout.
    #[command(hide = true)]
    Refresh {
        /// OWNER/REPO and so on, as in a request's path.
        #[arg(allow_hyphen_values = true)]
        target: String,
    },
    /// Fetches the resolution of TARGET from the object store, reports on stdout that it has, and publishes the one that a lookup has cached.
    /// stdin ends with the lookup.
    #[command(hide = true)]
    ShareResolution {
        /// OWNER/REPO and so on, as in a request's path.
        #[arg(allow_hyphen_values = true)]
        target: String,
    },
    /// Lists the versions of Go again. Holds a lock as stdin.
    #[command(hide = true)]
    Versions,
    /// Fetches the vulnerability database. Holds a lock as stdin.
    #[command(hide = true)]
    Vulnerabilities,
    /// Evicts until the state is below its limits. Holds a lock as stdin.
    #[command(hide = true)]
    Evict,
    /// Downloads a version of Go and verifies it. Holds the version's lock as stdin.
    #[command(hide = true)]
    Download {
        /// Such as 1.26.8.
        version: GoVersion,
    },
    /// Downloads the zip of a toolchain and unpacks it. Runs in a cell.
    #[command(hide = true)]
    Fetch {
        /// The directory to create.
        tree: PathBuf,
    },
    /// Unpacks the files of the module zip ZIP that decide which commands it has. Runs in a cell.
    #[command(hide = true)]
    Outline {
        /// The zip of a module version.
        zip: PathBuf,
        /// MODULE@VERSION.
        module: String,
        /// The directory to create.
        tree: PathBuf,
    },
    /// Passes on the requests of `go` to the module proxy, and sends some before `go` does. Holds a listening socket as stdout. stdin says
    /// what `go` will download. Runs in a cell.
    #[command(hide = true)]
    Relay {
        /// The downloads in the module cache. What is there is not requested.
        cache: PathBuf,
        /// The name of the checksum database; empty if `go` does not ask the proxy for it.
        sumdb: String,
    },
    /// Enters CELL and runs COMMAND there, as long as PARENT runs.
    #[command(hide = true)]
    Enter {
        /// The ID of the process that starts it.
        parent: u32,
        /// A cell as JSON.
        cell: String,
        /// The program and its arguments.
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Enters CELL, attempts what it forbids, and prints the results as JSON.
    #[command(hide = true)]
    Probe {
        /// A cell as JSON.
        cell: String,
        /// The paths to attempt, as JSON.
        paths: String,
    },
    /// Compiles packages that nearly every program needs, for PLATFORM. Holds a lock as stdin and a slot as stdout.
    #[command(hide = true)]
    Precompile {
        /// OS/ARCH.
        platform: String,
        /// The version of Go, such as go1.26.8.
        version: String,
        /// The client that is charged.
        client: Option<String>,
    },
    /// Runs a tool of Go in a cell of its own. `go` starts it, by -toolexec.
    #[command(hide = true)]
    Tool {
        /// The file that describes the build's cells.
        context: PathBuf,
        /// The tool and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

impl HiddenCommand {
    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            HiddenCommand::Builder { .. } => "builder",
            HiddenCommand::CheckStore => "check-store",
            HiddenCommand::Enqueue { .. } => "enqueue",
            HiddenCommand::Refresh { .. } => "refresh",
            HiddenCommand::ShareResolution { .. } => "share-resolution",
            HiddenCommand::Versions => "versions",
            HiddenCommand::Vulnerabilities => "vulnerabilities",
            HiddenCommand::Evict => "evict",
            HiddenCommand::Download { .. } => "download",
            HiddenCommand::Fetch { .. } => "fetch",
            HiddenCommand::Outline { .. } => "outline",
            HiddenCommand::Relay { .. } => "relay",
            HiddenCommand::Enter { .. } => "enter",
            HiddenCommand::Probe { .. } => "probe",
            HiddenCommand::Precompile { .. } => "precompile",
            HiddenCommand::Tool { .. } => "tool",
        }
    }

    /// Whether it speaks to the object store, or starts a process that does.
    pub fn uses_object_store(&self) -> bool {
        matches!(
            self,
            HiddenCommand::Builder { .. }
                | HiddenCommand::Enqueue { .. }
                | HiddenCommand::CheckStore
                | HiddenCommand::Refresh { .. }
                | HiddenCommand::ShareResolution { .. }
        )
    }

    /// The command line that runs it. `program` is gox-server's own file.
    pub fn command_line(&self, program: &Path) -> Vec<OsString> {
        let mut words = vec![program.into(), self.name().into()];
        match self {
            HiddenCommand::Builder { recipe, client } => {
                words.push(recipe.into());
                words.extend(client.iter().map(OsString::from));
            }
            HiddenCommand::Enqueue { recipe, client } => words.extend([recipe.into(), client.into()]),
            HiddenCommand::Refresh { target } | HiddenCommand::ShareResolution { target } => {
                words.push(target.into());
            }
            HiddenCommand::CheckStore
            | HiddenCommand::Versions
            | HiddenCommand::Vulnerabilities
            | HiddenCommand::Evict => {}
            HiddenCommand::Download { version } => words.push(version.to_string().into()),
            HiddenCommand::Fetch { tree } => words.push(tree.into()),
            HiddenCommand::Outline { zip, module, tree } => {
                words.extend([zip.into(), module.into(), tree.into()]);
            }
            HiddenCommand::Relay { cache, sumdb } => words.extend([cache.into(), sumdb.into()]),
            HiddenCommand::Enter {
                parent,
                cell,
                command,
            } => {
                words.extend([parent.to_string().into(), cell.into(), "--".into()]);
                words.extend_from_slice(command);
            }
            HiddenCommand::Probe { cell, paths } => words.extend([cell.into(), paths.into()]),
            HiddenCommand::Precompile {
                platform,
                version,
                client,
            } => {
                words.extend([platform.into(), version.into()]);
                words.extend(client.iter().map(OsString::from));
            }
            HiddenCommand::Tool { context, command } => {
                words.push(context.into());
                words.extend(command.iter().map(OsString::from));
            }
        }
        words
    }

    /// A process that runs it, not yet started.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(&self.command_line(program)[1..]);
        command
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(subcommand)]
        command: HiddenCommand,
    }

    #[test]
    fn rendered_arguments_are_parsed_to_the_same_command() {
        let text = |text: &str| text.to_owned();
        let cell = || text("{\"read\":[]}");
        for command in [
            HiddenCommand::Builder {
                recipe: text("{}"),
                client: None,
            },
            HiddenCommand::Builder {
                recipe: text("{}"),
                client: Some(text("192.0.2.1")),
            },
            HiddenCommand::Enqueue {
                recipe: text("{}"),
                client: text("192.0.2.0/24"),
            },
            HiddenCommand::Refresh {
                target: text("-o/r@v1.0.0"),
            },
            HiddenCommand::ShareResolution { target: text("/o/r") },
            HiddenCommand::CheckStore,
            HiddenCommand::Versions,
            HiddenCommand::Vulnerabilities,
            HiddenCommand::Evict,
            HiddenCommand::Download {
                version: "1.26.8".parse().unwrap(),
            },
            HiddenCommand::Fetch {
                tree: "/tmp/a b".into(),
            },
            HiddenCommand::Outline {
                zip: "/tmp/v1.0.0.zip".into(),
                module: text("a.b/c@v1.0.0"),
                tree: "/tmp/a b".into(),
            },
            HiddenCommand::Relay {
                cache: "/tmp/a b".into(),
                sumdb: text(""),
            },
            HiddenCommand::Enter {
                parent: 4_194_304,
                cell: cell(),
                command: vec!["/bin/go".into(), "build".into(), "--".into(), "-x".into()],
            },
            HiddenCommand::Probe {
                cell: cell(),
                paths: text("{}"),
            },
            HiddenCommand::Precompile {
                platform: text("linux/arm/6"),
                version: text("go1.26.8"),
                client: Some(text("192.0.2.1")),
            },
            HiddenCommand::Tool {
                context: "/context.json".into(),
                command: vec![text("compile"), text("-o"), text("--"), text("-V=full")],
            },
        ] {
            let parsed = CommandLine::parse_from(command.command_line(Path::new("gox-server")));
            assert_eq!(parsed.command, command);
        }
    }
}
