//! Opens the state directory, and finds and publishes programs in it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::file::{list_entries, read_json, replace, write_synced};
use super::file_stamp::FileStamp;
use super::layout::{self, CLIENT, META, PROGRAM, UNPUBLISHED_PREFIX};
use super::remove::remove;
use super::{Artifact, BuildKey, Meta, Table};

/// The content of `meta.json`.
#[derive(Serialize, Deserialize)]
struct StoredMeta {
    #[serde(flatten)]
    meta: Meta,
    #[serde(rename = "seal")]
    stamp: FileStamp,
}

/// The mode of directories that all users may read, if the mode of the state directory lets them in.
const PUBLIC_MODE: u32 = 0o755;

/// The state directory.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// Each request and each builder opens the store once, when it starts. Counters measure durations from then.
    pub(super) opened_at: Instant,
}

impl Store {
    /// Opens the state directory, and creates it if it is missing.
    pub fn open(root: &Path) -> io::Result<Store> {
        let store = Store {
            root: root.to_owned(),
            opened_at: Instant::now(),
        };
        if !store.path(layout::MODULE_CACHE).is_dir() {
            store.create_directories()?;
        }
        Ok(store)
    }

    /// Creates missing directories: an operator may have removed some. Call this before writing. Cache hits skip it to save time.
    pub fn create_directories(&self) -> io::Result<()> {
        for directory in layout::DIRECTORIES {
            // A web server that sends programs itself runs as another user. Everything else is private.
            let mode = if directory == layout::ARTIFACTS {
                PUBLIC_MODE
            } else {
                0o700
            };
            create_dir(&self.path(directory), mode)?;
        }
        Ok(())
    }

    /// The state directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the state directory: a constant of [`layout`], or a file name.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Finds the program of this key.
    pub fn artifact(&self, key: &BuildKey) -> Option<Artifact> {
        let dir = self.artifact_dir(key);
        let stored: StoredMeta = read_json(&dir.join(META))?;
        let path = dir.join(PROGRAM);
        let file = File::open(&path).ok()?;
        // A file that was truncated or modified does not count. The program is built again.
        let is_intact = FileStamp::read(&file).ok()? == stored.stamp;
        is_intact.then_some(Artifact {
            meta: stored.meta,
            file,
            path,
        })
    }

    /// Publishes a program that was checked. Program and metadata are synced before they become visible. The caller holds
    /// the key's build lock.
    pub fn publish(
        &self,
        key: &BuildKey,
        program: &Path,
        meta: &Meta,
        client: Option<&str>,
    ) -> io::Result<()> {
        let target = self.artifact_dir(key);
        let parent = target.parent().unwrap_or(&self.root);
        create_dir(parent, PUBLIC_MODE)?;
        let temporary = self
            .path(layout::ARTIFACTS)
            .join(format!("{UNPUBLISHED_PREFIX}{key}"));
        // A killed builder may have left one.
        remove(&temporary)?;
        fs::create_dir(&temporary)?;
        let path = temporary.join(PROGRAM);
        // rename(2) fails if the operator put the artifacts on another file system.
        fs::rename(program, &path).or_else(|_| fs::copy(program, &path).map(drop))?;
        // The builder's umask made both private.
        fs::set_permissions(&path, Permissions::from_mode(0o644))?;
        fs::set_permissions(&temporary, Permissions::from_mode(PUBLIC_MODE))?;
        let file = File::open(&path)?;
        file.sync_all()?;
        let stored = StoredMeta {
            meta: meta.clone(),
            stamp: FileStamp::read(&file)?,
        };
        write_synced(&temporary.join(META), &serde_json::to_vec_pretty(&stored)?)?;
        if let Some(client) = client {
            replace(&temporary.join(CLIENT), client.as_bytes())?;
        }
        File::open(&temporary)?.sync_all()?;
        // An existing directory was found damaged: otherwise there would have been no build.
        remove(&target)?;
        fs::rename(temporary, &target)?;
        File::open(parent)?.sync_all()
    }

    /// Failures of the latest builds and toolchain downloads, by key.
    pub fn failures(&self) -> Table {
        Table::new(self.path(layout::FAILURES))
    }

    /// Resolved targets, by key.
    pub fn resolutions(&self) -> Table {
        Table::new(self.path(layout::RESOLUTIONS))
    }

    /// How long the last build of each package took, in seconds.
    pub fn durations(&self) -> Table {
        Table::new(self.path(layout::DURATIONS))
    }

    /// The lock file of a build.
    pub fn build_lock(&self, key: &BuildKey) -> PathBuf {
        self.path(layout::BUILD_LOCKS).join(key.as_str())
    }

    /// The lock file of the process that resolves a target again.
    pub fn refresh_lock(&self, key: &BuildKey) -> PathBuf {
        self.path(layout::REFRESH_LOCKS).join(key.as_str())
    }

    /// The lock file of the process that downloads this version of Go, or another shared file.
    pub fn download_lock(&self, name: &str) -> PathBuf {
        self.path(layout::TOOLCHAINS).join(format!("{name}.lock"))
    }

    /// The lock file of a build slot. The number of slots limits the number of concurrent builds.
    pub fn build_slot(&self, number: usize) -> PathBuf {
        self.path(layout::BUILD_SLOTS).join(number.to_string())
    }

    /// The record about a toolchain, named by a hash of its identity.
    pub fn toolchain_record(&self, key: &BuildKey) -> PathBuf {
        self.path(layout::TOOLCHAINS).join(format!("{key}.json"))
    }

    /// The directories of all published programs.
    pub(super) fn artifact_dirs(&self) -> io::Result<Vec<PathBuf>> {
        let mut dirs = Vec::new();
        for prefix in fs::read_dir(self.path(layout::ARTIFACTS))? {
            let prefix = prefix?;
            // Skips unpublished programs, and other files of the file system (`lost+found`) or the operator.
            let name = prefix.file_name();
            if name.len() == 2 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit) {
                dirs.extend(list_entries(&prefix.path(), "")?);
            }
        }
        Ok(dirs)
    }

    fn artifact_dir(&self, key: &BuildKey) -> PathBuf {
        self.path(layout::ARTIFACTS)
            .join(&key.as_str()[..2])
            .join(key.as_str())
    }
}

fn create_dir(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path)
}
