//! Whole builds of hostile modules and with a hostile compiler. gox-server prevents each attack; plain `go` is the control that
//! shows its effect.

use crate::support::attacks::{copy, hostile_toolchain};
use crate::support::case::tester;
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use crate::support::{go, gox_server, plain_go, sha256, tmp, walk};
use gox_server::golang::run::tool::{BuildCpus, ToolContext};
use gox_server::sandbox::cell::{Cell, Role};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The error of asm for the third word of /etc/passwd, `root:x:0:…`, if it can read the file.
const LEAK: &str = "found \"0\"";

/// Runs `go install` of a fixture in a temporary folder.
fn install(go: &Path, folder: &Path, package: &str, change: impl FnOnce(&mut Command)) -> Output {
    let mut command = plain_go::command_for(go);
    command.arg("install").arg("-trimpath");
    command
        .env("GOPATH", folder.join("gopath"))
        .env("GOMODCACHE", folder.join("modules"))
        .env("GOTMPDIR", folder);
    change(&mut command);
    command.arg(format!("{package}@v1.0.0")).output().unwrap()
}

fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn goroot() -> PathBuf {
    PathBuf::from(plain_go::go_output(&["env", "GOROOT"]).trim())
}

/// The path of `compile`, `asm` or `link`.
fn tool(name: &str) -> PathBuf {
    PathBuf::from(plain_go::go_output(&["env", "GOTOOLDIR"]).trim()).join(name)
}

/// A temporary folder. Dropping it removes read-only modules too.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        Folder(
            tempfile::Builder::new()
                .prefix("hostile-")
                .tempdir_in(tmp())
                .unwrap()
                .keep(),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        crate::support::remove_tree(&self.0);
    }
}

/// M1. In `cases`, `gox-server tool` refuses such a package before the assembler starts. Here the assembler runs in its cell without
/// that check, and the kernel denies access.
#[test]
fn include_cannot_read_host_files() {
    let folder = Folder::new();
    let control = install(go(), &folder.0, "github.com/tester/asm-include-passwd", |_| ());
    assert!(stderr_of(&control).contains(LEAK), "{}", stderr_of(&control));

    let sources = folder
        .0
        .join("modules/github.com/tester/asm-include-passwd@v1.0.0");
    let asm = tool("asm");
    let mut words = vec![
        asm.to_str().unwrap().to_owned(),
        "-p".to_owned(),
        "main".to_owned(),
        "-o".to_owned(),
    ];
    words.extend(
        [folder.0.join("out.o"), sources.join("answer.s")].map(|path| path.to_str().unwrap().to_owned()),
    );
    let control = Command::new(&words[0]).args(&words[1..]).output().unwrap();
    assert!(stderr_of(&control).contains(LEAK), "{}", stderr_of(&control));
    let cell = Cell {
        role: Role::Tool,
        read: vec![sources],
        execute: vec![goroot()],
        write: vec![folder.0.clone()],
        limits: None,
        must_enforce: true,
    };
    let words = words.iter().map(Into::into).collect();
    let in_cell = cell.command(gox_server(), words).unwrap().output().unwrap();
    assert!(
        stderr_of(&in_cell).contains("#include: open /") && !stderr_of(&in_cell).contains(LEAK),
        "{}",
        stderr_of(&in_cell)
    );
}

/// A module that replaces another one by a fork does not change programs that use the original.
#[test]
fn forked_module_does_not_affect_other_programs() {
    let store = TestStore::with_image_cache();
    let ask = |path| store.ask(&Request::get(path));
    let forked = ask("/tester/asm-include-replaces?os=linux&arch=amd64");
    assert_eq!(forked.header("gox-recipe"), Some("main-module"), "{forked}");
    let genuine = ask("/tester/asm-include-replaced?os=linux&arch=amd64");
    assert_eq!(
        genuine.sha256(),
        plain_go::install(&tester("asm-include-replaced", "v1.0.0").wanted).sha256,
        "{genuine}"
    );
    assert_ne!(forked.sha256(), genuine.sha256());
}

/// M2. PATH has no C compiler; and in its cell the linker can neither write temporary files for it nor start it.
#[test]
fn linker_script_does_not_run_external_linker() {
    let passwd = fs::read("/etc/passwd").unwrap();
    let line = passwd.split(|byte| *byte == b'\n').next().unwrap();
    let leaks = |folder: &Folder| {
        let program = fs::read(folder.0.join("gopath/bin/syso-text")).unwrap_or_default();
        program.windows(line.len()).any(|window| window == line)
    };
    let with_compiler = |command: &mut Command| {
        command.env("PATH", "/usr/bin:/bin");
    };
    let package = "github.com/tester/syso-text";

    let control = Folder::new();
    let output = install(go(), &control.0, package, with_compiler);
    assert!(leaks(&control), "the control needs gcc: {}", stderr_of(&output));

    let in_cells = Folder::new();
    let context = ToolContext {
        goroot: goroot(),
        modules: in_cells.0.join("modules"),
        fills_cache: None,
        cache: tmp().join("plain-compile"),
        work: in_cells.0.clone(),
        progress: in_cells.0.join("progress"),
        inputs: in_cells.0.join("inputs"),
        compiler_limits: None,
        cpus: BuildCpus { count: 1, tools: 1 },
        output: in_cells.0.join("output"),
        environment: gox_server::golang::run::command::tool_variables(),
        must_enforce: true,
    };
    fs::create_dir(in_cells.0.join("output")).unwrap();
    let context_file = in_cells.0.join("tool_context.json");
    fs::write(&context_file, serde_json::to_vec(&context).unwrap()).unwrap();
    let output = install(go(), &in_cells.0, package, |command| {
        with_compiler(command);
        command.arg(format!(
            "-toolexec={} tool {}",
            gox_server().display(),
            context_file.display()
        ));
    });
    assert!(
        !leaks(&in_cells) && !output.status.success(),
        "{}",
        stderr_of(&output)
    );

    // The service with a C compiler on its PATH.
    let store = TestStore::new();
    store.ask(&Request::get("/tester/syso-text")).refused("needs-cgo");
}

/// M31. A package that takes over the compiler damages only its own output, although all builds share one compile cache.
/// Without cells the same compiler damages the next program.
#[test]
fn build_after_a_hostile_build_is_correct() {
    let folder = Folder::new();
    let evil = hostile_toolchain(&folder.0);
    let right = plain_go::install(&tester("hello", "v1.0.0").wanted).sha256;

    let store = TestStore::with_own_cache().set("GOX_GO", &evil);
    let before = contents(&store.dir.join("cache/compile"));
    assert!(!before.is_empty());
    let response = store.ask(&Request::get("/tester/generate"));
    let generate = plain_go::install(&tester("generate", "v1.0.0").wanted).sha256;
    assert_eq!(sha256(response.program()), generate);
    let after = contents(&store.dir.join("cache/compile"));
    let changed: Vec<_> = before
        .iter()
        .filter(|entry| !after.contains(entry))
        .map(|(path, _)| path)
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
    let store = store.set("GOX_GO", go());
    assert_eq!(store.ask(&Request::get("/tester/hello@v1.0.0")).sha256(), right);

    let control = Folder::new();
    copy(&store.dir.join("cache/compile"), &control.0.join("cache"));
    let with_cache = |command: &mut Command| {
        command.env("GOCACHE", control.0.join("cache"));
    };
    // A program that is not in the cache, so that the compiler runs.
    let poisoned = install(&evil, &control.0, "github.com/tester/retracted", with_cache);
    assert!(
        stderr_of(&poisoned).contains("files of other packages"),
        "{}",
        stderr_of(&poisoned)
    );
    let next = install(go(), &control.0, "github.com/tester/hello", with_cache);
    let program = fs::read(control.0.join("gopath/bin/hello")).unwrap_or_default();
    assert_ne!(sha256(&program), right, "{}", stderr_of(&next));
}

/// A hostile compiler is killed at a system call that compilers do not make. With the real compiler the same program is built.
#[test]
fn forbidden_system_call_is_named_in_response_and_log() {
    let folder = Folder::new();
    let store = TestStore::with_own_cache().set("GOX_GO", hostile_toolchain(&folder.0));
    let request = Request::get("/tester/forbidden-call?os=linux&arch=amd64");
    let response = store.ask(&request);
    let text = response.refused("forbidden-call").text();
    let output_text =
        "compile of github.com/tester/forbidden-call: killed for a forbidden system call: io_setup";
    assert!(text.contains(output_text), "{response}");
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert!(
        log.contains("forbidden-call") && log.contains(output_text),
        "{log}"
    );
    // The failure is not cached.
    store.set("GOX_GO", go()).ask(&request).program();
}

/// Forged archives of the library v1.0.1, and whether each changes the victim's program with plain `go`.
#[allow(clippy::type_complexity, reason = "a table that is used once")]
const FORGERIES: [(&str, fn(&LibraryArchives) -> Vec<u8>, bool); 7] = [
    (
        "states the content ID of v1.0.0",
        LibraryArchives::states_content,
        true,
    ),
    (
        "v1.0.0 with a build ID in place of zeros",
        LibraryArchives::replaces_zeros,
        true,
    ),
    ("states no build ID", LibraryArchives::states_nothing, false),
    (
        "not an archive",
        |_| b"\xff Go build ID: \"ACTION-ID-ACTION-ID-/ACTION-ID-ACTION-ID-\"\n \xff".to_vec(),
        false,
    ),
    (
        "truncated",
        |archives| archives.states_content()[..200].to_vec(),
        false,
    ),
    ("1 MiB of zeros", |_| vec![0; 1 << 20], false),
    ("a directory", |_| Vec::new(), false),
];

/// Archives of both versions of the library, as `go` builds them.
struct LibraryArchives {
    honest: Vec<u8>,
    evil: Vec<u8>,
}

impl LibraryArchives {
    /// Placeholder for the action ID that `go` will choose; see tests/attacks/forge.go.
    const ACTION: &str = "ACTION-ID-ACTION-ID-";

    fn new(folder: &Path) -> LibraryArchives {
        let archive = |version: &str| {
            fs::write(
                folder.join("go.mod"),
                format!("module x\n\nrequire github.com/tester/forged-build-id {version}\n"),
            )
            .unwrap();
            let mut list = plain_go::command_for(go());
            list.args(["list", "-mod=mod", "-export", "-trimpath", "-f={{.Export}}"])
                .arg("github.com/tester/forged-build-id")
                .current_dir(folder);
            let output = list.output().unwrap();
            let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            fs::read(path).unwrap_or_else(|error| panic!("{error}: {}", stderr_of(&output)))
        };
        LibraryArchives {
            honest: archive("v1.0.0"),
            evil: archive("v1.0.1"),
        }
    }

    /// Go reads the content ID at the first position and rewrites the build ID at the second. The fingerprint of the export data is
    /// that of v1.0.0, so that the linker accepts it.
    fn states_content(&self) -> Vec<u8> {
        let content = build_id(&self.honest).split_at(21).1;
        let states = self.with_ids([&format!("{}/{content}", Self::ACTION), &temporary()], &self.evil);
        let [honest, evil] = [&self.honest, &self.evil].map(|archive| {
            let end = find_all(archive, b"\n$$\n").last().unwrap();
            archive[end - 8..end].to_vec()
        });
        replace_bytes(&states, &evil, &honest)
    }

    /// Go hashes the build ID as zeros, so an ID in place of the zeros of v1.0.0 gives the same hash.
    fn replaces_zeros(&self) -> Vec<u8> {
        let temporary = temporary();
        let states = self.with_ids([&temporary, &temporary], &self.honest);
        let at = find_all(&states, &[0; 41]).next().unwrap();
        [&states[..at], temporary.as_bytes(), &states[at + 41..]].concat()
    }

    fn states_nothing(&self) -> Vec<u8> {
        self.with_ids([&"-".repeat(41), &temporary()], &self.evil)
    }

    fn with_ids(&self, ids: [&str; 2], archive: &[u8]) -> Vec<u8> {
        let mut archive = archive.to_owned();
        let places: Vec<_> = find_all(&archive, build_id(&archive).as_bytes()).collect();
        assert_eq!(places.len(), 2);
        for (at, id) in places.into_iter().zip(ids) {
            archive[at..at + 41].copy_from_slice(id.as_bytes());
        }
        archive
    }
}

/// The temporary build ID that `go` passes to a compiler.
fn temporary() -> String {
    [LibraryArchives::ACTION; 2].join("/")
}

fn build_id(archive: &[u8]) -> &str {
    let at = find_all(archive, b"build id \"").next().unwrap() + 10;
    str::from_utf8(&archive[at..at + 41]).unwrap()
}

fn find_all<'a>(text: &'a [u8], word: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    (0..text.len()).filter(move |at| text[*at..].starts_with(word))
}

fn replace_bytes(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut text = text.to_owned();
    let places: Vec<_> = find_all(&text, from).collect();
    for at in places {
        text[at..at + from.len()].copy_from_slice(to);
    }
    text
}

/// M35. A library that takes over the compiler cannot pass its output off as that of another version: programs that use the other
/// version are unchanged. Without cells the same compiler changes them.
#[test]
fn forged_archive_does_not_affect_other_programs() {
    let folder = Folder::new();
    let evil = hostile_toolchain(&folder.0);
    let compiler = PathBuf::from(go_output(&evil, &["env", "GOTOOLDIR"])).join("compile");
    let archives = LibraryArchives::new(&folder.0);
    let program = |name: &str| format!("forged-build-id-{name}");
    let right = |name| plain_go::install(&tester(&program(name), "v1.0.0").wanted).sha256;
    let ask = |name| Request::get(&format!("/tester/{}", program(name)));
    for (what, forgery, has_effect) in FORGERIES {
        fs::write(compiler.with_file_name("forged.a"), forgery(&archives)).unwrap();
        let store = TestStore::with_own_cache().set("GOX_GO", &evil);
        let control = Folder::new();
        copy(&store.dir.join("cache/compile"), &control.0.join("cache"));
        let install = |go: &Path, name: &str| {
            let cache = |command: &mut Command| {
                command.env("GOCACHE", control.0.join("cache"));
            };
            install(
                go,
                &control.0,
                &format!("github.com/tester/{}", program(name)),
                cache,
            )
        };
        install(&evil, "first");
        // A compile cache that already contains a forged archive.
        let damaged = TestStore::empty().set("GOX_GO", go());
        fs::create_dir_all(damaged.dir.join("cache")).unwrap();
        copy(&control.0.join("cache"), &damaged.dir.join("cache/compile"));
        install(&evil, "second");
        let output = install(go(), "victim");
        let made = fs::read(control.0.join("gopath/bin").join(program("victim"))).unwrap_or_default();
        assert_eq!(
            sha256(&made) != right("victim"),
            has_effect,
            "{what}: {}",
            stderr_of(&output)
        );

        for name in ["first", "second"] {
            let response = store.ask(&ask(name));
            assert_ne!(response.status, 200, "{what}: {response}");
            // With the real compiler the forged archive is compiled again.
            assert_eq!(damaged.ask(&ask(name)).sha256(), right(name), "{what}: {name}");
        }
        for store in [store.set("GOX_GO", go()), damaged] {
            let response = store.ask(&ask("victim"));
            assert_eq!(response.sha256(), right("victim"), "{what}: {response}");
        }
    }
}

fn go_output(go: &Path, arguments: &[&str]) -> String {
    let output = plain_go::command_for(go).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Hashes of the compiled packages in a compile cache, without the index entries, which Go rewrites in place.
fn contents(cache: &Path) -> Vec<(PathBuf, String)> {
    let files = walk(cache)
        .into_iter()
        .filter(|path| path.to_string_lossy().ends_with("-d"));
    files
        .map(|path| (path.clone(), sha256(&fs::read(&path).unwrap())))
        .collect()
}
