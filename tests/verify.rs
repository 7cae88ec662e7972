//! Verification without trust in the server: the command in `Gox-Verify`, run in a shell, builds the same bytes.

use crate::support::modproxy::modproxy;
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use crate::support::{go, plain_go, sha256, tmp, walk};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the command in an empty folder. Returns the SHA-256 of the program that it builds.
fn run_verify_command(line: &str, name: &str) -> String {
    let home = tempfile::tempdir_in(tmp()).unwrap();
    let tools = go().parent().unwrap().display();
    let output = Command::new("sh")
        .args(["-c", line])
        .env_clear()
        .env("PATH", format!("{tools}:/usr/bin:/bin"))
        .envs([
            ("HOME", home.path()),
            ("TMPDIR", home.path()),
            ("GOPATH", &home.path().join("go")),
        ])
        // The fixtures' proxy, no checksum database, and a compile cache that all runs share.
        .envs([
            ("GOPROXY", modproxy().url()),
            ("GOSUMDB", "off".to_owned()),
            ("GOFLAGS", "-modcacherw".to_owned()),
        ])
        .env("GOCACHE", tmp().join("verify-cache"))
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{line}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let made: Vec<_> = walk(home.path())
        .into_iter()
        .filter(|path| path.ends_with(name) && path.is_file())
        .collect();
    let [program] = &made[..] else {
        panic!("{line}\nleft {made:?}")
    };
    sha256(&fs::read(program).unwrap())
}

#[test]
fn printed_go_command_builds_the_same_bytes() {
    // Modules that are built from copies have compile caches of their own; the image's packages are linked into them.
    let store = TestStore::with_image_cache();
    for (recipe, name, path) in [
        ("go-install", "hello", "/tester/hello@v1.0.0?os=linux&arch=amd64"),
        ("go-install", "hello", "/tester/hello?os=linux&arch=amd64&strip=1"),
        (
            "go-install",
            "needs-tag",
            "/tester/needs-tag?os=linux&arch=amd64&tags=evil",
        ),
        (
            "go-install",
            "only-with-tags",
            "/tester/only-with-tags?os=linux&arch=amd64&tags=ours",
        ),
        (
            "main-module",
            "exclude-directive",
            "/tester/exclude-directive?os=linux&arch=amd64",
        ),
        (
            "main-module",
            "replace-directive",
            "/tester/replace-directive?os=linux&arch=amd64",
        ),
        (
            "main-module",
            "before-modules",
            "/tester/before-modules?os=linux&arch=amd64",
        ),
        (
            "main-module",
            "untidy",
            "/tester/untidy@v1.0.0?os=linux&arch=amd64",
        ),
        (
            "go-install",
            "asm-include-code",
            "/tester/asm-include-code?os=linux&arch=amd64",
        ),
        (
            "release",
            "b",
            "/tester/release-config@v1.2.0?os=linux&arch=amd64&recipe=release",
        ),
        (
            "release",
            "release-config-hostile",
            "/tester/release-config-hostile@v1.0.0?os=linux&arch=amd64&recipe=release",
        ),
        (
            "main-module",
            "replace-nested",
            "/tester/replace-nested@0123456789ab?os=linux&arch=amd64",
        ),
        (
            "main-module",
            "replace-nested",
            "/tester/replace-nested@v1.1.0?os=linux&arch=amd64",
        ),
    ] {
        let response = store.ask(&Request::get(path));
        response.program();
        assert_eq!(response.header("gox-recipe"), Some(recipe), "{path}");
        let line = response.header("gox-verify").unwrap();
        assert_eq!(
            run_verify_command(line, name),
            response.sha256(),
            "{path}: {line}"
        );
        // The command pins versions that depend on the day of the build.
        assert_eq!(
            line.contains("github.com/tester/imported v1.1.0"),
            matches!(name, "before-modules" | "untidy"),
            "{line}"
        );
        // Only one of these programs contains the path of the module cache; its command sets that path.
        let modules = store.dir.join("cache/modules");
        assert_eq!(
            line.contains(modules.to_str().unwrap()),
            name == "asm-include-code",
            "{line}"
        );
    }
}

/// Runs `gox-server verify`. Returns exit status and output.
fn run_verify(store: &TestStore, program: &str) -> (i32, String) {
    let output = store.command().args(["verify", program]).output().unwrap();
    let output_text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(output_text).unwrap(),
    )
}

#[track_caller]
fn assert_output(found: (i32, String), status: i32, words: &str) {
    assert!(
        found.0 == status && found.1.contains(words),
        "status {}, wanted {status} and {words:?}:\n{}",
        found.0,
        found.1
    );
}

/// Builds `hello` with plain `go install` and these flags. Returns the path of the program.
fn go_install(folder: &Path, flags: &[&str]) -> PathBuf {
    let gopath = folder.join(format!("{}", fs::read_dir(folder).unwrap().count()));
    let mut command = plain_go::command_for(go());
    command
        .arg("install")
        .args(flags)
        .arg("github.com/tester/hello@v1.0.0");
    assert!(command.env("GOPATH", &gopath).status().unwrap().success());
    gopath.join("bin/hello")
}

fn replace_bytes(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let at: Vec<_> = memchr::memmem::find_iter(&bytes, from).collect();
    assert!(!at.is_empty());
    at.iter()
        .for_each(|at| bytes[*at..at + to.len()].copy_from_slice(to));
    bytes
}

/// Unchanged programs, changed programs, and programs built with flags that cannot be repeated.
#[test]
fn verify_detects_changed_programs() {
    let store = TestStore::new();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let plain = |flags: &[&str]| go_install(folder.path(), flags).display().to_string();

    // Programs of gox-server, also for other platforms, and by URL.
    for path in [
        "/tester/hello@v1.0.0?os=linux&arch=amd64",
        "/tester/hello?os=windows&arch=arm64&strip=1",
        "/tester/only-with-tags?os=linux&arch=amd64v3&tags=ours",
        // The linker flags of the author's release configuration, which -trimpath does not record.
        "/tester/release-config@v1.2.0?os=linux&arch=amd64&recipe=release",
        "/tester/release-config@v1.3.0?os=darwin&arch=arm64&recipe=release",
        "/tester/release-config@v1.3.0?os=windows&arch=amd64&recipe=release&strip=1",
    ] {
        let ours = put("ours", &store.ask(&Request::get(path)).body);
        assert_output(
            run_verify(&store, &ours),
            0,
            "The program matches its build information.",
        );
    }
    let front = store.front();
    let by_url = |path: &str| run_verify(&store, &format!("http://{}{path}", front.address));
    for path in ["/tester/hello@v1.0.0?os=linux&arch=amd64", "/tester/hello@v1.0.0"] {
        assert_output(by_url(path), 0, "the rebuilt program is identical");
    }
    let unserved = by_url("/tester/hello@v9.9.9?os=linux&arch=amd64");
    assert_output(
        unserved,
        2,
        "HTTP status 404 no-such-version\n           The module has no",
    );
    let corrected = by_url("/tester/hello:v1.0.0");
    assert_output(corrected, 2, "at the end.\n           /tester/hello@v1.0.0\n");
    drop(front);

    // Programs of plain `go install`.
    let honest = plain(&["-trimpath"]);
    assert_output(
        run_verify(&store, &honest),
        0,
        "go install -trimpath -pgo=off github.com/tester/hello@v1.0.0",
    );
    assert_output(
        run_verify(&store, &plain(&["-trimpath", "-ldflags=-w -s"])),
        0,
        "'-ldflags=-w -s'",
    );
    assert_output(
        run_verify(&store, &plain(&["-trimpath", "-buildmode=pie"])),
        0,
        "-buildmode=pie",
    );
    let stamped = plain(&["-trimpath", "-ldflags=-X main.version=1.2.3"]);
    assert_output(
        run_verify(&store, &stamped),
        1,
        "the same compiled code, linked with other -ldflags, such as -X",
    );
    let without_id = plain(&["-trimpath", "-ldflags=-X main.version=1.2.3 -buildid="]);
    assert_output(run_verify(&store, &without_id), 1, "no build ID");
    assert_output(run_verify(&store, &plain(&[])), 2, "without -trimpath");
    assert_output(
        run_verify(&store, &plain(&["-trimpath", "-gcflags=-l"])),
        2,
        "-gcflags=-l, which is not supported here",
    );

    // Changed programs: one byte; the recorded version.
    let bytes = fs::read(&honest).unwrap();
    let greeting = replace_bytes(&bytes, b"hello v1.0.0", b"hullo v1.0.0");
    assert_output(
        run_verify(&store, &put("byte", &greeting)),
        1,
        "changed after it was linked",
    );
    let version = replace_bytes(
        &bytes,
        b"github.com/tester/hello\tv1.0.0",
        b"github.com/tester/hello\tv1.1.0",
    );
    assert_output(
        run_verify(&store, &put("version", &version)),
        1,
        "✗ module   github.com/tester/hello@v1.1.0 is h1:",
    );

    // Undecidable: not a Go program, missing version, no module proxy.
    assert_output(run_verify(&store, "/bin/sh"), 2, "not a Go program");
    assert_output(run_verify(&store, "/proc/none"), 2, "No such file");
    let absent = replace_bytes(
        &bytes,
        b"github.com/tester/hello\tv1.0.0",
        b"github.com/tester/hello\tv9.0.0",
    );
    assert_output(
        run_verify(&store, &put("absent", &absent)),
        2,
        "The module has no such version.",
    );
    let away = TestStore::new().set("GOX_GOPROXY", format!("file://{}/none", folder.path().display()));
    assert_output(run_verify(&away, &honest), 2, "? module");
    let misspelt = TestStore::empty().set("GOX_TASKS", "many");
    assert_output(run_verify(&misspelt, &honest), 2, "GOX_TASKS");
}

#[test]
fn verify_prints_json() {
    let store = TestStore::new();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let program = go_install(folder.path(), &["-trimpath"]);
    let output = store
        .command()
        .args(["verify", "--json"])
        .arg(&program)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let sha256 = sha256(&fs::read(&program).unwrap());
    assert_eq!(report["verdict"], "agrees", "{report:#}");
    assert_eq!(
        (&report["sha256"], &report["rebuilt_sha256"]),
        (&sha256.as_str().into(), &sha256.as_str().into())
    );
    let rows = report["rows"].as_array().unwrap();
    let whats: Vec<_> = rows.iter().map(|row| row["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["file", "program", "module", "go", "bytes"]);
    assert!(rows.iter().all(|row| row["agrees"] == true), "{report:#}");
    let made = run_verify_command(report["verify"].as_str().unwrap(), "hello");
    assert_eq!(made, sha256);
}

/// The commands in docs/verify.md need only Go.
#[test]
fn documented_commands_verify_a_program() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify.md");
    let manual = fs::read_to_string(manual).unwrap();
    let (_, lines) = manual.split_once("```sh\n").unwrap();
    let (lines, _) = lines.split_once("```").unwrap();
    assert_eq!(lines.lines().count(), 6);
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let tools = go().parent().unwrap().display();
    let run = |program: &Path| {
        let lines = lines.replace("./fzf", &program.display().to_string());
        let mut sh = Command::new("sh");
        sh.args(["-c", &lines])
            .env_clear()
            .env("PATH", format!("{tools}:/usr/bin:/bin"));
        sh.envs([("HOME", folder.path()), ("TMPDIR", folder.path())])
            .env("GOPROXY", modproxy().url());
        sh.envs([("GOSUMDB", "off"), ("GOFLAGS", "-modcacherw")])
            .env("GOCACHE", tmp().join("verify-cache"));
        sh.output().unwrap()
    };
    let program = go_install(folder.path(), &["-trimpath", "-tags=netgo"]);
    let output = run(&program);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let changed = replace_bytes(&fs::read(&program).unwrap(), b"hello v1.0.0", b"hullo v1.0.0");
    let other = folder.path().join("changed");
    fs::write(&other, changed).unwrap();
    assert!(!run(&other).status.success());
}
