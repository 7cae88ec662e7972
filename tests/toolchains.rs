//! Go versions: selection, and toolchains that gox-server downloads.

use crate::support::modproxy::modproxy;
use crate::support::plain_go;
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{go, sha256, tmp, walk};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The version with a pinned hash (src/golang/toolchain/pins.rs).
const PINNED: &str = "1.26.11";

/// GOARCH of this host.
pub(crate) fn arch() -> String {
    plain_go::go_output(&["env", "GOARCH"]).trim().to_owned()
}

fn version(go: &str) -> String {
    format!("v0.0.1-go{go}.linux-{}", arch())
}

/// A module proxy with toolchains and some fixtures. Go skips the checksum database for toolchains only if a `file:` proxy is the
/// only proxy.
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

    /// Lists these versions.
    fn with_versions(self, versions: &[&str]) -> Toolchains {
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

    /// Serves these files as the pinned version.
    fn with_pinned_files(self, files: &[(&str, &str)]) -> Toolchains {
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

    /// Serves a version of the real module proxy. This proxy is the only one then, so no checksum database is asked.
    fn with_real_version(self, go_version: &str) -> Toolchains {
        let cache = tempfile::tempdir_in(tmp()).unwrap();
        let downloaded = Command::new(go())
            .arg("version")
            .envs([
                ("GOTOOLCHAIN", format!("go{go_version}")),
                ("GOPROXY", real_proxy()),
            ])
            .envs([
                ("GOMODCACHE", cache.path()),
                ("GOFLAGS", Path::new("-modcacherw")),
            ])
            .output()
            .unwrap();
        assert!(downloaded.status.success(), "{downloaded:?}");
        let name = format!("{}.zip", version(go_version));
        let downloads = cache.path().join("cache/download/golang.org/toolchain/@v");
        fs::copy(downloads.join(&name), self.dir().join(&name)).unwrap();
        self.with_versions(&[go_version])
    }

    fn store(&self) -> TestStore {
        TestStore::new().set("GOX_GOPROXY", self.url())
    }

    fn url(&self) -> String {
        format!("file://{}", self.0.path().display())
    }
}

fn ask(store: &TestStore, url: &str) -> Response {
    store.ask(&Request::get(url))
}

/// Downloaded toolchains, complete or not.
fn downloaded_toolchains(store: &TestStore) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.dir.join("go")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

fn assert_contains(response: &Response, words: &str) {
    let text = response.text();
    assert!(text.contains(words), "no {words:?} in {text}");
}

#[test]
fn newest_two_series_can_be_requested() {
    let proxy =
        Toolchains::new().with_versions(&["1.90.7", "1.91.0", "1.91.4", "1.92.0", "1.92.1", "1.93rc1"]);
    let store = proxy.store();
    let refused = ask(&store, "/tester/hello?go=1.90.7");
    refused.refused("no-such-go");
    assert_contains(&refused, ", go1.91, go1.92.");
    ask(&store, "/tester/hello?go=1.93rc1").refused("no-such-go");
    // An allowed version that the proxy lists but does not have.
    let absent = ask(&store, "/tester/hello?go=1.92");
    absent.refused("no-such-go");
    assert_contains(&absent, "does not have go1.92.1");
    // The failure for a program that needs a newer Go names the newest allowed one.
    let needy = ask(&store, "/tester/needs-newer-go");
    needy.refused("needs-newer-go");
    assert_contains(
        &needy,
        "needs go1.99 or newer; the newest allowed version is go1.92.1",
    );
    assert_eq!(downloaded_toolchains(&store), [] as [PathBuf; 0]);
    // The installed Go is always available, by version and by series.
    let here = plain_go::go_version();
    let (series, _) = here.rsplit_once('.').unwrap();
    for name in [here, series] {
        let response = ask(
            &store,
            &format!("/tester/hello@v1.0.0?os=linux&arch=amd64&go={name}"),
        );
        response.program();
        assert_eq!(response.header("Gox-Go"), Some(format!("go{here}").as_str()));
    }
}

#[test]
fn operator_limits_requestable_versions() {
    let proxy = Toolchains::new().with_versions(&["1.91.4", "1.92.0", "1.92.1"]);
    let store = proxy.store().set("GOX_GO_VERSIONS", "1.91, 1.92.0");
    ask(&store, "/tester/hello?go=1.92.1").refused("no-such-go");
    assert_contains(&ask(&store, "/tester/hello?go=1.91"), "does not have go1.91.4");
    assert_contains(&ask(&store, "/tester/needs-newer-go"), "is go1.92.0");
    for (versions, requirement) in [
        ("1.91-/run.sh", "must be a comma-separated list"),
        ("1.26, 1.20.14", "must be 1.21 or newer"),
    ] {
        let bad = proxy.store().set("GOX_GO_VERSIONS", versions);
        let output = bad.command().arg("doctor").output().unwrap();
        assert!(!output.status.success(), "{versions}");
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            printed.contains("GOX_GO_VERSIONS") && printed.contains(requirement),
            "{printed}"
        );
    }
}

/// CVE-2023-39320: rejected without a lookup and without a file.
#[test]
fn path_is_not_a_go_version() {
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
    assert_eq!(downloaded_toolchains(&store), [] as [PathBuf; 0]);
}

#[test]
fn forged_toolchain_is_neither_kept_nor_run() {
    let canary = tempfile::tempdir_in(tmp()).unwrap();
    let run = canary.path().join("run");
    let script = format!("#!/bin/sh\ntouch {}\n", run.display());
    let proxy =
        Toolchains::new().with_pinned_files(&[("bin/go", &script), ("pkg/tool/linux/compile", &script)]);
    let store = proxy.store().set("GOX_GO", "own");
    let refused = ask(&store, "/tester/hello");
    refused.refused("checksum-mismatch");
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert!(log.contains(&format!("but go{PINNED} is pinned to h1:")), "{log}");
    store.wait_until_idle();
    assert_eq!(downloaded_toolchains(&store), [] as [PathBuf; 0]);
    assert!(!run.exists());
}

#[test]
fn toolchain_zip_cannot_escape_its_directory() {
    for name in ["../../../evil", "bin/../../../evil", "/evil"] {
        let proxy = Toolchains::new().with_pinned_files(&[("VERSION", "go"), (name, "evil")]);
        let store = proxy.store().set("GOX_GO", "own");
        let refused = ask(&store, "/tester/hello");
        refused.refused("proxy-failed");
        store.wait_until_idle();
        let evil = walk(&store.dir).into_iter().filter(|path| path.ends_with("evil"));
        assert_eq!(evil.collect::<Vec<_>>(), [] as [PathBuf; 0], "{name}");
    }
}

/// Without GOX_GOPROXY the settings of `go env -w` apply, at each of their locations.
#[test]
fn go_env_settings_apply() {
    for (name, file) in [("HOME", ".config/go/env"), ("XDG_CONFIG_HOME", "go/env")] {
        let store = TestStore::new().unset("GOX_GOPROXY").unset("GOX_GOSUMDB");
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
fn missing_go_and_proxy_are_reported() {
    let store = TestStore::empty().unset("GOX_GOPROXY").set("GOX_GO", "own");
    ask(&store, "/tester/hello").refused("no-go");
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert!(
        log.contains("no module proxy to download one from: set GOX_GOPROXY, or install Go"),
        "{log}"
    );
    let doctor = store.command().arg("doctor").output().unwrap();
    assert!(!doctor.status.success());
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("no module proxy to download one from"));
}

#[test]
fn warm_compiles_the_standard_library_once() {
    let store = TestStore::new();
    let warm = |platform: &str| {
        let output = store.command().args(["warm", platform]).output().unwrap();
        let output_text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{output_text}");
        output_text
    };
    let compiled = || walk(&store.dir.join("cache/compile")).len();
    let here = format!("linux/{}", arch());
    assert!(warm(&here).contains(&here));
    let files = compiled();
    warm(&here);
    assert_eq!(compiled(), files, "packages were compiled again");
    // For a program without other dependencies only its own package is compiled.
    ask(&store, &format!("/tester/hello@v1.0.0?os=linux&arch={}", arch())).program();
    assert!(compiled() < files + 12, "{} new files", compiled() - files);
    let output = store.command().args(["warm", "linux/vax"]).output().unwrap();
    assert!(!output.status.success());
}

/// The module proxy of the environment.
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

/// Downloads 70 MB. Without an installed Go the programs are the same as with plain `go` of that version.
#[test]
fn missing_go_is_downloaded_once() {
    // The first proxy has an invalid toolchain, the second none.
    let half = Toolchains::new().with_pinned_files(&[("VERSION", "go"), ("../evil", "")]);
    let proxies = [half.url(), modproxy().url(), real_proxy()];
    let store = TestStore::new()
        .set("GOX_GO", "own")
        .set("GOX_GOPROXY", proxies.join(","));
    // A missing folder in the state directory is created again.
    ask(&store, "/-/status");
    fs::remove_dir(store.dir.join("go")).unwrap();
    // Concurrent requests cause one download.
    let url = format!("/tester/hello@v1.0.0?os=linux&arch=amd64&go={PINNED}");
    let asks: Vec<_> = (0..3).map(|_| store.start(&Request::get(&url))).collect();
    let responses: Vec<_> = asks.into_iter().map(|request| request.response()).collect();
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert_eq!(log.matches(&format!("downloaded go{PINNED}")).count(), 1, "{log}");
    let goroot = store.dir.join(format!("go/go{PINNED}"));
    let gopath = tempfile::tempdir_in(tmp()).unwrap();
    let mut plain = plain_go::command_for(&goroot.join("bin/go"));
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
    for response in responses {
        response.program();
        assert_eq!(response.sha256(), sha256(&fs::read(&made).unwrap()));
        assert_eq!(response.header("Gox-Go"), Some(format!("go{PINNED}").as_str()));
    }
    assert_eq!(downloaded_toolchains(&store), std::slice::from_ref(&goroot));
    for path in walk(&goroot) {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o222, 0, "{} is writable", path.display());
    }
    let status = ask(&store, "/-/status").text();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["go"], format!("go{PINNED}"));
    assert_eq!(status["brought"], serde_json::json!([format!("go{PINNED}")]));
    assert!(Path::new(&goroot).join("src/go.mod").is_file());
    // The shim of a version manager, which finds nothing here.
    let shims = tempfile::tempdir_in(tmp()).unwrap();
    let shim = shims.path().join("go");
    fs::write(&shim, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let store = store
        .unset("GOX_GO")
        .set("PATH", format!("{}:/usr/bin:/bin", shims.path().display()));
    let response = ask(&store, "/tester/hello@v1.1.0?os=linux&arch=amd64");
    response.program();
    assert_eq!(response.header("Gox-Go"), Some(format!("go{PINNED}").as_str()));
}

/// A store without GOX_GO, which uses the Go on PATH.
fn store_without_go_setting(proxies: &str) -> TestStore {
    let path = format!("{}:/usr/bin:/bin", go().parent().unwrap().display());
    TestStore::new()
        .unset("GOX_GO")
        .set("PATH", path)
        .set("GOX_GOPROXY", proxies)
}

/// A module proxy with a vulnerability database of one entry: the standard library before the pinned version.
fn vulnerability_database() -> TempDir {
    const VERSION: &str = "v0.0.0-20261105234957-e22db6528018";
    let proxy = tempfile::tempdir_in(tmp()).unwrap();
    let dir = proxy.path().join("golang.org/x/vulndb/@v");
    fs::create_dir_all(&dir).unwrap();
    let put = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    let info = format!(r#"{{"Version":"{VERSION}","Time":"2026-11-05T23:49:57Z"}}"#);
    fs::write(dir.with_file_name("@latest"), &info).unwrap();
    put("list", "");
    put(&format!("{VERSION}.info"), &info);
    put(&format!("{VERSION}.mod"), "module golang.org/x/vulndb\n");
    let entry = serde_json::json!({
        "id": "GO-2026-0100",
        "summary": "Known in the installed Go",
        "affected": [{
            "package": { "name": "stdlib", "ecosystem": "Go" },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": PINNED }] }],
            "ecosystem_specific": { "imports": [{ "path": "net/http" }] },
        }],
        "database_specific": { "review_status": "REVIEWED" },
    });
    let mut zip = ZipWriter::new(File::create(dir.join(format!("{VERSION}.zip"))).unwrap());
    for (name, text) in [
        ("go.mod", "module golang.org/x/vulndb\n".to_owned()),
        ("data/osv/GO-2026-0100.json", entry.to_string()),
    ] {
        let name = format!("golang.org/x/vulndb@{VERSION}/{name}");
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    proxy
}

/// Runs a Gox-Verify line for `hello` with a downloaded Go, and returns the SHA-256 of the program. The line works with any Go that
/// downloads this version, or is it.
fn hash_by_line(store: &TestStore, go: &str, line: &str) -> String {
    let goroot = store.dir.join("go").join(go);
    let gopath = tempfile::tempdir_in(tmp()).unwrap();
    let tools = format!("{}/bin:/usr/bin:/bin", goroot.display());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line])
        .env_clear()
        .envs([("PATH", tools), ("GOPROXY", modproxy().url())])
        .envs([("HOME", gopath.path()), ("GOPATH", gopath.path())])
        .envs([("GOSUMDB", "off"), ("GOFLAGS", "-modcacherw")]);
    assert!(shell.status().unwrap().success(), "{line}");
    let made = walk(&gopath.path().join("bin"))
        .into_iter()
        .find(|path| path.ends_with("hello"))
        .unwrap();
    sha256(&fs::read(made).unwrap())
}

/// Downloads 65 MB. Before Go 1.23, `go` tells the linker by a variable that programs must not contain the path of this Go.
#[test]
fn go_before_1_23_makes_the_bytes_of_the_verify_line() {
    const PROGRAM: &str = "/tester/hello@v1.0.0?os=linux&arch=amd64&go=1.22.12";
    let proxy = Toolchains::new().with_real_version("1.22.12");
    let store = proxy.store().set("GOX_GO_VERSIONS", "1.22.12");
    let response = ask(&store, PROGRAM);
    response.program();
    assert_eq!(response.header("Gox-Go"), Some("go1.22.12"));
    let line = response.header("Gox-Verify").unwrap();
    assert_eq!(hash_by_line(&store, "go1.22.12", line), response.sha256());
}

/// Downloads 70 MB. An old installed Go is replaced by the newest patch release, because of known vulnerabilities.
#[test]
fn newest_patch_release_is_used() {
    const PROGRAM: &str = "/tester/hello@v1.0.0?os=linux&arch=amd64";
    let here = format!("go{}", plain_go::go_version());
    let newest = format!("go{PINNED}");
    let database = vulnerability_database();
    let database_url = format!("file://{}", database.path().display());
    let proxies = [database_url, modproxy().url(), real_proxy()].join(",");
    let allowed = format!("{},{PINNED}", plain_go::go_version());
    let store = store_without_go_setting(&proxies)
        .set("GOX_GO_VERSIONS", &allowed)
        .set("GOX_VULNERABLE", "tell");
    let fetched = store.command().arg("vulnerabilities").output().unwrap();
    assert!(fetched.status.success(), "{fetched:?}");
    let by = |store: &TestStore| {
        let response = ask(store, PROGRAM);
        response.program();
        response.header("Gox-Go").unwrap().to_owned()
    };
    assert_eq!(by(&store), newest);
    assert_eq!(by(&store), newest);
    let line = ask(&store, PROGRAM).header("Gox-Verify").unwrap().to_owned();
    assert!(line.contains(&format!("GOTOOLCHAIN={newest}")), "{line}");
    let known = |store: &TestStore| {
        let response = ask(store, PROGRAM);
        response.header("Gox-Vulnerabilities").unwrap().to_owned()
    };
    assert_eq!(known(&store), "0; db=2026-11-05");
    let status = |store: &TestStore| {
        let status: serde_json::Value = serde_json::from_str(&ask(store, "/-/status").text()).unwrap();
        (
            status["go"].as_str().unwrap().to_owned(),
            status["go_hole"].is_null(),
        )
    };
    assert_eq!(status(&store), (newest, true));
    // An explicit `go=` or GOX_GO is used as it is.
    let named = ask(&store, &format!("{PROGRAM}&go={}", plain_go::go_version()));
    assert_eq!(named.header("Gox-Go"), Some(here.as_str()));
    let store = store.set("GOX_GO", go());
    assert_eq!(by(&store), here);
    assert_eq!(known(&store), "1; db=2026-11-05");
    assert_eq!(status(&store), (here, false));
}

/// A cached program is served at once, with any Go that compiled it, while a newer one is downloaded. If the download fails, the
/// installed Go compiles.
#[test]
fn cache_hit_does_not_wait_for_newer_go() {
    let here = format!("go{}", plain_go::go_version());
    let store = store_without_go_setting(&modproxy().url());
    for url in [
        "/tester/hello@v1.0.0?os=linux&arch=amd64",
        "/tester/hello@v1.1.0?os=linux&arch=amd64",
    ] {
        let response = ask(&store, url);
        response.program();
        assert_eq!(response.header("Gox-Go"), Some(here.as_str()));
    }
    // List a version that is unavailable.
    let newer = format!("{}.99", plain_go::go_version().rsplit_once('.').unwrap().0);
    fs::write(store.dir.join("go/listed.json"), format!("[\"{newer}\"]")).unwrap();
    for url in [
        "/tester/hello@v1.0.0?os=linux&arch=amd64",
        "/tester/hello@v1.2.0-rc.1?os=linux&arch=amd64",
    ] {
        let response = ask(&store, url);
        response.program();
        assert_eq!(response.header("Gox-Go"), Some(here.as_str()));
    }
    assert_eq!(downloaded_toolchains(&store), [] as [PathBuf; 0]);
}
