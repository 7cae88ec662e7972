//! Runs the program of tests/attacks in a cell, in the role of the compiler or of `go`, with a small copy of the files of a build.
//!
//! Every run starts with the same files and returns what the attack reports. Attacks run as root and as an ordinary user.

use super::attacks::{attack_program, copy};
use super::{gox_server, walk};
use gox_server::sandbox::cell::{Cell, Role};
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The user that runs an attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum User {
    Root,
    /// It need not exist: the kernel uses numbers only.
    Nobody,
}

impl User {
    pub(crate) const ALL: [User; 2] = [User::Root, User::Nobody];

    fn id(self) -> u32 {
        match self {
            User::Root => 0,
            User::Nobody => 65534,
        }
    }
}

/// Result of an attack: whether it succeeded, and what it printed, or the system call for which it was killed.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) through: bool,
    pub(crate) says: String,
}

/// Files, ports and sockets for the attacks of one user.
pub(crate) struct Arena {
    dir: tempfile::TempDir,
    user: User,
    _listens: (TcpListener, TcpListener, UnixListener),
    /// TCP ports with a listener. The driver's cell allows one of them.
    forbidden_port: u16,
    allowed_port: u16,
}

/// Files at the start of every run. `b001` belongs to the attacking package, which may read its sources and `dep-d`.
const FILES: [(&str, &str); 11] = [
    ("outside/canary", "tweet"),
    ("stage/work/progress", ""),
    ("stage/work/inputs", ""),
    ("stage/work/tool-0", ""),
    ("stage/work/forbidden-calls", ""),
    (
        "stage/work/b001/importcfg",
        "packagefile dep=ARENA/stage/cache/aa/dep-d\n",
    ),
    ("stage/work/b002/_pkg_.a", "another package"),
    ("stage/cache/aa/dep-d", "an archive that is imported"),
    ("stage/cache/aa/other-d", "an archive that is not"),
    ("stage/modules/m@v1/main.go", "package main"),
    ("stage/modules/other@v1/other.go", "package other"),
];

impl Arena {
    pub(crate) fn new(user: User) -> Arena {
        // Not in target/, which an ordinary user may be unable to reach.
        let dir = tempfile::Builder::new().prefix("gox-arena-").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("goroot")).unwrap();
        copy(gox_server(), &dir.path().join("gox-server"));
        copy(&attack_program(), &dir.path().join("goroot/compile"));
        let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (forbidden, allowed) = (tcp(), tcp());
        let (forbidden_port, allowed_port) = (
            forbidden.local_addr().unwrap().port(),
            allowed.local_addr().unwrap().port(),
        );
        let name = SocketAddr::from_abstract_name(dir.path().to_str().unwrap()).unwrap();
        let unix = UnixListener::bind_addr(&name).unwrap();
        Arena {
            dir,
            user,
            _listens: (forbidden, allowed, unix),
            forbidden_port,
            allowed_port,
        }
    }

    /// Replaces the placeholders of an attack by this arena's ports and paths.
    pub(crate) fn fill_in(&self, attack: &str) -> String {
        attack
            .replace("FORBIDDEN-PORT", &self.forbidden_port.to_string())
            .replace("ALLOWED-PORT", &self.allowed_port.to_string())
            .replace("ARENA", self.path().to_str().unwrap())
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs the attack without a cell.
    pub(crate) fn attack_without_cell(&self, attack: &str) -> Verdict {
        self.reset();
        self.run(attack, &[self.attacker()])
    }

    /// Runs the attack in the cell of `go`.
    pub(crate) fn attack_as_driver(&self, attack: &str) -> Verdict {
        self.reset();
        let inside = |name: &str| self.path().join("stage").join(name);
        let cell = Cell {
            role: Role::Driver {
                ports: vec![self.allowed_port],
            },
            read: vec![],
            execute: vec![self.path().join("goroot")],
            write: vec![inside("work"), inside("cache"), inside("modules")],
            limits: None,
            must_enforce: false,
        };
        let cell = serde_json::to_string(&cell).unwrap();
        // The shell of `run` starts this one, which becomes gox-server.
        let enter = ["/bin/sh", "-c", r#"exec "$0" enter $PPID "$1" -- "$2""#].map(str::to_owned);
        let words = [self.gox_server(), cell, self.attacker()];
        self.run(attack, &[enter, words].concat())
    }

    /// Runs the attack in the cell of `compile`, with the arguments that `go` passes. Asserts that only the package's own
    /// directory changed.
    #[track_caller]
    pub(crate) fn attack_as_tool(&self, attack: &str) -> Verdict {
        self.reset();
        let before = self.snapshot_others();
        let at = |name: &str| self.path().join(name).to_str().unwrap().to_owned();
        let rules = format!("{}=>;{}=>m@v1", at("stage/work/b001"), at("stage/modules/m@v1"));
        let words = [
            self.gox_server(),
            "tool".to_owned(),
            at("stage/work/tool_context.json"),
            self.attacker(),
        ];
        let arguments = [
            ["-o".to_owned(), at("stage/work/b001/_pkg_.a")],
            ["-trimpath".to_owned(), rules],
            ["-importcfg".to_owned(), at("stage/work/b001/importcfg")],
            ["-pack".to_owned(), at("stage/modules/m@v1/main.go")],
            ["-attack".to_owned(), attack.to_owned()],
        ];
        let verdict = self.run(attack, &[&words[..], arguments.as_flattened()].concat());
        assert_eq!(self.snapshot_others(), before, "{attack}: {verdict:?}");
        verdict
    }

    /// A shell that leads its process group, as `go` does, and starts the words in `$@`: `go`'s query for the version of the compiler.
    /// The tool waits for the returned lock.
    pub(crate) fn query_version(&self, script: &str) -> (Command, fs::File) {
        self.reset();
        let work = self.path().join("stage/work");
        let lock = fs::File::create(work.join("filling")).unwrap();
        lock.lock().unwrap();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script, "sh", &self.gox_server(), "tool"]);
        shell
            .arg(work.join("tool_context.json"))
            .args([&self.attacker(), "-V=full"]);
        shell.env_clear().current_dir(self.path()).process_group(0);
        (shell, lock)
    }

    fn gox_server(&self) -> String {
        self.path().join("gox-server").to_str().unwrap().to_owned()
    }

    fn attacker(&self) -> String {
        self.path().join("goroot/compile").to_str().unwrap().to_owned()
    }

    /// Runs the attack as a child of a shell, which is the parent process that attacks target: same user, a secret in its
    /// environment, an open descriptor 9, and the leader of its process group, as `go` is.
    #[track_caller]
    fn run(&self, attack: &str, command: &[String]) -> Verdict {
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", "exec 9<outside/canary; unset SECRET; \"$@\"; exit $?", "sh"])
            .args(command);
        shell.env_clear().env("ATTACK", attack).env("SECRET", "tweet");
        shell.env("GOPROXY", "https://user:tweet@proxy.example.org");
        shell
            .uid(self.user.id())
            .gid(self.user.id())
            .current_dir(self.path())
            .process_group(0);
        let output = shell.stdin(Stdio::null()).output().unwrap();
        // The output of a tool goes to a file of its package.
        let printed = self.path().join("stage/work/output/b001");
        let printed = fs::read_to_string(printed).unwrap_or_default();
        let [output_text, words] = [&output.stdout, &output.stderr]
            .map(|output_text| String::from_utf8_lossy(output_text).into_owned() + &printed);
        if let Some((_, call)) = words.split_once("killed for a forbidden system call: ") {
            return Verdict {
                through: false,
                says: call.split('(').next().unwrap_or(call).to_owned(),
            };
        }
        let (word, says) = output_text
            .trim_end()
            .split_once(' ')
            .unwrap_or((output_text.trim_end(), ""));
        assert!(
            ["through", "denied"].contains(&word),
            "{attack} as {:?}: {}: {output_text}{words}",
            self.user,
            output.status
        );
        Verdict {
            through: word == "through",
            says: says.to_owned(),
        }
    }

    fn reset(&self) {
        let stage = self.path().join("stage");
        super::remove_tree(&stage);
        super::remove_tree(&self.path().join("outside"));
        for (name, text) in FILES {
            let path = self.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace("ARENA", self.path().to_str().unwrap())).unwrap();
        }
        let at = |name: &str| stage.join(name);
        let context = gox_server::golang::run::tool::ToolContext {
            goroot: self.path().join("goroot"),
            modules: at("modules"),
            fills_cache: Some(at("work/filling")),
            cache: at("cache"),
            work: at("work"),
            progress: at("work/progress"),
            inputs: at("work/inputs"),
            compiler_limits: None,
            cpus: gox_server::golang::run::tool::BuildCpus { count: 3, tools: 1 },
            output: at("work/output"),
            environment: gox_server::golang::run::command::tool_variables(),
            must_enforce: false,
        };
        fs::create_dir(at("work/output")).unwrap();
        fs::write(
            at("work/tool_context.json"),
            serde_json::to_vec(&context).unwrap(),
        )
        .unwrap();
        for path in [walk(&stage), walk(&self.path().join("outside"))].concat() {
            chown(path, Some(self.user.id()), Some(self.user.id())).unwrap();
        }
        // Not a valid archive: the sticky bit marks it as already checked.
        fs::set_permissions(at("cache/aa/dep-d"), fs::Permissions::from_mode(0o1644)).unwrap();
    }

    /// Mode, modification time and content of every file outside the attacking package's directory.
    fn snapshot_others(&self) -> Vec<(PathBuf, u32, i64, Vec<u8>)> {
        let own = [
            "stage/work/b001",
            "stage/work/progress",
            "stage/work/inputs",
            "stage/work/forbidden-calls",
            "stage/work/output",
        ]
        .map(|name| self.path().join(name));
        let others = ["stage", "outside"]
            .into_iter()
            .flat_map(|name| walk(&self.path().join(name)));
        let others = others.filter(|path| !own.iter().any(|own| path.starts_with(own)));
        others
            .map(|path| {
                let meta = fs::symlink_metadata(&path).unwrap();
                let content = if meta.is_file() {
                    fs::read(&path).unwrap()
                } else {
                    Vec::new()
                };
                (path, meta.mode(), meta.mtime(), content)
            })
            .collect()
    }
}
