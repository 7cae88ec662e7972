//! All settings: names, defaults, descriptions and values.
//!
//! Settings are environment variables, and only this module reads them. A request cannot change one: a CGI program gets the headers of
//! a request in variables that start with `HTTP_` (RFC 3875 section 4.1.18).

use std::env;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::parse::{GoVersion, RecipeName};

pub use deadlines::Deadlines;
use directories::{directory_from_env, read_state_dir};
pub use environment::{aws_environment, inheritable_environment, object_store_environment, request_variable};
pub use limits::{BuildLimits, BuildMemory, MIN_PROCESS};
pub use machine::{available_cpus, is_noexec};
pub use network::Network;
pub use path_prefix::PathPrefix;
use proxy::read_proxies;
pub use proxy::{Credentials, hide_userinfo};
pub use read::BadSetting;
use read::{
    GIB, check_at_least, read_bytes, read_choice, read_count, read_list, read_number, read_number_if_set,
    read_seconds, read_text,
};
pub use sendfile::Sendfile;
pub use service_url::ServiceUrl;
pub use store_url::StoreUrl;
use sumdb::read_database;
pub use unknown_setting::UnknownSetting;
pub use vulnerability_policy::VulnerabilityPolicy;

mod deadlines;
mod directories;
mod environment;
mod limits;
mod machine;
mod network;
mod path_prefix;
pub mod proxy;
mod read;
mod sendfile;
mod service_url;
mod store_url;
mod sumdb;
mod unknown_setting;
mod vulnerability_policy;

/// Documentation of one setting. docs/settings.md and `conf/gox-server.env` repeat it.
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// The default, in words.
    pub default: &'static str,
    /// What it does, in one line.
    pub description: &'static str,
}

macro_rules! settings {
    ($($name:ident, $default:literal, $description:literal;)*) => {
        $(const $name: &str = stringify!($name);)*
        /// All settings, in the order of `--help`.
        pub const SETTINGS: &[Setting] = &[$(Setting { name: $name, default: $default, description: $description },)*];
    };
}

settings! {
    PORT, "3000 on 127.0.0.1", "port of the HTTP server; if set, as on a PaaS, it listens on all addresses";
    GOX_LISTEN, "unset", "ADDRESS:PORT of the HTTP server; overrides PORT";
    GOX_URL, "the address of each request", "URL of the service for links, commands and install scripts, if a proxy hides it: https://www.example.org/go";
    GOX_DIR, "$XDG_CACHE_HOME/gox-server, ~/.cache/gox-server, /var/cache/gox-server", "directory of all state";
    GOX_STORE, "unset", "S3-compatible object store that several machines share: s3://BUCKET/PREFIX; endpoint, region and credentials are read from AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and so on";
    GOX_WARMED, "unset", "read-only compile cache, for example of a container image; used in addition to the one in GOX_DIR";
    GOX_GO, "go on PATH or in the usual directories, otherwise own", "absolute path of the go command; own: gox-server downloads Go itself";
    GOX_GO_VERSIONS, "the newest two series", "comma-separated versions (1.25.3) and series (1.26) of Go, 1.21 or newer, that clients may request, in addition to the version of GOX_GO";
    GOX_GOPROXY, "GOPROXY, otherwise the value in go env; direct is ignored", "module proxies, in the format of GOPROXY";
    GOX_GOSUMDB, "GOSUMDB, otherwise the value in go env", "checksum database, in the format of GOSUMDB";
    GOX_RECIPE, "install", "recipe of URLs without ?recipe=; release: build with the author's release configuration, if there is one";
    GOX_BUILDS, "one per CPU and 2 GiB of memory", "concurrent builds";
    GOX_QUEUE, "100", "builds that may wait for a slot; one client may use a quarter of the queue";
    GOX_BUILD_SECONDS, "900", "wall-clock limit of one build";
    GOX_CPU_SECONDS, "900", "CPU time limit of each process of a build";
    GOX_MEMORY_BYTES, "3/4 of the machine's memory divided by GOX_BUILDS, at most 4 GiB", "memory limit of each process of a build";
    GOX_FILE_BYTES, "1 GiB", "size limit of each file that a build writes";
    GOX_OPEN_FILES, "1024", "open files limit of each process of a build";
    GOX_TASKS, "4096", "limit of this user's processes and threads during a build";
    GOX_WORK_BYTES, "8 GiB, or GOX_CACHE_BYTES if that is less, but at least 512 MiB", "disk limit of one build: its temporary directory, and what it adds to the caches";
    GOX_WORK_FILES, "200000", "limit of the files that one build creates in its temporary directory and in the module cache";
    GOX_LOG_BYTES, "64 KiB", "limit of the compiler output that is stored";
    GOX_ARTIFACT_BYTES, "512 MiB", "size limit of a program";
    GOX_SANDBOX, "auto", "require: refuse to build if a layer of the sandbox is missing";
    GOX_CACHE_BYTES, "10 GiB", "size limit of the programs, caches and Go toolchains in GOX_DIR";
    GOX_RESOLVE_SECONDS, "60", "how long the version that `latest` resolves to is cached";
    GOX_SLOT_SECONDS_PER_HOUR, "3600", "build slot time that one client (a /24 or /48 network) may use per hour, in seconds; 0: no limit";
    GOX_BUILDS_PER_HOUR, "0", "builds that one client may start per hour; 0: no limit";
    GOX_LOOKUPS_PER_HOUR, "600", "module proxy lookups that one client may cause per hour; 0: no limit";
    GOX_CONNECTIONS_PER_ADDRESS, "64", "concurrent connections of one address (a /64 network of IPv6) to the HTTP server, or its concurrent requests through trusted proxies; 0: no limit";
    GOX_TRUSTED_PROXIES, "none", "proxies with a trusted X-Forwarded-For: comma-separated addresses and networks, such as 10.0.0.0/8";
    GOX_ALLOW, "all", "comma-separated module path prefixes to serve; matched against the path in go.mod";
    GOX_DENY, "none", "comma-separated path prefixes to refuse, such as OWNER/REPO, github.com/OWNER or example.org; matched against the requested path and the path in go.mod";
    GOX_VULNERABLE, "tell", "programs with known vulnerabilities: tell (serve with a warning), refuse, or off (no lookup, no database)";
    GOX_RECENT, "1", "0: the first page does not list the programs that were built last";
    GOX_FIRST_BYTE_SECONDS, "unset", "time within which a response must start, even if the build is still running";
    GOX_DRAIN_SECONDS, "25", "time that running requests have to finish after SIGTERM";
    GOX_SOCKET_MODE, "0660", "mode of the socket that `fastcgi --bind unix:/PATH` creates";
    GOX_SENDFILE, "unset", "X-Sendfile or X-Accel-Redirect:/PREFIX, if the web server sends the file itself";
    GOX_LOG, "text", "format of the request log: text or json";
}

/// Which Go is the default (GOX_GO).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoChoice {
    /// The one on PATH or in the usual directories; if there is none, the one that gox-server downloads.
    Installed,
    /// The go command at this path.
    Named(PathBuf),
    /// The one that gox-server downloads.
    Own,
}

/// Whether a build may run if a layer of the sandbox is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxPolicy {
    /// Build with the available layers, and log the missing ones.
    Auto,
    /// Refuse to build.
    Require,
}

/// Format of the request log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value`.
    Text,
    /// One object per line.
    Json,
}

/// The values of all settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address on which the front listens.
    pub listen: SocketAddr,
    /// The URL of the service, if the operator names it.
    pub url: Option<ServiceUrl>,
    /// Directory of all state.
    pub dir: PathBuf,
    /// The object store that machines share.
    pub object_store: Option<StoreUrl>,
    /// A read-only compile cache.
    pub warmed: Option<PathBuf>,
    /// The default Go.
    pub go: GoChoice,
    /// Versions and series of Go that clients may request; `None` means the newest two series.
    pub go_versions: Option<Vec<GoVersion>>,
    /// PATH, on which `go` is searched.
    pub path: OsString,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// The user's configuration directory, with the settings of `go env` in `go/env`.
    pub config_home: Option<PathBuf>,
    /// GOPROXY as set by the operator.
    pub proxy: Option<String>,
    /// GOSUMDB as set by the operator.
    pub sumdb: Option<String>,
    /// The recipe of URLs without `recipe=`.
    pub recipe: RecipeName,
    /// Number of concurrent builds, if set by the operator.
    pub builds: Option<usize>,
    /// Number of builds that may wait.
    pub queue: usize,
    /// Size limit of everything in `dir`, bytes.
    pub cache_bytes: u64,
    /// Build slot seconds per client and hour; 0: no limit.
    pub slot_seconds_per_hour: u32,
    /// Builds per client and hour; 0: no limit.
    pub builds_per_hour: u32,
    /// Module proxy lookups per client and hour; 0: no limit.
    pub lookups_per_hour: u32,
    /// Connections to the front per address; 0: no limit.
    pub connections_per_address: usize,
    /// Peers with a trusted X-Forwarded-For.
    pub trusted_proxies: Vec<Network>,
    /// Resource limits of one build.
    pub limits: BuildLimits,
    /// Whether a build may run without a layer of the sandbox.
    pub sandbox: SandboxPolicy,
    /// How long a resolution is fresh.
    pub resolve: Duration,
    /// Module paths that are served; empty means all.
    pub allow: Vec<PathPrefix>,
    /// Requested paths and package paths that are refused.
    pub deny: Vec<PathPrefix>,
    /// What to do with programs that have known vulnerabilities.
    pub vulnerable: VulnerabilityPolicy,
    /// Whether the first page lists the programs that were built last.
    pub lists_recent: bool,
    /// Time within which a response must start.
    pub first_byte: Option<Duration>,
    /// Time that running requests have to finish after SIGTERM.
    pub drain: Duration,
    /// File mode of a FastCGI responder's socket.
    pub socket_mode: u32,
    /// How the web server sends files, if it does.
    pub sendfile: Option<Sendfile>,
    /// Format of the request log.
    pub log: LogFormat,
}

impl Config {
    /// Reads the environment of this process.
    pub fn from_env() -> Result<Config, BadSetting> {
        let cache_bytes = read_bytes(GOX_CACHE_BYTES, 10 * GIB)?;
        Ok(Config {
            listen: read_listen()?,
            url: ServiceUrl::from_env()?,
            dir: read_state_dir()?,
            object_store: StoreUrl::from_env()?,
            warmed: read_text(GOX_WARMED)?.map(PathBuf::from),
            go: match read_text(GOX_GO)?.as_deref() {
                None => GoChoice::Installed,
                Some("own") => GoChoice::Own,
                Some(named) => GoChoice::Named(named.into()),
            },
            go_versions: read_go_versions()?,
            path: env::var_os("PATH").unwrap_or_default(),
            home: directory_from_env("HOME"),
            config_home: directory_from_env("XDG_CONFIG_HOME")
                .or_else(|| Some(directory_from_env("HOME")?.join(".config"))),
            proxy: match read_proxies(GOX_GOPROXY)? {
                None => read_proxies("GOPROXY")?,
                set => set,
            },
            sumdb: match read_database(GOX_GOSUMDB)? {
                None => read_database("GOSUMDB")?,
                set => set,
            },
            recipe: read_choice(
                GOX_RECIPE,
                &[("install", RecipeName::Install), ("release", RecipeName::Release)],
            )?,
            builds: read_builds()?,
            queue: read_number(GOX_QUEUE, 100)? as usize,
            cache_bytes,
            slot_seconds_per_hour: read_count(GOX_SLOT_SECONDS_PER_HOUR, 3600)?,
            builds_per_hour: read_count(GOX_BUILDS_PER_HOUR, 0)?,
            lookups_per_hour: read_count(GOX_LOOKUPS_PER_HOUR, 600)?,
            connections_per_address: read_count(GOX_CONNECTIONS_PER_ADDRESS, 64)? as usize,
            trusted_proxies: read_list(
                GOX_TRUSTED_PROXIES,
                "must be a comma-separated list of IP addresses and networks",
            )?,
            limits: BuildLimits::from_env(cache_bytes)?,
            sandbox: read_choice(
                GOX_SANDBOX,
                &[("auto", SandboxPolicy::Auto), ("require", SandboxPolicy::Require)],
            )?,
            resolve: read_seconds(GOX_RESOLVE_SECONDS)?.unwrap_or(Duration::from_secs(60)),
            allow: read_prefixes(GOX_ALLOW)?,
            deny: read_prefixes(GOX_DENY)?,
            vulnerable: VulnerabilityPolicy::from_env()?,
            lists_recent: read_choice(GOX_RECENT, &[("1", true), ("0", false)])?,
            first_byte: read_first_byte()?,
            drain: read_seconds(GOX_DRAIN_SECONDS)?.unwrap_or(Duration::from_secs(25)),
            socket_mode: read_socket_mode()?,
            sendfile: Sendfile::from_env()?,
            log: read_choice(GOX_LOG, &[("text", LogFormat::Text), ("json", LogFormat::Json)])?,
        })
    }

    /// Returns the number of concurrent builds.
    pub fn builds(&self) -> usize {
        self.builds.unwrap_or_else(limits::default_builds)
    }

    /// Returns the memory limits of one build.
    pub fn memory(&self) -> BuildMemory {
        self.limits.memory(self.builds())
    }

    /// MiB that failed builds of one client may write per hour: as much as the state directory may take; 0: no limit.
    pub fn failed_megabytes_per_hour(&self) -> u32 {
        match self.counts_builds() {
            true => u32::try_from(self.cache_bytes >> 20).unwrap_or(u32::MAX).max(1),
            false => 0,
        }
    }

    /// Whether clients have a build budget.
    pub fn counts_builds(&self) -> bool {
        self.slot_seconds_per_hour > 0 || self.builds_per_hour > 0
    }

    /// Checks that the default Go can run. A server checks this at start; for a single request it is a failure of the build.
    pub fn check_go(&self) -> Result<(), BadSetting> {
        match &self.go {
            GoChoice::Named(go) if !(go.is_absolute() && go.is_file()) => Err(BadSetting::new(
                GOX_GO,
                go.display().to_string(),
                "must be the absolute path of a go command, or own",
            )),
            GoChoice::Own if is_noexec(&self.dir) => Err(BadSetting::new(
                GOX_DIR,
                self.dir.display().to_string(),
                "must not be mounted noexec, because GOX_GO=own runs Go from there",
            )),
            GoChoice::Installed | GoChoice::Named(_) | GoChoice::Own => Ok(()),
        }
    }

    /// Whether this peer's X-Forwarded-For is trusted.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }
}

fn read_builds() -> Result<Option<usize>, BadSetting> {
    let Some(builds) = read_number_if_set(GOX_BUILDS)? else {
        return Ok(None);
    };
    check_at_least(GOX_BUILDS, builds, 1)?;
    Ok(Some(builds as usize))
}

fn read_first_byte() -> Result<Option<Duration>, BadSetting> {
    let within = read_seconds(GOX_FIRST_BYTE_SECONDS)?;
    if let Some(within) = within {
        check_at_least(GOX_FIRST_BYTE_SECONDS, within.as_secs(), 1)?;
    }
    Ok(within)
}

/// The oldest allowed series. Before 1.21, the go command is linked dynamically and does not run in a cell.
const OLDEST_GO: GoVersion = GoVersion::release(1, 21, 0).series();

fn read_go_versions() -> Result<Option<Vec<GoVersion>>, BadSetting> {
    let requirement =
        "must be a comma-separated list of versions of Go, such as 1.25.3, and series, such as 1.26";
    let versions: Vec<GoVersion> = read_list(GOX_GO_VERSIONS, requirement)?;
    if let Some(version) = versions.iter().find(|version| version.series() < OLDEST_GO) {
        let requirement = "must be 1.21 or newer: an older go command needs other programs of the system, which its cell denies it";
        return Err(BadSetting::new(GOX_GO_VERSIONS, version.to_string(), requirement));
    }
    Ok((!versions.is_empty()).then_some(versions))
}

fn read_prefixes(name: &'static str) -> Result<Vec<PathPrefix>, BadSetting> {
    let requirement = "must be a comma-separated list of paths, such as github.com/OWNER, OWNER/REPO or example.org, without scheme, \
                       version or *; a path includes everything below it";
    read_list(name, requirement)
}

fn read_listen() -> Result<SocketAddr, BadSetting> {
    if let Some(value) = read_text(GOX_LISTEN)? {
        return value
            .parse()
            .map_err(|_| BadSetting::new(GOX_LISTEN, value, "must be ADDRESS:PORT, such as 0.0.0.0:8080"));
    }
    let Some(value) = read_text(PORT)? else {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 3000)));
    };
    // All IPv6 and IPv4 addresses. The front falls back to IPv4 on a machine without IPv6.
    let port: u16 = value
        .parse()
        .map_err(|_| BadSetting::new(PORT, value, "must be a port from 0 to 65535"))?;
    Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
}

fn read_socket_mode() -> Result<u32, BadSetting> {
    let Some(value) = read_text(GOX_SOCKET_MODE)? else {
        return Ok(0o660);
    };
    match u32::from_str_radix(&value, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        Ok(_) | Err(_) => Err(BadSetting::new(
            GOX_SOCKET_MODE,
            value,
            "must be an octal mode, such as 0660",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_and_env_file_repeat_every_setting() {
        let docs = include_str!("../../docs/settings.md");
        let env_file = include_str!("../../conf/gox-server.env");
        for Setting {
            name,
            default,
            description,
        } in SETTINGS
        {
            assert!(
                docs.contains(&format!("\n| `{name}` | {default} | {description} |\n")),
                "docs/settings.md: {name}"
            );
            assert!(
                env_file.contains(&format!("\n# {description}\n# Default: {default}\n#{name}=\n")),
                "conf/gox-server.env: {name}"
            );
        }
    }
}
