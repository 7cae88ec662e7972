//! Finds the Go for a request: the installed one, or one that gox-server downloads. Programs in the store are served without either.

use crate::builder::{Recipe, find_artifact};
use crate::config::{Config, Deadlines};
use crate::error::{Error, state_dir_error};
use crate::golang::Toolchain;
use crate::golang::run::command::Go;
use crate::golang::toolchain::managed;
use crate::parse::{BuildOptions, Platform, Target};
use crate::policy::resolve_cached;
use crate::store::Store;
use crate::store::budget::Client;

/// Calls `answer` with the default Go, on behalf of the client with this address.
pub fn with_default_go<T>(
    config: &Config,
    address: &str,
    answer: impl FnOnce(Go<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let store = Store::open(&config.dir).map_err(|e| state_dir_error(&config.dir, &e))?;
    let deadlines = Deadlines::for_request(config);
    let mut is_wanted = managed::wait_until(deadlines.wait_deadline());
    let toolchain = managed::ensure_default(config, &store, &mut is_wanted)?;
    let client = Client::from_address(address);
    answer(Go::for_client(config, &store, &toolchain, deadlines, &client))
}

/// Finds the default Go. If it is missing, returns the previous default if that built this program, and downloads one otherwise.
pub fn find_default_go(
    config: &Config,
    store: &Store,
    deadlines: Deadlines,
    client: &Client,
    target: &Target,
    platform: &Platform,
    options: &BuildOptions,
) -> Result<Toolchain, Error> {
    if let Ok(toolchain) = Toolchain::find(config, store) {
        return Ok(toolchain);
    }
    let is_built = |toolchain: &Toolchain| {
        let go = Go::for_client(config, store, toolchain, deadlines, client);
        resolve_cached(go, target, options.min_age)
            .and_then(|resolved| Recipe::choose(go, resolved, platform.clone(), options.clone(), None))
            .is_ok_and(|recipe| find_artifact(&recipe, store).is_some())
    };
    match Toolchain::load_last_default(store).filter(is_built) {
        Some(toolchain) => Ok(toolchain),
        None => managed::ensure_default(config, store, &mut managed::wait_until(deadlines.wait_deadline())),
    }
}
