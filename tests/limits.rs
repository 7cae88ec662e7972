//! Every limit, reached: resource bombs, timeouts, allow and deny lists, proxy failures.
//!
//! Which limit a bomb reaches first depends on the host, so some tests accept either of two reasons.

use crate::cases::cases;
use crate::host::{command_on_host, run_on_host};
use crate::support::TIMEOUT;
use crate::support::case::{Expect, tester};
use crate::support::cgi::Cgi;
use crate::support::modproxy::archives;
use crate::support::processes;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::{eventually, plain_go, walk};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

#[track_caller]
fn refused_for(response: &Response, reasons: &[&str]) {
    let reason = response.reason().unwrap_or_default();
    assert!(
        reasons.contains(&reason),
        "expected one of {reasons:?}: {response}"
    );
    response.refused(reason);
}

fn hello() -> Request {
    Request::get("/tester/hello@v1.0.0")
}

#[test]
fn wall_clock_time_is_limited() {
    let store = TestStore::new().set("GOX_BUILD_SECONDS", "3");
    let start = Instant::now();
    store
        .ask(&Request::get("/tester/bomb-types"))
        .refused("out-of-time");
    assert!(
        start.elapsed().as_secs() < 30,
        "stopped after {:?}",
        start.elapsed()
    );
}

#[test]
fn cpu_time_is_limited() {
    let store = TestStore::new().set("GOX_CPU_SECONDS", "2");
    store
        .ask(&Request::get("/tester/bomb-types"))
        .refused("out-of-time");
}

/// M16: in a container of 512 MiB the memory limits of concurrent compilers add up to at most three quarters of it.
#[test]
fn parallel_compilers_fit_in_memory() {
    const MEMORY: u64 = 512 << 20;
    let store = TestStore::new().set("GOX_BUILD_SECONDS", "120");
    let request = Request::get("/tester/two-bombs@v1.0.0");
    let container = format!("mount -t tmpfs none /sys/fs/cgroup; echo {MEMORY} >/sys/fs/cgroup/memory.max");
    let mut cgi = Cgi::start_command(command_on_host(&store, &container, &request), &request);
    let mut most = 0;
    while cgi.child.try_wait().unwrap().is_none() {
        let compilers = processes::find(&store.dir).into_iter();
        let limits = compilers
            .filter(|process| process.is("compile"))
            .filter_map(|process| {
                let limits = fs::read_to_string(format!("/proc/{}/limits", process.pid)).ok()?;
                let line = limits
                    .lines()
                    .find_map(|line| line.strip_prefix("Max data size"))?;
                line.split_whitespace().next()?.parse::<u64>().ok()
            });
        most = most.max(limits.sum());
        thread::park_timeout(Duration::from_millis(10));
    }
    refused_for(&cgi.response(), &["out-of-memory"]);
    assert!(
        (1..=MEMORY / 4 * 3).contains(&most),
        "concurrent compilers had limits of {most} bytes"
    );
}

/// A program is served after its Go was removed.
#[test]
fn cache_hit_does_not_need_go() {
    let store = TestStore::new();
    let request = Request::get("/tester/hello");
    let first = store.ask(&request).program().to_vec();
    let store = store.set("GOX_GO", "/nonexistent/go");
    assert_eq!(store.ask(&request).program(), first);
    store.ask(&Request::get("/tester/hello?strip=1")).refused("no-go");
    store.ask(&Request::get("/tester/generate")).refused("no-go");
}

#[test]
fn timeout_is_not_cached_when_the_limit_is_raised() {
    let store = TestStore::new();
    let slow = Request::get("/tester/busy@v1.1.0-slow");
    // Resolve it first.
    store.ask(&slow.clone().method("HEAD"));
    let store = store.set("GOX_BUILD_SECONDS", "1");
    store.ask(&slow).refused("out-of-time");
    let store = store.unset("GOX_BUILD_SECONDS");
    store.ask(&slow).program();
}

/// A build that exceeded its time is not repeated within an hour; Retry-After is the rest of that hour.
#[test]
fn exceeded_limit_is_cached_for_an_hour() {
    let store = TestStore::new();
    let bomb = Request::get("/tester/bomb-types@v1.0.0");
    store.ask(&bomb.clone().method("HEAD"));
    let store = store.set("GOX_BUILD_SECONDS", "1");
    let built = || {
        walk(&store.dir.join("counters"))
            .iter()
            .filter(|path| path.ends_with("failed_builds"))
            .flat_map(|path| {
                fs::read_to_string(path)
                    .unwrap()
                    .lines()
                    .skip(1)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .map(|events| events.parse::<u64>().unwrap())
            .sum::<u64>()
    };
    let refused = |request: &Request| {
        let response = store.ask(request);
        response
            .refused("out-of-time")
            .header("retry-after")
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!((refused(&bomb), built()), (3600, 1));
    assert_eq!((refused(&bomb), built()), (3600, 1));
    refused(&bomb.clone().method("HEAD"));
    let age = |minutes: u64| {
        let then = SystemTime::now() - Duration::from_secs(minutes * 60);
        let files = walk(&store.dir.join("failures"));
        files
            .iter()
            .for_each(|path| File::open(path).unwrap().set_modified(then).unwrap());
    };
    age(40);
    assert_eq!((refused(&bomb), built()), (20 * 60, 1));
    age(61);
    assert_eq!((refused(&bomb), built()), (3600, 2));
    // Another query is another build.
    assert_eq!(refused(&Request::get("/tester/bomb-types@v1.0.0?tags=x")), 3600);
}

#[test]
fn program_size_is_limited() {
    let store = TestStore::new().set("GOX_ARTIFACT_BYTES", "1MiB");
    store.ask(&hello()).refused("too-large");
    let store = TestStore::new().set("GOX_ARTIFACT_BYTES", "50MiB");
    store
        .ask(&Request::get("/tester/bomb-embed"))
        .refused("too-large");
}

/// A failure that was cached for a limit is invalid after the limit is raised.
#[test]
fn raised_limit_invalidates_cached_failure() {
    let store = TestStore::new().set("GOX_ARTIFACT_BYTES", "1MiB");
    store.ask(&hello()).refused("too-large");
    store.ask(&hello().method("HEAD")).refused("too-large");
    let store = store.unset("GOX_ARTIFACT_BYTES");
    assert_eq!(store.ask(&hello().method("HEAD")).status, 200);
    store.ask(&hello()).program();
    // This failure occurs before the resolution is complete.
    let files = Request::get("/tester/bomb-files@v1.0.0");
    let store = store.set("GOX_WORK_FILES", "1000");
    store.ask(&files).refused("too-much-disk");
    let store = store.unset("GOX_WORK_FILES");
    let response = store.ask(&files.method("HEAD"));
    assert_ne!(response.reason(), Some("too-much-disk"), "{response}");
}

#[test]
fn file_size_is_limited() {
    let store = TestStore::new().set("GOX_FILE_BYTES", "64MiB");
    refused_for(
        &store.ask(&Request::get("/tester/bomb-array")),
        &["too-large", "too-much-disk"],
    );
}

/// M13: the module is not even unpacked.
#[test]
fn build_disk_usage_is_limited() {
    let store = TestStore::new().set("GOX_WORK_BYTES", "100MiB");
    store
        .ask(&Request::get("/tester/bomb-embed"))
        .refused("too-much-disk");
    let module = store
        .dir
        .join("cache/modules/github.com/tester/bomb-embed@v1.0.0");
    assert!(!module.exists());
}

/// M12: files of a refused module are removed from the module cache.
#[test]
fn build_file_count_is_limited() {
    let store = TestStore::new().set("GOX_WORK_FILES", "5000");
    store
        .ask(&Request::get("/tester/bomb-files"))
        .refused("too-much-disk");
    assert_eq!(unpacked_modules(&store), [] as [PathBuf; 0]);
}

/// M12: refused, and eviction removes such a tree even with few open files.
#[test]
fn deeply_nested_directories_are_removed() {
    let store = TestStore::new();
    store
        .ask(&Request::get("/tester/deep-directories@v1.0.0"))
        .refused("too-much-disk");
    store.wait_until_idle();
    let modules = store.dir.join("cache/modules");
    fs::create_dir_all(modules.join("example.org/deep@v1.0.0").join("d/".repeat(1100))).unwrap();
    // Make the last eviction look old.
    fs::remove_file(store.dir.join("locks/evict")).unwrap();
    let store = store.set("GOX_CACHE_BYTES", "8KiB");
    let head = run_on_host(&store, "ulimit -n 256", &hello().method("HEAD"));
    assert_eq!(head.status, 200, "{head}");
    store.wait_until_idle();
    assert_eq!(fs::read_dir(&modules).unwrap().count(), 0);
}

/// M18: the go.mod files of 5000 requirements exceed the file limit.
#[test]
fn module_index_counts_against_the_file_limit() {
    let store = TestStore::new().set("GOX_WORK_FILES", "2000");
    store
        .ask(&Request::get("/tester/bomb-requires"))
        .refused("too-much-disk");
}

/// Unpacked modules and zips in the module cache.
fn unpacked_modules(store: &TestStore) -> Vec<PathBuf> {
    let modules = walk(&store.dir.join("cache/modules")).into_iter();
    modules
        .filter(|path| path.to_string_lossy().contains("@v1.0.0") || path.to_string_lossy().contains(".zip"))
        .collect()
}

/// Another build succeeds while a bomb runs.
#[test]
fn resource_bomb_does_not_stop_other_builds() {
    let store = TestStore::new()
        .set("GOX_BUILD_SECONDS", "20")
        .set("GOX_BUILDS", "2");
    let bomb = store.start(&Request::get("/tester/bomb-types"));
    wait_for_compiler(&store, "bomb-types");
    let response = store.ask(&hello());
    assert_eq!(
        response.sha256(),
        plain_go::install(&tester("hello", "v1.0.0").wanted).sha256
    );
    bomb.response().refused("out-of-time");
}

#[track_caller]
fn wait_for_compiler(store: &TestStore, package: &str) {
    eventually(&format!("a compile of {package}"), TIMEOUT, || {
        processes::find(&store.dir)
            .iter()
            .any(|process| process.is("compile") && process.command.contains(package))
    });
}

#[test]
fn long_wait_ends_with_retry_after() {
    let store = TestStore::new().set("GOX_FIRST_BYTE_SECONDS", "1");
    let cgi = store.start(&Request::get("/tester/busy"));
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    let response = cgi.response();
    assert!(
        response.refused("still-building").header("retry-after").is_some(),
        "{response}"
    );
    drop(compiler);
    store.wait_until_idle();
    let response = store.ask(&Request::get("/tester/busy"));
    assert_eq!(
        response.sha256(),
        plain_go::install(&tester("busy", "v1.0.0").wanted).sha256
    );
}

#[test]
fn allow_and_deny_lists_are_enforced() {
    let store = TestStore::new().set("GOX_DENY", "github.com/tester/hello");
    store.ask(&hello()).refused("denied");
    store.ask(&Request::get("/tester/generate")).program();
    let store = store.unset("GOX_DENY").set("GOX_ALLOW", "example.org");
    store.ask(&hello()).refused("denied");
    store.ask(&Request::get("/example.org/vanity")).program();
    // A module path in go.mod outside GOX_ALLOW is denied.
    let store = store.set("GOX_ALLOW", "github.com/tester/declares-another-path");
    store
        .ask(&Request::get("/tester/declares-another-path"))
        .refused("denied");
}

/// A denied repository is refused under every name, and without contacting the proxy if its path matches.
#[test]
fn denied_module_is_refused_under_every_name() {
    let proxy = Proxy::start(Behavior::Serve);
    let mut store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let other = "github.com/tester/declares-another-path";
    for (denied, typed) in [
        ("tester/hello", "/tester/hello"),
        ("GitHub.com/Tester/", "/tester/hello@v1.0.0"),
        ("github.com/tester/hello", "/Tester/Hello/cmd/x"),
        (other, "/tester/declares-another-path"),
    ] {
        store = store.set("GOX_DENY", denied);
        store.ask(&Request::get(typed)).refused("denied");
    }
    assert_eq!(proxy.requests(), [] as [String; 0]);
    for (denied, typed) in [
        ("example.org/vanity", "/tester/declares-another-path"),
        (
            "tester/only-command-in-cmd/cmd/tool",
            "/tester/only-command-in-cmd",
        ),
    ] {
        store = store.set("GOX_DENY", denied);
        store.ask(&Request::get(typed)).refused("denied");
    }
    // GOX_ALLOW applies to the path in go.mod, not to the requested path.
    let store = store.unset("GOX_DENY").set("GOX_ALLOW", "Example.org");
    store
        .ask(&Request::get("/tester/declares-another-path"))
        .program();
}

/// R14: invalid requests cause no lookup.
#[test]
fn invalid_request_does_not_contact_the_proxy() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::empty().set("GOX_GOPROXY", proxy.url());
    let early = [
        "bad-path",
        "bad-version",
        "bad-query",
        "platform-untold",
        "unknown-platform",
        "method-not-allowed",
    ];
    for case in cases() {
        if matches!(&case.expect, Expect::Refused(reasons) if reasons.iter().all(|reason| early.contains(reason)))
        {
            store.ask(&case.request());
        }
    }
    assert_eq!(proxy.requests(), [] as [String; 0]);
}

#[test]
fn cache_hit_does_not_contact_the_proxy() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let first = store.ask(&hello());
    let asked = proxy.requests();
    assert!(
        asked.iter().any(|path| path.ends_with("/v1.0.0.zip")),
        "{asked:?}"
    );
    proxy.set_behavior(Behavior::Page(500));
    assert_eq!(store.ask(&hello()).program(), first.program());
    assert_eq!(proxy.requests(), asked);
}

/// R17: HEAD has the headers of GET, and does not build.
#[test]
fn head_does_not_build() {
    let store = TestStore::new();
    let ask = |method: &'static str| store.ask(&hello().method(method));
    let head = ask("HEAD");
    assert_eq!((head.status, head.body.len()), (200, 0), "{head}");
    assert!(store.artifacts().is_empty(), "HEAD started a build");
    let get = ask("GET");
    for name in [
        "gox-module",
        "gox-version",
        "gox-go",
        "accept-ranges",
        "content-location",
        "content-disposition",
    ] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(head.header("gox-verify"), None, "the recipe is not known yet");
    // HEAD reports a cached failure.
    let broken = Request::get("/tester/does-not-compile");
    store.ask(&broken).refused("does-not-compile");
    store.ask(&broken.method("HEAD")).refused("does-not-compile");
}

/// M27.
#[test]
fn proxy_failure_is_reported_and_not_cached() {
    let proxy = Proxy::start(Behavior::Page(500));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_RESOLVE_SECONDS", "0");
    for (status, reason) in [
        (500, "proxy-failed"),
        (429, "proxy-failed"),
        (200, "proxy-failed"),
        (404, "no-such-module"),
        (410, "no-such-module"),
        (403, "no-such-module"),
    ] {
        proxy.set_behavior(Behavior::Page(status));
        let response = store.ask(&Request::get("/tester/hello"));
        assert_eq!(
            response.reason(),
            Some(reason),
            "the proxy sends {status}: {response}"
        );
        assert!(!response.text().contains("hotel"), "{response}");
        assert_eq!(
            response.text().contains("refuses to serve it"),
            status == 403,
            "{response}"
        );
    }
    proxy.set_behavior(Behavior::Serve);
    store.ask(&Request::get("/tester/hello")).program();
    let unreachable = TestStore::new().set("GOX_GOPROXY", "http://127.0.0.1:1");
    unreachable
        .ask(&Request::get("/tester/hello"))
        .refused("proxy-failed");
}

/// A proxy failure for the newest major version must not cause an older one to be served.
#[test]
fn proxy_failure_for_newest_major_does_not_serve_an_older_one() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_RESOLVE_SECONDS", "0");
    let request = Request::get("/tester/majors");
    for part in ["/majors/v3/@v/list", "/majors/v3/@v/v3.0.1.zip"] {
        proxy.set_behavior(Behavior::PageFor(part, 500));
        store.ask(&request).refused("proxy-failed");
    }
    proxy.set_behavior(Behavior::Serve);
    let response = store.ask(&request);
    assert_eq!(response.header("gox-version"), Some("v3.0.1"), "{response}");
}

#[test]
fn unresponsive_proxy_times_out() {
    let proxy = Proxy::start(Behavior::Hang);
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_BUILD_SECONDS", "3");
    store.ask(&Request::get("/tester/hello")).refused("proxy-failed");
}

#[test]
fn stalled_download_times_out() {
    let proxy = Proxy::start(Behavior::Hold(".zip"));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_BUILD_SECONDS", "3");
    let cgi = store.start(&hello());
    proxy.wait_for_request("/v1.0.0.zip");
    cgi.response().refused("proxy-failed");
}

/// M26, with tests/modules/sumdb-lies.txtar: what the checksum database rejects is not kept.
#[test]
fn checksum_mismatch_is_refused_and_not_kept() {
    let archive = &archives()["sumdb-lies"];
    let key = archive
        .lines()
        .find(|line| line.starts_with("lying.example+"))
        .unwrap();
    let store = TestStore::new().set("GOX_GOSUMDB", key);
    store.ask(&hello()).refused("checksum-mismatch");
    let store = store.set("GOX_GOSUMDB", "off");
    store.ask(&hello()).program();
}

/// M33: a truncated or changed artifact is never served.
#[test]
fn damaged_artifact_is_rebuilt() {
    let store = TestStore::new();
    let right = store.ask(&hello()).program().to_vec();
    let [artifact] = &store.artifacts()[..] else {
        panic!("{:?}", store.artifacts())
    };
    let half = right[..right.len() / 2].to_vec();
    for damaged in [half, Vec::new()] {
        fs::remove_file(artifact).unwrap();
        fs::write(artifact, damaged).unwrap();
        assert_eq!(store.ask(&hello()).program(), right);
    }
    fs::remove_file(artifact).unwrap();
    assert_eq!(store.ask(&hello()).program(), right);
    // One changed byte.
    let mut file = fs::File::options().write(true).open(artifact).unwrap();
    file.seek(SeekFrom::Start(1000)).unwrap();
    file.write_all(&[!right[1000]]).unwrap();
    drop(file);
    assert_eq!(store.ask(&hello()).program(), right);
}
