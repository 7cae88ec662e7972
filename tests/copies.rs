//! Copies of a program in a content coding: made once, kept beside it, never served when they are not what they were; and where
//! there can be none, the program is as good. What they are on the wire, `cases` says.

use crate::machine::{READ_ONLY, on_a_machine};
use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::scratch::Scratch;
use crate::support::{plain, tmp};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::fs::{self, FileTimes, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::process::Command;

const CLIENTS: usize = 20;

fn hello() -> Ask {
    Ask::get("/tester/hello@v1.0.0")
}

fn zstd() -> Ask {
    hello().header("Accept-Encoding", "zstd")
}

fn program() -> Vec<u8> {
    plain::install(&tester("hello", "v1.0.0").wanted).read()
}

/// A store with the program in it, and the folder of the program.
fn with_program() -> (Scratch, PathBuf) {
    let store = Scratch::new();
    store.ask(&hello()).program();
    let [artifact] = &store.artifacts()[..] else {
        panic!("{:?}", store.artifacts())
    };
    let folder = artifact.parent().unwrap().to_owned();
    (store, folder)
}

#[track_caller]
fn is_copy(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.header("content-encoding")),
        (200, Some("zstd")),
        "{answer}"
    );
    assert!(zstd::decode_all(&*answer.body).unwrap() == program(), "{answer}");
}

#[track_caller]
fn is_program(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.header("content-encoding")),
        (200, None),
        "{answer}"
    );
    assert!(answer.body == program(), "{answer}");
}

#[test]
fn twenty_at_once_make_one_copy() {
    let (store, folder) = with_program();
    let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    watch.add_watch(&folder, AddWatchFlags::IN_MOVED_TO).unwrap();
    let gzip = hello().header("Accept-Encoding", "gzip, br");
    let both: Vec<_> = (0..CLIENTS)
        .map(|_| (store.start(&zstd()), store.start(&gzip)))
        .collect();
    for (zstd, gzip) in both {
        is_copy(&zstd.answer());
        let answer = gzip.answer();
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{answer}");
    }
    let moved = watch.read_events().unwrap();
    for copy in ["zstd", "gzip"] {
        let made = moved
            .iter()
            .filter(|event| event.name.as_ref().is_some_and(|name| name == copy));
        assert_eq!(made.count(), 1, "{moved:?}");
    }
}

/// Such clients store what comes as it comes (w3m).
#[test]
fn http_1_0_gets_the_program_itself() {
    let (store, _) = with_program();
    let front = store.front();
    let wire = front.send(
        b"GET /tester/hello@v1.0.0?os=linux&arch=amd64 HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip, br, zstd\r\n\r\n",
    );
    is_program(&Answer::from_http(&wire, false).unwrap());
}

/// Half a program on a client's disk is unpacked, and curl then asks for the rest of that.
#[test]
fn curl_unpacks_and_resumes() {
    let (store, _) = with_program();
    let front = store.front();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let curl = |script: &str| {
        let output = Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .arg(format!("http://{}/tester/hello@v1.0.0", front.address))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    curl("curl -fsS --compressed -A 'Linux x86_64' -D head -o whole \"$1\"");
    assert!(fs::read(folder.path().join("whole")).unwrap() == program());
    let head = fs::read_to_string(folder.path().join("head")).unwrap();
    assert!(
        head.to_lowercase().contains("content-encoding: zstd\r\n"),
        "{head}"
    );
    curl("curl -s --compressed -A 'Linux x86_64' \"$1\" | head -c 500000 >half");
    curl("curl -fsS --compressed -A 'Linux x86_64' -C - -o half \"$1\"");
    assert!(fs::read(folder.path().join("half")).unwrap() == program());
}

#[test]
fn a_damaged_copy_is_made_again() {
    let (store, folder) = with_program();
    let (copy, kept) = (folder.join("zstd"), folder.join("zstd.json"));
    is_copy(&store.ask(&zstd()));
    let inode = || copy.metadata().unwrap().ino();
    let made = inode();
    is_copy(&store.ask(&zstd()));
    assert_eq!(inode(), made, "made again for nothing");

    let open = |path: &PathBuf| OpenOptions::new().write(true).open(path).unwrap();
    let damages: [(&str, &dyn Fn()); 7] = [
        ("an end that is lost", &|| open(&copy).set_len(1000).unwrap()),
        ("nothing left", &|| open(&copy).set_len(0).unwrap()),
        ("a byte", &|| open(&copy).write_all_at(b"x", 1000).unwrap()),
        ("no copy", &|| fs::remove_file(&copy).unwrap()),
        ("nothing known of it", &|| fs::remove_file(&kept).unwrap()),
        ("half of what is known", &|| open(&kept).set_len(20).unwrap()),
        ("another program's", &|| {
            let text = fs::read_to_string(&kept).unwrap();
            let (before, after) = text.split_once("\"of\":\"").unwrap();
            fs::write(
                &kept,
                format!("{before}\"of\":\"{}{}", "0".repeat(64), &after[64..]),
            )
            .unwrap();
        }),
    ];
    // What a maker leaves that was killed.
    fs::write(folder.join("zstd.new"), vec![0; 10_000_000]).unwrap();
    for (what, damage) in damages {
        damage();
        let answer = store.ask(&zstd());
        is_copy(&answer);
        let digest = answer.header("etag").unwrap().trim_matches('"').to_owned();
        assert_eq!(digest, answer.sha256(), "{what}");
    }
    assert!(!folder.join("zstd.new").exists());
}

/// A copy has a hash of its own, which would make it look right.
#[test]
fn no_copy_is_made_of_a_program_that_was_spoilt() {
    let (store, folder) = with_program();
    let program = OpenOptions::new().write(true).open(folder.join("bin")).unwrap();
    let modified = program.metadata().unwrap().modified().unwrap();
    program.write_all_at(b"x", 5000).unwrap();
    // As a disk does it that forgets.
    program
        .set_times(FileTimes::new().set_modified(modified))
        .unwrap();
    let answer = store.ask(&zstd());
    assert_eq!(answer.header("content-encoding"), None, "{answer}");
    assert!(answer.log.contains("not what was published"), "{answer}");
    assert!(!folder.join("zstd").exists() && !folder.join("zstd.new").exists());
}

#[test]
fn a_disk_that_takes_no_copy_gives_the_program() {
    let (store, folder) = with_program();
    // Room for the program, and for a part of its copy.
    let full = format!(
        "cp -a '{0}' \"$GOX_DIR/moved\"; mount -t tmpfs -o size=$(($(du -sk '{0}' | cut -f1) + 64))k none '{0}'; \
         cp -a \"$GOX_DIR/moved/.\" '{0}'; rm -r \"$GOX_DIR/moved\"",
        folder.display()
    );
    for words in [&full, READ_ONLY] {
        let answer = on_a_machine(&store, words, &zstd());
        is_program(&answer);
        assert!(
            answer.log.contains("cannot keep a zstd copy"),
            "{words}: {answer}"
        );
    }
    is_copy(&store.ask(&zstd()));
    is_copy(&on_a_machine(&store, READ_ONLY, &zstd()));
}

/// What was published before SHA-512 was kept.
#[test]
fn an_older_artifact_tells_the_digest_that_it_has() {
    let (store, folder) = with_program();
    let meta = folder.join("meta.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&meta).unwrap()).unwrap();
    assert!(kept.as_object_mut().unwrap().remove("sha512").is_some());
    fs::write(&meta, kept.to_string()).unwrap();
    let told = |want: &str| {
        let answer = store.ask(&hello().header("Want-Repr-Digest", want));
        is_program(&answer);
        answer.header("repr-digest").map(|digest| digest[..7].to_owned())
    };
    assert_eq!(told("sha-512=10").as_deref(), Some("sha-256"));
    assert_eq!(told("sha-512=10, sha-256=0"), None);
}
