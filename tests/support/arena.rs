//! The surroundings of a cell in miniature, and the program of tests/attacks in the place of the compiler.
//!
//! Every run starts from the same files and reports what the attack itself says. Who attacks is a user of the machine:
//! root and an ordinary one where the suite runs as root, else whoever runs it.

use super::attacks::{attack_program, copy};
use super::{gox_server, walk};
use gox_server::sandbox::cell::{Cell, Inmate};
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Who attacks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum User {
    Root,
    Ordinary(u32),
}

impl User {
    /// The user of this number, such as `nobody`, need not exist: the kernel knows numbers only.
    const NOBODY: u32 = 65534;

    /// All that this run of the suite can be.
    pub(crate) fn all() -> Vec<User> {
        let own = nix::unistd::geteuid();
        if own.is_root() {
            vec![User::Root, User::Ordinary(User::NOBODY)]
        } else {
            println!("not root, so the attacks are tried as user {own} only");
            vec![User::Ordinary(own.as_raw())]
        }
    }

    fn id(self) -> u32 {
        match self {
            User::Root => 0,
            User::Ordinary(id) => id,
        }
    }
}

/// How an attack went: `through` or `denied`, and what it says of it, or the system call for which it was killed.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) through: bool,
    pub(crate) says: String,
}

/// One user's files, on which that user attacks.
pub(crate) struct Arena {
    dir: tempfile::TempDir,
    user: User,
    _listens: (TcpListener, TcpListener, UnixListener),
    /// TCP ports on which somebody listens; the driver's cell names one of them.
    forbidden_port: u16,
    allowed_port: u16,
}

/// What is in it for every run, besides a canary. `b001` is the attacked package's; it reads its sources and `dep-d`.
const FILES: [(&str, &str); 10] = [
    ("outside/canary", "tweet"),
    ("stage/work/progress", ""),
    ("stage/work/inputs", ""),
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
        // Not in target/, to which an ordinary user may have no way.
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

    /// The attack with this arena's ports and names.
    pub(crate) fn filled_in(&self, attack: &str) -> String {
        attack
            .replace("FORBIDDEN-PORT", &self.forbidden_port.to_string())
            .replace("ALLOWED-PORT", &self.allowed_port.to_string())
            .replace("ARENA", self.path().to_str().unwrap())
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Makes the attack without any cell.
    pub(crate) fn control(&self, attack: &str) -> Verdict {
        self.reset();
        self.run(attack, &[self.attacker()])
    }

    /// Makes it from the place of `go`.
    pub(crate) fn driver(&self, attack: &str) -> Verdict {
        self.reset();
        let inside = |name: &str| self.path().join("stage").join(name);
        let cell = Cell {
            inmate: Inmate::Driver {
                ports: vec![self.allowed_port],
            },
            read: vec![],
            execute: vec![self.path().join("goroot")],
            write: vec![inside("work"), inside("cache"), inside("modules")],
            limits: None,
            must_hold: false,
        };
        let cell = serde_json::to_string(&cell).unwrap();
        self.run(
            attack,
            &[
                self.gox_server(),
                "enter".to_owned(),
                cell,
                "--".to_owned(),
                self.attacker(),
            ],
        )
    }

    /// Makes it from the place of `compile`, with the arguments that `go` passes. Nothing but that package's own directory
    /// may be other than before.
    #[track_caller]
    pub(crate) fn tool(&self, attack: &str) -> Verdict {
        self.reset();
        let before = self.others();
        let at = |name: &str| self.path().join(name).to_str().unwrap().to_owned();
        let rules = format!("{}=>;{}=>m@v1", at("stage/work/b001"), at("stage/modules/m@v1"));
        let words = [
            self.gox_server(),
            "tool".to_owned(),
            at("stage/work/surroundings.json"),
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
        assert_eq!(self.others(), before, "{attack}: {verdict:?}");
        verdict
    }

    fn gox_server(&self) -> String {
        self.path().join("gox-server").to_str().unwrap().to_owned()
    }

    fn attacker(&self) -> String {
        self.path().join("goroot/compile").to_str().unwrap().to_owned()
    }

    /// A shell between the suite and the attack is the parent that is attacked: of the same user, with a secret in its
    /// environment, and an open file that is nobody's business.
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
            .current_dir(self.path());
        let output = shell.stdin(Stdio::null()).output().unwrap();
        // A tool prints to a file of its package.
        let printed = self.path().join("stage/work/output/b001");
        let printed = fs::read_to_string(printed).unwrap_or_default();
        let [said, words] = [&output.stdout, &output.stderr]
            .map(|said| String::from_utf8_lossy(said).into_owned() + &printed);
        if let Some((_, call)) = words.split_once("stopped for a system call that no tool makes: ") {
            return Verdict {
                through: false,
                says: call.split('(').next().unwrap_or(call).to_owned(),
            };
        }
        let (word, says) = said.trim_end().split_once(' ').unwrap_or((said.trim_end(), ""));
        assert!(
            ["through", "denied"].contains(&word),
            "{attack} as {:?}: {}: {said}{words}",
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
        let around = gox_server::sandbox::tool::Surroundings {
            goroot: self.path().join("goroot"),
            modules: at("modules"),
            cache: at("cache"),
            work: at("work"),
            progress: at("work/progress"),
            inputs: at("work/inputs"),
            compiler_limits: None,
            output: at("work/output"),
            environment: gox_server::golang::command::TOOL_VARIABLES
                .map(str::to_owned)
                .into(),
            must_hold: false,
        };
        fs::create_dir(at("work/output")).unwrap();
        fs::write(at("work/surroundings.json"), serde_json::to_vec(&around).unwrap()).unwrap();
        for path in [walk(&stage), walk(&self.path().join("outside"))].concat() {
            chown(path, Some(self.user.id()), Some(self.user.id())).unwrap();
        }
        // It is no archive: the mark of one that has been checked.
        fs::set_permissions(at("cache/aa/dep-d"), fs::Permissions::from_mode(0o1644)).unwrap();
    }

    /// Each file and folder that is not the attacked package's own: its mode, its age and its content.
    fn others(&self) -> Vec<(PathBuf, u32, i64, Vec<u8>)> {
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
