//! A machine in trouble, or an odd one: full or read-only disks, few descriptors, a clock that jumps, traps laid by other
//! users. S4, S9, S11, S12 and M10 of the catalogue. Afterwards the same store serves on.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::cgi::Cgi;
use crate::support::modproxy::modproxy;
use crate::support::scratch::Scratch;
use crate::support::{go, gox_server, plain, sha256, walk};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

fn hello() -> Ask {
    Ask::get("/tester/hello@v1.0.0")
}

#[track_caller]
fn right(answer: &Answer) {
    let wanted = plain::install(&tester("hello", "v1.0.0").wanted).sha256;
    assert_eq!((answer.status, answer.sha256()), (200, wanted), "{answer}");
}

/// The state, where nobody can write.
pub(crate) const READ_ONLY: &str =
    "mount --bind \"$GOX_DIR\" \"$GOX_DIR\"; mount -o remount,bind,ro \"$GOX_DIR\"";

pub(crate) fn on_a_machine(store: &Scratch, words: &str, ask: &Ask) -> Answer {
    Cgi::start_command(machine(store, words, ask), ask).answer()
}

/// The program as a CGI program, after `words` of sh have prepared its place: with mounts that nobody else sees.
pub(crate) fn machine(store: &Scratch, words: &str, ask: &Ask) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--", "/bin/sh", "-c"]);
    command
        .arg(format!("set -e; {words}; exec \"$0\" \"$@\""))
        .arg(gox_server());
    command
        .env_clear()
        .envs(store.settings())
        .envs(ask.variables())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// Puts a small disk in the place of a folder.
pub(crate) fn small_disk(folder: &str, bytes: &str) -> String {
    format!("mkdir -p \"$GOX_DIR/{folder}\"; mount -t tmpfs -o size={bytes} none \"$GOX_DIR/{folder}\"")
}

pub(crate) fn full(store: &Scratch, folder: &str, bytes: &str) -> Answer {
    on_a_machine(store, &small_disk(folder, bytes), &hello())
}

#[test]
fn a_full_disk_is_said_and_nothing_is_kept() {
    let store = Scratch::new();
    // For the build, for the program that it made, for the modules, and for everything.
    for (folder, bytes) in [
        ("work", "512k"),
        ("artifacts", "64k"),
        ("cache/modules", "16k"),
        (".", "2m"),
    ] {
        let answer = full(&store, folder, bytes);
        assert_eq!(answer.reason(), Some("disk-full"), "{folder}: {answer}");
    }
    // Go does without a compile cache that takes nothing more.
    right(&full(&store, "cache/compile", "1m"));
    fs::remove_dir_all(store.dir.join("artifacts")).unwrap();
    right(&store.ask(&hello()));
}

/// Where no program may be started, an installed Go builds, and one that has to be brought is refused with the reason.
#[test]
fn a_mount_that_starts_no_programs() {
    let noexec = "mount -t tmpfs -o noexec none \"$GOX_DIR\"";
    let store = Scratch::in_image();
    right(&on_a_machine(&store, noexec, &hello()));
    let store = store.set("GOX_GO", "own");
    let answer = on_a_machine(&store, noexec, &hello());
    assert!(answer.refused("no-go").log.contains("noexec"), "{answer}");
    for mode in ["front", "doctor"] {
        let mut command = machine(&store, noexec, &hello());
        command
            .env_remove("GATEWAY_INTERFACE")
            .arg(mode)
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(
            output.status.code() == Some(1) && said.contains("noexec"),
            "{said}"
        );
    }
}

/// A group above the service's own has the limit, as a slice of systemd may.
#[test]
fn limits_of_control_groups_above_count() {
    let words = "mount -t tmpfs none /sys/fs/cgroup; mkdir -p /sys/fs/cgroup/a.slice/b.service; \
                 echo 629145600 >/sys/fs/cgroup/a.slice/memory.max; echo max >/sys/fs/cgroup/a.slice/b.service/memory.max; \
                 echo 0::/a.slice/b.service >/sys/fs/cgroup/self; mount --bind /sys/fs/cgroup/self /proc/$$/cgroup";
    let store = Scratch::cold();
    let mut command = machine(&store, words, &hello());
    command
        .env_remove("GATEWAY_INTERFACE")
        .arg("doctor")
        .stdin(Stdio::null());
    let said = command.output().unwrap().stdout;
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.contains("1 builds at once") && said.contains(" 450 MiB a process"),
        "{said}"
    );
}

/// Characters that a shell, a list or a flag reads in its own way. Those that cannot work are refused
/// (`environment::a_setting_that_cannot_be_used`).
#[test]
fn special_characters_in_the_state_directory() {
    let mut store = Scratch::in_image();
    let dir = store.dir.clone();
    for name in [
        "it's", "a b", "100%", "a\"b", "a,b", "a\\b", "a@b", "a=b", "ü", "$x", "a#b",
    ] {
        store = store.set("GOX_DIR", dir.join(name));
        right(&store.ask(&hello()));
        let copied = store.ask(&Ask::get("/tester/exclude-directive@v1.0.0"));
        assert_eq!(copied.status, 200, "{name}: {copied}");
        store.quiet();
    }
}

#[test]
fn a_read_only_disk_serves_what_is_there() {
    let store = Scratch::new();
    right(&store.ask(&hello()));
    right(&on_a_machine(&store, READ_ONLY, &hello()));
    on_a_machine(&store, READ_ONLY, &Ask::get("/tester/hello@v1.1.0")).refused("internal");
    store.ask(&Ask::get("/tester/hello@v1.1.0")).program();
}

/// Everything that was compiled.
pub(crate) fn outputs(store: &Scratch) -> Vec<PathBuf> {
    let files = walk(&store.dir.join("cache/compile")).into_iter();
    files
        .filter(|path| path.as_os_str().as_encoded_bytes().ends_with(b"-d"))
        .collect()
}

/// Changes what lies in the middle of it.
fn damage_outputs(store: &Scratch, damage: fn(&mut Vec<u8>, usize)) {
    for path in outputs(store) {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        if middle > 0 {
            damage(&mut bytes, middle);
            fs::write(path, bytes).unwrap();
        }
    }
}

/// A disk that loses a bit of what was compiled, or its end. The control shows that Go links what is left.
#[test]
fn a_damaged_compile_cache_spoils_no_program() {
    let lose_a_bit = |bytes: &mut Vec<u8>, middle: usize| bytes[middle] ^= 1;
    let lose_the_end = |bytes: &mut Vec<u8>, middle: usize| bytes.truncate(middle);
    let control = Scratch::of_its_own();
    damage_outputs(&control, lose_a_bit);
    let mut go = plain::command_of(go());
    let gopath = control.dir.join("gopath");
    go.args([
        "install",
        "-trimpath",
        "-pgo=off",
        "github.com/tester/hello@v1.0.0",
    ])
    .env("GOCACHE", control.dir.join("cache/compile"))
    .env("GOPATH", &gopath);
    let output = go.output().unwrap();
    let made = fs::read(gopath.join("bin/hello")).map(|program| sha256(&program));
    let wanted = plain::install(&tester("hello", "v1.0.0").wanted).sha256;
    assert_ne!(made.ok(), Some(wanted), "go has looked itself: {output:?}");

    for damage in [lose_a_bit, lose_the_end] {
        let store = Scratch::of_its_own();
        damage_outputs(&store, damage);
        right(&store.ask(&hello()));
        store
            .ask(&Ask::get("/tester/does-not-compile"))
            .refused("does-not-compile");
        store.ask(&Ask::get("/tester/hello@v1.1.0")).program();
    }
}

/// Where a machine lacks so much that nothing can be built, that is said; no panic, and the next request is served.
#[test]
fn what_a_machine_may_lack() {
    for words in [
        "ulimit -n 16",
        "ulimit -n 6",
        "mount -t tmpfs none /proc",
        // Not hidden, for the program may lie there.
        "for t in /tmp /var/tmp; do mount --bind $t $t; mount -o remount,bind,ro $t; done",
        "mount -t tmpfs none /etc",
        "mount -t tmpfs none /dev",
        "ulimit -v 900000",
    ] {
        let store = Scratch::new();
        let answer = on_a_machine(&store, words, &hello());
        assert!(!answer.log.contains("panicked"), "{words}: {answer}");
        match answer.status {
            200 => right(&answer),
            _ => assert!(
                matches!(answer.reason(), Some("internal" | "out-of-memory" | "no-go")),
                "{words}: {answer}"
            ),
        }
        right(&store.ask(&hello()));
    }
}

/// Folders of a store in which a file's age means something.
pub(crate) const DATED: [&str; 7] = [
    "resolutions",
    "failures",
    "clients",
    "counters",
    "queue",
    "locks",
    "slots",
];

/// All that remembers when it was made, made older or younger by days: what a clock looks like that has jumped.
#[test]
fn a_clock_that_jumps() {
    let day = Duration::from_secs(24 * 60 * 60);
    for now in [SystemTime::now() + 2 * day, SystemTime::now() - 2 * day] {
        let store = Scratch::new();
        // An accident, which is told to those who waited for it only.
        full(&store, "work", "512k").refused("disk-full");
        store
            .ask(&Ask::get("/tester/does-not-compile"))
            .refused("does-not-compile");
        for folder in DATED {
            for path in walk(&store.dir.join(folder)) {
                File::open(path).unwrap().set_modified(now).unwrap();
            }
        }
        right(&store.ask(&hello()));
        store
            .ask(&Ask::get("/tester/does-not-compile"))
            .refused("does-not-compile");
        store.ask(&Ask::get("/tester/hello@v1.1.0")).program();
    }
}

/// S9. Whatever the umask of who started it: nobody else writes, and what is not for everybody nobody else reads.
#[test]
fn nobody_else_writes_to_the_store() {
    let store = Scratch::of_its_own();
    let cache = store.dir.join("cache");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o700)).unwrap();
    right(&on_a_machine(&store, "umask 0", &hello()));
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    for folder in [
        "work",
        "locks",
        "resolutions",
        "clients",
        "cache",
        "cache/modules",
    ] {
        assert_eq!(mode(&store.dir.join(folder)), 0o700, "{folder}");
    }
    for path in walk(&store.dir.join("artifacts")) {
        let wanted = if path.is_dir() { 0o755 } else { 0o644 };
        assert!(
            mode(&path) & !wanted == 0,
            "{}: {:o}",
            path.display(),
            mode(&path)
        );
    }
}

/// Somebody empties the state directory, or a part of it, while it is used.
#[test]
fn a_directory_that_somebody_took_away_is_made_again() {
    let store = Scratch::new();
    right(&store.ask(&hello()));
    store.quiet();
    let entries = fs::read_dir(&store.dir).unwrap().flatten();
    let folders: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(folders.len() > 9, "{folders:?}");
    for (number, folder) in folders.iter().filter(|path| !path.ends_with("cache")).enumerate() {
        fs::remove_dir_all(folder).unwrap();
        // Each a key of its own: a hit would write nothing.
        let ask = Ask::get(&format!("/tester/hello?tags=t{number}"));
        store.ask(&ask).program();
        let ask = Ask::get(&format!("/tester/does-not-compile?tags=t{number}"));
        store.ask(&ask).refused("does-not-compile");
        store.quiet();
    }
}

/// S9. A link at a name that can be foretold: whoever could plant it would have the builder write elsewhere.
#[test]
fn a_planted_link_is_not_followed() {
    let store = Scratch::new();
    right(&store.ask(&hello()));
    let [artifact] = &store.artifacts()[..] else {
        panic!("{:?}", store.artifacts())
    };
    let key = artifact.parent().unwrap().file_name().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("kept"), "").unwrap();
    fs::remove_file(artifact).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), store.dir.join("work").join(key)).unwrap();
    right(&store.ask(&hello()));
    let left: Vec<PathBuf> = walk(elsewhere.path());
    assert_eq!(left.len(), 2, "{left:?}");
}

/// M10. What another user may leave where Go looks for settings: above the directory in which it runs, and at home.
#[test]
fn planted_settings_are_not_read() {
    let store = Scratch::new();
    let home = tempfile::tempdir().unwrap();
    let settings = home.path().join(".config/go");
    fs::create_dir_all(&settings).unwrap();
    fs::write(
        settings.join("env"),
        "GOFLAGS=-tags=evil\nCGO_ENABLED=1\nGOPROXY=off\n",
    )
    .unwrap();
    for folder in [store.dir.clone(), store.dir.join("work"), store.dir.join("cache")] {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("go.mod"), "module planted\n\ngo 1.99\n").unwrap();
        fs::write(folder.join("go.work"), "go 1.99\nuse ./nowhere\n").unwrap();
    }
    let store = store.set("HOME", home.path());
    // The builder then sweeps away what lies where only builds should.
    right(&store.ask(&hello()));
}

/// S11. A thousand requests, good and bad: as many descriptors, children and files as before.
#[test]
fn a_thousand_requests_leave_nothing() {
    // Who is slow shall not ask anew meanwhile, with a lock of its own.
    let store = Scratch::new().set("GOX_RESOLVE_SECONDS", "100000");
    let front = store.front();
    let pid = i32::try_from(front.child.id()).unwrap();
    let asks = [
        hello(),
        Ask::get("/o/../r"),
        Ask::get("/tester/nosuch"),
        Ask::get("/tester/library"),
    ];
    let round = || asks.iter().for_each(|ask| drop(front.ask(ask)));
    let left = || {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        let children = crate::support::processes::children(pid).len();
        (descriptors, children, walk(&store.dir).len())
    };
    (0..5).for_each(|_| round());
    crate::support::eventually("nothing but the front runs", crate::support::PATIENCE, || {
        crate::support::processes::about(&store.dir).len() == 1
    });
    let before = left();
    (0..250).for_each(|_| round());
    // What was still being closed then may be gone now; what each request left would be hundreds.
    crate::support::eventually("no more is there than before", crate::support::PATIENCE, || {
        let now = left();
        now.0 <= before.0 && now.1 <= before.1 && now.2 <= before.2
    });
}

/// S12. What makes a server unsafe is said where an operator looks.
#[test]
fn doctor_tells_what_is_unsafe() {
    let proxies = format!("{},direct", modproxy().url());
    let store = Scratch::new().set("GOX_GOPROXY", proxies);
    let output = store.command().arg("doctor").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("direct"), "{said}");
}
