//! `gox-server builder RECIPE`: a process of its own that outlives who started it. It holds the key's lock as its standard
//! input and a slot as its standard output, so both come free however it ends.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::check::check;
use super::recipe::Kind;
use super::{Recipe, main_module, progress};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::config::{Config, SandboxPolicy};
use crate::golang::command::{Go, platform_variables};
use crate::golang::work::{Work, sweep};
use crate::golang::{Toolchain, diagnosis, warmed};
use crate::sandbox::layers::Layers;
use crate::sandbox::process::{Bounds, Ended};
use crate::sandbox::tool::Surroundings;
use crate::store::{Counter, Meta, Store};

/// What a builder leaves for those who wait, when there is no program.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Why.
    pub refusal: Refusal,
}

/// Builds, publishes, and keeps what has to be known of a failure.
pub fn build(recipe: &Recipe, config: &Config, store: &Store) -> Result<(), Refusal> {
    let key = recipe.key();
    if let Err(error) = sweep(store) {
        log::warn!("cannot sweep {}: {error}", store.work().display());
    }
    let begun = Instant::now();
    let outcome = make(recipe, config, store, begun);
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
            let kept = store.failures().put(
                &key,
                &Failure {
                    refusal: refusal.clone(),
                },
            );
            kept.map_err(|e| trouble("keep a failure", &e))?;
        }
    }
    outcome.map(drop)
}

fn make(recipe: &Recipe, config: &Config, store: &Store, begun: Instant) -> Result<Meta, Refusal> {
    let key = recipe.key();
    let toolchain = Toolchain::find(config, store)?;
    let go = Go {
        config,
        store,
        toolchain: &toolchain,
    };
    let work = Work::begin(store, key.as_str()).map_err(|e| trouble("make a directory to build in", &e))?;
    let _modules = store
        .use_modules()
        .map_err(|e| trouble("share the module cache", &e))?;
    let confined = tools_are_confined(config, work.path())?;
    // Where tools are not confined, what one build compiles is nobody else's.
    let cache = if confined {
        store.compile_cache()
    } else {
        work.path().join("cache")
    };
    fs::create_dir_all(&cache).map_err(|e| trouble("make the compile cache", &e))?;
    if let Some(warmed) = &config.warmed {
        // What is not there is compiled.
        warmed::link(warmed, &cache).unwrap_or_else(|e| log::warn!("cannot use {}: {e}", warmed.display()));
    }
    let around = Surroundings {
        goroot: toolchain.goroot.clone(),
        modules: store.module_cache(),
        cache: cache.clone(),
        work: work.path().to_owned(),
        progress: progress::lines_file(work.path()),
        must_hold: confined,
    };
    let arguments = arguments(recipe, &around, &work)?;
    let mut command = go
        .command(work.path(), &cache, &arguments)
        .map_err(|e| trouble("prepare go", &e))?;
    command.envs(platform_variables(&recipe.platform));
    if recipe.needs_a_copy() {
        let deadline = begun + config.limits.wall;
        command.current_dir(main_module::copy(go, work.path(), &recipe.resolved, deadline)?);
    }
    let bounds = Bounds {
        deadline: begun + config.limits.wall,
        stdout_bytes: config.limits.log_bytes,
        stderr_bytes: config.limits.log_bytes,
    };
    let outcome = go.supervise(&mut command, work.path(), bounds)?;
    if outcome.ended != Ended::Exited(0) {
        return Err(diagnosis::build(
            &outcome,
            go.cpu_limit(),
            work.path(),
            &go.hidden(),
        ));
    }
    let program = check(
        &work.path().join("gopath/bin"),
        &recipe.platform,
        config.limits.artifact_bytes,
    )?;
    let needs = match recipe.kind {
        Kind::BeforeModules => Some(main_module::needs(work.path())?),
        Kind::GoInstall | Kind::MainModule => None,
    };
    let mut description = recipe.description();
    if let Some(needs) = &needs {
        description.verify = recipe.verify_with(&needs.go_mod);
    }
    let meta = Meta {
        description,
        needs,
        size: program.size,
        sha256: program.sha256,
        build_seconds: begun.elapsed().as_secs_f64(),
    };
    store
        .publish(&key, &program.path, &meta)
        .map_err(|e| trouble("publish the program", &e))?;
    Ok(meta)
}

/// Whether tools may be let near the cache of all builds. Tried for each build: it takes some milliseconds, and what was
/// true a minute ago may have been true in another container.
fn tools_are_confined(config: &Config, room: &Path) -> Result<bool, Refusal> {
    let missing = match Layers::of_tool(room) {
        Ok(layers) if layers.missing().next().is_none() => return Ok(true),
        Ok(layers) => layers,
        Err(error) => return Err(trouble("try a tool's cell", &error)),
    };
    let said = missing
        .missing()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    if config.sandbox == SandboxPolicy::Require {
        return Err(Refusal::new(Reason::NoSandbox).log(said));
    }
    log::warn!("tools are not fully confined: {said}");
    Ok(missing.guard_caches())
}

fn arguments(recipe: &Recipe, around: &Surroundings, work: &Work) -> Result<Vec<String>, Refusal> {
    let file = work.path().join("surroundings.json");
    let written = fs::write(
        &file,
        serde_json::to_vec(around).map_err(|e| trouble("describe the tools' cells", &e.into()))?,
    )
    .and_then(|()| File::create(&around.progress).map(drop));
    written.map_err(|e| trouble("describe the tools' cells", &e))?;
    let own_binary = fs::read_link("/proc/self/exe").map_err(|e| trouble("find gox-server itself", &e))?;
    let mut arguments = match recipe.kind {
        Kind::GoInstall => vec!["install".to_owned()],
        Kind::MainModule | Kind::BeforeModules => ["build", "-mod=mod", "-buildvcs=false", "-o"]
            .map(str::to_owned)
            .to_vec(),
    };
    if recipe.needs_a_copy() {
        let file = work
            .path()
            .join("gopath/bin")
            .join(recipe.description().file_name);
        arguments.push(file.display().to_string());
    }
    arguments.extend(recipe.flags());
    arguments.push(format!(
        "-toolexec='{}' tool '{}'",
        own_binary.display(),
        file.display()
    ));
    arguments.push(format!(
        "-debug-actiongraph={}",
        progress::plan_file(work.path()).display()
    ));
    let package = match recipe.kind {
        Kind::GoInstall => recipe.package_at_version(),
        Kind::MainModule | Kind::BeforeModules => recipe.directory(),
    };
    arguments.extend(["--".to_owned(), package]);
    Ok(arguments)
}
