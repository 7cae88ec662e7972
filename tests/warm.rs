//! Builds before they are requested: the packages that every program needs, and the programs of `gox-server warm`.

use crate::support::modproxy::modproxy;
use crate::support::processes;
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, tmp, walk};
use crate::toolchains::arch;
use std::fs::{self, File};
use std::path::PathBuf;

fn core_locks(store: &TestStore) -> Vec<PathBuf> {
    let mut files = walk(&store.dir.join("cache/compile"));
    files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("core-"));
    files
}

fn builders_log(store: &TestStore) -> String {
    fs::read_to_string(store.dir.join("builders.log")).unwrap()
}

/// Runs `gox-server warm`. Returns whether it succeeded, and its messages.
fn warm(store: &TestStore, arguments: &[&str]) -> (bool, String) {
    let output = store.command().arg("warm").args(arguments).output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn build_compiles_nothing_while_another_process_fills_the_cache() {
    let store = TestStore::new();
    let [lock] = core_locks(&store).try_into().unwrap();
    let lock = File::open(lock).unwrap();
    lock.lock().unwrap();
    let request = Request::get(&format!("/tester/hello@v1.0.0?os=linux&arch={}", arch()));
    let build = store.start(&request);
    eventually("the build waits", TIMEOUT, || {
        let mut running = processes::find(&store.dir).into_iter();
        running.any(|process| process.command.ends_with("-V=full"))
    });
    assert_eq!(store.artifacts(), [] as [PathBuf; 0]);
    drop(lock);
    build.response().program();
    assert_eq!(builders_log(&store).matches("precompiled").count(), 0);
}

#[test]
fn first_lookup_precompiles_once_with_a_slot_of_its_own() {
    let store = TestStore::new().set("GOX_BUILDS", "1");
    core_locks(&store)
        .iter()
        .for_each(|lock| fs::remove_file(lock).unwrap());
    for version in ["v1.0.0", "v1.1.0"] {
        store
            .ask(&Request::get(&format!(
                "/tester/hello@{version}?os=linux&arch={}",
                arch()
            )))
            .program();
    }
    store.wait_until_idle();
    let log = builders_log(&store);
    assert_eq!(log.matches("precompiled").count(), 1, "{log}");
}

#[test]
fn warm_builds_programs_for_platforms() {
    let store = TestStore::new();
    let here = format!("linux/{}", arch());
    let (succeeded, messages) = warm(
        &store,
        &[
            &here,
            "tester/hello@v1.0.0",
            "tester/nosuch",
            "tester/hello?strip=1",
        ],
    );
    assert!(!succeeded && messages.contains("tester/nosuch?"), "{messages}");
    assert_eq!(store.artifacts().len(), 2, "{messages}");
    // Nothing is left to look up or to build.
    let store = store.set("GOX_GOPROXY", "off");
    for program in ["hello@v1.0.0?", "hello?strip=1&"] {
        store
            .ask(&Request::get(&format!(
                "/tester/{program}os=linux&arch={}",
                arch()
            )))
            .program();
    }
    let (succeeded, messages) = warm(&store, &["tester/hello@v1.0.0"]);
    assert!(succeeded, "{messages}");
}

#[test]
fn warm_used_builds_the_new_version_of_what_was_requested_by_name() {
    // A tool requests the checksum first, and the program just after it.
    for requested in ["hello?", "hello.sha256?wait=1&"] {
        let proxy = tempfile::tempdir_in(tmp()).unwrap();
        let index = "github.com/tester/hello/@v";
        fs::create_dir_all(proxy.path().join(index)).unwrap();
        for file in fs::read_dir(modproxy().root.join(index)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), proxy.path().join(index).join(file.file_name())).unwrap();
        }
        let list = proxy.path().join(index).join("list");
        fs::write(&list, "v1.0.0\n").unwrap();
        let store = TestStore::new()
            .set("GOX_GOPROXY", format!("file://{}", proxy.path().display()))
            .set("GOX_RESOLVE_SECONDS", "0");
        let ask = |path: &str| {
            store.ask(&Request::get(&format!("/tester/{path}os=linux&arch={}", arch())));
        };
        ask(requested);
        ask("hello@v1.0.0?strip=1&");
        fs::write(&list, "v1.0.0\nv1.1.0\n").unwrap();
        // The first run refreshes the expired resolution in the background.
        warm(&store, &["--used", "1h"]);
        store.wait_until_idle();
        let (succeeded, messages) = warm(&store, &["--used", "1h"]);
        let line = format!("tester/hello?os=linux&arch={} (1 of 1): v1.1.0, ", arch());
        assert!(succeeded && messages.contains(&line), "{messages}");
        assert_eq!(store.artifacts().len(), 3);
        assert!(!warm(&store, &["--used", "1h", "tester/hello"]).0);
    }
}
