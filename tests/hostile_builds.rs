//! Whole builds of hostile modules, and with a compiler that has been taken over: through gox-server nothing happens, and
//! plain `go`, the control, shows what would have.

use crate::support::ask::Ask;
use crate::support::attacks::{copy, taken_over};
use crate::support::case::tester;
use crate::support::scratch::Scratch;
use crate::support::{go, gox_server, plain, sha256, tmp, walk};
use gox_server::sandbox::cell::{Cell, Inmate};
use gox_server::sandbox::tool::Surroundings;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What asm says of the third word in /etc/passwd, `root:x:0:…`, when it is made to read it.
const LEAK: &str = "found \"0\"";

/// `go install` of a fixture with `go`, into a folder of the test's own.
fn install(go: &Path, folder: &Path, package: &str, change: impl FnOnce(&mut Command)) -> Output {
    let mut command = plain::command_of(go);
    command.arg("install").arg("-trimpath");
    command
        .env("GOPATH", folder.join("gopath"))
        .env("GOMODCACHE", folder.join("modules"))
        .env("GOTMPDIR", folder);
    change(&mut command);
    command.arg(format!("{package}@v1.0.0")).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn goroot() -> PathBuf {
    PathBuf::from(plain::go_output(&["env", "GOROOT"]).trim())
}

/// `compile`, `asm` or `link` itself.
fn tool(name: &str) -> PathBuf {
    PathBuf::from(plain::go_output(&["env", "GOTOOLDIR"]).trim()).join(name)
}

/// A folder that goes with the test, read-only modules and all.
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

/// M1. The rows of `cases` show that the service says nothing of the file, and `tool` refuses such a package by itself.
/// Here the assembler is in its cell without that check, and the kernel refuses.
#[test]
fn an_include_reads_no_file_of_the_machine() {
    let folder = Folder::new();
    let control = install(go(), &folder.0, "github.com/tester/asm-include-passwd", |_| ());
    assert!(said(&control).contains(LEAK), "{}", said(&control));

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
        [folder.0.join("out.o"), sources.join("answer_amd64.s")]
            .map(|path| path.to_str().unwrap().to_owned()),
    );
    let control = Command::new(&words[0]).args(&words[1..]).output().unwrap();
    assert!(said(&control).contains(LEAK), "{}", said(&control));
    let cell = Cell {
        inmate: Inmate::Tool,
        read: vec![sources],
        execute: vec![goroot()],
        write: vec![folder.0.clone()],
        limits: None,
        must_hold: true,
    };
    let mut command = Command::new(gox_server());
    command
        .args(["enter", &serde_json::to_string(&cell).unwrap(), "--"])
        .args(&words);
    let in_cell = command.output().unwrap();
    assert!(
        said(&in_cell).contains("#include: open /") && !said(&in_cell).contains(LEAK),
        "{}",
        said(&in_cell)
    );
}

/// What a fork is made of stays in the program that asks for the fork.
#[test]
fn a_fork_has_no_part_in_what_others_get() {
    let store = Scratch::new();
    let ask = |path| store.ask(&Ask::get(path));
    let forked = ask("/tester/asm-include-replaces?os=linux&arch=amd64");
    assert_eq!(forked.header("gox-recipe"), Some("main-module"), "{forked}");
    let genuine = ask("/tester/asm-include-replaced?os=linux&arch=amd64");
    assert_eq!(
        genuine.sha256(),
        plain::install(&tester("asm-include-replaced", "v1.0.0").wanted).sha256,
        "{genuine}"
    );
    assert_ne!(forked.sha256(), genuine.sha256());
}

/// M2. PATH leads nowhere; and in its cell the linker finds no room for another linker's input, and starts no process.
#[test]
fn a_linker_script_runs_no_linker() {
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
    assert!(leaks(&control), "is there no gcc? {}", said(&output));

    let in_cells = Folder::new();
    let around = Surroundings {
        goroot: goroot(),
        modules: in_cells.0.join("modules"),
        cache: tmp().join("plain-compile"),
        work: in_cells.0.clone(),
        progress: in_cells.0.join("progress"),
        inputs: in_cells.0.join("inputs"),
        compiler_limits: None,
        output: in_cells.0.join("output"),
        environment: gox_server::golang::command::TOOL_VARIABLES
            .map(str::to_owned)
            .into(),
        must_hold: true,
    };
    fs::create_dir(in_cells.0.join("output")).unwrap();
    let surroundings = in_cells.0.join("surroundings.json");
    fs::write(&surroundings, serde_json::to_vec(&around).unwrap()).unwrap();
    let output = install(go(), &in_cells.0, package, |command| {
        with_compiler(command);
        command.arg(format!(
            "-toolexec={} tool {}",
            gox_server().display(),
            surroundings.display()
        ));
    });
    assert!(!leaks(&in_cells) && !output.status.success(), "{}", said(&output));

    // The service itself, with a C compiler on its own PATH.
    let store = Scratch::new();
    store.ask(&Ask::get("/tester/syso-text")).refused("needs-cgo");
}

/// M31, and the whole idea: a package that takes the compiler over spoils nothing but itself, though all builds share one
/// compile cache. Without cells the same compiler spoils the next program.
#[test]
fn a_poisoned_build_is_followed_by_a_right_one() {
    let folder = Folder::new();
    let evil = taken_over(&folder.0);
    let right = plain::install(&tester("hello", "v1.0.0").wanted).sha256;

    let store = Scratch::of_its_own().set("GOX_GO", &evil);
    let before = contents(&store.dir.join("cache/compile"));
    assert!(!before.is_empty());
    let answer = store.ask(&Ask::get("/tester/generate"));
    let generate = plain::install(&tester("generate", "v1.0.0").wanted).sha256;
    assert_eq!(sha256(answer.program()), generate);
    let after = contents(&store.dir.join("cache/compile"));
    let changed: Vec<_> = before
        .iter()
        .filter(|entry| !after.contains(entry))
        .map(|(path, _)| path)
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
    let store = store.set("GOX_GO", go());
    assert_eq!(store.ask(&Ask::get("/tester/hello@v1.0.0")).sha256(), right);

    let control = Folder::new();
    copy(&store.dir.join("cache/compile"), &control.0.join("cache"));
    let with_cache = |command: &mut Command| {
        command.env("GOCACHE", control.0.join("cache"));
    };
    // A program that is not in that cache yet: its compiler has to run.
    let poisoned = install(&evil, &control.0, "github.com/tester/retracted", with_cache);
    assert!(said(&poisoned).contains("files of others"), "{}", said(&poisoned));
    let next = install(go(), &control.0, "github.com/tester/hello", with_cache);
    let program = fs::read(control.0.join("gopath/bin/hello")).unwrap_or_default();
    assert_ne!(sha256(&program), right, "{}", said(&next));
}

/// A compiler that was taken over dies of a system call that no compiler makes, and the answer and the log say which. With an
/// honest compiler the same program is built.
#[test]
fn a_forbidden_system_call_is_named_in_the_answer_and_in_the_log() {
    let folder = Folder::new();
    let store = Scratch::of_its_own().set("GOX_GO", taken_over(&folder.0));
    let ask = Ask::get("/tester/forbidden-call?os=linux&arch=amd64");
    let answer = store.ask(&ask);
    let text = answer.refused("forbidden-call").text();
    let said =
        "compile of github.com/tester/forbidden-call: stopped for a system call that no tool makes: io_setup";
    assert!(text.contains(said), "{answer}");
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert!(log.contains("forbidden-call") && log.contains(said), "{log}");
    // It is not remembered: another compiler may do without.
    store.set("GOX_GO", go()).ask(&ask).program();
}

/// What an archive of the library v1.0.1 may be that its compiler wrote, and whether plain `go` then gives the victim another
/// program than its own.
#[allow(clippy::type_complexity, reason = "a table that is read once")]
const FORGERIES: [(&str, fn(&Archives) -> Vec<u8>, bool); 7] = [
    ("it states the content of v1.0.0", Archives::states_content, true),
    (
        "it is v1.0.0 with its build ID in the place of zeros",
        Archives::replaces_zeros,
        true,
    ),
    ("it states no build ID", Archives::states_nothing, false),
    (
        "it is no archive",
        |_| b"\xff Go build ID: \"ACTION-ID-ACTION-ID-/ACTION-ID-ACTION-ID-\"\n \xff".to_vec(),
        false,
    ),
    (
        "it ends early",
        |archives| archives.states_content()[..200].to_vec(),
        false,
    ),
    ("it is a large file of nothing", |_| vec![0; 1 << 20], false),
    ("it is a directory", |_| Vec::new(), false),
];

/// What `go` makes of both versions of the library.
struct Archives {
    honest: Vec<u8>,
    evil: Vec<u8>,
}

impl Archives {
    /// As tests/attacks/forge.go has it: the action ID that `go` will choose.
    const ACTION: &str = "ACTION-ID-ACTION-ID-";

    fn new(folder: &Path) -> Archives {
        let archive = |version: &str| {
            fs::write(
                folder.join("go.mod"),
                format!("module x\n\nrequire github.com/tester/forged-build-id {version}\n"),
            )
            .unwrap();
            let mut list = plain::command_of(go());
            list.args(["list", "-mod=mod", "-export", "-trimpath", "-f={{.Export}}"])
                .arg("github.com/tester/forged-build-id")
                .current_dir(folder);
            let output = list.output().unwrap();
            let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            fs::read(path).unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
        };
        Archives {
            honest: archive("v1.0.0"),
            evil: archive("v1.0.1"),
        }
    }

    /// Go finds the content ID in the first place and rewrites what it put in the second. The linker is told that importers read
    /// what they had read of v1.0.0.
    fn states_content(&self) -> Vec<u8> {
        let content = build_id(&self.honest).split_at(21).1;
        let states = self.with_ids([&format!("{}/{content}", Self::ACTION), &temporary()], &self.evil);
        let [honest, evil] = [&self.honest, &self.evil].map(|archive| {
            let end = find(archive, b"\n$$\n").last().unwrap();
            archive[end - 8..end].to_vec()
        });
        replaced(&states, &evil, &honest)
    }

    /// Where Go looks for the build ID it finds zeros in v1.0.0, and hashes zeros in this.
    fn replaces_zeros(&self) -> Vec<u8> {
        let temporary = temporary();
        let states = self.with_ids([&temporary, &temporary], &self.honest);
        let at = find(&states, &[0; 41]).next().unwrap();
        [&states[..at], temporary.as_bytes(), &states[at + 41..]].concat()
    }

    fn states_nothing(&self) -> Vec<u8> {
        self.with_ids([&"-".repeat(41), &temporary()], &self.evil)
    }

    fn with_ids(&self, ids: [&str; 2], archive: &[u8]) -> Vec<u8> {
        let mut archive = archive.to_owned();
        let places: Vec<_> = find(&archive, build_id(&archive).as_bytes()).collect();
        assert_eq!(places.len(), 2);
        for (at, id) in places.into_iter().zip(ids) {
            archive[at..at + 41].copy_from_slice(id.as_bytes());
        }
        archive
    }
}

/// What `go` tells a compiler to state.
fn temporary() -> String {
    [Archives::ACTION; 2].join("/")
}

fn build_id(archive: &[u8]) -> &str {
    let at = find(archive, b"build id \"").next().unwrap() + 10;
    str::from_utf8(&archive[at..at + 41]).unwrap()
}

fn find<'a>(text: &'a [u8], word: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    (0..text.len()).filter(move |at| text[*at..].starts_with(word))
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut text = text.to_owned();
    let places: Vec<_> = find(&text, from).collect();
    for at in places {
        text[at..at + from.len()].copy_from_slice(to);
    }
    text
}

/// M35. A compiler that a library has taken over cannot have its output taken for that of another version: a program that
/// needs that one is the program of plain `go`. Without cells the same compiler changes it.
#[test]
fn a_forged_archive_reaches_no_other_program() {
    let folder = Folder::new();
    let evil = taken_over(&folder.0);
    let compiler = PathBuf::from(said_by(&evil, &["env", "GOTOOLDIR"])).join("compile");
    let archives = Archives::new(&folder.0);
    let program = |name: &str| format!("forged-build-id-{name}");
    let right = |name| plain::install(&tester(&program(name), "v1.0.0").wanted).sha256;
    let ask = |name| Ask::get(&format!("/tester/{}", program(name)));
    for (what, forgery, spoils) in FORGERIES {
        fs::write(compiler.with_file_name("forged.a"), forgery(&archives)).unwrap();
        let store = Scratch::of_its_own().set("GOX_GO", &evil);
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
        // A compile cache that this was done to before.
        let spoilt = Scratch::cold().set("GOX_GO", go());
        fs::create_dir_all(spoilt.dir.join("cache")).unwrap();
        copy(&control.0.join("cache"), &spoilt.dir.join("cache/compile"));
        install(&evil, "second");
        let output = install(go(), "victim");
        let made = fs::read(control.0.join("gopath/bin").join(program("victim"))).unwrap_or_default();
        assert_eq!(
            sha256(&made) != right("victim"),
            spoils,
            "{what}: {}",
            said(&output)
        );

        for name in ["first", "second"] {
            let answer = store.ask(&ask(name));
            assert_ne!(answer.status, 200, "{what}: {answer}");
            // With a compiler that does what it should, the archive that was left is compiled again.
            assert_eq!(spoilt.ask(&ask(name)).sha256(), right(name), "{what}: {name}");
        }
        for store in [store.set("GOX_GO", go()), spoilt] {
            let answer = store.ask(&ask("victim"));
            assert_eq!(answer.sha256(), right("victim"), "{what}: {answer}");
        }
    }
}

fn said_by(go: &Path, arguments: &[&str]) -> String {
    let output = plain::command_of(go).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The compiled packages in a compile cache, by their files: Go rewrites its small index entries in place.
fn contents(cache: &Path) -> Vec<(PathBuf, String)> {
    let files = walk(cache)
        .into_iter()
        .filter(|path| path.to_string_lossy().ends_with("-d"));
    files
        .map(|path| (path.clone(), sha256(&fs::read(&path).unwrap())))
        .collect()
}
