//! Keeps the state below its size limit: after a build, and after requests that downloaded a module or compressed a program without
//! a build.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::fstat;

use crate::config::Config;
use crate::golang::cache_layout::CACHE_LAYOUT;
use crate::golang::toolchain::managed::goroot;
use crate::golang::toolchain::pins::DEFAULT;
use crate::store::Store;
use crate::store::work_dir::sweep;

/// How long to wait before an eviction without a build. A request that resolved a program starts its build within this time.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// How long a builder waits for young programs to become evictable: longer than they are spared, but bounded, since hits renew them.
const MAX_DEFERRAL: Duration = Duration::from_secs(15);

/// Between two evictions of a waiting builder.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Evicts unless a build is running: a builder evicts when it finishes, and should not be slowed down.
pub fn evict_if_idle(config: &Config, store: &Store) -> io::Result<()> {
    thread::sleep(GRACE_PERIOD);
    if store.build_queue(config.builds()).count_running()? > 0 {
        return Ok(());
    }
    sweep(store)?;
    store.sweep_locks()?;
    evict(config, store, None).map(drop)
}

/// Evicts while the builder still holds its slot, which is stdout. Programs that clients are about to open may keep the state above its
/// limit for some seconds. The next build starts only when they have been evicted: fast builds of large programs cannot outrun eviction.
pub fn evict_after_build(config: &Config, store: &Store) -> io::Result<()> {
    let deadline = Instant::now() + MAX_DEFERRAL;
    let slot = fstat(io::stdout())?.st_ino;
    while evict(config, store, Some(slot))? > 0 && Instant::now() < deadline {
        thread::sleep(RETRY_INTERVAL);
    }
    Ok(())
}

/// Evicts, and keeps the default Go toolchain: nothing can be built without it. Returns the bytes of items that are too young.
fn evict(config: &Config, store: &Store, own_slot: Option<u64>) -> io::Result<u64> {
    store.evict(
        config.cache_bytes,
        &goroot(store, DEFAULT),
        &CACHE_LAYOUT,
        own_slot,
    )
}
