//! Where Go keeps its program in a toolchain, and module versions in the module cache. Evictions need it.

use std::path::{Path, PathBuf};

use crate::store::evict::CacheLayout;
use crate::store::modules::{ModuleCacheLayout, ModuleVersion};

/// The layout of toolchains and of the module cache.
pub const CACHE_LAYOUT: CacheLayout = CacheLayout {
    toolchain_program: "bin/go",
    modules: ModuleCacheLayout {
        index: "cache",
        find_version,
    },
};

/// Finds the version of `cache/download/MODULE/@v/VERSION.zip`, which is unpacked in `MODULE@VERSION`. If `go` has the hash of a
/// version, it treats that version as complete, whatever the directory contains (cmd/go/internal/modfetch, DownloadDir). So an
/// eviction removes the hash before the zip.
fn find_version(cache: &Path, zip: &Path) -> Option<ModuleVersion> {
    let below = zip.strip_prefix(cache.join("cache/download")).ok()?;
    if below.extension()? != "zip" {
        return None;
    }
    let mut directory = cache.join(below.parent()?.parent()?).into_os_string();
    directory.push("@");
    directory.push(below.file_stem()?);
    Some(ModuleVersion {
        lock: zip.with_extension("lock"),
        directory: directory.into(),
        index_files: vec![zip.with_extension("ziphash"), zip.to_owned()],
    })
}

/// The directory of a module version in the module cache. Capitals are escaped (golang.org/x/mod/module, EscapePath).
pub fn module_directory(cache: &Path, module: &str, version: &str) -> PathBuf {
    cache.join(escape(&format!("{module}@{version}")))
}

/// Escapes capitals, as in the names of files and in the URLs of a module proxy.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if c.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(c.to_ascii_lowercase());
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_belongs_to_the_directory_of_its_version() {
        let cache = Path::new("/modules");
        let index = cache.join("cache/download/a.b/!c/@v");
        let version = find_version(cache, &index.join("v1.0.0.zip")).unwrap();
        assert_eq!(version.directory, cache.join("a.b/!c@v1.0.0"));
        assert_eq!(version.directory, module_directory(cache, "a.b/C", "v1.0.0"));
        assert_eq!(version.lock, index.join("v1.0.0.lock"));
        assert_eq!(
            version.index_files,
            ["v1.0.0.ziphash", "v1.0.0.zip"].map(|name| index.join(name))
        );
        for other in [index.join("v1.0.0.mod"), cache.join("cache/vcs/x.zip")] {
            assert!(find_version(cache, &other).is_none(), "{}", other.display());
        }
    }
}
