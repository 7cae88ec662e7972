//! Runs `go`: in a cell, with an environment that contains only the variables set here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io, iter};

use url::Url;

use crate::config::{BuildLimits, Config, Credentials, Deadlines, SandboxPolicy};
use crate::error::internal_error;
use crate::error::{Error, Reason};
use crate::golang::Toolchain;
use crate::golang::build_info::LEVEL_VARIABLES;
use crate::golang::cache_layout::CACHE_LAYOUT;
use crate::golang::relay::Relay;
use crate::golang::run::collector::collector_variables;
use crate::golang::run::disk_quota::DiskQuota;
use crate::golang::toolchain::split_proxies;
use crate::sandbox::cell::{Cell, Role};
use crate::sandbox::limits::ResourceLimits;
use crate::sandbox::process::{Bounds, Outcome, Termination, run};
use crate::sandbox::self_exe::self_exe;
use crate::store::Store;
use crate::store::budget::Client;
use crate::store::layout;
use crate::store::work_dir::TEMPORARY;

/// Limit of the output of `go list` and `go mod download`, which is much smaller unless a hostile proxy sends an endless list.
const STDOUT_BYTES: usize = 32 << 20;

/// The files that Go reads to resolve and authenticate the module proxy.
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

/// Returns the environment variables that tools inherit from `go`: those that internal/buildcfg, package os and Go's runtime read,
/// except those of the runtime that gox-server sets for each tool. Tools read others only for debugging.
pub fn tool_variables() -> Vec<String> {
    const OTHERS: [&str; 8] = [
        "GOOS",
        "GOARCH",
        "GOWASM",
        "GOEXPERIMENT",
        "GOFIPS140",
        // The compiler writes paths below GOROOT as `$GOROOT/…`.
        "GOROOT",
        // With -trimpath, `go` before 1.23 tells the linker by this variable to write `$GOROOT` instead of the path.
        "GOROOT_FINAL",
        "PWD",
    ];
    OTHERS
        .iter()
        .chain(&LEVEL_VARIABLES)
        .map(|name| (*name).to_owned())
        .collect()
}

/// The values that every run of `go` needs.
#[derive(Clone, Copy)]
pub struct Go<'a> {
    /// The settings.
    pub config: &'a Config,
    /// The store that contains the caches.
    pub store: &'a Store,
    /// The Go to run.
    pub toolchain: &'a Toolchain,
    /// Deadlines of lookups at the module proxy.
    pub deadlines: Deadlines,
    /// The client that is charged for lookups; `None` for the operator.
    pub client: Option<&'a Client>,
    /// What stands in front of the first module proxy, while a name is resolved.
    pub relay: Option<&'a Relay>,
}

/// A pattern that matches no module path (RFC 2606).
const NO_MODULE: &str = "nobody.invalid";

impl<'a> Go<'a> {
    /// For work that no client waits for: a background process, or a command of the operator.
    pub fn for_operator(config: &'a Config, store: &'a Store, toolchain: &'a Toolchain) -> Go<'a> {
        Go {
            config,
            store,
            toolchain,
            deadlines: Deadlines::for_operator(config),
            client: None,
            relay: None,
        }
    }

    /// For a request: lookups count against the client's budget and end in time for the response.
    pub fn for_client(
        config: &'a Config,
        store: &'a Store,
        toolchain: &'a Toolchain,
        deadlines: Deadlines,
        client: &'a Client,
    ) -> Go<'a> {
        Go {
            config,
            store,
            toolchain,
            deadlines,
            client: Some(client),
            relay: None,
        }
    }

    /// The same with another version of Go.
    pub fn with_toolchain<'b>(self, toolchain: &'b Toolchain) -> Go<'b>
    where
        'a: 'b,
    {
        Go { toolchain, ..self }
    }

    /// The same with a relay, if there is one.
    pub fn with_relay<'b>(self, relay: Option<&'b Relay>) -> Go<'b>
    where
        'a: 'b,
    {
        Go { relay, ..self }
    }
}

impl Go<'_> {
    /// The command `go ARGS`, in a driver's cell that may write `cache`, the module cache, and `work`.
    pub fn command(&self, work: &Path, cache: &Path, args: &[String]) -> io::Result<Command> {
        self.command_with(&self.store.path(layout::MODULE_CACHE), work, cache, args)
    }

    /// The same, but of the module cache `go` may write only to `modules`.
    fn command_with(
        &self,
        modules: &Path,
        work: &Path,
        cache: &Path,
        args: &[String],
    ) -> io::Result<Command> {
        let self_exe = self_exe(work)?;
        let cell = self.cell(modules, work, cache, &self_exe);
        let go = self.toolchain.go.clone().into_os_string();
        let go_command = iter::once(go).chain(args.iter().map(OsString::from)).collect();
        let mut command = cell.command(&self_exe, go_command)?;
        command
            .current_dir(work)
            .env_clear()
            .envs(self.environment(work, cache));
        Ok(command)
    }

    /// Runs `go ARGS` until it ends, with the shared compile cache.
    pub fn run(&self, work: &Path, args: &[&str], deadline: Instant) -> Result<Outcome, Error> {
        self.run_with(&self.store.path(layout::MODULE_CACHE), work, args, deadline)
    }

    /// The same for a lookup: `go` downloads modules and verifies them, but cannot unpack them. It reports that as an error.
    pub fn look_up(&self, work: &Path, args: &[&str], deadline: Instant) -> Result<Outcome, Error> {
        let index = self
            .store
            .path(layout::MODULE_CACHE)
            .join(CACHE_LAYOUT.modules.index);
        // A cell grants rights only for files that exist.
        fs::create_dir_all(&index).map_err(|e| internal_error("create the index of the module cache", &e))?;
        self.run_with(&index, work, args, deadline)
    }

    fn run_with(
        &self,
        modules: &Path,
        work: &Path,
        args: &[&str],
        deadline: Instant,
    ) -> Result<Outcome, Error> {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let bounds = Bounds {
            deadline,
            stdout_bytes: STDOUT_BYTES,
            stderr_bytes: self.config.limits.log_bytes,
        };
        let mut command = self
            .command_with(modules, work, &self.store.path(layout::COMPILE_CACHE), &args)
            .map_err(|e| internal_error("prepare go", &e))?;
        // The number of concurrent requests to the proxy. They take little CPU time.
        command.env("GOMAXPROCS", "128");
        // Go reads a go.mod in any parent of its working directory. The root has no parent.
        command.current_dir("/");
        self.supervise(&mut command, work, bounds, &mut || ())
    }

    /// Runs a command of [`Self::command`] until it ends, within the disk quota of one run. Calls `on_poll` several times a
    /// second.
    pub fn supervise(
        &self,
        command: &mut Command,
        work: &Path,
        bounds: Bounds,
        on_poll: &mut dyn FnMut(),
    ) -> Result<Outcome, Error> {
        let modules = self.store.path(layout::MODULE_CACHE);
        let mut quota = DiskQuota::new(&self.config.limits, work, &modules);
        let outcome = run(command, bounds, |go| {
            on_poll();
            quota.is_within_limits(go)
        });
        let mut outcome = outcome.map_err(|e| internal_error("start go", &e))?;
        if quota.remove_rejected_modules() || quota.has_flooded_index() {
            outcome.termination = Termination::Stopped;
        }
        let mut hide = |hidden: &dyn Fn(&str) -> String| {
            for output in [&mut outcome.stdout, &mut outcome.stderr] {
                *output = hidden(&String::from_utf8_lossy(output)).into_bytes();
            }
        };
        if let Some(relay) = self.relay {
            hide(&|text| relay.hide(text));
        }
        if let Some(credentials) = self.credentials() {
            hide(&|text| credentials.hide(text));
        }
        match quota.is_disk_full() {
            true => Err(Error::new(Reason::DiskFull).log("the disk is nearly full: a run of go was stopped")),
            false => Ok(outcome),
        }
    }

    /// The environment of `go`, independent of the one of this process. Variables that are not set on purpose: HOME (.netrc,
    /// .config/go/env), GOROOT, GOEXPERIMENT (it changes the bytes), GOCACHEPROG (it starts a program), GO_EXTLINK_ENABLED, and
    /// all *_PROXY.
    fn environment(&self, work: &Path, cache: &Path) -> Vec<(&'static str, PathBuf)> {
        let text = |name, value: &str| (name, PathBuf::from(value));
        let mut variables = vec![
            // `go` starts its tools by their absolute paths. It must start nothing else: no git, no C compiler.
            text("PATH", "/nonexistent"),
            text("CGO_ENABLED", "0"),
            text("CC", "/bin/false"),
            text("CXX", "/bin/false"),
            text("AR", "/bin/false"),
            text("FC", "/bin/false"),
            text("PKG_CONFIG", "/bin/false"),
            // `go` reads GOROOT/go.env despite GOENV=off, and distributions change that file. An empty variable counts as not set
            // (cmd/go/internal/cfg, Getenv), so each of these has a value, even one without an effect.
            text("GOENV", "off"),
            text("GOFLAGS", "-trimpath"),
            // A go.mod must not choose which Go is downloaded and run.
            text("GOTOOLCHAIN", "local"),
            text("GO111MODULE", "on"),
            // Ignores a go.work in a parent directory.
            text("GOWORK", "off"),
            text("GOPROXY", &self.proxies()),
            text("GOSUMDB", self.toolchain.sumdb(self.config)),
            // Modules that match these patterns would bypass the proxy or the checksum database.
            text("GONOSUMDB", NO_MODULE),
            text("GONOPROXY", NO_MODULE),
            text("GOPRIVATE", NO_MODULE),
            text("GOINSECURE", NO_MODULE),
            text("GOVCS", "*:off"),
            // The default reads .netrc.
            text("GOAUTH", "off"),
            // The messages are parsed (messages.rs).
            text("LANG", "C"),
            text("TZ", "UTC"),
            ("GOCACHE", cache.to_owned()),
            ("GOMODCACHE", self.store.path(layout::MODULE_CACHE)),
            // GOBIN is not set: with it, `go install` does not install for other platforms.
            ("GOPATH", work.join("gopath")),
            ("GOTMPDIR", work.join(TEMPORARY)),
            ("TMPDIR", work.join(TEMPORARY)),
        ];
        let collector = collector_variables(self.config.memory().process_bytes);
        variables.extend(collector.iter().map(|(name, value)| text(name, value)));
        variables
    }

    /// Limit of the CPU time of one process.
    pub fn cpu_limit(&self) -> Duration {
        Duration::from_secs(self.config.limits.cpu_seconds)
    }

    /// Paths of this machine that clients must not see.
    pub fn hidden_paths(&self) -> Vec<PathBuf> {
        let mut hidden = self.file_proxies();
        // The module cache, relative to the copy of a module and to a build's own directory, as Go shortens it.
        hidden.extend(["../../../cache/modules", "../../cache/modules"].map(PathBuf::from));
        // Go's message about a killed tool contains the path of this program.
        hidden.extend(fs::read_link("/proc/self/exe"));
        hidden.extend([
            self.store.path(layout::MODULE_CACHE),
            self.store.path(layout::COMPILE_CACHE),
            self.store.path(layout::WORK),
            self.toolchain.goroot.clone(),
        ]);
        hidden
    }

    /// GOPROXY.
    fn proxies(&self) -> String {
        let proxies = self.toolchain.proxies(self.config);
        match self.relay {
            Some(relay) => relay.replace_in(&proxies),
            None => proxies,
        }
    }

    /// The credentials in the URLs of the module proxies and the checksum database.
    fn credentials(&self) -> Option<Credentials> {
        let proxies = self.toolchain.proxies(self.config);
        let sumdb = self.toolchain.sumdb(self.config);
        Credentials::from_urls(&format!("{proxies} {sumdb}"))
    }

    /// The directories of module proxies with a file URL.
    fn file_proxies(&self) -> Vec<PathBuf> {
        let proxies = self.toolchain.proxies(self.config);
        let urls = split_proxies(&proxies).filter_map(|url| Url::parse(url).ok());
        urls.filter(|url| url.scheme() == "file")
            .filter_map(|url| url.to_file_path().ok())
            .collect()
    }

    fn cell(&self, modules: &Path, work: &Path, cache: &Path, self_exe: &Path) -> Cell {
        // A proxy may redirect, and a relay passes that on.
        let proxies = format!("{},{}", self.proxies(), self.toolchain.proxies(self.config));
        // GOSUMDB is a name or a key, which may be followed by a URL. Without a URL the port is that of https.
        let sumdb = self.toolchain.sumdb(self.config);
        let sumdb = sumdb.split(' ').nth(1).unwrap_or("https://sum");
        let mut cell = driver_cell(self.config, split_proxies(&proxies).chain([sumdb]));
        // Links in the compile cache point to this directory.
        cell.read.extend(self.config.warmed.clone());
        cell.read.push(self.store.path(layout::MODULE_CACHE));
        cell.execute
            .extend([self.toolchain.goroot.clone(), self_exe.to_owned()]);
        cell.write.extend([work, cache, modules].map(Path::to_owned));
        cell
    }
}

/// The cell of a process that may connect to these servers, given by URL. It may not execute or write any file; the caller adds
/// those.
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
        role: Role::Driver { ports },
        read,
        execute: Vec::new(),
        write: Vec::new(),
        limits: Some(rlimits(&config.limits, config.memory().process_bytes)),
        must_enforce: config.sandbox == SandboxPolicy::Require,
    }
}

/// The resource limits of a process of a build. `memory_bytes` is the limit of one process.
pub fn rlimits(limits: &BuildLimits, memory_bytes: u64) -> ResourceLimits {
    ResourceLimits {
        memory_bytes,
        cpu_seconds: limits.cpu_seconds,
        file_bytes: limits.file_bytes,
        open_files: limits.open_files,
        tasks: limits.tasks,
    }
}

/// The bounds of a build that started at `started`, or of another run of `go` with the same limits.
pub fn build_bounds(limits: &BuildLimits, started: Instant) -> Bounds {
    Bounds {
        deadline: started + limits.wall,
        stdout_bytes: limits.log_bytes,
        stderr_bytes: limits.log_bytes,
    }
}
