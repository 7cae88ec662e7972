//! Starts gox-server as a process that outlives this one. It may hold locks as its stdin and stdout, and gets the operator's settings,
//! but nothing of the request.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use crate::config::{inheritable_environment, object_store_environment};
use crate::hidden_command::HiddenCommand;
use crate::store::Store;
use crate::store::layout;
use crate::store::lock::Lock;

/// Starts a command as a process of its own. The kernel releases locks in `stdin` and `stdout` when that process ends, however it ends.
pub fn start(command: &HiddenCommand, stdin: Stdio, stdout: Stdio, log: &Path) -> io::Result<()> {
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let mut process = command.command(Path::new("/proc/self/exe"));
    // With the variables of a CGI request it would choose the CGI mode.
    process.env_clear().envs(inheritable_environment());
    if command.uses_object_store() {
        process.envs(object_store_environment());
    }
    let mut child = process
        .stdin(stdin)
        .stdout(stdout)
        .stderr(Stdio::from(log))
        .spawn()?;
    // A thread waits for the child, or it would stay a zombie while this process lives. Without a thread only that is lost.
    thread::Builder::new().spawn(move || child.wait()).ok();
    Ok(())
}

/// Starts a command that no request waits for, unless another process holds the lock. Failures are logged.
pub fn start_if_locked(command: &HiddenCommand, lock: io::Result<Option<Lock>>, log: &Path) {
    let started = lock.and_then(|lock| match lock {
        Some(lock) => start(command, lock.into(), Stdio::null(), log),
        None => Ok(()),
    });
    if let Err(error) = started {
        log::warn!("cannot start {}: {error}", command.name());
    }
}

/// Starts an eviction in the background, if one is due.
pub fn start_eviction(store: &Store) {
    start_if_locked(
        &HiddenCommand::Evict,
        store.try_acquire_eviction(),
        &store.path(layout::LOG),
    );
}
