//! Every setting, once: its name, its default, what it means, and the value that is in force.
//!
//! Settings are environment variables, read here and nowhere else. A request can never change one: whatever a
//! client sends reaches a CGI program under a name that starts with `HTTP_` (RFC 3875 section 4.1.18).

use std::env;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::asked::{GoVersion, RecipeName};

use directories::{state_dir, xdg};
pub use limits::{BuildLimits, Memory};
pub use machine::starts_no_programs;
pub use misspelt::Misspelt;
pub use network::Network;
pub use patience::Patience;
pub use prefix::Prefix;
use proxy::proxies;
pub use proxy::{Credentials, hide_userinfo};
pub use read::BadSetting;
use read::{GIB, at_least, bad, bytes, count, list, number, number_if_set, seconds, text, word};
use sumdb::database;
pub use vulnerable::Vulnerable;

mod directories;
mod limits;
mod machine;
mod misspelt;
mod network;
mod patience;
mod prefix;
pub mod proxy;
mod read;
mod sumdb;
mod vulnerable;

/// One row of the table that docs/settings.md and `conf/gox-server.env` repeat (a test compares the three).
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What holds when it is unset, in words.
    pub default: &'static str,
    /// What it decides.
    pub meaning: &'static str,
}

macro_rules! settings {
    ($($name:ident, $default:literal, $meaning:literal;)*) => {
        $(const $name: &str = stringify!($name);)*
        /// All settings, in the order in which an operator meets them.
        pub const SETTINGS: &[Setting] = &[$(Setting { name: $name, default: $default, meaning: $meaning },)*];
    };
}

settings! {
    PORT, "3000 on 127.0.0.1", "the front's port; when it is set, as a PaaS does, on all addresses";
    GOX_LISTEN, "unset", "ADDRESS:PORT of the front, over PORT";
    GOX_DIR, "$XDG_CACHE_HOME/gox-server, ~/.cache/gox-server, /var/cache/gox-server", "all state";
    GOX_WARMED, "unset", "a compile cache that an image brings, read-only: used beside the one below GOX_DIR";
    GOX_GO, "go on PATH, else the usual places, else own", "the go command; own: gox-server brings one";
    GOX_GO_VERSIONS, "the newest two series", "versions (1.25.3) and series (1.26) of Go that may be asked for, with commas, besides GOX_GO's own";
    GOX_GOPROXY, "GOPROXY, else what go env says; direct is left out", "the module proxy";
    GOX_GOSUMDB, "GOSUMDB, else what go env says", "the checksum database";
    GOX_RECIPE, "install", "release: build as the author's release configuration says, where there is one and no ?recipe= in the URL";
    GOX_BUILDS, "one for each CPU and 2 GiB of memory", "builds at once";
    GOX_QUEUE, "100", "builds that may wait for their turn, a quarter of them of one client";
    GOX_BUILD_SECONDS, "900", "wall clock of one build";
    GOX_CPU_SECONDS, "900", "processor time of one process of a build";
    GOX_MEMORY_BYTES, "3/4 of the machine's memory divided by GOX_BUILDS, 4 GiB at most", "memory of one process of a build";
    GOX_FILE_BYTES, "1 GiB", "size of one file that a build writes";
    GOX_OPEN_FILES, "1024", "files that one process of a build has open";
    GOX_TASKS, "4096", "processes and threads of this user while a build runs";
    GOX_WORK_BYTES, "8 GiB, or GOX_CACHE_BYTES where that is less, but 512 MiB at least", "bytes that one build has on the disk at once: its tempdir, and what it adds to the caches";
    GOX_WORK_FILES, "200000", "files that one build makes, in its tempdir and in the module cache";
    GOX_LOG_BYTES, "64 KiB", "what is kept of the compiler's words";
    GOX_ARTIFACT_BYTES, "256 MiB", "size of a program that is served";
    GOX_SANDBOX, "auto", "require: refuse to build where a layer of the sandbox is missing";
    GOX_CACHE_BYTES, "10 GiB", "cap of the programs, caches and versions of Go under GOX_DIR";
    GOX_RESOLVE_SECONDS, "60", "how long an answer to `latest` holds";
    GOX_SLOT_SECONDS_PER_HOUR, "3600", "seconds for which the builds of one client (a /24 or /48) may hold slots in an hour; 0: no bound";
    GOX_BUILDS_PER_HOUR, "0", "builds that one client may cause in an hour, however short; 0: no bound";
    GOX_LOOKUPS_PER_HOUR, "600", "questions to the module proxy that one client may cause in an hour; 0: no bound";
    GOX_CONNECTIONS_PER_ADDRESS, "64", "connections to the front of one address (a /64 of IPv6), or requests of it through trusted proxies, at once; 0: no bound";
    GOX_TRUSTED_PROXIES, "none", "addresses, or networks such as 10.0.0.0/8, whose X-Forwarded-For is believed, with commas";
    GOX_ALLOW, "all", "how the paths of modules begin that are served, with commas: what go.mod says counts, and not what is typed";
    GOX_DENY, "none", "how paths begin that are refused, with commas: OWNER/REPO, github.com/OWNER or example.org, as it is typed or as go.mod says";
    GOX_VULNERABLE, "tell", "programs with known vulnerabilities: tell, refuse, or off: nothing is looked up and no database is fetched";
    GOX_FIRST_BYTE_SECONDS, "unset", "answer by then, even if the build still runs";
    GOX_DRAIN_SECONDS, "25", "what SIGTERM leaves to requests under way";
    GOX_SOCKET_MODE, "0660", "mode of the socket that `fastcgi --bind unix:/PATH` makes";
    GOX_SENDFILE, "unset", "X-Sendfile, or X-Accel-Redirect:/PREFIX, where the web server sends the file itself";
    GOX_LOG, "text", "json: the request log as JSON";
}

/// Whose Go serves who asks for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichGo {
    /// The one that is found on PATH or in the usual places; without one, gox-server's own.
    Installed,
    /// The one that the operator names.
    Named(PathBuf),
    /// The one that gox-server brings.
    Own,
}

/// Whether a build may run where a layer of the sandbox is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxPolicy {
    /// Build with what there is, and say what is missing.
    Auto,
    /// Refuse to build.
    Require,
}

/// How a body reaches the client without passing through this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sendfile {
    /// `X-Sendfile: /absolute/path` (lighttpd, Apache's mod_xsendfile, the bundled front).
    Path,
    /// `X-Accel-Redirect: PREFIX/relative/path` (nginx; Caddy, as conf/Caddyfile has it).
    Redirect(String),
}

/// Text or JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value`.
    Text,
    /// One object a line.
    Json,
}

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the front listens.
    pub listen: SocketAddr,
    /// All state.
    pub dir: PathBuf,
    /// A compile cache that nobody can write.
    pub warmed: Option<PathBuf>,
    /// Whose Go serves who asks for none.
    pub go: WhichGo,
    /// Versions and series of Go that may be asked for; `None` means the newest two series.
    pub go_versions: Option<Vec<GoVersion>>,
    /// PATH, on which `go` is looked for.
    pub path: OsString,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// Where the user's programs keep their settings, `go env` in `go/env`.
    pub config_home: Option<PathBuf>,
    /// GOPROXY as the operator wrote it.
    pub proxy: Option<String>,
    /// GOSUMDB as the operator wrote it.
    pub sumdb: Option<String>,
    /// The recipe where the client names none.
    pub recipe: RecipeName,
    /// Builds at once, if the operator says how many.
    pub builds: Option<usize>,
    /// Builds that may wait.
    pub queue: usize,
    /// Cap of everything under `dir`.
    pub cache_bytes: u64,
    /// Seconds of slots per client and hour.
    pub slot_seconds_per_hour: u32,
    /// Builds per client and hour.
    pub builds_per_hour: u32,
    /// Questions to the module proxy per client and hour.
    pub lookups_per_hour: u32,
    /// Connections to the front per address.
    pub connections_per_address: usize,
    /// Peers whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<Network>,
    /// What one build may use up.
    pub limits: BuildLimits,
    /// Whether a missing layer matters.
    pub sandbox: SandboxPolicy,
    /// How long a resolution is fresh.
    pub resolve: Duration,
    /// Modules that are served; none means all.
    pub allow: Vec<Prefix>,
    /// What is refused, by any name.
    pub deny: Vec<Prefix>,
    /// What becomes of programs with known vulnerabilities.
    pub vulnerable: Vulnerable,
    /// Answer within this time.
    pub first_byte: Option<Duration>,
    /// What SIGTERM leaves to requests under way.
    pub drain: Duration,
    /// The mode of a responder's own socket.
    pub socket_mode: u32,
    /// How a body travels.
    pub sendfile: Option<Sendfile>,
    /// How a request is logged.
    pub log: LogFormat,
}

impl Config {
    /// Reads the environment of this process.
    pub fn from_environment() -> Result<Config, BadSetting> {
        let cache_bytes = bytes(GOX_CACHE_BYTES, 10 * GIB)?;
        Ok(Config {
            listen: listen()?,
            dir: state_dir()?,
            warmed: text(GOX_WARMED)?.map(PathBuf::from),
            go: match text(GOX_GO)?.as_deref() {
                None => WhichGo::Installed,
                Some("own") => WhichGo::Own,
                Some(named) => WhichGo::Named(named.into()),
            },
            go_versions: go_versions()?,
            path: env::var_os("PATH").unwrap_or_default(),
            home: xdg("HOME"),
            config_home: xdg("XDG_CONFIG_HOME").or_else(|| Some(xdg("HOME")?.join(".config"))),
            proxy: proxies(GOX_GOPROXY)?.or(proxies("GOPROXY")?),
            sumdb: database(GOX_GOSUMDB)?.or(database("GOSUMDB")?),
            recipe: word(
                GOX_RECIPE,
                &[("install", RecipeName::Install), ("release", RecipeName::Release)],
            )?,
            builds: builds()?,
            queue: number(GOX_QUEUE, 100)? as usize,
            cache_bytes,
            slot_seconds_per_hour: count(GOX_SLOT_SECONDS_PER_HOUR, 3600)?,
            builds_per_hour: count(GOX_BUILDS_PER_HOUR, 0)?,
            lookups_per_hour: count(GOX_LOOKUPS_PER_HOUR, 600)?,
            connections_per_address: count(GOX_CONNECTIONS_PER_ADDRESS, 64)? as usize,
            trusted_proxies: list(
                GOX_TRUSTED_PROXIES,
                "IP addresses or networks with commas are wanted",
            )?,
            limits: BuildLimits::from_environment(cache_bytes)?,
            sandbox: word(
                GOX_SANDBOX,
                &[("auto", SandboxPolicy::Auto), ("require", SandboxPolicy::Require)],
            )?,
            resolve: seconds(GOX_RESOLVE_SECONDS)?.unwrap_or(Duration::from_secs(60)),
            allow: prefixes(GOX_ALLOW)?,
            deny: prefixes(GOX_DENY)?,
            vulnerable: Vulnerable::from_environment()?,
            first_byte: first_byte()?,
            drain: seconds(GOX_DRAIN_SECONDS)?.unwrap_or(Duration::from_secs(25)),
            socket_mode: socket_mode()?,
            sendfile: sendfile()?,
            log: word(GOX_LOG, &[("text", LogFormat::Text), ("json", LogFormat::Json)])?,
        })
    }

    /// Builds at once.
    pub fn builds(&self) -> usize {
        self.builds.unwrap_or_else(limits::builds)
    }

    /// The memory of one of these builds.
    pub fn memory(&self) -> Memory {
        self.limits.memory(self.builds())
    }

    /// Whether clients have a budget of builds.
    pub fn counts_builds(&self) -> bool {
        self.slot_seconds_per_hour > 0 || self.builds_per_hour > 0
    }

    /// What keeps a service from ever building. Who asks for one program hears of it as a failure.
    pub fn missing_go(&self) -> Option<BadSetting> {
        match &self.go {
            WhichGo::Named(go) if !(go.is_absolute() && go.is_file()) => {
                let value = go.display().to_string();
                Some(bad(
                    GOX_GO,
                    value,
                    "the absolute path of a go command, or own, is wanted",
                ))
            }
            WhichGo::Own if starts_no_programs(&self.dir) => Some(bad(
                GOX_DIR,
                self.dir.display().to_string(),
                "a directory where programs may be started is wanted, for GOX_GO=own puts a Go there: this one is mounted noexec",
            )),
            WhichGo::Installed | WhichGo::Named(_) | WhichGo::Own => None,
        }
    }

    /// Whether this peer's X-Forwarded-For is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.has(peer))
    }
}

/// What the front hands on to the program that it starts for each request, and that one to a process that outlives it: the
/// operator's settings, and what is needed to find `go` and the state. Everything else of the environment stays behind.
pub fn inherited() -> Vec<(OsString, OsString)> {
    const ALSO: &[&str] = &[
        "GOPROXY",
        "GOSUMDB",
        "HOME",
        "PATH",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "RUST_LOG",
    ];
    env::vars_os()
        .filter(|(name, _)| ALSO.iter().any(|n| name == n) || name.as_encoded_bytes().starts_with(b"GOX_"))
        .collect()
}

/// The request's own variables (RFC 3875 section 4.1), for the CGI door; nothing else may look at them.
pub fn request_variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

fn builds() -> Result<Option<usize>, BadSetting> {
    let Some(builds) = number_if_set(GOX_BUILDS)? else {
        return Ok(None);
    };
    at_least(GOX_BUILDS, builds, 1)?;
    Ok(Some(builds as usize))
}

fn first_byte() -> Result<Option<Duration>, BadSetting> {
    let within = seconds(GOX_FIRST_BYTE_SECONDS)?;
    if let Some(within) = within {
        at_least(GOX_FIRST_BYTE_SECONDS, within.as_secs(), 1)?;
    }
    Ok(within)
}

fn go_versions() -> Result<Option<Vec<GoVersion>>, BadSetting> {
    let wanted = "versions of Go such as 1.25.3, or series such as 1.26, are wanted, with commas";
    let versions = list(GOX_GO_VERSIONS, wanted)?;
    Ok((!versions.is_empty()).then_some(versions))
}

fn prefixes(name: &'static str) -> Result<Vec<Prefix>, BadSetting> {
    let wanted = "paths such as github.com/OWNER, OWNER/REPO or example.org are wanted, with commas: no URL, no version, and no \
                  *, for what lies below is meant too";
    list(name, wanted)
}

fn listen() -> Result<SocketAddr, BadSetting> {
    if let Some(value) = text(GOX_LISTEN)? {
        return value.parse().map_err(|_| {
            bad(
                GOX_LISTEN,
                value,
                "an ADDRESS:PORT such as 0.0.0.0:8080 is wanted",
            )
        });
    }
    let Some(value) = text(PORT)? else {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 3000)));
    };
    // All addresses of both families where the machine has IPv6; the front falls back to IPv4 where it has not.
    let port: u16 = value
        .parse()
        .map_err(|_| bad(PORT, value, "a port from 0 to 65535 is wanted"))?;
    Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
}

fn socket_mode() -> Result<u32, BadSetting> {
    let Some(value) = text(GOX_SOCKET_MODE)? else {
        return Ok(0o660);
    };
    match u32::from_str_radix(&value, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        Ok(_) | Err(_) => Err(bad(
            GOX_SOCKET_MODE,
            value,
            "an octal mode such as 0660 is wanted",
        )),
    }
}

fn sendfile() -> Result<Option<Sendfile>, BadSetting> {
    let Some(value) = text(GOX_SENDFILE)? else {
        return Ok(None);
    };
    match value.split_once(':') {
        None if value.eq_ignore_ascii_case("x-sendfile") => Ok(Some(Sendfile::Path)),
        Some((name, prefix)) if name.eq_ignore_ascii_case("x-accel-redirect") && prefix.starts_with('/') => {
            Ok(Some(Sendfile::Redirect(prefix.trim_end_matches('/').to_owned())))
        }
        None | Some(_) => Err(bad(
            GOX_SENDFILE,
            value,
            "X-Sendfile, or X-Accel-Redirect:/PREFIX, is wanted",
        )),
    }
}
