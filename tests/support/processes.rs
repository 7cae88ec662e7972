//! Running processes from /proc: those of a store, and children of a process.
//!
//! A test kills only processes that it started: `kill` works on the results of these functions.

use super::{TIMEOUT, eventually};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

/// gox-server as process 1 of a PID namespace, as in a container.
pub(crate) fn contained() -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(super::gox_server());
    command
}

/// A process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) command: String,
}

impl Process {
    /// Sends SIGKILL.
    pub(crate) fn kill(&self) {
        // ESRCH: it has exited in the meantime.
        nix::sys::signal::kill(Pid::from_raw(self.pid), Signal::SIGKILL).ok();
    }

    /// Whether all its threads have exited, so that all its descriptors are closed. It may still be a zombie.
    pub(crate) fn is_gone(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).map_or(0, Iterator::count);
        let is_dead = || status(self.pid, "State").is_none_or(|state| state.starts_with('Z'));
        threads == 0 || threads == 1 && is_dead()
    }

    /// Whether the base name of its program, or its first argument, is `word`: `compile`, `go`, `builder`.
    pub(crate) fn is(&self, word: &str) -> bool {
        let mut words = self.command.split(' ');
        words
            .next()
            .is_some_and(|program| program.rsplit('/').next() == Some(word))
            || words.next() == Some(word)
    }
}

/// Every process with `folder` in its arguments, environment or working directory, except this one.
pub(crate) fn find(folder: &Path) -> Vec<Process> {
    let mine = i32::try_from(std::process::id()).unwrap();
    let name = folder.as_os_str().as_bytes();
    let names = |bytes: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let arguments = arguments(&entry.path());
        // A zombie has no arguments.
        if pid == mine || arguments.is_empty() {
            continue;
        }
        let works_there = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        if works_there
            || names(&arguments)
            || names(&fs::read(entry.path().join("environ")).unwrap_or_default())
        {
            let command = String::from_utf8_lossy(&arguments)
                .replace('\0', " ")
                .trim_end()
                .to_owned();
            found.push(Process { pid, command });
        }
    }
    found
}

/// Kills every process that `find` finds, and waits until there is none.
#[track_caller]
pub(crate) fn kill_all(folder: &Path) {
    eventually("they exit", TIMEOUT, || {
        let left = find(folder);
        left.iter().for_each(Process::kill);
        left.is_empty()
    });
}

/// The arguments of a process. During execve(2) they are empty for a moment; then this retries.
fn arguments(process: &Path) -> Vec<u8> {
    loop {
        let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
        // Zombies and kernel threads have no `exe`.
        if !arguments.is_empty() || fs::read_link(process.join("exe")).is_err() {
            return arguments;
        }
        std::thread::yield_now();
    }
}

/// A field of /proc/PID/status.
pub(crate) fn status(pid: i32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Peak resident memory in bytes (VmHWM).
pub(crate) fn peak_memory(pid: i32) -> u64 {
    let peak = status(pid, "VmHWM").unwrap();
    peak.trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Its nice value: field 19 of /proc/PID/stat. The name, field 2, may contain spaces.
pub(crate) fn nice_value(pid: i32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = text.rsplit_once(") ").unwrap().1;
    fields.split(' ').nth(16).unwrap().parse().unwrap()
}

/// The nice value of its session, if the kernel divides the CPU among sessions first (sched(7), "The autogroup feature").
pub(crate) fn session_nice_value(pid: i32) -> Option<i32> {
    // Empty or missing otherwise: `/autogroup-25 nice 19`.
    let text = fs::read_to_string(format!("/proc/{pid}/autogroup")).ok()?;
    Some(text.trim().rsplit_once(' ')?.1.parse().unwrap())
}

/// Its open sockets.
pub(crate) fn sockets(pid: i32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    let names = targets.map(|target| target.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("socket:")).collect()
}

/// Its children, including zombies.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|child| status(*child, "PPid").is_some_and(|parent| parent == pid.to_string()))
        .collect()
}
