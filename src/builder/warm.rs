//! Compiles the standard library in advance, so that the first build for a platform finds it in the compile cache.

use std::path::Path;
use std::time::Instant;

use super::Compilation;
use super::compilation::CompileCache;
use crate::error::{Error, Reason, internal_error};
use crate::golang::run::command::{Go, build_bounds};
use crate::golang::run::flags::recipe_flags;
use crate::golang::run::platform::check_platform;
use crate::parse::Platform;
use crate::store::work_dir::WorkDir;

/// The most common platforms, the most common one first.
pub const COMMON_PLATFORMS: [&str; 10] = [
    "linux/amd64",
    "linux/arm64",
    "darwin/arm64",
    "darwin/amd64",
    "windows/amd64",
    "windows/arm64",
    "linux/armv7",
    "linux/armv6",
    "linux/386",
    "freebsd/amd64",
];

/// The pattern of all packages of the standard library.
pub const ALL_PACKAGES: &str = "std";

/// Compiles packages of the standard library, and what they import, for one platform. Cached packages are skipped, so an interrupted
/// run can be repeated. `on_progress` is called repeatedly with the work directory (see [`super::progress`]).
pub fn warm(
    go: Go<'_>,
    platform: &Platform,
    packages: &[&str],
    on_progress: &mut dyn FnMut(&Path),
) -> Result<(), Error> {
    check_platform(go.toolchain, platform)?;
    let work =
        WorkDir::create(go.store, "warm-").map_err(|e| internal_error("create a work directory", &e))?;
    let compilation = Compilation::prepare(go, work.path(), CompileCache::Shared, None)?;
    if compilation.shared_cache().is_none() {
        return Err(Error::new(Reason::NoSandbox).log(
            "tools are not confined here, so each build has its own compile cache, and there is no shared one to warm",
        ));
    }
    // The tools and flags must be those of a build: they are part of the cache key.
    let mut arguments = vec!["build".to_owned()];
    arguments.extend(recipe_flags(&[], &[]));
    arguments.extend(compilation.flags());
    arguments.push("--".to_owned());
    arguments.extend(packages.iter().map(|package| (*package).to_owned()));
    let mut command = compilation.command(platform, &arguments)?;
    let bounds = build_bounds(&go.config.limits, Instant::now());
    compilation
        .run(&mut command, bounds, &mut || on_progress(work.path()))
        .map(drop)
}
