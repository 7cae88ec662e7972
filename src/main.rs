//! How it was started decides what it is: a CGI program, a FastCGI responder, the front, a builder, a tool in its cell, or a
//! command.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use gox_server::answer::Refusal;
use gox_server::asked::{GoVersion, Target};
use gox_server::build::{self, Recipe};
use gox_server::config::{self, Config, Misspelt, Patience, SETTINGS, Setting};
use gox_server::doors::fastcgi::{Address, Listener, Responder, WebServers};
use gox_server::doors::{cgi, front};
use gox_server::golang::command::Go;
use gox_server::golang::toolchain::{bring, fetch, versions};
use gox_server::golang::{Toolchain, memory, vulnerability_database};
use gox_server::sandbox::cell::Cell;
use gox_server::sandbox::{enter, probe, tool};
use gox_server::store::budget::Client;
use gox_server::store::{Store, file};
use gox_server::{doctor, first_process, journal, terminal, verify};
use nix::sys::signal::SigSet;
use nix::sys::stat::{self, umask};

/// Type OWNER/REPO, get the Go program, compiled for your machine.
///
/// Without a command: an HTTP server on $PORT, or 127.0.0.1:3000. With GATEWAY_INTERFACE set: a CGI program. With a listening
/// socket as standard input: a FastCGI responder.
#[derive(Parser)]
#[command(version, after_help = settings_help())]
struct CommandLine {
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
        bind: Address,
    },
    /// Build one program without a server.
    Build {
        /// [HOST/]OWNER/REPO[/SUB…][@VERSION], with ?os=&arch= for another platform.
        target: String,
        /// Where to put it, a file or a directory; by default its name, here; - for stdout.
        #[arg(short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Compile the standard library ahead, so that nobody has to wait for it.
    Warm {
        /// OS/ARCH, such as windows/arm64 or linux/armv6; by default the ten that most people have.
        platforms: Vec<String>,
        /// With this Go, such as 1.26.8, and not the default one.
        #[arg(long, value_name = "V")]
        go: Option<GoVersion>,
    },
    /// Build a program again and compare: exit status 0 if it agrees, 1 if it differs, 2 if that cannot be told.
    Verify {
        /// A Go program: a file, or an http or https address.
        #[arg(value_name = "FILE|URL")]
        program: String,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Say what works here and what does not.
    Doctor,
    /// Started by gox-server itself: builds what RECIPE says for CLIENT, holding a lock on 0 and a slot on 1.
    #[command(hide = true)]
    Builder { recipe: String, client: Option<String> },
    /// Started by gox-server itself: asks anew what TARGET means, holding a lock on 0.
    #[command(hide = true)]
    Refresh { target: String },
    /// Started by gox-server itself: asks anew which versions of Go there are, holding a lock on 0.
    #[command(hide = true)]
    Versions,
    /// Started by gox-server itself: fetches the vulnerability database, holding a lock on 0.
    #[command(hide = true)]
    Vulnerabilities,
    /// Started by gox-server itself: keeps the state below its cap, holding a lock on 0.
    #[command(hide = true)]
    Evict,
    /// Started by gox-server itself: brings a version of Go, holding a lock on 0.
    #[command(hide = true)]
    Bring { version: GoVersion },
    /// Started by gox-server itself, in a cell: downloads a toolchain and unpacks it.
    #[command(hide = true)]
    Fetch { tree: PathBuf },
    /// Started by gox-server itself: runs COMMAND in a cell.
    #[command(hide = true)]
    Enter {
        cell: String,
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Started by gox-server itself: enters a cell, and tries what it forbids.
    #[command(hide = true)]
    Probe { cell: String, place: String },
    /// Started by go itself: runs a compiler in its cell.
    #[command(hide = true)]
    Tool {
        surroundings: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    // The environment holds the operator's secrets: nobody of the same user may read it from /proc.
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        eprintln!("gox-server: cannot hide from other processes: {error}");
    }
    // Nobody else writes to what is made here, whatever who started it allows.
    let others = stat::Mode::S_IWGRP | stat::Mode::S_IWOTH;
    let asked = umask(others);
    umask(asked | others);
    // A responder holds back the signals that stop it, and what it starts inherits that.
    if let Err(error) = SigSet::empty().thread_set_mask() {
        eprintln!("gox-server: cannot listen to signals: {error}");
    }
    match run() {
        Ok(status) => status,
        Err(why) => {
            eprintln!("gox-server: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What is looked at first: how a web server started it. Only without one do the arguments count.
fn run() -> Result<ExitCode, String> {
    let succeeded = |()| ExitCode::SUCCESS;
    if config::request_variable("GATEWAY_INTERFACE").is_some() {
        return cgi::run().map(succeeded);
    }
    let inherited = Listener::inherited().map_err(|error| format!("cannot use standard input: {error}"))?;
    if let Some(listener) = inherited {
        return server(|config| respond(config, listener)).map(succeeded);
    }
    let done = match CommandLine::parse().mode.unwrap_or(Mode::Front) {
        Mode::Verify { program, json } => return Ok(verify(&program, json)),
        Mode::Front => server(serve),
        Mode::FastCgi { bind } => server(|config| {
            let listener = Listener::bind(&bind, config.socket_mode)
                .map_err(|error| format!("cannot listen on {bind}: {error}"))?;
            respond(config, listener)
        }),
        Mode::Build { target, output } => configured(|config| {
            terminal::build(&config, &target, output).map_err(|refusal| {
                terminal::complain(&refusal);
                format!("no program: {}", refusal.reason.name())
            })
        }),
        Mode::Warm { platforms, go } => configured(|config| {
            terminal::warm(&config, &platforms, go).map_err(|refusal| {
                terminal::complain(&refusal);
                format!("not warm: {}", refusal.reason.name())
            })
        }),
        Mode::Doctor => configured(|config| {
            let well = doctor::doctor(&config);
            if well {
                Ok(())
            } else {
                Err("something that is needed does not work".to_owned())
            }
        }),
        Mode::Builder { recipe, client } => {
            configured(|config| builder(&config, &recipe, client.map(Client::named)))
        }
        Mode::Refresh { target } => configured(|config| {
            let target = Target::parse(target.as_bytes()).map_err(|bad| bad.to_string())?;
            ask_anew(&config, |go| memory::refresh(go, &target))
        }),
        Mode::Versions => configured(|config| ask_anew(&config, versions::refresh)),
        Mode::Vulnerabilities => configured(|config| ask_anew(&config, vulnerability_database::refresh)),
        Mode::Evict => configured(|config| {
            leave_session();
            evicted(build::eviction::without_build(&config, &open(&config)?))
        }),
        Mode::Bring { version } => configured(|config| bring(&config, version)),
        Mode::Fetch { tree } => {
            let url = std::env::var(fetch::URL).map_err(|error| format!("{}: {error}", fetch::URL))?;
            fetch::run(&url, &tree)
        }
        Mode::Enter { cell, command } => return enter_cell(&cell, &command).map(ExitCode::from),
        Mode::Probe { cell, place } => try_cell(&cell, &place),
        Mode::Tool {
            surroundings,
            command,
        } => return run_tool(&surroundings, &command).map(ExitCode::from),
    };
    done.map(succeeded)
}

/// Prints the report. That nothing can be told has its own exit status, whatever the cause.
fn verify(program: &str, json: bool) -> ExitCode {
    let mut status = verify::Verdict::CannotTell.status();
    let verified = configured(|config| {
        let report = verify::verify(&config, program);
        status = report.verdict.status();
        let text = match json {
            true => serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?,
            false => report.to_string(),
        };
        println!("{text}");
        Ok(())
    });
    if let Err(why) = verified {
        eprintln!("gox-server: {why}");
    }
    ExitCode::from(status)
}

fn configured(run: impl FnOnce(Config) -> Result<(), String>) -> Result<(), String> {
    let config = Config::from_environment().map_err(|bad| bad.to_string())?;
    journal::start(config.log);
    run(config)
}

/// A server, which in a container is a child of the first process.
fn server(serve: impl FnOnce(Config) -> Result<(), String>) -> Result<(), String> {
    configured(|config| {
        if let Some(bad) = config.missing_go() {
            return Err(bad.to_string());
        }
        if !first_process::is_this() {
            for misspelt in Misspelt::in_environment() {
                log::warn!("{misspelt}");
            }
            return serve(config);
        }
        let same = std::env::args_os().skip(1);
        first_process::run(same, config.drain).map_err(|error| error.to_string())
    })
}

fn serve(config: Config) -> Result<(), String> {
    // A platform waits for the port, and nobody for this.
    let about = config.clone();
    let looking = std::thread::spawn(move || {
        doctor::log_cells(&about);
        doctor::log_go(&about);
    });
    let front = front::Front {
        listen: config.listen,
        // Whatever became of the file: a front and its programs stay one version.
        program: "/proc/self/exe".into(),
        inherited: config::inherited(),
        limits: front::Limits {
            per_address: config.connections_per_address,
            ..front::Limits::default()
        },
        trusted_proxies: config.trusted_proxies,
        drain: config.drain,
    };
    let stopped = front.run();
    // If it panicked it has said so, and the front served all the same.
    looking.join().ok();
    stopped.map_err(|stopped| stopped.to_string())
}

fn respond(config: Config, listener: Listener) -> Result<(), String> {
    // Given by whoever starts a responder, as GATEWAY_INTERFACE is: no setting of ours.
    let web_servers =
        config::request_variable("FCGI_WEB_SERVER_ADDRS").map(|value| WebServers::parse(&value));
    let responder = Responder {
        listener,
        web_servers: web_servers.transpose().map_err(|bad| bad.to_string())?,
        config,
    };
    responder
        .run()
        .map_err(|error| format!("cannot respond: {error}"))
}

fn builder(config: &Config, recipe: &str, client: Option<Client>) -> Result<(), String> {
    leave_session();
    let recipe: Recipe = serde_json::from_str(recipe).map_err(|error| format!("builder: {error}"))?;
    let store = open(config)?;
    let built = build::builder::build(&recipe, client.as_ref(), config, &store);
    // Who waits for the program shall not wait for the cleaning too.
    give_back_locks(&store, &recipe)?;
    evicted(build::eviction::evict(config, &store))?;
    built.map_err(|refusal| refusal.reason.name().to_owned())
}

fn evicted(evicted: std::io::Result<()>) -> Result<(), String> {
    evicted.map_err(|error| format!("cannot keep below the cap: {error}"))
}

fn ask_anew(config: &Config, ask: impl FnOnce(Go<'_>) -> Result<(), Refusal>) -> Result<(), String> {
    leave_session();
    let store = open(config)?;
    let toolchain = Toolchain::find(config, &store).map_err(|refusal| refusal.log)?;
    let go = Go {
        config,
        store: &store,
        toolchain: &toolchain,
        patience: Patience::of_operator(config),
        client: None,
    };
    ask(go).map_err(|refusal| refusal.log)
}

fn bring(config: &Config, version: GoVersion) -> Result<(), String> {
    leave_session();
    bring::bring(config, &open(config)?, version).map_err(|refusal| refusal.reason.name().to_owned())
}

/// Out of the session of whoever started it: a server that kills its CGI program's group loses no build.
fn leave_session() {
    if let Err(error) = nix::unistd::setsid() {
        log::warn!("cannot leave the session: {error}");
    }
}

/// A lock goes with the last descriptor of its file, which goes first: there are as many as there are recipes.
fn give_back_locks(store: &Store, recipe: &Recipe) -> Result<(), String> {
    std::fs::remove_file(store.lock(&recipe.key()))
        .unwrap_or_else(|error| log::warn!("cannot remove a build's lock: {error}"));
    let nothing =
        std::fs::File::open("/dev/null").map_err(|error| format!("cannot open /dev/null: {error}"))?;
    let given = nix::unistd::dup2_stdin(&nothing).and_then(|()| nix::unistd::dup2_stdout(&nothing));
    given.map_err(|error| format!("cannot give back the locks: {error}"))
}

fn open(config: &Config) -> Result<Store, String> {
    Store::open(&config.dir).map_err(|error| format!("cannot open {}: {error}", config.dir.display()))
}

/// A driver takes the place of this process; a tool is its child.
fn enter_cell(cell: &str, command: &[String]) -> Result<u8, String> {
    match (serde_json::from_str::<Cell>(cell), command.split_first()) {
        (Ok(cell), Some((program, arguments))) => {
            enter::enter(&cell, Command::new(program).args(arguments)).map_err(|failed| failed.to_string())
        }
        (Err(_), _) | (_, None) => Err("enter: a cell and a command are wanted".to_owned()),
    }
}

fn try_cell(cell: &str, place: &str) -> Result<(), String> {
    let invalid = |error| format!("probe: {error}");
    let cell = serde_json::from_str(cell).map_err(invalid)?;
    let place = serde_json::from_str(place).map_err(invalid)?;
    let tried = probe::run(&cell, &place)?;
    serde_json::to_writer(std::io::stdout(), &tried).map_err(invalid)
}

/// Its exit status.
fn run_tool(surroundings: &Path, command: &[String]) -> Result<u8, String> {
    let environment: Vec<_> = std::env::vars_os().collect();
    match file::read_json(surroundings) {
        Some(around) => tool::run(&around, command, &environment),
        None => Err("tool: its surroundings cannot be read".to_owned()),
    }
}

fn settings_help() -> String {
    let row = |s: &Setting| format!("  {:<28}{}\n  {:28}[{}]\n", s.name, s.meaning, "", s.default);
    format!(
        "Settings (environment variables):\n{}",
        SETTINGS.iter().map(row).collect::<String>()
    )
}
