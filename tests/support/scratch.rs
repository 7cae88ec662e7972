//! A store of a test's own, with the standard library already compiled, that must be left as a good guest leaves a room.

use super::answer::Answer;
use super::ask::Ask;
use super::cgi::Cgi;
use super::fastcgi::Responder;
use super::front::Front;
use super::modproxy::modproxy;
use super::{PATIENCE, eventually, go, gox_server, processes, tmp, walk};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A `GOX_DIR` and the settings that go with it. Dropped, it is removed; the test fails if a process still runs for it, or a
/// build's tempdir is left.
pub(crate) struct Scratch {
    pub(crate) dir: PathBuf,
    settings: BTreeMap<String, OsString>,
}

impl Scratch {
    /// An empty store whose compile cache holds what `hello` needs. Compiling the runtime would cost each test seconds.
    pub(crate) fn new() -> Scratch {
        let store = Scratch::cold();
        link_compile_cache(template(), &store.dir);
        store
    }

    /// The same, and nobody else has links to what is in it: for a test that may spoil it.
    pub(crate) fn of_its_own() -> Scratch {
        let store = Scratch::cold();
        fs::create_dir_all(store.dir.join("cache")).unwrap();
        let mut copy = Command::new("/bin/cp");
        copy.arg("-r")
            .arg(template().join("cache/compile"))
            .arg(store.dir.join("cache"));
        assert!(copy.status().unwrap().success());
        store
    }

    /// A store with nothing in it, and beside it, as an image brings it, a compile cache that holds what `hello` needs.
    pub(crate) fn in_image() -> Scratch {
        Scratch::cold().set("GOX_WARMED", template().join("cache/compile"))
    }

    /// A store with nothing in it.
    pub(crate) fn cold() -> Scratch {
        let dir = tempfile::Builder::new()
            .prefix("store-")
            .tempdir_in(tmp())
            .unwrap()
            .keep();
        Scratch::at(dir)
    }

    fn at(dir: PathBuf) -> Scratch {
        let settings = [
            ("GOX_DIR", dir.clone().into_os_string()),
            ("GOX_GO", go().into()),
            ("GOX_GOPROXY", modproxy().url().into()),
            ("GOX_GOSUMDB", "off".into()),
            // All requests come from one client here.
            ("GOX_CONNECTIONS_PER_ADDRESS", "0".into()),
            ("GOX_SLOT_SECONDS_PER_HOUR", "0".into()),
            ("GOX_LOOKUPS_PER_HOUR", "0".into()),
            // No database is fetched beside a test that is not about it.
            ("GOX_VULNERABLE", "off".into()),
            ("PATH", "/usr/bin:/bin".into()),
        ];
        Scratch {
            dir,
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    /// The same with a setting.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<OsStr>) -> Scratch {
        self.settings.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// The same without a setting.
    pub(crate) fn unset(mut self, name: &str) -> Scratch {
        self.settings.remove(name);
        self
    }

    pub(crate) fn settings(&self) -> &BTreeMap<String, OsString> {
        &self.settings
    }

    /// Asks through the environment.
    #[track_caller]
    pub(crate) fn ask(&self, ask: &Ask) -> Answer {
        self.start(ask).answer()
    }

    /// The same, without waiting for the answer.
    pub(crate) fn start(&self, ask: &Ask) -> Cgi {
        Cgi::start(self, ask)
    }

    /// A front over this store.
    pub(crate) fn front(&self) -> Front {
        Front::start(self)
    }

    /// The same in a container.
    pub(crate) fn contained_front(&self) -> Front {
        Front::start_contained(self)
    }

    /// A FastCGI responder over this store.
    pub(crate) fn responder(&self) -> Responder {
        Responder::start(self, &[])
    }

    /// `gox-server` as a person runs it in a shell with these settings.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(gox_server());
        command.env_clear().envs(&self.settings).stdin(Stdio::null());
        command
    }

    /// The artifacts in it.
    pub(crate) fn artifacts(&self) -> Vec<PathBuf> {
        walk(&self.dir.join("artifacts"))
            .into_iter()
            .filter(|path| path.ends_with("bin") && path.is_file())
            // What is being published is no artifact yet.
            .filter(|path| {
                !path
                    .iter()
                    .any(|part| part.as_encoded_bytes().starts_with(b".new-"))
            })
            .collect()
    }

    /// The tempdirs of builds.
    pub(crate) fn tempdirs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.join("work"))
            .into_iter()
            .flatten()
            .flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// Waits until nothing runs for this store any more.
    #[track_caller]
    pub(crate) fn quiet(&self) {
        let mut left = Vec::new();
        eventually(
            &format!("nothing runs for {}", self.dir.display()),
            PATIENCE,
            || {
                left = processes::about(&self.dir);
                left.is_empty()
            },
        );
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The test has its failure; but it leaves nothing running.
            processes::about(&self.dir)
                .iter()
                .for_each(processes::Process::kill);
        } else {
            self.quiet();
            assert_eq!(
                self.tempdirs(),
                [] as [PathBuf; 0],
                "nothing builds, and tempdirs are left"
            );
        }
        super::remove_tree(&self.dir);
    }
}

/// The store that other stores take their compile cache from: made once per run, by gox-server itself, so that whatever it
/// changes in how it compiles is in there. Kept in target/, where the next run finds most of it done.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let dir = tmp().join("warm");
        let _lock = super::lock("warm");
        fs::create_dir_all(dir.join("cache")).unwrap();
        // All but the compile cache is another run's opinion.
        for folder in [&dir, &dir.join("cache")] {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries
                .filter(|path| !path.ends_with("cache") && !path.ends_with("compile"))
                .for_each(|path| super::remove_tree(&path));
        }
        let store = std::mem::ManuallyDrop::new(Scratch::at(dir.clone()));
        let mut command = store.command();
        command
            .args(["build", "tester/hello", "-o"])
            .arg(dir.join("hello"));
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "gox-server build: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        dir
    })
}

/// Big, immutable outputs are linked; the small index entries, which Go rewrites in place, are copied.
fn link_compile_cache(from: &Path, to: &Path) {
    let from = from.join("cache/compile");
    let to = to.join("cache/compile");
    for path in walk(&from) {
        let there = to.join(path.strip_prefix(&from).unwrap());
        if path.is_dir() {
            fs::create_dir_all(there).unwrap();
        } else if path.to_string_lossy().ends_with("-d") {
            fs::hard_link(&path, there).unwrap();
        } else {
            fs::copy(&path, there).unwrap();
        }
    }
}
