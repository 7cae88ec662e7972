//! Where everything lies under the state directory, and the only code that writes there what others read.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file::{read_json, replace, write_synced};
use super::remove::remove;
use super::seal::Seal;
use super::{Artifact, BuildKey, Meta, Table};

/// What `meta.json` holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    meta: Meta,
    seal: Seal,
}

/// How the directory of a program is called that is about to be published, before its key.
pub(super) const UNPUBLISHED: &str = ".new-";

/// The file beside a program that names the client whose build made it. No other user reads it.
pub(super) const CLIENT: &str = "client";

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
        let store = Store { dir: dir.to_owned() };
        if !store.module_cache().is_dir() {
            store.complete()?;
        }
        Ok(store)
    }

    /// Makes the directories that are not there: somebody may have emptied one. For who is about to write; a hit has no time.
    pub fn complete(&self) -> io::Result<()> {
        for below in [
            "artifacts",
            "failures",
            "resolutions",
            "locks/builds",
            "locks/refreshes",
            "locks/lookups/queue",
            "locks/refreshing/queue",
            "slots",
            "queue",
            "clients",
            "counters",
            "work",
            "go",
            "cache/compile",
            // The last: where it is, all were made once.
            "cache/modules",
        ] {
            // Programs are for everybody, and a web server that sends them itself is another user. All else is ours.
            let mode = if below == "artifacts" { FOR_ALL } else { 0o700 };
            fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(self.dir.join(below))?;
        }
        Ok(())
    }

    /// The program of this key, if it is here.
    pub fn artifact(&self, key: &BuildKey) -> Option<Artifact> {
        let dir = self.artifact_dir(key);
        let kept: Kept = read_json(&dir.join("meta.json"))?;
        let path = dir.join("bin");
        let file = File::open(&path).ok()?;
        // A file that lost its end, or was written to, is no artifact: it is made again.
        let whole = Seal::of(&file).ok()? == kept.seal;
        whole.then_some(Artifact {
            meta: kept.meta,
            file,
            path,
        })
    }

    /// Publishes a program that has been checked: both files are on disk before either can be seen. For who holds the key's lock.
    pub fn publish(
        &self,
        key: &BuildKey,
        program: &Path,
        meta: &Meta,
        client: Option<&str>,
    ) -> io::Result<()> {
        let place = self.artifact_dir(key);
        let shelf = place.parent().unwrap_or(&self.dir);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(FOR_ALL)
            .create(shelf)?;
        let aside = self.artifacts().join(format!("{UNPUBLISHED}{key}"));
        // Of a builder that was killed.
        remove(&aside)?;
        fs::create_dir(&aside)?;
        let path = aside.join("bin");
        // The operator may have put the artifacts on another disk.
        fs::rename(program, &path).or_else(|_| fs::copy(program, &path).map(drop))?;
        // A builder's umask keeps all to itself.
        fs::set_permissions(&path, Permissions::from_mode(0o644))?;
        fs::set_permissions(&aside, Permissions::from_mode(FOR_ALL))?;
        let file = File::open(&path)?;
        file.sync_all()?;
        let kept = Kept {
            meta: meta.clone(),
            seal: Seal::of(&file)?,
        };
        write_synced(&aside.join("meta.json"), &serde_json::to_vec_pretty(&kept)?)?;
        if let Some(client) = client {
            replace(&aside.join(CLIENT), client.as_bytes())?;
        }
        File::open(&aside)?.sync_all()?;
        // What was there was found broken, or the build would not have run.
        remove(&place)?;
        fs::rename(aside, &place)?;
        File::open(shelf)?.sync_all()
    }

    /// Why the last build of a key made no program.
    pub fn failures(&self) -> Table {
        Table::new(self.dir.join("failures"))
    }

    /// What targets meant.
    pub fn resolutions(&self) -> Table {
        Table::new(self.dir.join("resolutions"))
    }

    /// The lock of a build.
    pub fn lock(&self, key: &BuildKey) -> PathBuf {
        self.build_locks().join(key.as_str())
    }

    /// Where the locks of builds are.
    pub(super) fn build_locks(&self) -> PathBuf {
        self.dir.join("locks/builds")
    }

    /// The lock of the process that asks again what a target means.
    pub fn refresh(&self, key: &BuildKey) -> PathBuf {
        self.refresh_locks().join(key.as_str())
    }

    /// Where the locks of refreshes are.
    pub(super) fn refresh_locks(&self) -> PathBuf {
        self.dir.join("locks/refreshes")
    }

    /// The lock of whoever asks anew which versions of Go there are.
    pub fn listing(&self) -> PathBuf {
        self.dir.join("locks/listing")
    }

    /// The lock that look-ups share while they use unpacked modules, and an eviction that removes some has alone.
    pub fn modules_in_use(&self) -> PathBuf {
        self.dir.join("locks/modules")
    }

    /// The lock that builds share while they use unpacked modules.
    pub fn modules_of_builds(&self) -> PathBuf {
        self.dir.join("locks/modules-of-builds")
    }

    /// The lock that who waits for that of the look-ups has alone: nobody new begins to use modules meanwhile.
    pub fn modules_gate(&self) -> PathBuf {
        self.dir.join("locks/modules-gate")
    }

    /// The lock of whoever evicts.
    pub fn evicting(&self) -> PathBuf {
        self.dir.join("locks/evicting")
    }

    /// The lock that who makes a directory in `work` shares, and who sweeps it has alone.
    pub fn making_work(&self) -> PathBuf {
        self.dir.join("locks/work")
    }

    /// Where those who wait for a slot keep their tickets.
    pub fn queue(&self) -> PathBuf {
        self.dir.join("queue")
    }

    /// Where it is written what each client has caused.
    pub fn clients(&self) -> PathBuf {
        self.dir.join("clients")
    }

    /// Where events are counted.
    pub fn counters(&self) -> PathBuf {
        self.dir.join("counters")
    }

    /// Where the artifacts are.
    pub fn artifacts(&self) -> PathBuf {
        self.dir.join("artifacts")
    }

    /// All of it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the locks of the slots are.
    pub fn slots(&self) -> PathBuf {
        self.dir.join("slots")
    }

    /// The lock of a slot: as many builds run as there are slots. Its date is when the build began.
    pub fn slot(&self, number: usize) -> PathBuf {
        self.slots().join(number.to_string())
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

    /// The directory of the versions of Go that were brought, and of what is known of any.
    pub fn toolchains(&self) -> PathBuf {
        self.dir.join("go")
    }

    /// The lock of whoever brings this version.
    pub fn bringing(&self, version: &str) -> PathBuf {
        self.dir.join("go").join(format!("{version}.lock"))
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
}
