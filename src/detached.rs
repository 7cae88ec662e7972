//! gox-server started once more, as a process that outlives this one: it holds a lock as its standard input, another as its
//! standard output, and gets the operator's settings and nothing of the request.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::config::inherited;
use crate::store::Store;
use crate::store::lock::Lock;

/// Starts `gox-server ARGUMENTS`. The locks are its own from then on, and free when it ends, however it ends.
pub fn start(arguments: &[&str], lock: Lock, other: Option<Lock>, log: &Path) -> io::Result<()> {
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let mut child = Command::new("/proc/self/exe")
        .args(arguments)
        // With the request's variables it would take itself for a CGI program.
        .env_clear()
        .envs(inherited())
        .stdin(Stdio::from(lock.into_file()))
        .stdout(other.map_or(Stdio::null(), |lock| Stdio::from(lock.into_file())))
        .stderr(Stdio::from(log))
        .spawn()?;
    // Whoever started a process has to take note of its end, if it lives so long.
    // Without a thread for that its number stays taken until this process ends: the build is no worse for it.
    thread::Builder::new().spawn(move || child.wait()).ok();
    Ok(())
}

/// Starts one that nobody waits for, unless the lock is another's. That it cannot be started is for the log alone.
pub fn begin(arguments: &[&str], lock: io::Result<Option<Lock>>, log: &Path) {
    let begun = lock.and_then(|lock| match lock {
        Some(lock) => start(arguments, lock, None, log),
        None => Ok(()),
    });
    if let Err(error) = begun {
        log::warn!("cannot begin to {}: {error}", arguments.join(" "));
    }
}

/// Has a process of its own keep the state below its cap, if it is time again.
pub fn begin_eviction(store: &Store) {
    begin(&["evict"], store.time_to_evict(), &store.log());
}
