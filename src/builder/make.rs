//! The builder process: `gox-server builder RECIPE`. It outlives the process that started it. It holds the key's lock as its
//! standard input and a build slot as its standard output, so the kernel releases both when it exits for any reason.

use std::fs;
use std::time::Instant;

use super::charge::charge;
use super::check::{check_program, contains_path};
use super::progress::plan_file;
use super::recipe::RecipeKind;
use super::without_cgo::find_packages_without_cgo;
use super::{Compilation, Recipe, SharedProgram, core_packages, main_module, progress};
use crate::config::{Config, Deadlines, VulnerabilityPolicy};
use crate::error::{Error, Reason, internal_error};
use crate::golang::Toolchain;
use crate::golang::release::release_flags::ReleaseFlags;
use crate::golang::run::command::{Go, build_bounds};
use crate::golang::run::disk_quota::written_bytes;
use crate::golang::run::failure::Failure;
use crate::golang::run::flags::{COPY_FLAGS, with_module_cache};
use crate::golang::run::platform::check_platform;
use crate::golang::toolchain::managed;
use crate::golang::vulnerabilities::index_path;
use crate::golang::vulnerability_database::refresh_if_old;
use crate::store::budget::{Client, Cost};
use crate::store::layout;
use crate::store::work_dir::{WorkDir, sweep};
use crate::store::{Counter, Meta, Store};

/// How often a build is tried if an eviction removes its caches meanwhile. Each attempt marks what it uses as used, so the next
/// eviction takes other entries.
const MAX_ATTEMPTS: usize = 3;

/// Builds the recipe, or fetches the program if another machine has built it, and stores the program or the failure. Charges the
/// client, if any, for the time, and for what a failed build wrote.
pub fn build(
    recipe: &Recipe,
    client: Option<&Client>,
    config: &Config,
    store: &Store,
    mut shared: Option<&mut SharedProgram<'_>>,
) -> Result<(), Error> {
    let key = recipe.key();
    if let Err(error) = sweep(store).and_then(|()| store.sweep_locks()) {
        log::warn!("cannot sweep {}: {error}", store.root().display());
    }
    let started = Instant::now();
    let fetched = shared
        .as_mut()
        .and_then(|shared| shared.fetch(client.map(Client::name)));
    let shared = shared.as_deref();
    let is_fetched = fetched.is_some();
    let build_started = Instant::now();
    let outcome = fetched.unwrap_or_else(|| {
        let build = || build_once(recipe, config, store, shared, client, build_started);
        retry_after_eviction(build, store)
    });
    if let Some(client) = client {
        charge(client, Cost::SlotSecond, started.elapsed().as_secs(), store);
        if outcome.is_err() {
            charge(client, Cost::FailedMegabyte, written_bytes() >> 20, store);
        }
    }
    match &outcome {
        Ok(_) if is_fetched => {
            let seconds = started.elapsed().as_secs_f64();
            log::info!(
                "fetched {} for {} in {seconds:.1} s",
                recipe.package_at_version(),
                recipe.platform
            );
        }
        Ok(meta) => {
            store.increment(Counter::Builds);
            log::info!(
                "built {} for {} in {:.1} s",
                recipe.package_at_version(),
                meta.description.platform,
                meta.build_seconds
            );
            // Without it, the page of the next version does not say how long this build took.
            recipe.record_duration(store, meta.build_seconds).ok();
        }
        Err(error) => {
            if !is_fetched {
                store.increment(Counter::FailedBuilds);
            }
            log::warn!(
                "cannot build {}: {}: {}",
                recipe.package_at_version(),
                error.reason.name(),
                error.log.trim_end()
            );
            let stored = store.failures().put(&key, &Failure::new(error, &config.limits));
            stored.map_err(|e| internal_error("store a failure", &e))?;
        }
    }
    outcome.map(drop)
}

/// Runs `build` again if it failed during an eviction, which may have removed modules or archives that it needed.
fn retry_after_eviction(build: impl Fn() -> Result<Meta, Error>, store: &Store) -> Result<Meta, Error> {
    for _ in 0..MAX_ATTEMPTS {
        let before = store.last_eviction();
        let outcome = build();
        if outcome.is_ok() || store.last_eviction() == before {
            return outcome;
        }
        log::info!("a build failed during an eviction and is retried");
    }
    Err(Error::new(Reason::Internal).log("an eviction ran during every attempt of the build"))
}

/// Builds the recipe once and publishes the program.
fn build_once(
    recipe: &Recipe,
    config: &Config,
    store: &Store,
    shared: Option<&SharedProgram<'_>>,
    client: Option<&Client>,
    started: Instant,
) -> Result<Meta, Error> {
    let key = recipe.key();
    let deadlines = Deadlines::for_operator(config);
    let default = Toolchain::find(config, store)?;
    if let Err(error) = default.save_as_default(store) {
        log::warn!(
            "cannot record the default Go, so stored programs are not served while Go is missing: {error}"
        );
    }
    let toolchain = managed::ensure_version(
        &default,
        config,
        store,
        &recipe.go,
        &mut managed::wait_until(deadlines.wait_deadline()),
    )?;
    check_platform(&toolchain, &recipe.platform)?;
    for used in [&default, &toolchain] {
        store
            .mark_toolchain_used(&used.go)
            .map_err(|e| internal_error("mark a toolchain as used", &e))?;
    }
    let go = Go::for_operator(config, store, &toolchain);
    let work =
        WorkDir::recreate(store, key.as_str()).map_err(|e| internal_error("create a work directory", &e))?;
    let _modules = store
        .use_modules_in_build()
        .map_err(|e| internal_error("share the module cache", &e))?;
    let core = core_packages::lock_file(store, &toolchain.version, &recipe.platform);
    let compilation = Compilation::prepare(go, work.path(), recipe.compile_cache(), Some(core))?;
    let mut command = compilation.command(&recipe.platform, &go_arguments(recipe, &compilation))?;
    let mut replaced = Vec::new();
    if recipe.is_built_from_copy() {
        let deadline = started + config.limits.wall;
        let copy;
        (copy, replaced) = main_module::copy_module(go, work.path(), &recipe.resolved, deadline)?;
        command.current_dir(copy);
    }
    let bounds = build_bounds(&config.limits, started);
    let shared = shared.zip(compilation.shared_cache());
    let fetch = shared.map(|(shared, cache)| shared.fetch_packages(cache));
    // During the build, so that the first response of a new server can name the vulnerabilities. After `go` has downloaded the modules and
    // written its plan: until then, both downloads would take longer.
    let mut needs_refresh = config.vulnerable != VulnerabilityPolicy::Off;
    let mut refresh_after_download = || {
        if needs_refresh && plan_file(work.path()).exists() {
            refresh_if_old(&fs::metadata(index_path(store)), store);
            needs_refresh = false;
        }
    };
    let compiled = compilation
        .run(&mut command, bounds, &mut refresh_after_download)
        .map_err(|error| suggest_release(error, recipe))?;
    // `go` may have ended before the next poll.
    refresh_after_download();
    drop(fetch);
    log::info!(
        "compiled {} of {} packages of {}",
        progress::count_compiled(work.path()),
        progress::read_planned_packages(work.path())
            .unwrap_or_default()
            .len(),
        recipe.package_at_version()
    );
    let program = check_program(
        &compilation.bin_dir(),
        &recipe.platform,
        config.limits.artifact_bytes,
    )?;
    let generated = match recipe.kind {
        // The result depends on the day. A build from a copy records the versions that it used.
        RecipeKind::GoInstall if compiled.expires_daily => {
            return Err(Error::new(Reason::ReplaceDirectives).log("go.mod does not list all dependencies"));
        }
        RecipeKind::MainModule if compiled.expires_daily => {
            Some(main_module::read_requirements(work.path())?)
        }
        RecipeKind::BeforeModules => Some(main_module::read_requirements(work.path())?),
        RecipeKind::GoInstall | RecipeKind::MainModule => None,
    };
    let mut description = recipe.description();
    if recipe.is_built_from_copy() {
        description.verify = recipe.verify_with(generated.as_ref().map(|files| &*files.go_mod), &replaced);
    }
    let modules = store.path(layout::MODULE_CACHE);
    if contains_path(&program.path, &modules).map_err(|e| internal_error("read the program", &e))? {
        description.verify = with_module_cache(&modules, &description.verify);
    }
    let without_cgo = find_packages_without_cgo(&program.path, work.path(), &modules, recipe)
        .map_err(|e| internal_error("read the program", &e))?;
    let meta = Meta {
        description,
        without_cgo,
        generated,
        fingerprint: program.fingerprint,
        build_seconds: started.elapsed().as_secs_f64(),
    };
    store
        .publish(&key, &program.path, &meta, client.map(Client::name))
        .map_err(|e| internal_error("publish the program", &e))?;
    if let Some((shared, _)) = shared {
        // Without it, the packages are not shared.
        shared.keep_action_graph(fs::read(plan_file(work.path())).unwrap_or_default());
    }
    work.leave()
        .unwrap_or_else(|error| log::warn!("cannot set the work directory aside: {error}"));
    Ok(meta)
}

/// Adds the author's release build to the error for missing generated files, if it has build tags that may leave them out.
fn suggest_release(error: Error, recipe: &Recipe) -> Error {
    let has_tags = || {
        ReleaseFlags::from_config(&recipe.resolved, &recipe.platform)
            .is_ok_and(|flags| !flags.tags.is_empty())
    };
    if error.reason != Reason::MissingEmbed || recipe.release.is_some() || !has_tags() {
        return error;
    }
    let (path, platform) = (recipe.resolved.path(), recipe.platform.query());
    error.suggest([format!("{path}?{platform}&recipe=release")])
}

/// Returns the arguments of `go` for the recipe.
fn go_arguments(recipe: &Recipe, compilation: &Compilation<'_>) -> Vec<String> {
    let mut arguments = match recipe.kind {
        RecipeKind::GoInstall => vec!["install".to_owned()],
        RecipeKind::MainModule | RecipeKind::BeforeModules => {
            let [mod_flag, vcs_flag] = COPY_FLAGS;
            ["build", mod_flag, vcs_flag, "-o"].map(str::to_owned).to_vec()
        }
    };
    if recipe.is_built_from_copy() {
        let file = compilation.bin_dir().join(recipe.description().file_name);
        arguments.push(file.display().to_string());
    }
    arguments.extend(recipe.flags());
    arguments.extend(compilation.flags());
    let package = match recipe.kind {
        RecipeKind::GoInstall => recipe.package_at_version(),
        RecipeKind::MainModule | RecipeKind::BeforeModules => recipe.package_dir(),
    };
    arguments.extend(["--".to_owned(), package]);
    arguments
}
