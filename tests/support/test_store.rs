//! A temporary state directory for one test, with the standard library already compiled.

use super::cgi::Cgi;
use super::fastcgi::Responder;
use super::front::Front;
use super::modproxy::modproxy;
use super::request::Request;
use super::response::Response;
use super::{TIMEOUT, eventually, go, gox_server, processes, tmp, walk};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A temporary `GOX_DIR` with settings. Dropping it removes the directory, and fails the test if a process still runs for it or
/// a working directory of a build is left.
pub(crate) struct TestStore {
    pub(crate) dir: PathBuf,
    settings: BTreeMap<String, OsString>,
}

impl TestStore {
    /// An empty store with a compile cache that contains the dependencies of `hello`. Saves seconds in each test.
    pub(crate) fn new() -> TestStore {
        let store = TestStore::empty();
        link_compile_cache(template(), &store.dir);
        store
    }

    /// Like `new`, but with a copied compile cache instead of hard links, for tests that may damage it.
    pub(crate) fn with_own_cache() -> TestStore {
        let store = TestStore::empty();
        fs::create_dir_all(store.dir.join("cache")).unwrap();
        let mut copy = Command::new("/bin/cp");
        copy.arg("-r")
            .arg(template().join("cache/compile"))
            .arg(store.dir.join("cache"));
        assert!(copy.status().unwrap().success());
        store
    }

    /// An empty store that uses an image's compile cache (`GOX_WARMED`) with the dependencies of `hello`.
    pub(crate) fn with_image_cache() -> TestStore {
        TestStore::empty().set("GOX_WARMED", template().join("cache/compile"))
    }

    /// An empty store.
    pub(crate) fn empty() -> TestStore {
        let dir = tempfile::Builder::new()
            .prefix("store-")
            .tempdir_in(tmp())
            .unwrap()
            .keep();
        TestStore::at(dir)
    }

    fn at(dir: PathBuf) -> TestStore {
        let settings = [
            ("GOX_DIR", dir.clone().into_os_string()),
            ("GOX_GO", go().into()),
            ("GOX_GOPROXY", modproxy().url().into()),
            ("GOX_GOSUMDB", "off".into()),
            // In tests all requests come from one client.
            ("GOX_CONNECTIONS_PER_ADDRESS", "0".into()),
            ("GOX_SLOT_SECONDS_PER_HOUR", "0".into()),
            ("GOX_LOOKUPS_PER_HOUR", "0".into()),
            // Only tests of advisories fetch the vulnerability database.
            ("GOX_VULNERABLE", "off".into()),
            ("PATH", "/usr/bin:/bin".into()),
        ];
        TestStore {
            dir,
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    /// Sets a setting.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<OsStr>) -> TestStore {
        self.settings.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// Removes a setting.
    pub(crate) fn unset(mut self, name: &str) -> TestStore {
        self.settings.remove(name);
        self
    }

    pub(crate) fn settings(&self) -> &BTreeMap<String, OsString> {
        &self.settings
    }

    /// Sends a request by CGI and waits for the response.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Response {
        self.start(request).response()
    }

    /// Sends a request by CGI without waiting.
    pub(crate) fn start(&self, request: &Request) -> Cgi {
        Cgi::start(self, request)
    }

    /// Starts a front.
    pub(crate) fn front(&self) -> Front {
        Front::start(self)
    }

    /// Starts a front as process 1 of a PID namespace.
    pub(crate) fn contained_front(&self) -> Front {
        Front::start_contained(self)
    }

    /// Starts a FastCGI responder.
    pub(crate) fn responder(&self) -> Responder {
        Responder::start(self, &[])
    }

    /// `gox-server` as a shell runs it, with these settings.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(gox_server());
        command.env_clear().envs(&self.settings).stdin(Stdio::null());
        command
    }

    /// The published programs.
    pub(crate) fn artifacts(&self) -> Vec<PathBuf> {
        walk(&self.dir.join("artifacts"))
            .into_iter()
            .filter(|path| path.ends_with("bin") && path.is_file())
            // Not published yet.
            .filter(|path| {
                !path
                    .iter()
                    .any(|part| part.as_encoded_bytes().starts_with(b".new-"))
            })
            .collect()
    }

    /// The working directories of builds.
    pub(crate) fn tempdirs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.join("work"))
            .into_iter()
            .flatten()
            .flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// Waits until no process runs for this store.
    #[track_caller]
    pub(crate) fn wait_until_idle(&self) {
        let mut left = Vec::new();
        eventually(
            &format!("nothing runs for {}", self.dir.display()),
            TIMEOUT,
            || {
                left = processes::find(&self.dir);
                left.is_empty()
            },
        );
    }
}

impl Drop for TestStore {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The test has failed already: only clean up. A second panic would abort the suite.
            let cleaned = std::panic::catch_unwind(|| {
                processes::kill_all(&self.dir);
                super::remove_tree(&self.dir);
            });
            return drop(cleaned);
        }
        self.wait_until_idle();
        assert_eq!(
            self.tempdirs(),
            [] as [PathBuf; 0],
            "no build runs, but working directories are left"
        );
        super::remove_tree(&self.dir);
    }
}

/// The store from which other stores take their compile cache. gox-server builds it once per run, so that it matches the
/// current code. It stays in target/ for the next run.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let dir = tmp().join("warm");
        let _lock = super::lock("warm");
        fs::create_dir_all(dir.join("cache")).unwrap();
        // Keep only the compile cache of earlier runs.
        for folder in [&dir, &dir.join("cache")] {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries
                .filter(|path| !path.ends_with("cache") && !path.ends_with("compile"))
                .for_each(|path| super::remove_tree(&path));
        }
        let store = std::mem::ManuallyDrop::new(TestStore::at(dir.clone()));
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

/// Links the large immutable outputs, and copies the small index entries, which Go rewrites in place.
fn link_compile_cache(from: &Path, to: &Path) {
    let from = from.join("cache/compile");
    let to = to.join("cache/compile");
    for path in walk(&from) {
        let copy = to.join(path.strip_prefix(&from).unwrap());
        if path.is_dir() {
            fs::create_dir_all(copy).unwrap();
        } else if path.to_string_lossy().ends_with("-d") {
            fs::hard_link(&path, copy).unwrap();
        } else {
            fs::copy(&path, copy).unwrap();
        }
    }
}
