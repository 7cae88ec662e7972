//! How it was started decides what it is: a CGI program, a builder, a tool's wrapper, the front, or a command.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use gox_server::answer::response::Reader;
use gox_server::answer::{Reason, Refusal, Response};
use gox_server::asked::{Platform, Target, Wish};
use gox_server::build::{self, Recipe, progress};
use gox_server::config::{self, Config, LogFormat};
use gox_server::doors::{cgi, front};
use gox_server::golang::command::Go;
use gox_server::golang::{Toolchain, memory};
use gox_server::request::Request;
use gox_server::sandbox::cell::Cell;
use gox_server::sandbox::{enter, tool};
use gox_server::store::{Store, disk};
use gox_server::{doctor, handler};
use indicatif::{ProgressBar, ProgressStyle};
use log::LevelFilter;

/// Type OWNER/REPO, get the Go program, compiled for your machine.
///
/// Without a command: an HTTP server on $PORT, or 127.0.0.1:3000. With GATEWAY_INTERFACE set: a CGI program.
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
    /// Build one program without a server.
    Build {
        /// [HOST/]OWNER/REPO[/SUB…][@VERSION], with ?os=&arch= for another platform.
        target: String,
        /// Where to put it; by default its name, here.
        #[arg(short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Say what works here and what does not.
    Doctor,
    /// Started by gox-server itself: builds what RECIPE says, holding a lock on 0 and a slot on 1.
    #[command(hide = true)]
    Builder { recipe: String },
    /// Started by gox-server itself: becomes COMMAND in a cell.
    #[command(hide = true)]
    Enter {
        cell: String,
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Started by go itself: becomes a compiler in its cell.
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
    if config::request_variable("GATEWAY_INTERFACE").is_some() {
        return cgi_program();
    }
    match CommandLine::parse().mode.unwrap_or(Mode::Front) {
        Mode::Front => with_config(serve),
        Mode::Build { target, output } => with_config(|config| build_command(&config, &target, output)),
        Mode::Doctor => with_config(|config| {
            if doctor::doctor(&config) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }),
        Mode::Builder { recipe } => with_config(|config| builder(&config, &recipe)),
        Mode::Enter { cell, command } => enter_cell(&cell, &command),
        Mode::Tool {
            surroundings,
            command,
        } => become_tool(&surroundings, &command),
    }
}

fn with_config(run: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match Config::from_environment() {
        Ok(config) => {
            start_log(config.log);
            run(config)
        }
        Err(bad) => fail(&bad.to_string()),
    }
}

fn start_log(format: LogFormat) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Info).parse_default_env();
    builder.format(move |out, record| match format {
        LogFormat::Text => writeln!(
            out,
            "{} {}",
            record.level().as_str().to_lowercase(),
            one_line(record.args())
        ),
        LogFormat::Json => {
            let value =
                serde_json::json!({ "level": record.level().as_str(), "message": record.args().to_string() });
            writeln!(out, "{value}")
        }
    });
    // A second start would be a second mode in one process, which there is not.
    builder.try_init().ok();
}

/// Nothing that a stranger wrote can make a second line, or move the cursor.
fn one_line(text: &std::fmt::Arguments<'_>) -> String {
    text.to_string()
        .chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

fn cgi_program() -> ExitCode {
    let begun = Instant::now();
    let request = Request::from_variables(config::request_variable);
    let (response, config) = match Config::from_environment() {
        Ok(config) => {
            start_log(config.log);
            let response = match Store::open(&config.dir) {
                Ok(store) => handler::answer(&request, &config, &store),
                Err(error) => {
                    log::error!("cannot open {}: {error}", config.dir.display());
                    Response::refusal(&Refusal::new(Reason::Internal), Reader::of(&request.accept))
                }
            };
            (response, config)
        }
        Err(bad) => {
            eprintln!("gox-server: {bad}");
            let response = Response::refusal(&Refusal::new(Reason::Internal), Reader::of(&request.accept));
            return match cgi::write(&response, &request.method, None, io::stdout().lock()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&format!("cannot write the answer: {error}")),
            };
        }
    };
    let reason = response
        .headers
        .iter()
        .find(|(name, _)| *name == "Gox-Reason")
        .map_or("-", |(_, name)| name);
    log::info!(
        "method={} path={}{} status={} reason={reason} seconds={:.3} client={}",
        request.method,
        request.mount,
        String::from_utf8_lossy(&request.path),
        response.status.0,
        begun.elapsed().as_secs_f64(),
        request.client
    );
    match cgi::write(&response, &request.method, Some(&config), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // A client that leaves is no failure of ours.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        // Something may be out already: whoever relays it has to cut it off, and not call it whole.
        Err(error) => fail(&format!("cannot write the answer: {error}")),
    }
}

fn serve(config: Config) -> ExitCode {
    let program = match std::fs::read_link("/proc/self/exe") {
        Ok(program) => program,
        Err(error) => return fail(&format!("cannot find gox-server itself: {error}")),
    };
    let front = front::Front {
        listen: config.listen,
        program,
        inherited: config::inherited(),
        limits: front::Limits::default(),
        drain: config.drain,
    };
    match front.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => fail(&stopped.to_string()),
    }
}

fn builder(config: &Config, recipe: &str) -> ExitCode {
    // Out of the session of whoever started it: a server that kills its CGI program's group loses no build.
    if let Err(error) = nix::unistd::setsid() {
        log::warn!("cannot leave the session: {error}");
    }
    let recipe: Recipe = match serde_json::from_str(recipe) {
        Ok(recipe) => recipe,
        Err(error) => return fail(&format!("builder: {error}")),
    };
    let built = Store::open(&config.dir)
        .map_err(|error| error.to_string())
        .and_then(|store| {
            build::builder::build(&recipe, config, &store).map_err(|refusal| refusal.reason.name().to_owned())
        });
    if built.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn enter_cell(cell: &str, command: &[String]) -> ExitCode {
    let (Ok(cell), Some((program, arguments))) = (serde_json::from_str::<Cell>(cell), command.split_first())
    else {
        return fail("enter: a cell and a command are wanted");
    };
    fail(&enter::enter(&cell, Command::new(program).args(arguments)))
}

fn become_tool(surroundings: &Path, command: &[String]) -> ExitCode {
    let package = config::request_variable("TOOLEXEC_IMPORTPATH").unwrap_or_default();
    match disk::read_json(surroundings) {
        Some(around) => fail(&tool::run(&around, command, &package.to_string_lossy())),
        None => fail("tool: its surroundings cannot be read"),
    }
}

fn build_command(config: &Config, typed: &str, output: Option<PathBuf>) -> ExitCode {
    match build_target(config, typed) {
        Ok((file, name)) => {
            let output = output.unwrap_or_else(|| name.into());
            match install(&file, &output) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&format!("cannot write {}: {error}", output.display())),
            }
        }
        Err(refusal) => {
            eprintln!("{}", refusal.reason.sentence());
            for line in refusal
                .detail
                .lines()
                .map(str::to_owned)
                .chain([refusal.reason.advice().to_owned()])
            {
                eprintln!("{line}");
            }
            for line in &refusal.instead {
                eprintln!("  {line}");
            }
            if refusal.reason == Reason::Internal || refusal.reason == Reason::NoGo {
                eprintln!("{}", refusal.log);
            }
            ExitCode::FAILURE
        }
    }
}

fn build_target(config: &Config, typed: &str) -> Result<(PathBuf, String), Refusal> {
    let (path, query) = typed.split_once('?').unwrap_or((typed, ""));
    let target = Target::parse(format!("/{}", path.trim_start_matches('/')).as_bytes())
        .map_err(|bad| gox_server::refusals::bad_path(&bad))?;
    let wish = Wish::parse(query).map_err(|bad| gox_server::refusals::bad_query(&bad))?;
    let here = format!("{} {}", capital(std::env::consts::OS), std::env::consts::ARCH);
    let platform: Platform = wish
        .platform(&here)
        .map_err(|untold| Refusal::new(Reason::PlatformUntold).detail(untold.to_string()))?;
    let store = Store::open(&config.dir)
        .map_err(|e| gox_server::answer::refusal::trouble(format!("open {}", config.dir.display()), &e))?;
    let toolchain = Toolchain::find(config, &store)?;
    let go = Go {
        config,
        store: &store,
        toolchain: &toolchain,
    };
    let bar = bar();
    bar.set_message(format!("asking for {target}"));
    let recipe = Recipe::new(
        memory::resolve_remembered(go, &target, true)?,
        platform,
        &toolchain.version,
        wish,
    );
    bar.set_message(recipe.package_at_version());
    let work = store.work().join(recipe.key().as_str());
    let artifact = build::artifact(&recipe, config, &store, &|| show(&bar, &work))?;
    bar.finish_and_clear();
    eprintln!(
        "{} {} {}",
        artifact.meta.package, artifact.meta.version, artifact.meta.platform
    );
    eprintln!("sha256 {}", artifact.meta.sha256);
    eprintln!("verify with: {}", artifact.meta.verify);
    Ok((artifact.file, artifact.meta.file_name))
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30.green} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    if io::stderr().is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}

fn show(bar: &ProgressBar, work: &Path) {
    if let Some(progress) = progress::read(work) {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        bar.set_message(progress.package);
    }
}

/// A copy, executable, put in place in one step.
fn install(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let dir = to
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let aside = tempfile::NamedTempFile::new_in(dir)?;
    std::fs::copy(from, aside.path())?;
    std::fs::set_permissions(aside.path(), std::fs::Permissions::from_mode(0o755))?;
    aside.persist(to)?;
    Ok(())
}

fn capital(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}

fn settings_help() -> String {
    let row = |s: &config::Setting| format!("  {:<24}{}\n  {:24}[{}]\n", s.name, s.meaning, "", s.default);
    format!(
        "Settings (environment variables):\n{}",
        config::SETTINGS.iter().map(row).collect::<String>()
    )
}

fn fail(text: &str) -> ExitCode {
    eprintln!("gox-server: {text}");
    ExitCode::FAILURE
}
