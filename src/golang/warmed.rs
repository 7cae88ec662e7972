//! What was compiled before anybody asked: an image brings a compile cache that nobody can write (`GOX_WARMED`), and its files
//! are linked into the cache of a build. Linked and not copied: the standard library of one platform is 170 MB in 2500 files.
//! And not used where it lies: Go writes to the one directory that it is given.
//!
//! The names are those of cmd/go/internal/cache: `XX/ID-a`, a small file that says which output an action has, and `XX/ID-d`,
//! the output.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Links what was compiled ahead into `cache`, unless that has been done. Whoever does the same meanwhile is in nobody's way.
pub fn link(warmed: &Path, cache: &Path) -> io::Result<()> {
    not_trimmed(cache)?;
    let stamp = cache.join("warmed.txt");
    let image = stamp_of(warmed)?;
    if fs::read_to_string(&stamp).is_ok_and(|linked| linked == image) {
        return Ok(());
    }
    for shelf in fs::read_dir(warmed)? {
        let shelf = shelf?;
        if shelf.file_type()?.is_dir() {
            link_shelf(&shelf.path(), &cache.join(shelf.file_name()))?;
        }
    }
    fs::write(stamp, image)
}

/// What tells one image from the next, on a volume that outlives both.
fn stamp_of(warmed: &Path) -> io::Result<String> {
    let made = fs::metadata(warmed)?;
    Ok(format!(
        "{} {}.{:09}\n",
        warmed.display(),
        made.mtime(),
        made.mtime_nsec()
    ))
}

fn link_shelf(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    remove_dangling(to)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(from)? {
        names.push(entry?.file_name());
    }
    // Outputs first: where an action is, its output is too.
    names.sort_by_key(|name| name.as_encoded_bytes().ends_with(b"-a"));
    for name in names {
        match symlink(from.join(&name), to.join(&name)) {
            // Compiled here before, or linked just now by another.
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Links into an image that is gone: Go could neither read nor replace what they stand for.
fn remove_dangling(shelf: &Path) -> io::Result<()> {
    for entry in fs::read_dir(shelf)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() && fs::metadata(entry.path()).is_err() {
            crate::store::remove::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Once a day Go removes what has an old date, and cannot renew the dates of an image. The cap of the caches is kept by eviction.
fn not_trimmed(cache: &Path) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    crate::store::file::replace(&cache.join("trim.txt"), now.as_secs().to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_image_takes_the_place_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second, cache] = ["first", "second", "cache"].map(|name| dir.path().join(name));
        for (image, files) in [(&first, ["00/x-a", "00/x-d"]), (&second, ["00/x-a", "01/y-d"])] {
            for file in files {
                fs::create_dir_all(image.join(file).parent().unwrap()).unwrap();
                fs::write(image.join(file), image.to_str().unwrap()).unwrap();
            }
        }
        let read = |file: &str| fs::read_to_string(cache.join(file)).ok();
        let said = |image: &Path| Some(image.to_str().unwrap().to_owned());
        fs::create_dir(&cache).unwrap();
        link(&first, &cache).unwrap();
        fs::remove_file(cache.join("00/x-d")).unwrap();
        fs::write(cache.join("00/x-d"), "compiled here").unwrap();
        assert_eq!(read("00/x-a"), said(&first));

        fs::remove_dir_all(&first).unwrap();
        link(&second, &cache).unwrap();
        assert_eq!(read("00/x-a"), said(&second));
        assert_eq!(read("01/y-d"), said(&second));
        assert_eq!(read("00/x-d"), Some("compiled here".to_owned()));
    }

    #[test]
    fn what_is_linked_is_not_looked_for_again() {
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
