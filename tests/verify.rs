//! Nobody has to trust the server: the line that an answer carries, pasted into a shell with nothing else, makes its bytes.

use crate::support::ask::Ask;
use crate::support::modproxy::modproxy;
use crate::support::scratch::Scratch;
use crate::support::{go, sha256, tmp, walk};
use std::fs;
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
