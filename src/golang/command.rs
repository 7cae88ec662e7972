//! How `go` is started: an empty environment into which every variable is put by name, and a cell around it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io};

use url::Url;

use super::Toolchain;
use super::growth::Growth;
use crate::answer::refusal::trouble;
use crate::answer::script::quote;
use crate::answer::{Reason, Refusal};
use crate::asked::{Family, Platform};
use crate::config::{BuildLimits, Config, Credentials, Patience, SandboxPolicy};
use crate::sandbox::cell::{Cell, Inmate};
use crate::sandbox::limits::Limits;
use crate::sandbox::own_binary::own_binary;
use crate::sandbox::process::{Bounds, Ended, Outcome, run};
use crate::store::Store;
use crate::store::budget::Client;

/// What `go list` and `go mod download` print stays far below; a hostile proxy's endless list does not.
const STDOUT_BYTES: usize = 32 << 20;

/// Memory of one process, in bytes, from which on GOMEMLIMIT costs more than it saves: where it is set, a compiler does without
/// the 128 MB with which its heap begins otherwise (cmd/compile/internal/gc/main.go), and a build takes longer by a sixth.
const PLENTY: u64 = 2 << 30;

/// What Go reads to find and trust the module proxy.
const NETWORK_FILES: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/etc/localtime",
];

/// The variables that `go`'s tools get of its environment: those that internal/buildcfg, package os and Go's runtime read. The
/// others that a tool reads are for debugging it.
pub const TOOL_VARIABLES: [&str; 18] = [
    "GOOS",
    "GOARCH",
    "GO386",
    "GOAMD64",
    "GOARM",
    "GOARM64",
    "GOMIPS",
    "GOMIPS64",
    "GOPPC64",
    "GORISCV64",
    "GOWASM",
    "GOEXPERIMENT",
    "GOFIPS140",
    // The compiler writes paths below it as `$GOROOT`.
    "GOROOT",
    "GOGC",
    "GOMAXPROCS",
    "GOMEMLIMIT",
    "PWD",
];

/// Everything that each start of `go` needs.
#[derive(Clone, Copy)]
pub struct Go<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Where the caches are.
    pub store: &'a Store,
    /// Which Go.
    pub toolchain: &'a Toolchain,
    /// How long it may ask the module proxy.
    pub patience: Patience,
    /// For which client it asks the module proxy; `None` for the operator.
    pub client: Option<&'a Client>,
}

/// A pattern of module paths that no module has (RFC 2606).
const NOBODY: &str = "nobody.invalid";

impl Go<'_> {
    /// `go ARGS`, in a driver's cell that may write the caches and `work`.
    pub fn command(&self, work: &Path, cache: &Path, args: &[String]) -> io::Result<Command> {
        let own_binary = own_binary(work)?;
        let cell = serde_json::to_string(&self.cell(work, cache, &own_binary))?;
        let mut command = Command::new(&own_binary);
        command
            .arg("enter")
            .arg(cell)
            .arg("--")
            .arg(&self.toolchain.go)
            .args(args)
            .current_dir(work);
        command.env_clear().envs(self.environment(work, cache));
        Ok(command)
    }

    /// Runs it to its end.
    pub fn run(&self, work: &Path, args: &[&str], deadline: Instant) -> Result<Outcome, Refusal> {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let bounds = Bounds {
            deadline,
            stdout_bytes: STDOUT_BYTES,
            stderr_bytes: self.config.limits.log_bytes,
        };
        let mut command = self
            .command(work, &self.store.compile_cache(), &args)
            .map_err(|e| trouble("prepare go", &e))?;
        // So many requests to the proxy are under way at once: they wait for it, not for a processor.
        command.env("GOMAXPROCS", "24");
        // A go.mod above the directory in which it runs would have its say; above the root is none.
        command.current_dir("/");
        self.supervise(&mut command, work, bounds, &mut || ())
    }

    /// Runs a command of ours to its end, within what one run may add to the disk. `meanwhile` is called now and then.
    pub fn supervise(
        &self,
        command: &mut Command,
        work: &Path,
        bounds: Bounds,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Outcome, Refusal> {
        let modules = self.store.module_cache();
        let mut growth = Growth::new(&self.config.limits, work, &modules);
        let outcome = run(command, bounds, |go| {
            meanwhile();
            growth.is_within_limits(go)
        });
        let mut outcome = outcome.map_err(|e| trouble("start go", &e))?;
        if growth.take_back() {
            outcome.ended = Ended::Stopped;
        }
        if let Some(credentials) = self.credentials() {
            for said in [&mut outcome.stdout, &mut outcome.stderr] {
                *said = credentials.hide(&String::from_utf8_lossy(said)).into_bytes();
            }
        }
        match growth.is_starved() {
            true => {
                Err(Refusal::new(Reason::DiskFull).log("the disk is nearly full: a run of go was stopped"))
            }
            false => Ok(outcome),
        }
    }

    /// All that `go` is told, whatever this process was. What is not here is not set: HOME (.netrc, .config/go/env), GOROOT,
    /// GOEXPERIMENT (other bytes), GOCACHEPROG (starts a program), GO_EXTLINK_ENABLED, and every *_PROXY.
    fn environment(&self, work: &Path, cache: &Path) -> Vec<(&'static str, PathBuf)> {
        let text = |name, value: &str| (name, PathBuf::from(value));
        let (proxies, checksums) = (
            self.toolchain.proxies(self.config),
            self.toolchain.checksums(self.config),
        );
        let mut variables = vec![
            // It starts its own tools by their paths, and nothing else: no git, no C compiler.
            text("PATH", "/nonexistent"),
            text("CGO_ENABLED", "0"),
            text("CC", "/bin/false"),
            text("CXX", "/bin/false"),
            text("AR", "/bin/false"),
            text("FC", "/bin/false"),
            text("PKG_CONFIG", "/bin/false"),
            // GOROOT/go.env is read all the same, and distributions change it. What is set to nothing counts as not set
            // (cmd/go/internal/cfg, Getenv): so each has a value, of which nothing comes.
            text("GOENV", "off"),
            text("GOFLAGS", "-trimpath"),
            // No go.mod decides which Go is downloaded and run.
            text("GOTOOLCHAIN", "local"),
            text("GO111MODULE", "on"),
            // One that was planted above the directory would count.
            text("GOWORK", "off"),
            text("GOPROXY", &proxies),
            text("GOSUMDB", checksums),
            // Any pattern in these goes past the proxy, or past the checksums.
            text("GONOSUMDB", NOBODY),
            text("GONOPROXY", NOBODY),
            text("GOPRIVATE", NOBODY),
            text("GOINSECURE", NOBODY),
            text("GOVCS", "*:off"),
            // Its default reads .netrc.
            text("GOAUTH", "off"),
            // What it says is read (diagnosis.rs).
            text("LANG", "C"),
            text("TZ", "UTC"),
            ("GOCACHE", cache.to_owned()),
            ("GOMODCACHE", self.store.module_cache()),
            // And no GOBIN: with it `go install` refuses other platforms.
            ("GOPATH", work.join("gopath")),
            ("GOTMPDIR", work.join("tmp")),
            ("TMPDIR", work.join("tmp")),
        ];
        let memory = self.config.memory().compiler;
        if memory < PLENTY {
            // A collector that knows of the limit works harder before it is reached. Go's heap grows by arenas of 64 MB, and
            // what is not heap counts too.
            variables.push(text("GOMEMLIMIT", &format!("{}", memory / 2)));
        }
        variables
    }

    /// Processor time of one process.
    pub fn cpu_limit(&self) -> Duration {
        Duration::from_secs(self.config.limits.cpu_seconds)
    }

    /// Directories of this machine that no client gets to see.
    pub fn hidden(&self) -> Vec<PathBuf> {
        let mut hidden = self.file_proxies();
        // As Go shortens it, seen from a build's own directory.
        hidden.push("../../cache/modules".into());
        // What the binary is called is in the words of a tool that was killed.
        hidden.extend(fs::read_link("/proc/self/exe"));
        hidden.extend([
            self.store.module_cache(),
            self.store.compile_cache(),
            self.store.work(),
            self.toolchain.goroot.clone(),
        ]);
        hidden
    }

    /// The secrets in the addresses of the module proxies and of the checksum database.
    fn credentials(&self) -> Option<Credentials> {
        let proxies = self.toolchain.proxies(self.config);
        let checksums = self.toolchain.checksums(self.config);
        Credentials::of(&format!("{proxies} {checksums}"))
    }

    fn file_proxies(&self) -> Vec<PathBuf> {
        let proxies = self.toolchain.proxies(self.config);
        let urls = proxies.split(',').filter_map(|url| Url::parse(url).ok());
        urls.filter(|url| url.scheme() == "file")
            .filter_map(|url| url.to_file_path().ok())
            .collect()
    }

    fn cell(&self, work: &Path, cache: &Path, own_binary: &Path) -> Cell {
        let proxies = self.toolchain.proxies(self.config);
        let checksums = self.toolchain.checksums(self.config);
        let checksums = checksums.split(' ').nth(1).unwrap_or("https://sum");
        let mut cell = driver_cell(self.config, proxies.split(',').chain([checksums]));
        // The links in the compile cache lead there.
        cell.read.extend(self.config.warmed.clone());
        cell.execute
            .extend([self.toolchain.goroot.clone(), own_binary.to_owned()]);
        cell.write
            .extend([work.to_owned(), cache.to_owned(), self.store.module_cache()]);
        cell
    }
}

/// The cell of who may ask these servers, and neither start nor write anything yet.
pub fn driver_cell<'a>(config: &Config, servers: impl Iterator<Item = &'a str>) -> Cell {
    let mut read: Vec<PathBuf> = NETWORK_FILES.iter().map(PathBuf::from).collect();
    let mut ports = Vec::new();
    for url in servers.filter_map(|url| Url::parse(url).ok()) {
        match url.to_file_path() {
            Ok(path) if url.scheme() == "file" => read.push(path),
            Ok(_) | Err(()) => ports.extend(url.port_or_known_default()),
        }
    }
    Cell {
        inmate: Inmate::Driver { ports },
        read,
        execute: Vec::new(),
        write: Vec::new(),
        limits: Some(rlimits(&config.limits, config.memory().most)),
        must_hold: config.sandbox == SandboxPolicy::Require,
    }
}

/// The limits of a build's processes, of which each may have so much memory.
pub fn rlimits(limits: &BuildLimits, memory_bytes: u64) -> Limits {
    Limits {
        memory_bytes,
        cpu_seconds: limits.cpu_seconds,
        file_bytes: limits.file_bytes,
        open_files: limits.open_files,
        tasks: limits.tasks,
    }
}

/// GOOS, GOARCH and the variable of the architecture's level, each set by name.
pub fn platform_variables(platform: &Platform) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("GOOS", platform.os().to_owned()),
        ("GOARCH", platform.arch().to_owned()),
    ];
    variables.extend(level_variable(platform));
    variables
}

fn level_variable(platform: &Platform) -> Option<(&'static str, String)> {
    let level = platform.level()?;
    let name = match level.family() {
        Family::I386 => "GO386",
        Family::Amd64 => "GOAMD64",
        Family::Arm => "GOARM",
        Family::Arm64 => "GOARM64",
        Family::Mips => "GOMIPS",
        Family::Mips64 => "GOMIPS64",
        Family::Ppc64 => "GOPPC64",
        Family::Riscv64 => "GORISCV64",
    };
    Some((name, level.value().to_owned()))
}

/// The flags that are part of a recipe, for `go` and for the line that a person pastes.
pub fn recipe_flags(tags: &[String], ldflags: &[String]) -> Vec<String> {
    let mut flags = vec!["-trimpath".to_owned(), "-pgo=off".to_owned()];
    if !ldflags.is_empty() {
        flags.push(format!("-ldflags={}", ldflags.join(" ")));
    }
    if !tags.is_empty() {
        flags.push(format!("-tags={}", tags.join(",")));
    }
    flags
}

/// The variables that decide the bytes, as a person pastes them. A level that is Go's own default goes without saying, but for
/// arm: there a Go has the default of the machine that it was made for, and those for small boards have 6, not 7.
pub fn verify_variables(go: &str, platform: &Platform) -> String {
    let variables = platform_variables(platform).into_iter();
    let is_said = |name: &str| matches!(name, "GOOS" | "GOARCH" | "GOARM") || !platform.is_default_level();
    let said = variables.filter(|(name, _)| is_said(name));
    let words = said
        .map(|(name, value)| format!(" {name}={value}"))
        .collect::<String>();
    format!("CGO_ENABLED=0{words} GOTOOLCHAIN={go}")
}

/// The line, for a program that holds the path of the module cache in which it was made. What is compiled already may hold
/// another.
pub fn verify_in(modules: &Path, line: &str) -> String {
    let modules = quote(&modules.display().to_string());
    format!("(export GOMODCACHE={modules} GOCACHE=\"$(mktemp -d)\" && {line})")
}

/// Flags as a shell reads them.
pub fn verify_flags(flags: &[String]) -> String {
    let quoted = |flag: &String| {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-=_.,/".contains(&b);
        if flag.bytes().all(is_plain) {
            flag.clone()
        } else {
            quote(flag)
        }
    };
    flags.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Where Go's own linker makes no programs, and a C compiler has to (internal/platform, MustLinkExternal, DefaultPIE and
/// InternalLinkPIESupported; Go 1.26).
const LINKED_BY_C: &[&str] = &[
    "android/386",
    "android/amd64",
    "android/arm",
    "ios/amd64",
    "ios/arm64",
];

/// Whether this Go builds for this platform without a C compiler.
pub fn supports(toolchain: &Toolchain, platform: &Platform) -> Result<(), Refusal> {
    let pair = format!("{}/{}", platform.os(), platform.arch());
    if !toolchain.platforms.contains(&pair) {
        return Err(Refusal::new(Reason::UnknownPlatform)
            .detail(format!("{} does not build for {pair}", toolchain.version)));
    }
    if LINKED_BY_C.contains(&pair.as_str()) {
        return Err(Refusal::new(Reason::NeedsCgo)
            .detail(format!("Every program for {pair} is linked by a C compiler.")));
    }
    Ok(())
}
