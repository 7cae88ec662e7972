//! A toolchain as a tree of files: what it hashes to, and how it is put in place.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::store::key::hex;

/// The hash of a module's tree, `h1:` and base64 (golang.org/x/mod/sumdb/dirhash, Hash1): over a line for each file, by name,
/// with its SHA-256 and its name below `prefix`, MODULE@VERSION.
pub fn hash(root: &Path, prefix: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for path in files_below(root)? {
        let below = path.strip_prefix(root).map_err(io::Error::other)?;
        // Names that are not UTF-8 are none that Go makes.
        let below = below.to_str().ok_or(io::ErrorKind::InvalidData)?;
        names.push((format!("{prefix}/{below}"), path));
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

/// Moves a verified tree to where Go is started from, in one step: it is a toolchain then, on the disk, and read-only.
pub fn place(tree: &Path, goroot: &Path) -> io::Result<()> {
    restore_go_mods(tree)?;
    protect(tree)?;
    nix::unistd::syncfs(File::open(tree)?)?;
    // A directory that changes its parent has to be writable.
    fs::set_permissions(tree, Permissions::from_mode(0o755))?;
    fs::rename(tree, goroot)?;
    fs::set_permissions(goroot, Permissions::from_mode(0o555))?;
    File::open(goroot.parent().unwrap_or(goroot))?.sync_all()
}

/// A module's zip cannot hold the go.mod of another: they come as _go.mod (cmd/go/internal/toolchain/select.go).
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

/// Nobody writes there again; and what Go itself makes executable is executable: bin and pkg/tool.
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

/// All regular files. Whatever else there is, a link above all, is no part of a module.
fn files_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            match () {
                () if kind.is_dir() => open.push(entry.path()),
                () if kind.is_file() => files.push(entry.path()),
                () => return Err(io::Error::other(format!("{} is no file", entry.path().display()))),
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
    fn a_tree_hashes_as_go_hashes_it() {
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
