//! The files of a toolchain: hashes and installs them.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::store::key::hex;

/// Hashes the files of a module as Go does (golang.org/x/mod/sumdb/dirhash, Hash1): `h1:` and the base64 of a SHA-256 over one
/// line for each file, sorted by name, with its SHA-256 and its name below `prefix`, MODULE@VERSION.
pub fn hash(root: &Path, prefix: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for path in files_below(root)? {
        let name = path.strip_prefix(root).map_err(io::Error::other)?;
        // The names of a module's files are valid UTF-8.
        let name = name.to_str().ok_or(io::ErrorKind::InvalidData)?;
        names.push((format!("{prefix}/{name}"), path));
    }
    names.sort();
    let mut all = Sha256::new();
    for (name, path) in names {
        let mut one = Sha256::new();
        io::copy(&mut File::open(path)?, &mut HashWriter(&mut one))?;
        all.update(format!("{}  {name}\n", hex(&one.finalize())));
    }
    Ok(format!("h1:{}", BASE64_STANDARD.encode(all.finalize())))
}

/// Makes a verified tree read-only, syncs it to the disk, and renames it to `goroot`, so that `goroot` is always complete.
pub fn install(tree: &Path, goroot: &Path) -> io::Result<()> {
    restore_go_mods(tree)?;
    protect(tree)?;
    nix::unistd::syncfs(File::open(tree)?)?;
    // rename(2) to another parent needs write access to the directory itself.
    fs::set_permissions(tree, Permissions::from_mode(0o755))?;
    fs::rename(tree, goroot)?;
    fs::set_permissions(goroot, Permissions::from_mode(0o555))?;
    File::open(goroot.parent().unwrap_or(goroot))?.sync_all()
}

/// Copies each `_go.mod` to `go.mod`: the zip of a module cannot contain the go.mod of another
/// (cmd/go/internal/toolchain/select.go).
fn restore_go_mods(tree: &Path) -> io::Result<()> {
    for path in files_below(tree)? {
        if path.file_name().is_some_and(|name| name == "_go.mod") {
            let dir = path.parent().unwrap_or(tree);
            fs::set_permissions(dir, Permissions::from_mode(0o755))?;
            fs::write(dir.join("go.mod"), fs::read(&path)?)?;
        }
    }
    Ok(())
}

/// Makes the tree read-only, and the files below bin and pkg/tool executable, as Go does.
fn protect(tree: &Path) -> io::Result<()> {
    let commands = [tree.join("bin"), tree.join("pkg/tool")];
    let mut open = vec![tree.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let is_command = commands.iter().any(|dir| path.starts_with(dir));
                let mode = if is_command { 0o555 } else { 0o444 };
                fs::set_permissions(path, Permissions::from_mode(mode))?;
            }
        }
        fs::set_permissions(dir, Permissions::from_mode(0o555))?;
    }
    Ok(())
}

/// The regular files of the tree. Other types, such as links, are an error: a module has none.
fn files_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let (path, file_type) = (entry.path(), entry.file_type()?);
            if file_type.is_dir() {
                open.push(path);
            } else if file_type.is_file() {
                files.push(path);
            } else {
                return Err(io::Error::other(format!(
                    "{} is not a regular file",
                    path.display()
                )));
            }
        }
    }
    Ok(files)
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash that `go mod download -json` printed for such a module.
    #[test]
    fn hash_is_the_one_that_go_prints() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("go.mod", "module a.b/c\n"),
            ("x/y.go", "package x\n"),
            ("x.go", "package c\n"),
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(
            hash(dir.path(), "a.b/c@v1.0.0").unwrap(),
            "h1:MXp8t+QpmRmhFcSTeNRK8kiZNKyyXhprpOhxfAf1Jds="
        );
        std::os::unix::fs::symlink("x.go", dir.path().join("link")).unwrap();
        assert!(hash(dir.path(), "a.b/c@v1.0.0").is_err());
    }
}
