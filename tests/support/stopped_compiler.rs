//! A build that is stopped while a test acts.

use super::processes::{self, Process};
use super::test_store::TestStore;
use super::{TIMEOUT, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The compiler of a package, stopped until this value is dropped.
pub(crate) struct StoppedCompiler {
    pub(crate) pid: Pid,
    /// All processes of its store.
    pub(crate) running: Vec<Process>,
}

impl StoppedCompiler {
    /// Waits until `compile` runs for `package`, and stops it.
    #[track_caller]
    pub(crate) fn wait_for(store: &TestStore, package: &str) -> StoppedCompiler {
        let is_compiler = |process: &&Process| process.is("compile") && process.command.contains(package);
        let (mut pid, mut running) = (None, Vec::new());
        eventually(&format!("a compile of {package}"), TIMEOUT, || {
            running = processes::find(&store.dir);
            pid = running
                .iter()
                .find(is_compiler)
                .map(|process| Pid::from_raw(process.pid));
            pid.is_some()
        });
        let pid = pid.unwrap();
        kill(pid, Signal::SIGSTOP).unwrap();
        StoppedCompiler { pid, running }
    }
}

impl Drop for StoppedCompiler {
    fn drop(&mut self) {
        // ESRCH: a test has killed it.
        kill(self.pid, Signal::SIGCONT).ok();
    }
}
