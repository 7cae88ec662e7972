//! The Go that serves a request: the installed one, or the one that gox-server downloads. A program that is built needs neither.

use crate::answer::Refusal;
use crate::asked::{Platform, Target, Wish};
use crate::build::{Recipe, kept};
use crate::config::{Config, Patience};
use crate::golang::Toolchain;
use crate::golang::command::Go;
use crate::golang::toolchain::{brought, versions};
use crate::meaning::known_meaning;
use crate::store::Store;

/// Finds the default Go. Where it is gone, the last one is returned if it built this program; otherwise one is downloaded.
pub fn default_go(
    config: &Config,
    store: &Store,
    patience: Patience,
    target: &Target,
    platform: &Platform,
    wish: &Wish,
) -> Result<Toolchain, Refusal> {
    if let Ok(toolchain) = Toolchain::find(config, store) {
        return Ok(toolchain);
    }
    let is_built = |toolchain: &Toolchain| {
        let go = Go {
            config,
            store,
            toolchain,
            patience,
            client: None,
        };
        let recipe = || -> Result<Recipe, Refusal> {
            let resolved = known_meaning(go, target)?;
            let version = versions::choose(go, wish.go, resolved.needs)?;
            Recipe::new(resolved, platform.clone(), version, wish.clone(), config.recipe)
        };
        recipe().is_ok_and(|recipe| kept(&recipe, store).is_some())
    };
    match Toolchain::last_default(store).filter(is_built) {
        Some(toolchain) => Ok(toolchain),
        None => brought::default(config, store, &mut brought::until(patience.end())),
    }
}
