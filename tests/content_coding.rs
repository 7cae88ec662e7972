//! Compressed copies of a program: made once, stored with it, never served when damaged; without one the program itself is served.
//! Their HTTP headers are tested in `cases`.

use crate::host::{READ_ONLY, run_on_host};
use crate::support::case::tester;
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{plain_go, tmp};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::fs::{self, FileTimes, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::process::Command;

const CLIENTS: usize = 20;

fn hello() -> Request {
    Request::get("/tester/hello@v1.0.0")
}

fn zstd() -> Request {
    hello().header("Accept-Encoding", "zstd")
}

fn program() -> Vec<u8> {
    plain_go::install(&tester("hello", "v1.0.0").wanted).read()
}

/// A store with the program, and the program's folder.
fn store_with_program() -> (TestStore, PathBuf) {
    let store = TestStore::new();
    store.ask(&hello()).program();
    let [artifact] = &store.artifacts()[..] else {
        panic!("{:?}", store.artifacts())
    };
    let folder = artifact.parent().unwrap().to_owned();
    (store, folder)
}

#[track_caller]
fn assert_copy(response: &Response) {
    assert_eq!(
        (response.status, response.header("content-encoding")),
        (200, Some("zstd")),
        "{response}"
    );
    assert!(
        zstd::decode_all(&*response.body).unwrap() == program(),
        "{response}"
    );
}

#[track_caller]
fn assert_uncompressed(response: &Response) {
    assert_eq!(
        (response.status, response.header("content-encoding")),
        (200, None),
        "{response}"
    );
    assert!(response.body == program(), "{response}");
}

#[test]
fn twenty_requests_at_once_compress_once() {
    let (store, folder) = store_with_program();
    let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    watch.add_watch(&folder, AddWatchFlags::IN_MOVED_TO).unwrap();
    let gzip = hello().header("Accept-Encoding", "gzip, br");
    let both: Vec<_> = (0..CLIENTS)
        .map(|_| (store.start(&zstd()), store.start(&gzip)))
        .collect();
    for (zstd, gzip) in both {
        assert_copy(&zstd.response());
        let response = gzip.response();
        assert_eq!(response.header("content-encoding"), Some("gzip"), "{response}");
    }
    let moved = watch.read_events().unwrap();
    for copy in ["zstd", "gzip"] {
        let made = moved
            .iter()
            .filter(|event| event.name.as_ref().is_some_and(|name| name == copy));
        assert_eq!(made.count(), 1, "{moved:?}");
    }
}

/// HTTP/1.0 clients may store a compressed body as it is (w3m).
#[test]
fn http_1_0_client_gets_uncompressed_program() {
    let (store, _) = store_with_program();
    let front = store.front();
    let wire = front.send(
        b"GET /tester/hello@v1.0.0?os=linux&arch=amd64 HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip, br, zstd\r\n\r\n",
    );
    assert_uncompressed(&Response::from_http(&wire, false).unwrap());
}

/// curl stores the decoded half, then requests the rest by its offset.
#[test]
fn curl_decompresses_and_resumes() {
    let (store, _) = store_with_program();
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
fn damaged_copy_is_compressed_again() {
    let (store, folder) = store_with_program();
    let (copy, metadata) = (folder.join("zstd"), folder.join("zstd.json"));
    assert_copy(&store.ask(&zstd()));
    let inode = || copy.metadata().unwrap().ino();
    let made = inode();
    assert_copy(&store.ask(&zstd()));
    assert_eq!(inode(), made, "an intact copy was made again");

    let open = |path: &PathBuf| OpenOptions::new().write(true).open(path).unwrap();
    let damages: [(&str, &dyn Fn()); 7] = [
        ("truncated", &|| open(&copy).set_len(1000).unwrap()),
        ("empty", &|| open(&copy).set_len(0).unwrap()),
        ("a changed byte", &|| {
            open(&copy).write_all_at(b"x", 1000).unwrap()
        }),
        ("missing copy", &|| fs::remove_file(&copy).unwrap()),
        ("missing metadata", &|| fs::remove_file(&metadata).unwrap()),
        ("truncated metadata", &|| open(&metadata).set_len(20).unwrap()),
        ("metadata of another program", &|| {
            let text = fs::read_to_string(&metadata).unwrap();
            let (before, after) = text.split_once("\"of\":\"").unwrap();
            fs::write(
                &metadata,
                format!("{before}\"of\":\"{}{}", "0".repeat(64), &after[64..]),
            )
            .unwrap();
        }),
    ];
    // Left by a process that was killed.
    fs::write(folder.join("zstd.new"), vec![0; 10_000_000]).unwrap();
    for (what, damage) in damages {
        damage();
        let response = store.ask(&zstd());
        assert_copy(&response);
        let digest = response.header("etag").unwrap().trim_matches('"').to_owned();
        assert_eq!(digest, response.sha256(), "{what}");
    }
    assert!(!folder.join("zstd.new").exists());
}

/// A copy has its own checksum, so a copy of a damaged program would look valid.
#[test]
fn damaged_program_is_not_compressed() {
    let (store, folder) = store_with_program();
    let program = OpenOptions::new().write(true).open(folder.join("bin")).unwrap();
    let modified = program.metadata().unwrap().modified().unwrap();
    program.write_all_at(b"x", 5000).unwrap();
    // Disk corruption does not change the modification time.
    program
        .set_times(FileTimes::new().set_modified(modified))
        .unwrap();
    let response = store.ask(&zstd());
    assert_eq!(response.header("content-encoding"), None, "{response}");
    assert!(
        response
            .log
            .contains("does not have the SHA-256 that was published"),
        "{response}"
    );
    assert!(!folder.join("zstd").exists() && !folder.join("zstd.new").exists());
}

#[test]
fn full_disk_serves_uncompressed_program() {
    let (store, folder) = store_with_program();
    // Space for the program and a part of its copy.
    let full = format!(
        "cp -a '{0}' \"$GOX_DIR/moved\"; mount -t tmpfs -o size=$(($(du -sk '{0}' | cut -f1) + 64))k none '{0}'; \
         cp -a \"$GOX_DIR/moved/.\" '{0}'; rm -r \"$GOX_DIR/moved\"",
        folder.display()
    );
    for words in [&full, READ_ONLY] {
        let response = run_on_host(&store, words, &zstd());
        assert_uncompressed(&response);
        assert!(
            response.log.contains("cannot create a zstd copy"),
            "{words}: {response}"
        );
    }
    assert_copy(&store.ask(&zstd()));
    assert_copy(&run_on_host(&store, READ_ONLY, &zstd()));
}

/// Artifacts of versions that did not record SHA-512.
#[test]
fn artifact_without_sha512_gets_sha256_digest() {
    let (store, folder) = store_with_program();
    let meta = folder.join("meta.json");
    let mut metadata: serde_json::Value = serde_json::from_slice(&fs::read(&meta).unwrap()).unwrap();
    assert!(metadata.as_object_mut().unwrap().remove("sha512").is_some());
    fs::write(&meta, metadata.to_string()).unwrap();
    let digest_of = |want: &str| {
        let response = store.ask(&hello().header("Want-Repr-Digest", want));
        assert_uncompressed(&response);
        response
            .header("repr-digest")
            .map(|digest| digest[..7].to_owned())
    };
    assert_eq!(digest_of("sha-512=10").as_deref(), Some("sha-256"));
    assert_eq!(digest_of("sha-512=10, sha-256=0"), None);
}
