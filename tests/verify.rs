//! Nobody has to trust the server: the line that an answer carries, pasted into a shell with nothing else, makes its bytes.

use crate::support::ask::Ask;
use crate::support::modproxy::modproxy;
use crate::support::scratch::Scratch;
use crate::support::{go, plain, sha256, tmp, walk};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the line in a new folder with caches of its own, and gives the sha256 of the one program that it leaves.
fn made_by(line: &str, name: &str) -> String {
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
        // The operator's proxy and checksum database, which here are files and none; and the compile cache of the run.
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
fn the_line_makes_the_same_bytes() {
    let store = Scratch::new();
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
        let answer = store.ask(&Ask::get(path));
        answer.program();
        assert_eq!(answer.header("gox-recipe"), Some(recipe), "{path}");
        let line = answer.header("gox-verify").unwrap();
        assert_eq!(made_by(line, name), answer.sha256(), "{path}: {line}");
        // What only the day decides is written down.
        assert_eq!(
            line.contains("github.com/tester/imported v1.1.0"),
            matches!(name, "before-modules" | "untidy"),
            "{line}"
        );
        // Of all these only one holds a path of this machine, and says which.
        let modules = store.dir.join("cache/modules");
        assert_eq!(
            line.contains(modules.to_str().unwrap()),
            name == "asm-include-code",
            "{line}"
        );
    }
}

/// What `gox-server verify` says of a program, and its exit status.
fn verified(store: &Scratch, program: &str) -> (i32, String) {
    let output = store.command().args(["verify", program]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[track_caller]
fn says(found: (i32, String), status: i32, words: &str) {
    assert!(
        found.0 == status && found.1.contains(words),
        "status {}, wanted {status} and {words:?}:\n{}",
        found.0,
        found.1
    );
}

/// What plain `go install` with these flags makes of `hello`, as a file of a folder.
fn plainly_installed(folder: &Path, flags: &[&str]) -> PathBuf {
    let gopath = folder.join(format!("{}", fs::read_dir(folder).unwrap().count()));
    let mut command = plain::command_of(go());
    command
        .arg("install")
        .args(flags)
        .arg("github.com/tester/hello@v1.0.0");
    assert!(command.env("GOPATH", &gopath).status().unwrap().success());
    gopath.join("bin/hello")
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let at: Vec<_> = memchr::memmem::find_iter(&bytes, from).collect();
    assert!(!at.is_empty());
    at.iter()
        .for_each(|at| bytes[*at..at + to.len()].copy_from_slice(to));
    bytes
}

/// Programs from anywhere: unchanged, changed since, or built in ways that cannot be repeated.
#[test]
fn verify_tells_an_honest_program_from_others() {
    let store = Scratch::new();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let plain = |flags: &[&str]| plainly_installed(folder.path(), flags).display().to_string();

    // Ours, for another machine too; and the address that serves it.
    for path in [
        "/tester/hello@v1.0.0?os=linux&arch=amd64",
        "/tester/hello?os=windows&arch=arm64&strip=1",
        "/tester/only-with-tags?os=linux&arch=amd64v3&tags=ours",
    ] {
        let ours = put("ours", &store.ask(&Ask::get(path)).body);
        says(
            verified(&store, &ours),
            0,
            "The program is what its build information says.",
        );
    }
    let front = store.front();
    let url = format!("http://{}/tester/hello@v1.0.0?os=linux&arch=amd64", front.address);
    says(verified(&store, &url), 0, "built again, they are the same");
    let unserved = format!("http://{}/tester/hello@v9.9.9?os=linux&arch=amd64", front.address);
    says(verified(&store, &unserved), 2, "404");
    drop(front);

    // Of plain `go install`.
    let honest = plain(&["-trimpath"]);
    says(
        verified(&store, &honest),
        0,
        "go install -trimpath -pgo=off github.com/tester/hello@v1.0.0",
    );
    says(
        verified(&store, &plain(&["-trimpath", "-ldflags=-w -s"])),
        0,
        "'-ldflags=-w -s'",
    );
    let stamped = plain(&["-trimpath", "-ldflags=-X main.version=1.2.3"]);
    says(
        verified(&store, &stamped),
        1,
        "-ldflags that -trimpath does not record",
    );
    says(verified(&store, &plain(&[])), 2, "without -trimpath");
    says(
        verified(&store, &plain(&["-trimpath", "-gcflags=-l"])),
        2,
        "-gcflags=-l, which is not done here",
    );

    // Changed since: one byte, the version that it claims, the hash that it claims.
    let bytes = fs::read(&honest).unwrap();
    let greeting = replaced(&bytes, b"hello v1.0.0", b"hullo v1.0.0");
    says(
        verified(&store, &put("byte", &greeting)),
        1,
        "the program was changed",
    );
    let version = replaced(
        &bytes,
        b"github.com/tester/hello\tv1.0.0",
        b"github.com/tester/hello\tv1.1.0",
    );
    says(
        verified(&store, &put("version", &version)),
        1,
        "✗ module   github.com/tester/hello@v1.1.0 is h1:",
    );

    // Not to be told: no Go program, no such version, no module proxy.
    says(verified(&store, "/bin/sh"), 2, "not a Go program");
    says(verified(&store, "/proc/none"), 2, "No such file");
    let absent = replaced(
        &bytes,
        b"github.com/tester/hello\tv1.0.0",
        b"github.com/tester/hello\tv9.0.0",
    );
    says(
        verified(&store, &put("absent", &absent)),
        2,
        "The module has no such version.",
    );
    let away = Scratch::new().set("GOX_GOPROXY", format!("file://{}/none", folder.path().display()));
    says(verified(&away, &honest), 2, "? module");
    let misspelt = Scratch::cold().set("GOX_TASKS", "many");
    says(verified(&misspelt, &honest), 2, "GOX_TASKS");
}

#[test]
fn verify_prints_json_for_programs() {
    let store = Scratch::new();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let program = plainly_installed(folder.path(), &["-trimpath"]);
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
    let made = made_by(report["verify"].as_str().unwrap(), "hello");
    assert_eq!(made, sha256);
}

/// The lines need Go, and nothing of gox-server.
#[test]
fn the_lines_in_the_manual_verify_a_program() {
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
    let program = plainly_installed(folder.path(), &["-trimpath", "-tags=netgo"]);
    let output = run(&program);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let changed = replaced(&fs::read(&program).unwrap(), b"hello v1.0.0", b"hullo v1.0.0");
    let other = folder.path().join("changed");
    fs::write(&other, changed).unwrap();
    assert!(!run(&other).status.success());
}
