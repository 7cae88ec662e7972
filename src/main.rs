//! Chooses the mode of this process: a CGI program, a FastCGI responder, the front, a hidden command, or a command of the operator.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use gox_server::config::{self, Config, SETTINGS, Setting, UnknownSetting};
use gox_server::error::Error;
use gox_server::hidden_command::HiddenCommand;
use gox_server::parse::{GoVersion, MinAge};
use gox_server::transport::cgi;
use gox_server::transport::fastcgi::{FastCgiListener, ListenAddress};
use gox_server::{doctor, init, journal, manual, server, terminal, verify, worker};
use nix::sys::signal::SigSet;
use nix::sys::stat::{self, umask};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Type OWNER/REPO, get the Go program, compiled for your machine.
///
/// Without a command: an HTTP server on $PORT, or 127.0.0.1:3000. With GATEWAY_INTERFACE set: a CGI program. With a listening
/// socket as standard input: a FastCGI responder.
#[derive(Parser)]
#[command(version, after_help = settings_help())]
struct CommandLine {
    /// Print the manual page: gox-server --man | man -l -
    #[arg(long, exclusive = true)]
    man: bool,
    /// Print the completions for a shell.
    #[arg(long, value_name = "SHELL", exclusive = true)]
    completions: Option<Shell>,
    #[command(subcommand)]
    mode: Option<Mode>,
}

#[derive(Subcommand)]
enum Mode {
    /// Serve HTTP/1.1 on $PORT.
    Front,
    /// Serve FastCGI on a socket of its own.
    #[command(name = "fastcgi")]
    FastCgi {
        /// unix:/PATH, or ADDRESS:PORT.
        #[arg(long, value_name = "ADDR")]
        bind: ListenAddress,
    },
    /// Build one program without a server.
    Build {
        /// [HOST/]OWNER/REPO[/SUB…][@VERSION], with ?os=&arch= for another platform.
        target: String,
        /// The file or directory to write; by default the program's name in this directory; - for stdout.
        #[arg(short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Build programs in advance. Without a program: compile the standard library, so that first builds are faster.
    Warm {
        /// Programs, [HOST/]OWNER/REPO and so on, and platforms, such as windows/arm64 or linux/armv6; by default this machine's
        /// platform for programs, and the ten most used for the standard library.
        #[arg(value_name = "PROGRAM|OS/ARCH")]
        arguments: Vec<String>,
        /// The version of Go, such as 1.26.8, instead of the default one.
        #[arg(long, value_name = "V")]
        go: Option<GoVersion>,
        /// Build what clients requested within this time, such as 7d or 36h, where there is a new version or a new Go.
        #[arg(long, value_name = "AGE", conflicts_with_all = ["arguments", "go"])]
        used: Option<MinAge>,
    },
    /// Rebuild a program and compare: exit status 0 if it agrees, 1 if it differs, 2 if that cannot be determined.
    Verify {
        /// A Go program: a file, or an http or https address.
        #[arg(value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
        program: String,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Check the installation: state, Go, module proxy, sandbox.
    Doctor,
    #[command(flatten)]
    Hidden(HiddenCommand),
}

fn main() -> ExitCode {
    // The environment holds the operator's secrets: other processes of this user must not read it from /proc.
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        eprintln!("gox-server: cannot hide from other processes: {error}");
    }
    // Only this user may write to the files that are created here, even under a laxer umask.
    let others = stat::Mode::S_IWGRP | stat::Mode::S_IWOTH;
    let inherited = umask(others);
    umask(inherited | others);
    // A responder blocks the signals that stop it, and its children inherit that mask.
    if let Err(error) = SigSet::empty().thread_set_mask() {
        eprintln!("gox-server: cannot unblock signals: {error}");
    }
    run().unwrap_or_else(|message| {
        eprintln!("gox-server: {message}");
        ExitCode::FAILURE
    })
}

/// Checks first whether a web server started this process. The command line counts only if none did.
fn run() -> Result<ExitCode, String> {
    let succeeded = |()| ExitCode::SUCCESS;
    if config::request_variable("GATEWAY_INTERFACE").is_some() {
        return cgi::run().map(succeeded);
    }
    if FastCgiListener::is_stdin() {
        return serve(server::serve_fastcgi_on_stdin).map(succeeded);
    }
    let command_line = CommandLine::try_parse().unwrap_or_else(|error| {
        if error.kind() == ErrorKind::InvalidSubcommand {
            // Its suggestions include hidden commands.
            visible_command_line().get_matches();
        }
        error.exit()
    });
    if command_line.man {
        return print(&manual::render(&visible_command_line())).map(succeeded);
    }
    if let Some(shell) = command_line.completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut visible_command_line(), "gox-server", &mut script);
        // clap_complete 4.6 spells the names of its states in bash in two ways if the program's name has a hyphen.
        let script = String::from_utf8_lossy(&script).replace("gox__subcmd__server", "gox__server");
        return print(&script).map(succeeded);
    }
    let done = match command_line.mode.unwrap_or(Mode::Front) {
        Mode::Front => serve(server::serve_http),
        Mode::FastCgi { bind } => serve(|config| server::bind_fastcgi(config, &bind)),
        Mode::Build { target, output } => {
            let config = journal::configure()?;
            terminal::build(&config, &target, output).map_err(|error| report_failure("build", &error))
        }
        Mode::Warm { arguments, go, used } => {
            let config = journal::configure()?;
            let warmed = match used {
                Some(within) => terminal::warm_used(&config, within),
                None => terminal::warm(&config, &arguments, go),
            };
            warmed.map_err(|error| report_failure("warm", &error))
        }
        Mode::Verify { program, json } => return Ok(verify(&program, json)),
        Mode::Doctor => match doctor::run(&journal::configure()?) {
            true => Ok(()),
            false => Err("a requirement is not met, see ✗ above".to_owned()),
        },
        Mode::Hidden(command) => {
            let environment: Vec<_> = std::env::vars_os().collect();
            return worker::run(command, &environment).map(ExitCode::from);
        }
    };
    done.map(succeeded)
}

/// The command line without the hidden commands.
fn visible_command_line() -> clap::Command {
    let all = CommandLine::command();
    let commands = all.get_subcommands().filter(|command| !command.is_hide_set());
    clap::Command::new("gox-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about(all.get_about().cloned().unwrap_or_default())
        .args(all.get_arguments().cloned())
        .subcommands(commands.cloned())
}

/// Prints a generated text.
fn print(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        // The reader, such as a pager, has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| error.to_string()),
    }
}

/// Runs a server. In a container it is a child of the first process (init.rs).
fn serve(server: impl FnOnce(Config) -> Result<(), String>) -> Result<(), String> {
    let config = journal::configure()?;
    config.check_go().map_err(|error| error.to_string())?;
    if init::is_first_process() {
        let arguments = std::env::args_os().skip(1);
        return init::run(arguments, config.drain).map_err(|error| error.to_string());
    }
    for unknown in UnknownSetting::find_in_env() {
        log::warn!("{unknown}");
    }
    server(config)
}

/// Verifies a program. Invalid settings have the exit status of [`verify::Verdict::Undetermined`] too.
fn verify(program: &str, json: bool) -> ExitCode {
    let status = journal::configure().and_then(|config| verify::print(&config, program, json));
    ExitCode::from(status.unwrap_or_else(|message| {
        eprintln!("gox-server: {message}");
        verify::Verdict::Undetermined.status()
    }))
}

/// Prints an error for the operator. Returns the last line.
fn report_failure(command: &str, error: &Error) -> String {
    terminal::print_error(error);
    format!("{command} failed: {}", error.reason.name())
}

fn settings_help() -> String {
    let row = |s: &Setting| format!("  {:<28}{}\n  {:28}[{}]\n", s.name, s.description, "", s.default);
    format!(
        "Settings (environment variables):\n{}",
        SETTINGS.iter().map(row).collect::<String>()
    )
}
