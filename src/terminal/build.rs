//! `gox-server build`: builds one program and writes it to a file.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{new_progress_bar, open_store, show_download, show_state};
use crate::advisories::check_vulnerabilities;
use crate::builder::without_cgo::{self, check_stubs};
use crate::builder::{BuildState, Recipe, Stage, Waiter, core_packages};
use crate::config::Config;
use crate::error::{Error, internal_error};
use crate::golang::run::command::Go;
use crate::golang::run::platform::check_platform;
use crate::golang::toolchain::{managed, versions};
use crate::notices::Notices;
use crate::parse::{BuildOptions, Target};
use crate::policy::resolve_to_build;
use crate::request_errors::{bad_path_error, bad_query_error, undetected_error, with_correction};
use crate::store::{Artifact, Store};

/// Builds `target`, a path and query as in a URL, and writes the program to `output`: a file, a directory (by default this one), or `-`
/// for stdout.
pub fn build(config: &Config, target: &str, output: Option<PathBuf>) -> Result<(), Error> {
    let store = open_store(config)?;
    let (mut artifact, notices) = build_artifact(config, &store, target)?;
    let vulnerabilities = check_vulnerabilities(&artifact, config, &store);
    let without_cgo: Vec<String> = without_cgo::sentences(&artifact.meta).collect();
    let meta = artifact.meta.description;
    let output = output.unwrap_or_else(|| PathBuf::from("."));
    let written = if output == Path::new("-") {
        io::copy(&mut artifact.file, &mut io::stdout()).and_then(|_| io::stdout().flush())
    } else if output.is_dir() {
        install(&mut artifact.file, &output.join(&meta.file_name))
    } else {
        install(&mut artifact.file, &output)
    };
    written.map_err(|e| internal_error(format!("write {}", output.display()), &e))?;
    eprintln!("{} {} for {}", meta.package, meta.version, meta.platform);
    eprintln!("sha256 {}", artifact.meta.fingerprint.sha256);
    eprintln!("verify with: {}", meta.verify);
    for sentence in notices
        .iter()
        .flat_map(Notices::sentences)
        .chain(without_cgo)
        .chain(vulnerabilities.sentence())
    {
        eprintln!("{sentence}");
    }
    Ok(())
}

/// Builds `target`, or finds it in the store. Also returns the notices of the module's author.
pub(super) fn build_artifact(
    config: &Config,
    store: &Store,
    target: &str,
) -> Result<(Artifact, Option<Notices>), Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = format!("/{}", path.trim_start_matches('/'));
    let target =
        Target::parse(path.as_bytes()).map_err(|bad| bad_path_error(&bad, path.as_bytes(), query))?;
    let options = BuildOptions::parse(query).map_err(|bad| bad_query_error(&bad, path.as_bytes(), query))?;
    let this_machine = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let platform = options
        .platform(&this_machine)
        .map_err(|undetected| undetected_error(&undetected))?;
    let bar = new_progress_bar();
    let toolchain = managed::ensure_default(config, store, &mut |tree| show_download(&bar, tree))?;
    check_platform(&toolchain, &platform)?;
    let go = Go::for_operator(config, store, &toolchain);
    bar.set_message(format!("Resolving {target}."));
    let on_lookup = || core_packages::start_if_due(go, &platform, options.go);
    let resolved = resolve_to_build(go, &target, options.min_age, &on_lookup)
        .map_err(|error| with_correction(error, path.as_bytes(), query))?;
    let requested = options.go;
    let mut recipe = Recipe::choose(go, resolved, platform, options, None)?;
    recipe.go = versions::choose_for_build(go, recipe.go, requested, &mut |tree| show_download(&bar, tree));
    let name = recipe.package_at_version();
    bar.set_message(name.clone());
    if let Some(seconds) = recipe.last_duration(store) {
        bar.set_prefix(format!(", the last build took {seconds:.1} s"));
    }
    let mut on_stage = |stage| {
        if !bar.is_hidden() {
            let state = match stage {
                Stage::Queued { ahead } => BuildState::Queued { ahead },
                Stage::Building => BuildState::read(&recipe, config, store),
            };
            show_state(&bar, &state, &name);
        }
        true
    };
    let artifact = Waiter {
        go,
        deadline: None,
        on_stage: &mut on_stage,
    }
    .obtain(&recipe);
    bar.finish_and_clear();
    let artifact = artifact?;
    check_stubs(&artifact.meta, &recipe)?;
    Ok((artifact, recipe.resolved.notices))
}

/// Copies the program to `to`. A regular file is replaced atomically; a device or pipe is written to.
fn install(from: &mut File, to: &Path) -> io::Result<()> {
    if fs::metadata(to).is_ok_and(|found| !found.is_file()) {
        let mut to = File::options().write(true).open(to)?;
        return io::copy(from, &mut to).map(drop);
    }
    let dir = to
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(dir)?;
    io::copy(from, &mut temporary)?;
    fs::set_permissions(temporary.path(), Permissions::from_mode(0o755))?;
    temporary.persist(to)?;
    Ok(())
}
