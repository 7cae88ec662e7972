//! Keeps the state below its cap, for who looked into modules and built nothing. A builder does it when it has ended.

use std::io;
use std::thread;
use std::time::Duration;

use crate::config::Config;
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
    store.evict(config.cache_bytes, config.limits.wall)
}
