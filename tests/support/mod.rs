//! Helpers that all tests share: fixtures, transports, temporary stores, the real `go`, and one way to wait.

pub(crate) mod response;
pub(crate) mod arena;
pub(crate) mod attacks;
pub(crate) mod browser;
pub(crate) mod request;
pub(crate) mod case;
pub(crate) mod cgi;
pub(crate) mod random;
pub(crate) mod stopped_compiler;
pub(crate) mod fastcgi;
pub(crate) mod front;
pub(crate) mod http;
pub(crate) mod modproxy;
pub(crate) mod object_store;
pub(crate) mod plain_go;
pub(crate) mod processes;
pub(crate) mod proxy;
pub(crate) mod test_store;
pub(crate) mod txtar;
pub(crate) mod web_server;
pub(crate) mod missing_syscalls;

use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a test waits for an expected event. Long enough for a loaded machine; only a hang exceeds it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// The program under test.
pub(crate) fn gox_server() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_gox-server"))
}

/// Cargo's temporary directory for this suite, on the file system of the build.
pub(crate) fn tmp() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The `go` on PATH. The tests compare with it, and gox-server uses it (`GOX_GO`).
pub(crate) fn go() -> &'static Path {
    static GO: OnceLock<PathBuf> = OnceLock::new();
    GO.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .map(|folder| folder.join("go"))
            .find(|go| go.is_file());
        found.expect("the suite compares with the real `go`: install it, or put it on PATH")
    })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of `bytes`, as `sha256sum` prints it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Polls until `holds` returns true. Only for events that the kernel does not signal, such as the exit of another
/// process's child. Polls for a tenth of the time at most: the processes that the test waits for need the CPUs. Panics with `what` at
/// the deadline.
#[track_caller]
pub(crate) fn eventually(what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    loop {
        let polled = Instant::now();
        if holds() {
            return;
        }
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}");
        let pause = polled.elapsed() * 9;
        std::thread::park_timeout(pause.clamp(Duration::from_millis(3), Duration::from_millis(100)));
    }
}

/// Locks what is made once per run against parallel test processes. Dropping the file releases the lock.
pub(crate) fn lock(name: &str) -> fs::File {
    let file = fs::File::create(tmp().join(format!("{name}.lock"))).unwrap();
    file.lock().unwrap();
    file
}

/// Removes what earlier runs made under another hash. The caller holds the lock.
pub(crate) fn remove_older(prefix: &str) {
    for entry in fs::read_dir(tmp()).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            remove_tree(&entry.path());
        }
    }
}

/// Removes a file, or a tree, including read-only directories such as those of Go's module cache.
pub(crate) fn remove_tree(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let is_folder = |path: &Path| path.is_dir() && !path.is_symlink();
    for folder in walk(path).iter().filter(|path| is_folder(path)) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let removed = if is_folder(path) {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            panic!("cannot remove {}: {error}", path.display())
        }
        Ok(()) | Err(_) => {}
    }
}

/// Every path under `root`, itself first. Entries that vanish meanwhile are skipped.
pub(crate) fn walk(root: &Path) -> Vec<PathBuf> {
    let mut paths = vec![root.to_owned()];
    let mut next = 0;
    while next < paths.len() {
        if paths[next].is_dir() && !paths[next].is_symlink() {
            let entries = fs::read_dir(&paths[next]).into_iter().flatten().flatten();
            let mut entries: Vec<_> = entries.map(|entry| entry.path()).collect();
            entries.sort();
            paths.extend(entries);
        }
        next += 1;
    }
    paths
}
