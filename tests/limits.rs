//! Every limit is reached by somebody: bombs end in time with the right word, the greedy wait, the operator's lists hold.
//!
//! Which limit a bomb meets first depends on the machine, so some tests take either of two words; none takes an answer that
//! would be kept, or a program.

use crate::cases::cases;
use crate::machine::{machine, on_a_machine};
use crate::support::PATIENCE;
use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::{Expect, tester};
use crate::support::cgi::Cgi;
use crate::support::modproxy::archives;
use crate::support::processes;
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;
use crate::support::{eventually, plain, walk};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

#[track_caller]
fn refused_for(answer: &Answer, reasons: &[&str]) {
    let reason = answer.reason().unwrap_or_default();
    assert!(reasons.contains(&reason), "expected one of {reasons:?}: {answer}");
    answer.refused(reason);
}

fn hello() -> Ask {
    Ask::get("/tester/hello@v1.0.0")
}

#[test]
fn wall_clock() {
    let store = Scratch::new().set("GOX_BUILD_SECONDS", "3");
    let start = Instant::now();
    store.ask(&Ask::get("/tester/bomb-types")).refused("out-of-time");
    assert!(
        start.elapsed().as_secs() < 30,
        "stopped after {:?}",
        start.elapsed()
    );
}

#[test]
fn processor_time() {
    let store = Scratch::new().set("GOX_CPU_SECONDS", "2");
    store.ask(&Ask::get("/tester/bomb-types")).refused("out-of-time");
}

#[test]
fn memory() {
    let store = Scratch::new()
        .set("GOX_MEMORY_BYTES", "256MiB")
        .set("GOX_BUILD_SECONDS", "120");
    refused_for(&store.ask(&Ask::get("/tester/bomb-generics")), &["out-of-memory"]);
}

/// M16: a container of 512 MiB, and as many compilers as fit.
#[test]
fn compilers_at_once_fit_the_memory() {
    const MEMORY: u64 = 512 << 20;
    let store = Scratch::new().set("GOX_BUILD_SECONDS", "120");
    let ask = Ask::get("/tester/two-bombs@v1.0.0");
    let container = format!("mount -t tmpfs none /sys/fs/cgroup; echo {MEMORY} >/sys/fs/cgroup/memory.max");
    let mut cgi = Cgi::start_command(machine(&store, &container, &ask), &ask);
    let mut most = 0;
    while cgi.child.try_wait().unwrap().is_none() {
        let compilers = processes::about(&store.dir).into_iter();
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
    }
    refused_for(&cgi.answer(), &["out-of-memory"]);
    assert!(
        (1..=MEMORY / 4 * 3).contains(&most),
        "compilers had {most} bytes at once"
    );
}

/// A program is served after its Go was removed.
#[test]
fn a_hit_needs_no_go() {
    let store = Scratch::new();
    let ask = Ask::get("/tester/hello");
    let first = store.ask(&ask).program().to_vec();
    let store = store.set("GOX_GO", "/nonexistent/go");
    assert_eq!(store.ask(&ask).program(), first);
    store.ask(&Ask::get("/tester/hello?strip=1")).refused("no-go");
    store.ask(&Ask::get("/tester/generate")).refused("no-go");
}

#[test]
fn an_accident_is_not_remembered() {
    let store = Scratch::new();
    let busy = Ask::get("/tester/busy@v1.0.0");
    // What it means is known by then.
    store.ask(&busy.clone().method("HEAD"));
    let store = store.set("GOX_BUILD_SECONDS", "1");
    store.ask(&busy).refused("out-of-time");
    let store = store.unset("GOX_BUILD_SECONDS");
    store.ask(&busy).program();
}

/// Within the same limits it would fail again: Retry-After says when it is tried again, and until then nothing is built.
#[test]
fn what_exceeded_a_limit_is_not_built_again_for_a_while() {
    let store = Scratch::new();
    let busy = Ask::get("/tester/busy@v1.0.0");
    store.ask(&busy.clone().method("HEAD"));
    let store = store.set("GOX_BUILD_SECONDS", "1");
    let built = || {
        walk(&store.dir.join("counters"))
            .iter()
            .filter(|path| path.ends_with("failed_builds"))
            .map(|path| fs::read_to_string(path).unwrap().trim().parse::<u64>().unwrap())
            .sum::<u64>()
    };
    let refused = |ask: &Ask| {
        let answer = store.ask(ask);
        answer
            .refused("out-of-time")
            .header("retry-after")
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!((refused(&busy), built()), (3600, 1));
    assert_eq!((refused(&busy), built()), (3600, 1));
    refused(&busy.clone().method("HEAD"));
    let age = |minutes: u64| {
        let then = SystemTime::now() - Duration::from_secs(minutes * 60);
        let files = walk(&store.dir.join("failures"));
        files
            .iter()
            .for_each(|path| File::open(path).unwrap().set_modified(then).unwrap());
    };
    age(40);
    assert_eq!((refused(&busy), built()), (20 * 60, 1));
    age(61);
    assert_eq!((refused(&busy), built()), (3600, 2));
    // Another query of the same program is another build.
    assert_eq!(refused(&Ask::get("/tester/busy@v1.0.0?tags=x")), 3600);
}

#[test]
fn size_of_a_program() {
    let store = Scratch::new().set("GOX_ARTIFACT_BYTES", "1MiB");
    store.ask(&hello()).refused("too-large");
    let store = Scratch::new().set("GOX_ARTIFACT_BYTES", "50MiB");
    store.ask(&Ask::get("/tester/bomb-embed")).refused("too-large");
}

/// What was refused for the operator's limits is refused no longer than these hold.
#[test]
fn a_limit_that_is_raised() {
    let store = Scratch::new().set("GOX_ARTIFACT_BYTES", "1MiB");
    store.ask(&hello()).refused("too-large");
    store.ask(&hello().method("HEAD")).refused("too-large");
    let store = store.unset("GOX_ARTIFACT_BYTES");
    assert_eq!(store.ask(&hello().method("HEAD")).status, 200);
    store.ask(&hello()).program();
    // Here what it means is not found out.
    let files = Ask::get("/tester/bomb-files@v1.0.0");
    let store = store.set("GOX_WORK_FILES", "1000");
    store.ask(&files).refused("too-much-disk");
    let store = store.unset("GOX_WORK_FILES");
    let answer = store.ask(&files.method("HEAD"));
    assert_ne!(answer.reason(), Some("too-much-disk"), "{answer}");
}

#[test]
fn size_of_a_file() {
    let store = Scratch::new().set("GOX_FILE_BYTES", "64MiB");
    refused_for(
        &store.ask(&Ask::get("/tester/bomb-array")),
        &["too-large", "too-much-disk"],
    );
}

/// M13: what is refused is taken away again, the module cache is as large as before.
#[test]
fn bytes_of_a_build() {
    let store = Scratch::new().set("GOX_WORK_BYTES", "100MiB");
    store
        .ask(&Ask::get("/tester/bomb-embed"))
        .refused("too-much-disk");
    assert_eq!(unpacked(&store), [] as [PathBuf; 0]);
}

/// M12, likewise.
#[test]
fn files_of_a_build() {
    let store = Scratch::new().set("GOX_WORK_FILES", "5000");
    store
        .ask(&Ask::get("/tester/bomb-files"))
        .refused("too-much-disk");
    assert_eq!(unpacked(&store), [] as [PathBuf; 0]);
}

/// M12: refused; and an eviction that may have few files open removes such a tree.
#[test]
fn directories_in_each_other() {
    let store = Scratch::new();
    store
        .ask(&Ask::get("/tester/deep-directories@v1.0.0"))
        .refused("too-much-disk");
    store.quiet();
    let modules = store.dir.join("cache/modules");
    fs::create_dir_all(modules.join("example.org/deep@v1.0.0").join("d/".repeat(1100))).unwrap();
    // As if the last eviction were long ago.
    fs::remove_file(store.dir.join("locks/evict")).unwrap();
    let store = store.set("GOX_CACHE_BYTES", "8KiB");
    let head = on_a_machine(&store, "ulimit -n 256", &hello().method("HEAD"));
    assert_eq!(head.status, 200, "{head}");
    store.quiet();
    assert_eq!(fs::read_dir(&modules).unwrap().count(), 0);
}

/// M18: the module itself is small, and stays.
#[test]
fn files_of_the_module_index() {
    let store = Scratch::new().set("GOX_WORK_FILES", "2000");
    store
        .ask(&Ask::get("/tester/bomb-requires"))
        .refused("too-much-disk");
}

/// What there is of modules in the cache, beyond some small files for each: directories and zips.
fn unpacked(store: &Scratch) -> Vec<PathBuf> {
    let modules = walk(&store.dir.join("cache/modules")).into_iter();
    modules
        .filter(|path| path.to_string_lossy().contains("@v1.0.0") || path.to_string_lossy().contains(".zip"))
        .collect()
}

/// A bomb under way is nobody else's trouble.
#[test]
fn a_bomb_does_not_stop_the_others() {
    let store = Scratch::new()
        .set("GOX_BUILD_SECONDS", "20")
        .set("GOX_BUILDS", "2");
    let bomb = store.start(&Ask::get("/tester/bomb-types"));
    compiling(&store, "bomb-types");
    let answer = store.ask(&hello());
    assert_eq!(
        answer.sha256(),
        plain::install(&tester("hello", "v1.0.0").wanted).sha256
    );
    bomb.answer().refused("out-of-time");
}

#[track_caller]
fn compiling(store: &Scratch, package: &str) {
    eventually(&format!("a compile of {package}"), PATIENCE, || {
        processes::about(&store.dir)
            .iter()
            .any(|process| process.is("compile") && process.command.contains(package))
    });
}

#[test]
fn who_waits_too_long_is_told_to_come_again() {
    let store = Scratch::new().set("GOX_FIRST_BYTE_SECONDS", "1");
    let answer = store.ask(&Ask::get("/tester/busy"));
    assert!(
        answer.refused("still-building").header("retry-after").is_some(),
        "{answer}"
    );
    store.quiet();
    let answer = store.ask(&Ask::get("/tester/busy"));
    assert_eq!(
        answer.sha256(),
        plain::install(&tester("busy", "v1.0.0").wanted).sha256
    );
}

#[test]
fn the_operators_lists() {
    let store = Scratch::new().set("GOX_DENY", "github.com/tester/hello");
    store.ask(&hello()).refused("denied");
    store.ask(&Ask::get("/tester/generate")).program();
    let store = store.unset("GOX_DENY").set("GOX_ALLOW", "example.org");
    store.ask(&hello()).refused("denied");
    store.ask(&Ask::get("/example.org/vanity")).program();
    // A module's own word for its name opens no door.
    let store = store.set("GOX_ALLOW", "github.com/tester/declares-another-path");
    store
        .ask(&Ask::get("/tester/declares-another-path"))
        .refused("denied");
}

/// A denied repository is refused by every name that leads to it, and by its own looks before anybody is asked.
#[test]
fn what_is_denied_has_many_names() {
    let proxy = Proxy::start(Manner::Serve);
    let mut store = Scratch::new().set("GOX_GOPROXY", proxy.url());
    let other = "github.com/tester/declares-another-path";
    for (denied, typed) in [
        ("tester/hello", "/tester/hello"),
        ("GitHub.com/Tester/", "/tester/hello@v1.0.0"),
        ("github.com/tester/hello", "/Tester/Hello/cmd/x"),
        (other, "/tester/declares-another-path"),
    ] {
        store = store.set("GOX_DENY", denied);
        store.ask(&Ask::get(typed)).refused("denied");
    }
    assert_eq!(proxy.asked(), [] as [String; 0]);
    for (denied, typed) in [
        ("example.org/vanity", "/tester/declares-another-path"),
        (
            "tester/only-command-in-cmd/cmd/tool",
            "/tester/only-command-in-cmd",
        ),
    ] {
        store = store.set("GOX_DENY", denied);
        store.ask(&Ask::get(typed)).refused("denied");
    }
    // What is allowed is what go.mod says, whatever was typed.
    let store = store.unset("GOX_DENY").set("GOX_ALLOW", "Example.org");
    store.ask(&Ask::get("/tester/declares-another-path")).program();
}

/// R14: what is refused by its looks costs no look-up.
#[test]
fn a_bad_request_asks_nobody() {
    let proxy = Proxy::start(Manner::Serve);
    let store = Scratch::cold().set("GOX_GOPROXY", proxy.url());
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
    assert_eq!(proxy.asked(), [] as [String; 0]);
}

#[test]
fn a_hit_asks_nobody() {
    let proxy = Proxy::start(Manner::Serve);
    let store = Scratch::new().set("GOX_GOPROXY", proxy.url());
    let first = store.ask(&hello());
    let asked = proxy.asked();
    assert!(
        asked.iter().any(|path| path.ends_with("/v1.0.0.zip")),
        "{asked:?}"
    );
    proxy.change(Manner::Page(500));
    assert_eq!(store.ask(&hello()).program(), first.program());
    assert_eq!(proxy.asked(), asked);
}

/// R17: HEAD tells what GET would give, and builds nothing.
#[test]
fn head_builds_nothing() {
    let store = Scratch::new();
    let ask = |method: &'static str| store.ask(&hello().method(method));
    let head = ask("HEAD");
    assert_eq!((head.status, head.body.len()), (200, 0), "{head}");
    assert!(store.artifacts().is_empty(), "HEAD built something");
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
    // What will never be a program is not announced as one.
    let broken = Ask::get("/tester/does-not-compile");
    store.ask(&broken).refused("does-not-compile");
    store.ask(&broken.method("HEAD")).refused("does-not-compile");
}

/// M27, and the end of every network: bounded, told, and forgotten.
#[test]
fn a_proxy_in_trouble() {
    let proxy = Proxy::start(Manner::Page(500));
    let store = Scratch::new()
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
        proxy.change(Manner::Page(status));
        let answer = store.ask(&Ask::get("/tester/hello"));
        assert_eq!(answer.reason(), Some(reason), "the proxy says {status}: {answer}");
        assert!(!answer.text().contains("hotel"), "{answer}");
    }
    proxy.change(Manner::Serve);
    store.ask(&Ask::get("/tester/hello")).program();
    let nobody = Scratch::new().set("GOX_GOPROXY", "http://127.0.0.1:1");
    nobody.ask(&Ask::get("/tester/hello")).refused("proxy-failed");
}

/// Trouble with the newest major, or with the list of majors, is no reason to serve an older one.
#[test]
fn a_proxy_in_trouble_with_the_newest() {
    let proxy = Proxy::start(Manner::Serve);
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_RESOLVE_SECONDS", "0");
    let ask = Ask::get("/tester/majors");
    for part in ["/majors/v3/@v/list", "/majors/v3/@v/v3.0.1.zip"] {
        proxy.change(Manner::PageFor(part, 500));
        store.ask(&ask).refused("proxy-failed");
    }
    proxy.change(Manner::Serve);
    let answer = store.ask(&ask);
    assert_eq!(answer.header("gox-version"), Some("v3.0.1"), "{answer}");
}

#[test]
fn a_proxy_that_never_answers() {
    let proxy = Proxy::start(Manner::Hang);
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_BUILD_SECONDS", "3");
    store.ask(&Ask::get("/tester/hello")).refused("proxy-failed");
}

#[test]
fn a_download_that_stands_still_is_stopped() {
    let proxy = Proxy::start(Manner::Hold(".zip"));
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_BUILD_SECONDS", "3");
    let cgi = store.start(&hello());
    proxy.await_ask("/v1.0.0.zip");
    cgi.answer().refused("proxy-failed");
}

/// M26, by tester/sumdb-lies: the checksum database has the last word, and what it refuses is not kept.
#[test]
fn other_bytes_than_the_checksum_database_knows() {
    let archive = &archives()["sumdb-lies"];
    let key = archive
        .lines()
        .find(|line| line.starts_with("lying.example+"))
        .unwrap();
    let store = Scratch::new().set("GOX_GOSUMDB", key);
    store.ask(&hello()).refused("checksum-mismatch");
    let store = store.set("GOX_GOSUMDB", "off");
    store.ask(&hello()).program();
}

#[test]
fn without_go_there_is_one_sentence() {
    let store = Scratch::cold().set("GOX_GO", "/nonexistent/go");
    store.ask(&hello()).refused("no-go");
}

#[test]
fn a_store_that_cannot_be_written() {
    let store = Scratch::cold();
    let file = store.dir.join("file");
    fs::write(&file, "").unwrap();
    let store = store.set("GOX_DIR", &file);
    store.ask(&hello()).refused("no-state-directory");
}

/// M33: an artifact that lost a bit or its end on the disk is never served.
#[test]
fn a_damaged_artifact_is_built_again() {
    let store = Scratch::new();
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
    // M33: one bit, in place.
    let mut file = fs::File::options().write(true).open(artifact).unwrap();
    file.seek(SeekFrom::Start(1000)).unwrap();
    file.write_all(&[!right[1000]]).unwrap();
    drop(file);
    assert_eq!(store.ask(&hello()).program(), right);
}
