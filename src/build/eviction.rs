//! Keeps the state below its cap: after a build, and beside requests that looked into modules or made a copy, and built nothing.

use std::io;
use std::thread;
use std::time::Duration;

use crate::config::Config;
use crate::golang::toolchain::brought::goroot;
use crate::golang::toolchain::pins::DEFAULT;
use crate::golang::work::sweep;
use crate::store::Store;

/// Who has looked something up has begun to build it by then, or does not.
const SOON: Duration = Duration::from_secs(1);

/// Evicts, unless somebody builds: who does evicts at its end, and shall not be slowed down.
pub fn without_build(config: &Config, store: &Store) -> io::Result<()> {
    thread::sleep(SOON);
    if store.build_turns(config.builds()).running()? > 0 {
        return Ok(());
    }
    sweep(store)?;
    store.sweep_locks()?;
    evict(config, store)
}

/// Evicts. The Go that serves when no other is named stays: without it nothing can be built.
pub fn evict(config: &Config, store: &Store) -> io::Result<()> {
    store.evict(config.cache_bytes, &goroot(store, DEFAULT))
}
