//! Finds the packages of a program that were compiled without their cgo files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::main_module::COPY;
use super::{Recipe, progress};
use crate::error::{Error, Reason};
use crate::golang::build_info::{BuildInfo, LinkedModule};
use crate::golang::cache_layout::module_directory;
use crate::golang::source::commands::has_cgo_files;
use crate::golang::source::constraint::CgoBuild;
use crate::store::Meta;

/// Packages that compile without cgo but do not work: every call fails.
const STUBS: &[&str] = &[
    // static_mock.go: "Binary was compiled with 'CGO_ENABLED=0', go-sqlite3 requires cgo to work. This is a stub".
    "github.com/mattn/go-sqlite3",
    // static_mock.go: the same.
    "github.com/mutecomm/go-sqlcipher",
    "github.com/mutecomm/go-sqlcipher/v4",
];

/// How many packages the header names. A header has at most a few kilobytes.
const MAX_IN_HEADER: usize = 20;

/// Finds the packages that were compiled without their cgo files when `program` was built in `work`, sorted.
pub fn find_packages_without_cgo(
    program: &Path,
    work: &Path,
    modules: &Path,
    recipe: &Recipe,
) -> io::Result<Vec<String>> {
    let tags = recipe.all_tags();
    let build = CgoBuild {
        platform: &recipe.platform,
        tags: &tags,
    };
    let info = BuildInfo::read(&File::open(program)?)?;
    let linked: Vec<&LinkedModule> = info.iter().flat_map(BuildInfo::modules).collect();
    let packages = progress::read_planned_packages(work).unwrap_or_default();
    let mut found: Vec<String> = packages
        .into_iter()
        .filter(|package| {
            source_directory(package, &linked, work, modules).is_some_and(|dir| has_cgo_files(&dir, &build))
        })
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The directory of a package of a linked module. A package of the standard library has none.
fn source_directory(package: &str, linked: &[&LinkedModule], work: &Path, modules: &Path) -> Option<PathBuf> {
    let relative = |module: &LinkedModule| {
        let below = package.strip_prefix(&module.path)?;
        (below.is_empty() || below.starts_with('/')).then(|| below.trim_start_matches('/').to_owned())
    };
    // The longest path counts: a nested module is not part of the outer one.
    let owners = linked.iter().filter(|module| relative(module).is_some());
    let owner = owners.max_by_key(|module| module.path.len())?;
    let source = owner.effective();
    let root = if source.path.starts_with("./") {
        work.join(COPY).join(&source.path)
    } else if source.version.starts_with('v') {
        module_directory(modules, &source.path, &source.version)
    } else {
        work.join(COPY)
    };
    Some(root.join(relative(owner)?))
}

/// The value of `Gox-Without-Cgo`: the packages that were compiled without their cgo files.
pub fn header(meta: &Meta) -> Option<String> {
    let packages = meta.without_cgo.iter().take(MAX_IN_HEADER).cloned();
    let packages: Vec<String> = packages.collect();
    (!packages.is_empty()).then(|| packages.join(", "))
}

/// One sentence for each package that was compiled without its cgo files.
pub fn sentences(meta: &Meta) -> impl Iterator<Item = String> {
    let packages = meta.without_cgo.iter();
    packages.map(|package| format!("Compiled without cgo, so without a part of {package}."))
}

/// Fails if the program contains a stub, unless the client accepts it.
pub fn check_stubs(meta: &Meta, recipe: &Recipe) -> Result<(), Error> {
    let is_stub = |package: &&String| STUBS.contains(&package.as_str());
    let Some(stub) = meta
        .without_cgo
        .iter()
        .find(is_stub)
        .filter(|_| !recipe.accepts_stubs)
    else {
        return Ok(());
    };
    let anyway = Recipe {
        accepts_stubs: true,
        ..recipe.clone()
    };
    Err(Error::new(Reason::NeedsCgo)
        .detail(format!(
            "Without cgo, {stub} is a stub: every call fails. For the program as it is, add cgo=0."
        ))
        .suggest([anyway.exact_url()]))
}
