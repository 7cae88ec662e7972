//! Compiles the standard library ahead, as a build would: the first program for a platform then finds it compiled.

use std::path::Path;
use std::time::Instant;

use super::Compilation;
use super::compilation::Cache;
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::Platform;
use crate::golang::command::{Go, recipe_flags, supports};
use crate::golang::diagnosis;
use crate::golang::work::Work;
use crate::sandbox::process::{Bounds, Ended};

/// The platforms that most people have.
pub const MOST_USED: [(&str, &str); 10] = [
    ("linux", "amd64"),
    ("linux", "arm64"),
    ("darwin", "arm64"),
    ("darwin", "amd64"),
    ("windows", "amd64"),
    ("windows", "arm64"),
    ("linux", "armv7"),
    ("linux", "armv6"),
    ("linux", "386"),
    ("freebsd", "amd64"),
];

/// Compiles it for one platform. What is compiled already is not compiled again, so who was interrupted goes on. `tell` is
/// given, again and again, the directory in which it works (see [`super::progress`]).
pub fn warm(go: Go<'_>, platform: &Platform, tell: &mut dyn FnMut(&Path)) -> Result<(), Refusal> {
    supports(go.toolchain, platform)?;
    let work = Work::begin(go.store, "warm-").map_err(|e| trouble("make a directory to warm in", &e))?;
    let compilation = Compilation::prepare(go, work.path(), Cache::OfAll)?;
    if !compilation.shares_cache() {
        return Err(Refusal::new(Reason::NoSandbox).log(
            "tools are not confined here, so each build has a cache of its own: there is none to warm",
        ));
    }
    // Whatever decides what is compiled is a build's: the same tools, the same flags.
    let mut arguments = vec!["build".to_owned()];
    arguments.extend(recipe_flags(&[], &[]));
    arguments.extend(compilation.flags());
    arguments.extend(["--", "std"].map(str::to_owned));
    let mut command = compilation.command(platform, &arguments)?;
    let bounds = Bounds {
        deadline: Instant::now() + go.config.limits.wall,
        stdout_bytes: go.config.limits.log_bytes,
        stderr_bytes: go.config.limits.log_bytes,
    };
    let outcome = go.supervise(&mut command, work.path(), bounds, &mut || tell(work.path()))?;
    if outcome.ended == Ended::Exited(0) {
        return Ok(());
    }
    Err(diagnosis::build(
        &outcome,
        &compilation.tool_runs(),
        go.cpu_limit(),
        work.path(),
        &go.hidden(),
    ))
}
