//! `gox-server builder RECIPE`: a process of its own that outlives who started it. It holds the key's lock as its standard
//! input and a slot as its standard output, so both come free however it ends.

use std::time::Instant;

use super::check::{check, holds};
use super::recipe::Kind;
use super::{Compilation, Recipe, main_module};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::config::{Config, Patience};
use crate::golang::Toolchain;
use crate::golang::command::{Go, supports, verify_in};
use crate::golang::failure::Failure;
use crate::golang::toolchain::brought;
use crate::golang::work::{Work, sweep};
use crate::sandbox::process::Bounds;
use crate::store::budget::{Client, Cost};
use crate::store::{Counter, Meta, Store};

/// How often a build runs whose caches were evicted under it. What it makes meanwhile is spared the next time.
const TRIES: usize = 3;

/// Builds, publishes, and keeps what has to be known of a failure. Charges the client, if there is one, for the time.
pub fn build(
    recipe: &Recipe,
    client: Option<&Client>,
    config: &Config,
    store: &Store,
) -> Result<(), Refusal> {
    let key = recipe.key();
    if let Err(error) = sweep(store).and_then(|()| store.sweep_locks()) {
        log::warn!("cannot sweep {}: {error}", store.dir().display());
    }
    let begun = Instant::now();
    let outcome = make_in_peace(|| make(recipe, config, store, client, begun), store);
    if let Some(client) = client {
        // Seconds that have begun count.
        let seconds = u32::try_from(begun.elapsed().as_secs() + 1).unwrap_or(u32::MAX);
        if let Err(error) = store.charge(client, Cost::SlotSecond, seconds) {
            log::warn!("cannot count a client's builds: {error}");
        }
    }
    store.count(if outcome.is_ok() {
        Counter::Builds
    } else {
        Counter::FailedBuilds
    });
    match &outcome {
        Ok(meta) => log::info!(
            "built {} for {} in {:.1} s",
            recipe.package_at_version(),
            meta.description.platform,
            meta.build_seconds
        ),
        Err(refusal) => {
            log::warn!(
                "cannot build {}: {}: {}",
                recipe.package_at_version(),
                refusal.reason.name(),
                refusal.log.trim_end()
            );
            let kept = store.failures().put(&key, &Failure::new(refusal, &config.limits));
            kept.map_err(|e| trouble("keep a failure", &e))?;
        }
    }
    outcome.map(drop)
}

/// A failure counts if no eviction took modules or archives meanwhile.
fn make_in_peace(make: impl Fn() -> Result<Meta, Refusal>, store: &Store) -> Result<Meta, Refusal> {
    for _ in 0..TRIES {
        let before = store.last_eviction();
        let made = make();
        if made.is_ok() || store.last_eviction() == before {
            return made;
        }
        log::info!("a build failed while its caches were evicted");
    }
    Err(Refusal::new(Reason::Internal).log("the caches were evicted again and again while it was built"))
}

fn make(
    recipe: &Recipe,
    config: &Config,
    store: &Store,
    client: Option<&Client>,
    begun: Instant,
) -> Result<Meta, Refusal> {
    let key = recipe.key();
    let patience = Patience::of_operator(config);
    let default = Toolchain::find(config, store)?;
    if let Err(error) = default.keep_as_default(store) {
        log::warn!("programs will not be served without a Go: {error}");
    }
    let toolchain = brought::of_version(
        &default,
        config,
        store,
        &recipe.go,
        &mut brought::until(patience.end()),
    )?;
    supports(&toolchain, &recipe.platform)?;
    for used in [&default, &toolchain] {
        store
            .mark_toolchain_used(&used.go)
            .map_err(|e| trouble("mark a toolchain as used", &e))?;
    }
    let go = Go {
        config,
        store,
        toolchain: &toolchain,
        patience,
        client: None,
    };
    let work = Work::named(store, key.as_str()).map_err(|e| trouble("make a directory to build in", &e))?;
    let _modules = store
        .use_modules_in_build()
        .map_err(|e| trouble("share the module cache", &e))?;
    let compilation = Compilation::prepare(go, work.path(), recipe.cache())?;
    let mut command = compilation.command(&recipe.platform, &arguments(recipe, &compilation))?;
    let mut replaced = Vec::new();
    if recipe.needs_a_copy() {
        let deadline = begun + config.limits.wall;
        let copied = main_module::copy(go, work.path(), &recipe.resolved, deadline)?;
        command.current_dir(copied.0);
        replaced = copied.1;
    }
    let bounds = Bounds {
        deadline: begun + config.limits.wall,
        stdout_bytes: config.limits.log_bytes,
        stderr_bytes: config.limits.log_bytes,
    };
    let compiled = compilation.run(&mut command, bounds)?;
    let program = check(
        &compilation.programs(),
        &recipe.platform,
        config.limits.artifact_bytes,
    )?;
    let needs = match recipe.kind {
        // On another day it makes others. A copy keeps what was found.
        Kind::GoInstall if compiled.of_today => {
            return Err(Refusal::new(Reason::OwnDirectives).log("go.mod does not name all that it needs"));
        }
        Kind::MainModule if compiled.of_today => Some(main_module::needs(work.path())?),
        Kind::BeforeModules => Some(main_module::needs(work.path())?),
        Kind::GoInstall | Kind::MainModule => None,
    };
    let mut description = recipe.description();
    if recipe.needs_a_copy() {
        description.verify = recipe.verify_with(needs.as_ref().map(|needs| &*needs.go_mod), &replaced);
    }
    let modules = store.module_cache();
    if holds(&program.path, &modules).map_err(|e| trouble("read the program", &e))? {
        description.verify = verify_in(&modules, &description.verify);
    }
    let meta = Meta {
        description,
        needs,
        fingerprint: program.fingerprint,
        build_seconds: begun.elapsed().as_secs_f64(),
    };
    store
        .publish(&key, &program.path, &meta, client.map(Client::name))
        .map_err(|e| trouble("publish the program", &e))?;
    Ok(meta)
}

fn arguments(recipe: &Recipe, compilation: &Compilation<'_>) -> Vec<String> {
    let mut arguments = match recipe.kind {
        Kind::GoInstall => vec!["install".to_owned()],
        Kind::MainModule | Kind::BeforeModules => ["build", "-mod=mod", "-buildvcs=false", "-o"]
            .map(str::to_owned)
            .to_vec(),
    };
    if recipe.needs_a_copy() {
        let file = compilation.programs().join(recipe.description().file_name);
        arguments.push(file.display().to_string());
    }
    arguments.extend(recipe.flags());
    arguments.extend(compilation.flags());
    let package = match recipe.kind {
        Kind::GoInstall => recipe.package_at_version(),
        Kind::MainModule | Kind::BeforeModules => recipe.directory(),
    };
    arguments.extend(["--".to_owned(), package]);
    arguments
}
