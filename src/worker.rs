//! Runs the hidden commands: the work of a process that gox-server started itself.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Pid, getpgrp};

use crate::builder::{self, Recipe, SharedProgram, Waiter, core_packages};
use crate::config::{Config, Deadlines};
use crate::error::Error;
use crate::golang::Toolchain;
use crate::golang::relay;
use crate::golang::resolve::{resolution_cache, shared_resolution};
use crate::golang::run::command::Go;
use crate::golang::run::tool;
use crate::golang::source::outline;
use crate::golang::toolchain::{download, fetch, versions};
use crate::golang::vulnerability_database;
use crate::hidden_command::HiddenCommand;
use crate::journal;
use crate::object_store;
use crate::parse::Target;
use crate::sandbox::cell::Cell;
use crate::sandbox::enter::die_with_parent;
use crate::sandbox::session::start_session;
use crate::sandbox::{enter, probe};
use crate::store::budget::Client;
use crate::store::work_dir::sweep;
use crate::store::{Counter, Store, file};

/// The nice value of work that no request waits for.
const LOWEST_PRIORITY: i32 = 19;

/// Runs one hidden command in this process, which has this environment. Returns the exit status.
pub fn run(command: HiddenCommand, environment: &[(OsString, OsString)]) -> Result<u8, String> {
    let done = match command {
        HiddenCommand::Builder { recipe, client } => {
            in_background(|config, store| build(&recipe, client, config, store))
        }
        HiddenCommand::CheckStore => in_background(|config, store| {
            // Logged and recorded.
            object_store::check(config, store);
            Ok(())
        }),
        HiddenCommand::Enqueue { recipe, client } => {
            in_background(|config, store| enqueue(&recipe, client, config, store))
        }
        HiddenCommand::Refresh { target } => {
            let target = Target::parse(target.as_bytes()).map_err(|bad| bad.to_string())?;
            with_go(format!("refresh {target}"), |go| {
                resolution_cache::refresh(go, &target)
            })
        }
        HiddenCommand::ShareResolution { target } => {
            let target = Target::parse(target.as_bytes()).map_err(|bad| bad.to_string())?;
            with_go(format!("share the resolution of {target}"), |go| {
                shared_resolution::share(go, &target)
            })
        }
        HiddenCommand::Versions => with_go_when_idle("list the versions of Go", versions::refresh),
        HiddenCommand::Vulnerabilities => with_go_when_idle(
            "refresh the vulnerability database",
            vulnerability_database::refresh,
        ),
        HiddenCommand::Evict => in_background(|config, store| {
            builder::eviction::evict_if_idle(config, store).map_err(|error| cannot_evict(&error))
        }),
        HiddenCommand::Download { version } => in_background(|config, store| {
            download::download(config, store, version).map_err(|error| error.reason.name().to_owned())
        }),
        HiddenCommand::Fetch { tree } => fetch_toolchain(&tree, environment),
        HiddenCommand::Outline { zip, module, tree } => {
            outline::run(&zip, &module, &tree).map_err(|error| error.to_string())
        }
        HiddenCommand::Relay { cache, sumdb } => serve_relay(&cache, &sumdb, environment),
        HiddenCommand::Enter {
            parent,
            cell,
            command,
        } => return enter_cell(parent, &cell, &command),
        HiddenCommand::Probe { cell, paths } => probe_cell(&cell, &paths),
        HiddenCommand::Precompile {
            platform,
            version,
            client,
        } => in_background(|config, store| precompile(&platform, &version, client, config, store)),
        HiddenCommand::Tool { context, command } => return run_tool(&context, &command, environment),
    };
    done.map(|()| 0)
}

/// Runs `work` with the settings and the store, in a session of its own.
fn in_background(work: impl FnOnce(&Config, &Store) -> Result<(), String>) -> Result<(), String> {
    let config = journal::configure()?;
    // This process outlives the one that started it. Some servers kill the process group of a CGI program.
    if let Err(error) = start_session() {
        log::warn!("cannot leave the session: {error}");
    }
    let store =
        Store::open(&config.dir).map_err(|error| format!("cannot open {}: {error}", config.dir.display()))?;
    work(&config, &store)
}

/// Runs `work` with the default Go, as [`in_background`] does. `what` is a verb and its object.
fn with_go(what: impl Display, work: impl FnOnce(Go<'_>) -> Result<(), Error>) -> Result<(), String> {
    in_background(|config, store| {
        let done = Toolchain::find(config, store)
            .and_then(|toolchain| work(Go::for_operator(config, store, &toolchain)));
        done.map_err(|error| format!("cannot {what}: {}", describe(&error)))
    })
}

/// Runs `work` as [`with_go`] does, at the lowest priority: builds need the CPU first.
fn with_go_when_idle(
    what: impl Display,
    work: impl FnOnce(Go<'_>) -> Result<(), Error>,
) -> Result<(), String> {
    // If this fails, builds take longer.
    rustix::process::nice(LOWEST_PRIORITY).ok();
    with_go(what, work)
}

/// The reason of an error, and its text for the log if it has one.
fn describe(error: &Error) -> String {
    let reason = error.reason.name();
    let with_text = |text: &str| format!("{reason}: {text}");
    error.log_text().map_or_else(|| reason.to_owned(), with_text)
}

fn build(recipe: &str, client: Option<String>, config: &Config, store: &Store) -> Result<(), String> {
    let recipe: Recipe = serde_json::from_str(recipe).map_err(|error| format!("builder: {error}"))?;
    let client = client.map(Client::from_name);
    let mut shared = SharedProgram::connect(&recipe, config, store);
    let built = builder::make::build(&recipe, client.as_ref(), config, store, shared.as_mut());
    // Clients that wait for the program must not wait for the removal of the work directory, the upload and the eviction.
    release_build_lock(store, &recipe)?;
    sweep(store).unwrap_or_else(|error| log::warn!("cannot sweep {}: {error}", store.root().display()));
    if let Some(shared) = shared {
        shared.publish(&built);
    }
    builder::eviction::evict_after_build(config, store).map_err(|error| cannot_evict(&error))?;
    built.map_err(|error| error.reason.name().to_owned())
}

fn precompile(
    platform: &str,
    version: &str,
    client: Option<String>,
    config: &Config,
    store: &Store,
) -> Result<(), String> {
    let platform = platform.parse().map_err(|error| format!("precompile: {error}"))?;
    let client = client.map(Client::from_name);
    let precompiled = core_packages::precompile(&platform, version, client.as_ref(), config, store);
    precompiled.map_err(|error| format!("cannot precompile for {platform}: {}", describe(&error)))
}

/// Waits for a slot and builds, as a request for the program does. Closes stdout as soon as it waits.
fn enqueue(recipe: &str, client: String, config: &Config, store: &Store) -> Result<(), String> {
    let recipe: Recipe = serde_json::from_str(recipe).map_err(|error| format!("enqueue: {error}"))?;
    let client = Client::from_name(client);
    let toolchain = Toolchain::find(config, store).map_err(|error| describe(&error))?;
    let deadlines = Deadlines::for_operator(config);
    let mut has_reported = false;
    let mut waiter = Waiter {
        go: Go::for_client(config, store, &toolchain, deadlines, &client),
        deadline: None,
        on_stage: &mut |_| {
            if !has_reported {
                has_reported = close_stdout().is_ok();
            }
            true
        },
    };
    match waiter.obtain(&recipe) {
        Ok(_) => store.increment(Counter::Misses),
        Err(error) if !has_reported => {
            // The process that reads it may have ended.
            serde_json::to_writer(io::stdout(), &error).ok();
        }
        // A failed build is stored. Other failures are logged only: no request waits any more.
        Err(error) => log::warn!("{}", describe(&error)),
    }
    Ok(())
}

fn close_stdout() -> Result<(), String> {
    let null = File::options().write(true).open("/dev/null");
    let null = null.map_err(|error| format!("cannot open /dev/null: {error}"))?;
    nix::unistd::dup2_stdout(&null).map_err(|error| format!("cannot close stdout: {error}"))
}

/// Releases the build's lock, which is stdin of this process. Removes its file first, or one file for each recipe would remain.
fn release_build_lock(store: &Store, recipe: &Recipe) -> Result<(), String> {
    fs::remove_file(store.build_lock(&recipe.key()))
        .unwrap_or_else(|error| log::warn!("cannot remove a build's lock: {error}"));
    let null = File::open("/dev/null").map_err(|error| format!("cannot open /dev/null: {error}"))?;
    nix::unistd::dup2_stdin(&null).map_err(|error| format!("cannot release the build's lock: {error}"))
}

fn cannot_evict(error: &io::Error) -> String {
    format!("cannot evict: {error}")
}

fn fetch_toolchain(tree: &Path, environment: &[(OsString, OsString)]) -> Result<(), String> {
    fetch::run(read_url(environment, fetch::URL)?, tree)
}

/// The URL in this variable.
fn read_url<'e>(environment: &'e [(OsString, OsString)], variable: &str) -> Result<&'e str, String> {
    let url = environment.iter().find(|(name, _)| name == variable);
    let url = url.and_then(|(_, url)| url.to_str());
    url.ok_or_else(|| format!("{variable} is not set"))
}

fn serve_relay(cache: &Path, sumdb: &str, environment: &[(OsString, OsString)]) -> Result<(), String> {
    let proxy = read_url(environment, relay::PROXY)?;
    relay::serve::run(proxy, cache, sumdb).map_err(|error| format!("relay: {error}"))
}

/// Enters the cell and runs the command: a driver replaces this process, a tool is its child.
fn enter_cell(parent: u32, cell: &str, command: &[OsString]) -> Result<u8, String> {
    die_with_parent(Pid::from_raw(parent as i32))?;
    let cell: Cell = serde_json::from_str(cell).map_err(|error| format!("enter: {error}"))?;
    let (program, arguments) = command.split_first().ok_or("enter: no command")?;
    enter::enter(&cell, Command::new(program).args(arguments)).map_err(|error| error.to_string())
}

fn probe_cell(cell: &str, paths: &str) -> Result<(), String> {
    let invalid = |error| format!("probe: {error}");
    let cell = serde_json::from_str(cell).map_err(invalid)?;
    let paths = serde_json::from_str(paths).map_err(invalid)?;
    let results = probe::run(&cell, &paths)?;
    serde_json::to_writer(io::stdout(), &results).map_err(invalid)
}

fn run_tool(context: &Path, command: &[String], environment: &[(OsString, OsString)]) -> Result<u8, String> {
    // `go` leads the group (`start_session` in its cell) and does not move its tools to another.
    die_with_parent(getpgrp())?;
    let context = file::read_json(context)
        .ok_or_else(|| format!("tool: cannot read {} as a tool context", context.display()))?;
    tool::run(&context, command, environment)
}
