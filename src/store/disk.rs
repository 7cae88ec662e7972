//! Where everything lies under the state directory, and the only code that writes there what others read.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Artifact, BuildKey, Meta};

/// The mode of a directory that all may read. Whether they get so far, the mode of the state directory itself says.
const FOR_ALL: u32 = 0o755;

/// The state directory.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Opens, and makes where needed, the directory.
    pub fn open(dir: &Path) -> io::Result<Store> {
        for below in [
            "artifacts",
            "failures",
            "resolutions",
            "locks",
            "slots",
            "work",
            "go",
            "cache/compile",
            "cache/modules",
        ] {
            // Programs are for everybody, and a web server that sends them itself is another user. All else is ours.
            let mode = if below == "artifacts" { FOR_ALL } else { 0o700 };
            fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(dir.join(below))?;
        }
        Ok(Store { dir: dir.to_owned() })
    }

    /// The program of this key, if it is here.
    pub fn artifact(&self, key: &BuildKey) -> Option<Artifact> {
        let dir = self.artifact_dir(key);
        let meta: Meta = read_json(&dir.join("meta.json"))?;
        let file = dir.join("bin");
        // A file that lost its end to a full disk or a bad one is no artifact: it is made again.
        let whole = fs::metadata(&file).is_ok_and(|m| m.is_file() && m.len() == meta.size);
        whole.then_some(Artifact { meta, file })
    }

    /// Publishes a program that has been checked: both files are on disk before either can be seen.
    pub fn publish(&self, key: &BuildKey, program: &Path, meta: &Meta) -> io::Result<Artifact> {
        let place = self.artifact_dir(key);
        let shelf = place.parent().unwrap_or(&self.dir);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(FOR_ALL)
            .create(shelf)?;
        let aside = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(self.dir.join("artifacts"))?;
        let file = aside.path().join("bin");
        fs::rename(program, &file).or_else(|_| fs::copy(program, &file).map(drop))?;
        // A builder's umask keeps all to itself.
        fs::set_permissions(&file, Permissions::from_mode(0o644))?;
        fs::set_permissions(aside.path(), Permissions::from_mode(FOR_ALL))?;
        File::open(&file)?.sync_all()?;
        write_synced(&aside.path().join("meta.json"), &serde_json::to_vec_pretty(meta)?)?;
        File::open(aside.path())?.sync_all()?;
        if place.exists() {
            // What was there was found broken, or the build would not have run.
            fs::remove_dir_all(&place)?;
        }
        fs::rename(aside.keep(), &place)?;
        File::open(shelf)?.sync_all()?;
        Ok(Artifact {
            meta: meta.clone(),
            file: place.join("bin"),
        })
    }

    /// The failure of this key's last build, and when it was.
    pub fn failure<T: DeserializeOwned>(&self, key: &BuildKey) -> Option<(T, SystemTime)> {
        read_dated(&self.named("failures", key))
    }

    /// Keeps a failure, for those who wait and, if it is for ever, for all.
    pub fn keep_failure(&self, key: &BuildKey, failure: &impl Serialize) -> io::Result<()> {
        self.write("failures", key, failure)
    }

    /// What was remembered under this key, and when.
    pub fn resolution<T: DeserializeOwned>(&self, key: &BuildKey) -> Option<(T, SystemTime)> {
        read_dated(&self.named("resolutions", key))
    }

    /// Remembers a resolution.
    pub fn remember(&self, key: &BuildKey, resolution: &impl Serialize) -> io::Result<()> {
        self.write("resolutions", key, resolution)
    }

    /// The lock of a build.
    pub fn lock(&self, key: &BuildKey) -> PathBuf {
        self.dir.join("locks").join(key.as_str())
    }

    /// The lock of a slot: as many builds run as there are slots.
    pub fn slot(&self, number: usize) -> PathBuf {
        self.dir.join("slots").join(number.to_string())
    }

    /// The directory in which each running build has its own.
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// What the builders say.
    pub fn log(&self) -> PathBuf {
        self.dir.join("builders.log")
    }

    /// What is known of an installed Go, under the name of its fingerprint.
    pub fn toolchain(&self, key: &BuildKey) -> PathBuf {
        self.named("go", key)
    }

    /// The compile cache that all builds share.
    pub fn compile_cache(&self) -> PathBuf {
        self.dir.join("cache/compile")
    }

    /// The module cache that all builds share.
    pub fn module_cache(&self) -> PathBuf {
        self.dir.join("cache/modules")
    }

    fn artifact_dir(&self, key: &BuildKey) -> PathBuf {
        self.dir
            .join("artifacts")
            .join(&key.as_str()[..2])
            .join(key.as_str())
    }

    fn named(&self, room: &str, key: &BuildKey) -> PathBuf {
        self.dir.join(room).join(format!("{key}.json"))
    }

    fn write(&self, room: &str, key: &BuildKey, value: &impl Serialize) -> io::Result<()> {
        replace(&self.named(room, key), &serde_json::to_vec(value)?)
    }
}

/// What cannot be read, or is not what we write, is not there: it is made again.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn read_dated<T: DeserializeOwned>(path: &Path) -> Option<(T, SystemTime)> {
    let at = fs::metadata(path).ok()?.modified().ok()?;
    Some((read_json(path)?, at))
}

/// Puts a small file in place in one step.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut aside = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("/")))?;
    aside.write_all(bytes)?;
    aside.persist(path)?;
    Ok(())
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
