//! Versions of Go: which one a program gets, and one that gox-server brings itself.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::modproxy::modproxy;
use crate::support::plain;
use crate::support::scratch::Scratch;
use crate::support::{go, sha256, tmp, walk};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The version whose hash gox-server knows (src/golang/toolchain/pins.rs).
const PINNED: &str = "1.26.11";

/// As Go calls the machine that the suite runs on.
fn arch() -> String {
    plain::go_output(&["env", "GOARCH"]).trim().to_owned()
}

fn version(go: &str) -> String {
    format!("v0.0.1-go{go}.linux-{}", arch())
}

/// A module proxy that has toolchains, and some fixtures. It is the only one: only then does Go do without the checksum
/// database for toolchains.
struct Toolchains(TempDir);

impl Toolchains {
    fn new() -> Toolchains {
        let proxy = Toolchains(tempfile::tempdir_in(tmp()).unwrap());
        fs::create_dir_all(proxy.dir()).unwrap();
        for fixture in [
            "github.com/tester/hello/@v",
            "github.com/tester/needs-newer-go/@v",
        ] {
            let (from, to) = (modproxy().root.join(fixture), proxy.0.path().join(fixture));
            fs::create_dir_all(&to).unwrap();
            for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        proxy
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("golang.org/toolchain/@v")
    }

    /// Names these versions.
    fn lists(self, versions: &[&str]) -> Toolchains {
        let lines: String = versions.iter().map(|go| format!("{}\n", version(go))).collect();
        fs::write(self.dir().join("list"), lines).unwrap();
        for version in versions.iter().map(|go| version(go)) {
            let info = format!(r#"{{"Version":"{version}","Time":"2026-01-02T03:04:05Z"}}"#);
            fs::write(self.dir().join(format!("{version}.info")), info).unwrap();
            let go_mod = self.dir().join(format!("{version}.mod"));
            fs::write(go_mod, "module golang.org/toolchain\n").unwrap();
        }
        self
    }

    /// Serves this as the version that gox-server has pinned.
    fn serves(self, files: &[(&str, &str)]) -> Toolchains {
        let version = version(PINNED);
        let mut zip = ZipWriter::new(File::create(self.dir().join(format!("{version}.zip"))).unwrap());
        for (name, text) in files {
            let name = format!("golang.org/toolchain@{version}/{name}");
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        self
    }

    fn store(&self) -> Scratch {
        Scratch::new().set("GOX_GOPROXY", self.url())
    }

    fn url(&self) -> String {
        format!("file://{}", self.0.path().display())
    }
}

fn ask(store: &Scratch, url: &str) -> Answer {
    store.ask(&Ask::get(url))
}

/// What was brought, or half brought.
fn brought(store: &Scratch) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.dir.join("go")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

fn is_told(answer: &Answer, words: &str) {
    let text = answer.text();
    assert!(text.contains(words), "no {words:?} in {text}");
}

#[test]
fn the_newest_two_series_may_be_asked_for() {
    let proxy = Toolchains::new().lists(&["1.90.7", "1.91.0", "1.91.4", "1.92.0", "1.92.1", "1.93rc1"]);
    let store = proxy.store();
    let refused = ask(&store, "/tester/hello?go=1.90.7");
    refused.refused("no-such-go");
    is_told(&refused, "go1.91, go1.92 may be asked for");
    ask(&store, "/tester/hello?go=1.93rc1").refused("no-such-go");
    // This one may be asked for, but the proxy has not got what it names.
    let absent = ask(&store, "/tester/hello?go=1.92");
    absent.refused("no-such-go");
    is_told(&absent, "no go1.92.1");
    // A program that needs more than there is, is told of the newest.
    let needy = ask(&store, "/tester/needs-newer-go");
    needy.refused("needs-newer-go");
    is_told(
        &needy,
        "needs go1.99 at least; the newest that may be used is go1.92.1",
    );
    assert_eq!(brought(&store), [] as [PathBuf; 0]);
    // The Go that is here is always there, by each of its names.
    let here = plain::go_version();
    let (series, _) = here.rsplit_once('.').unwrap();
    for name in [here, series] {
        let answer = ask(
            &store,
            &format!("/tester/hello@v1.0.0?os=linux&arch=amd64&go={name}"),
        );
        answer.program();
        assert_eq!(answer.header("Gox-Go"), Some(format!("go{here}").as_str()));
    }
}

#[test]
fn the_operator_says_which_may_be_asked_for() {
    let proxy = Toolchains::new().lists(&["1.91.4", "1.92.0", "1.92.1"]);
    let store = proxy.store().set("GOX_GO_VERSIONS", "1.91, 1.92.0");
    ask(&store, "/tester/hello?go=1.92.1").refused("no-such-go");
    is_told(&ask(&store, "/tester/hello?go=1.91"), "no go1.91.4");
    is_told(&ask(&store, "/tester/needs-newer-go"), "is go1.92.0");
    let bad = store.set("GOX_GO_VERSIONS", "1.91-/run.sh");
    let output = bad.command().arg("doctor").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("GOX_GO_VERSIONS"));
}

/// CVE-2023-39320: nothing is asked, nothing is made.
#[test]
fn a_version_that_is_a_path_is_none() {
    let store = Toolchains::new().store();
    for typed in [
        "../x",
        "1.25.3-/run.sh",
        "1.25.3%2f..%2fx",
        "go1.999-%2frun.sh",
        "1.25.3%00",
        "local",
        "path",
    ] {
        ask(&store, &format!("/tester/hello?go={typed}")).refused("bad-query");
    }
    assert_eq!(brought(&store), [] as [PathBuf; 0]);
}

#[test]
fn a_lying_proxy_is_found_out_and_nothing_of_it_is_kept_or_run() {
    let canary = tempfile::tempdir_in(tmp()).unwrap();
    let run = canary.path().join("run");
    let script = format!("#!/bin/sh\ntouch {}\n", run.display());
    let proxy = Toolchains::new().serves(&[("bin/go", &script), ("pkg/tool/linux/compile", &script)]);
    let store = proxy.store().set("GOX_GO", "own");
    let refused = ask(&store, "/tester/hello");
    refused.refused("checksum-mismatch");
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert!(log.contains(&format!("and go{PINNED} is h1:")), "{log}");
    store.quiet();
    assert_eq!(brought(&store), [] as [PathBuf; 0]);
    assert!(!run.exists());
}

#[test]
fn a_zip_does_not_leave_its_directory() {
    for name in ["../../../evil", "bin/../../../evil", "/evil"] {
        let proxy = Toolchains::new().serves(&[("VERSION", "go"), (name, "evil")]);
        let store = proxy.store().set("GOX_GO", "own");
        let refused = ask(&store, "/tester/hello");
        refused.refused("proxy-failed");
        store.quiet();
        let evil = walk(&store.dir).into_iter().filter(|path| path.ends_with("evil"));
        assert_eq!(evil.collect::<Vec<_>>(), [] as [PathBuf; 0], "{name}");
    }
}

/// Where gox-server is told no proxy, what the operator set with `go env -w` counts, wherever go keeps it.
#[test]
fn settings_of_go_env_count() {
    for (name, file) in [("HOME", ".config/go/env"), ("XDG_CONFIG_HOME", "go/env")] {
        let store = Scratch::new().unset("GOX_GOPROXY").unset("GOX_GOSUMDB");
        let home = store.dir.join("home");
        let file = home.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "GOPROXY=off\n").unwrap();
        let store = store.set(name, &home);
        ask(&store, "/tester/hello").refused("proxy-failed");
        fs::write(&file, format!("GOPROXY={}\nGOSUMDB=off\n", modproxy().url())).unwrap();
        ask(&store, "/tester/hello").program();
    }
}

#[test]
fn without_go_and_without_a_proxy_there_is_one_clear_sentence() {
    let store = Scratch::cold().unset("GOX_GOPROXY").set("GOX_GO", "own");
    ask(&store, "/tester/hello").refused("no-go");
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert!(
        log.contains("no module proxy to bring one from: set GOX_GOPROXY, or install Go"),
        "{log}"
    );
    let doctor = store.command().arg("doctor").output().unwrap();
    assert!(!doctor.status.success());
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("no module proxy to bring one from"));
}

#[test]
fn the_standard_library_is_compiled_once() {
    let store = Scratch::new();
    let warm = |platform: &str| {
        let output = store.command().args(["warm", platform]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    let compiled = || walk(&store.dir.join("cache/compile")).len();
    let here = format!("linux/{}", arch());
    assert!(warm(&here).contains(&here));
    let files = compiled();
    warm(&here);
    assert_eq!(compiled(), files, "what was warm was compiled again");
    // Of a program of the standard library alone only itself is compiled, and linked.
    ask(&store, &format!("/tester/hello@v1.0.0?os=linux&arch={}", arch())).program();
    assert!(compiled() < files + 12, "{} new files", compiled() - files);
    let output = store.command().args(["warm", "linux/vax"]).output().unwrap();
    assert!(!output.status.success());
}

/// The operator's own module proxy, as somebody has it who sets nothing.
fn real_proxy() -> String {
    let output = Command::new(go()).args(["env", "GOPROXY"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let proxy = text
        .split([',', '|'])
        .map(str::trim)
        .find(|proxy| !["direct", "off", ""].contains(proxy));
    proxy
        .expect("this test needs a module proxy: `go env GOPROXY` names none")
        .to_owned()
}

/// One download of 70 MB: a machine without Go serves what a machine with Go makes.
#[test]
fn a_machine_without_go_brings_its_own() {
    // The first has half of one, the second none.
    let half = Toolchains::new().serves(&[("VERSION", "go"), ("../evil", "")]);
    let proxies = [half.url(), modproxy().url(), real_proxy()];
    let store = Scratch::new()
        .set("GOX_GO", "own")
        .set("GOX_GOPROXY", proxies.join(","));
    // Somebody has emptied the state directory, not knowing what its folders are for.
    ask(&store, "/-/status");
    fs::remove_dir(store.dir.join("go")).unwrap();
    // Whoever asks, it is fetched once.
    let url = format!("/tester/hello@v1.0.0?os=linux&arch=amd64&go={PINNED}");
    let asks: Vec<_> = (0..3).map(|_| store.start(&Ask::get(&url))).collect();
    let answers: Vec<_> = asks.into_iter().map(|ask| ask.answer()).collect();
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert_eq!(log.matches(&format!("brought go{PINNED}")).count(), 1, "{log}");
    let goroot = store.dir.join(format!("go/go{PINNED}"));
    let gopath = tempfile::tempdir_in(tmp()).unwrap();
    let mut plain = plain::command_of(&goroot.join("bin/go"));
    plain.args([
        "install",
        "-trimpath",
        "-pgo=off",
        "github.com/tester/hello@v1.0.0",
    ]);
    plain
        .env("GOPATH", gopath.path())
        .env("GOOS", "linux")
        .env("GOARCH", "amd64");
    assert!(plain.status().unwrap().success());
    let made = walk(&gopath.path().join("bin"))
        .into_iter()
        .find(|path| path.ends_with("hello"))
        .unwrap();
    for answer in answers {
        answer.program();
        assert_eq!(answer.sha256(), sha256(&fs::read(&made).unwrap()));
        assert_eq!(answer.header("Gox-Go"), Some(format!("go{PINNED}").as_str()));
    }
    assert_eq!(brought(&store), std::slice::from_ref(&goroot));
    for path in walk(&goroot) {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o222, 0, "{} can be written", path.display());
    }
    let status = ask(&store, "/-/status").text();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["go"], format!("go{PINNED}"));
    assert_eq!(status["brought"], serde_json::json!([format!("go{PINNED}")]));
    assert!(Path::new(&goroot).join("src/go.mod").is_file());
}

/// A store whose Go is the one that is found on PATH, and no operator names.
fn unpinned(proxies: &str) -> Scratch {
    let path = format!("{}:/usr/bin:/bin", go().parent().unwrap().display());
    Scratch::new()
        .unset("GOX_GO")
        .set("PATH", path)
        .set("GOX_GOPROXY", proxies)
}

/// One download of 70 MB: a machine whose Go is old hands out no programs with its known vulnerabilities.
#[test]
fn the_newest_patch_release_compiles() {
    const PROGRAM: &str = "/tester/hello@v1.0.0?os=linux&arch=amd64";
    let here = format!("go{}", plain::go_version());
    let newest = format!("go{PINNED}");
    let proxies = [modproxy().url(), real_proxy()].join(",");
    let allowed = format!("{},{PINNED}", plain::go_version());
    let store = unpinned(&proxies).set("GOX_GO_VERSIONS", &allowed);
    let by = |store: &Scratch| {
        let answer = ask(store, PROGRAM);
        answer.program();
        answer.header("Gox-Go").unwrap().to_owned()
    };
    assert_eq!(by(&store), newest);
    assert_eq!(by(&store), newest);
    let line = ask(&store, PROGRAM).header("Gox-Verify").unwrap().to_owned();
    assert!(line.contains(&format!("GOTOOLCHAIN={newest}")), "{line}");
    // A client or an operator that names a Go gets that one.
    let named = ask(&store, &format!("{PROGRAM}&go={}", plain::go_version()));
    assert_eq!(named.header("Gox-Go"), Some(here.as_str()));
    let store = store.set("GOX_GO", go());
    assert_eq!(by(&store), here);
}

/// A program that is there is served at once, by whichever Go it was compiled, while a newer one is looked for; and where none is to
/// be had, the Go that is here compiles.
#[test]
fn a_hit_waits_for_no_newer_go() {
    let here = format!("go{}", plain::go_version());
    let store = unpinned(&modproxy().url());
    for url in [
        "/tester/hello@v1.0.0?os=linux&arch=amd64",
        "/tester/hello@v1.1.0?os=linux&arch=amd64",
    ] {
        let answer = ask(&store, url);
        answer.program();
        assert_eq!(answer.header("Gox-Go"), Some(here.as_str()));
    }
    // Now one is listed that cannot be had.
    let newer = format!("{}.99", plain::go_version().rsplit_once('.').unwrap().0);
    fs::write(store.dir.join("go/listed.json"), format!("[\"{newer}\"]")).unwrap();
    for url in [
        "/tester/hello@v1.0.0?os=linux&arch=amd64",
        "/tester/hello@v1.2.0-rc.1?os=linux&arch=amd64",
    ] {
        let answer = ask(&store, url);
        answer.program();
        assert_eq!(answer.header("Gox-Go"), Some(here.as_str()));
    }
    assert_eq!(brought(&store), [] as [PathBuf; 0]);
}
