//! The sidecars of a program, those that wait for a build (`?wait=1`), and files that real tools save and check by the last element of a URL.

use crate::support::case::tester;
use crate::support::plain_go;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, sha256, tmp};
use std::fs;
use std::process::Command;

#[test]
fn sidecars_never_build() {
    let store = TestStore::new();
    let get = |path: &str| store.ask(&Request::get(path));
    for sidecar in ["sha256", "json", "log"] {
        get(&format!("/tester/hello@v1.0.0.{sidecar}")).refused("not-built");
    }
    assert!(store.artifacts().is_empty());
    let program = get("/tester/hello@v1.0.0");
    let sum = program.sha256();
    assert_eq!(
        get("/tester/hello@v1.0.0.sha256").text(),
        format!("{sum}  hello\n")
    );
    let all: serde_json::Value = serde_json::from_str(&get("/tester/hello@v1.0.0.json").text()).unwrap();
    assert_eq!(all["sha256"], sum.as_str());
    assert_eq!(all["verify"], program.header("gox-verify").unwrap());
    assert_eq!(all["url"], program.header("content-location").unwrap());
    assert!(get("/tester/hello@v1.0.0.log").text().contains("without output"));
    get("/tester/does-not-compile").refused("does-not-compile");
    get("/tester/does-not-compile.sha256").refused("does-not-compile");
    get("/tester/does-not-compile.json").refused("does-not-compile");
    assert!(get("/tester/does-not-compile.log").text().contains("cannot use"));
}

/// Ansible and aqua request the checksum before the program.
#[test]
fn checksum_waits_for_the_build() {
    let store = TestStore::new();
    let get = |path: &str| store.ask(&Request::get(path));
    let checksum = get("/-/bin/linux-amd64/tester/hello@v1.0.0/hello.sha256?wait=1");
    let sum = plain_go::install(&tester("hello", "v1.0.0").wanted)
        .sha256
        .clone();
    assert_eq!(checksum.text(), format!("{sum}  hello\n"));
    assert_eq!(store.artifacts().len(), 1);
    assert_eq!(get("/-/bin/linux-amd64/tester/hello@v1.0.0/hello").sha256(), sum);
    // Without wait=1, with wait=0 and with HEAD, no build starts.
    for path in ["/tester/hello.json", "/tester/hello.json?wait=0"] {
        get(path).refused("not-built");
    }
    let head = Request::get("/tester/hello.json?wait=1").method("HEAD");
    assert_eq!(store.ask(&head).status, 404);
    assert_eq!(store.artifacts().len(), 1);
}

#[test]
fn failed_build_is_reported_by_each_sidecar() {
    let store = TestStore::new();
    let get = |path: &str| store.ask(&Request::get(path));
    let log = get("/tester/does-not-compile.log?wait=1");
    assert!(log.status == 200 && log.text().contains("cannot use"), "{log}");
    for suffix in ["sha256", "json", "cdx.json"] {
        get(&format!("/tester/does-not-compile.{suffix}?wait=1")).refused("does-not-compile");
    }
    get("/tester/dependency-missing.log?wait=1").refused("missing-dependency");
}

#[test]
fn waiting_sidecar_is_charged_like_its_program() {
    let store = TestStore::new().set("GOX_BUILDS_PER_HOUR", "1");
    let get = |path: &str| store.ask(&Request::get(path));
    assert_eq!(get("/tester/hello@v1.0.0.sha256?wait=1").status, 200);
    get("/tester/hello@v1.1.0.sha256?wait=1").refused("too-many-builds");
    assert_eq!(
        get("/tester/hello@v1.0.0.json?wait=1").status,
        200,
        "it is built already"
    );
}

/// The content of a sidecar is not known before the build ends, so nothing can be sent early.
#[test]
fn waiting_sidecar_answers_within_the_first_byte_limit() {
    let proxy = Proxy::start(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_FIRST_BYTE_SECONDS", "2");
    let front = store.front();
    let request = Request::get("/tester/waits-for-dependency.sha256?wait=1");
    let early = front.ask(&request);
    early.refused("still-building");
    assert!(early.header("retry-after").is_some(), "{early}");
    proxy.set_behavior(Behavior::Serve);
    let sum = plain_go::install(&tester("waits-for-dependency", "v1.0.0").wanted)
        .sha256
        .clone();
    let mut response = early;
    eventually("the build ends", TIMEOUT, || {
        response = front.ask(&request);
        response.status != 503
    });
    assert_eq!(response.text(), format!("{sum}  waits-for-dependency\n"));
}

/// Each command saves the program and its checksum under the names that the URL implies, and `sha256sum` checks them.
#[test]
fn saved_files_have_the_name_in_the_checksum() {
    let store = TestStore::new();
    let front = store.front();
    let plain = plain_go::install(&tester("hello", "v1.0.0").wanted);
    let url = format!(
        "http://{}/-/bin/linux-amd64/tester/hello@v1.0.0/hello",
        front.address
    );
    for fetch in [
        "wget -q \"$1\" \"$1.sha256\"",
        "curl -fsSO \"$1\" -O \"$1.sha256\"",
        "curl -fsSOJ \"$1\" && curl -fsSO \"$1.sha256\"",
        "aria2c -q \"$1\" && aria2c -q \"$1.sha256\"",
    ] {
        let folder = tempfile::tempdir_in(tmp()).unwrap();
        let script =
            format!("set -e; {fetch}; sha256sum --strict -c hello.sha256; chmod +x hello; ./hello; ls");
        let output = Command::new("/bin/sh")
            .args(["-c", &script, "sh", &url])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{fetch}: {printed}{errors}");
        assert_eq!(printed, "hello: OK\nhello\nhello.sha256\n", "{fetch}");
        assert!(errors.contains("hello v1.0.0"), "{fetch}: {errors}");
        assert_eq!(
            sha256(&fs::read(folder.path().join("hello")).unwrap()),
            plain.sha256,
            "{fetch}"
        );
    }
}
