//! Links the read-only compile cache of a container image (`GOX_WARMED`) into the compile cache of a build.
//!
//! The files are not copied: the standard library of one platform is 170 MB in 2500 files. The directory is not used directly:
//! Go has a single cache directory, and writes to it.
//!
//! The file names are those of cmd/go/internal/cache: `XX/ID-a`, a small file that names the output of an action, and `XX/ID-d`,
//! the output.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Links the files of `warmed` into `cache`, unless they have been linked before. Several processes may do this at the same time.
pub fn link(warmed: &Path, cache: &Path) -> io::Result<()> {
    postpone_trim(cache)?;
    let stamp = cache.join("warmed.txt");
    let image = image_stamp(warmed)?;
    if fs::read_to_string(&stamp).is_ok_and(|linked| linked == image) {
        return Ok(());
    }
    for subdirectory in fs::read_dir(warmed)? {
        let subdirectory = subdirectory?;
        if subdirectory.file_type()?.is_dir() {
            link_subdirectory(&subdirectory.path(), &cache.join(subdirectory.file_name()))?;
        }
    }
    fs::write(stamp, image)
}

/// Identifies an image: the cache can be on a volume that outlives it.
fn image_stamp(warmed: &Path) -> io::Result<String> {
    let metadata = fs::metadata(warmed)?;
    Ok(format!(
        "{} {}.{:09}\n",
        warmed.display(),
        metadata.mtime(),
        metadata.mtime_nsec()
    ))
}

fn link_subdirectory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    remove_dangling(to)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(from)? {
        names.push(entry?.file_name());
    }
    // Outputs first: an action must not exist without its output.
    names.sort_by_key(|name| name.as_encoded_bytes().ends_with(b"-a"));
    for name in names {
        match symlink(from.join(&name), to.join(&name)) {
            // Compiled here before, or linked by another process.
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Removes links into an earlier image, which Go can neither read nor replace.
fn remove_dangling(subdirectory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(subdirectory)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() && fs::metadata(entry.path()).is_err() {
            crate::store::remove::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Prevents Go from trimming the cache. Once a day it removes files with an old date, and it cannot update the dates of an image.
/// Eviction limits the size of the caches instead.
fn postpone_trim(cache: &Path) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    crate::store::file::replace(&cache.join("trim.txt"), now.as_secs().to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_a_removed_image_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second, cache] = ["first", "second", "cache"].map(|name| dir.path().join(name));
        for (image, files) in [(&first, ["00/x-a", "00/x-d"]), (&second, ["00/x-a", "01/y-d"])] {
            for file in files {
                fs::create_dir_all(image.join(file).parent().unwrap()).unwrap();
                fs::write(image.join(file), image.to_str().unwrap()).unwrap();
            }
        }
        let read = |file: &str| fs::read_to_string(cache.join(file)).ok();
        let content = |image: &Path| Some(image.to_str().unwrap().to_owned());
        fs::create_dir(&cache).unwrap();
        link(&first, &cache).unwrap();
        fs::remove_file(cache.join("00/x-d")).unwrap();
        fs::write(cache.join("00/x-d"), "compiled here").unwrap();
        assert_eq!(read("00/x-a"), content(&first));

        fs::remove_dir_all(&first).unwrap();
        link(&second, &cache).unwrap();
        assert_eq!(read("00/x-a"), content(&second));
        assert_eq!(read("01/y-d"), content(&second));
        assert_eq!(read("00/x-d"), Some("compiled here".to_owned()));
    }

    #[test]
    fn image_is_linked_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let [warmed, cache] = ["warmed", "cache"].map(|name| dir.path().join(name));
        fs::create_dir_all(warmed.join("00")).unwrap();
        fs::write(warmed.join("00/x-d"), "").unwrap();
        fs::create_dir(&cache).unwrap();
        link(&warmed, &cache).unwrap();
        fs::remove_file(cache.join("00/x-d")).unwrap();
        link(&warmed, &cache).unwrap();
        assert!(!cache.join("00/x-d").exists());
    }
}
