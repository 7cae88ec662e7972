//! Web servers, started with the files of conf/ as they stand there, but for places and ports: `CHANGES` says which.
//!
//! A server listens on an address of this process's own, out of 127.0.0.0/8, so that no other can have taken its ports. As root
//! each runs as the user that started it, since that is whose the store is.

use super::answer::Answer;
use super::ask::Ask;
use super::processes::{self, Process};
use super::scratch::Scratch;
use super::{PATIENCE, eventually, gox_server, http};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid, getsid};
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use tempfile::TempDir;

/// A running web server, and the places where gox-server is mounted in it.
pub(crate) struct WebServer {
    command: Command,
    /// What it reads its configuration anew at, and ends no request.
    reload: Signal,
    child: Child,
    /// Its configuration, its sockets and its logs. Below /tmp, since a socket's path may have 107 bytes.
    folder: TempDir,
    pub(crate) mounts: Vec<Mount>,
}

/// One host of its configuration.
#[derive(Clone)]
pub(crate) struct Mount {
    pub(crate) name: &'static str,
    /// The path of gox-server's root: `/go`, or nothing.
    pub(crate) prefix: &'static str,
    pub(crate) address: SocketAddr,
}

/// A host in a file of conf/: what it is to us, its name there, the path of the mount.
type Site = (&'static str, &'static str, &'static str);

const NGINX: [Site; 2] = [
    ("nginx", "gox.example.org", ""),
    ("nginx, below a path", "www.example.org", "/go"),
];

const LIGHTTPD: [Site; 4] = [
    ("lighttpd's FastCGI", "gox.example.org", ""),
    ("lighttpd's FastCGI, below a path", "www.example.org", "/go"),
    ("lighttpd's CGI", "cgi.example.org", ""),
    ("lighttpd's CGI, below a path", "cgi-go.example.org", "/go"),
];

const APACHE: [Site; 6] = [
    ("mod_cgid", "cgid.example.org", ""),
    ("mod_cgid, below a path", "cgid-go.example.org", "/go"),
    ("mod_proxy_fcgi", "fcgi.example.org", ""),
    ("mod_proxy_fcgi, below a path", "fcgi-go.example.org", "/go"),
    ("mod_fcgid", "fcgid.example.org", ""),
    ("mod_fcgid, below a path", "fcgid-go.example.org", "/go"),
];

const CADDY: [Site; 2] = [
    ("Caddy", "gox.example.org", ""),
    ("Caddy, below a path", "www.example.org", "/go"),
];

type Rule = (&'static str, fn(&Ask) -> bool, u16);

/// What a server refuses by itself, before it asks gox-server: who, which requests, its status. All the differences between doors
/// that there are; each is a request that gox-server refuses too.
const BY_ITSELF: [Rule; 16] = [
    // A NUL ends a file's name, and is let through by nobody to whom a path may mean a file.
    ("nginx", has_nul, 400),
    ("mod_", has_nul, 404),
    ("Caddy", has_nul, 400),
    // Above the root is nothing. lighttpd and Caddy stay at the root, which below a path is no longer gox-server's.
    ("nginx", leaves_the_root, 400),
    ("mod_", leaves_the_root, 400),
    ("lighttpd's FastCGI, below a path", leaves_the_root, 404),
    ("lighttpd's CGI, below a path", leaves_the_root, 404),
    ("Caddy, below a path", leaves_the_root, 404),
    // Who runs programs looks for them on the disk, where no name is so long.
    ("mod_cgid", is_no_file_name, 403),
    ("mod_fcgid", is_no_file_name, 403),
    ("lighttpd's CGI", is_no_file_name, 404),
    // TRACE asks the server, and no program behind it.
    ("nginx", |ask| ask.method == "TRACE", 405),
    ("mod_", |ask| ask.method == "TRACE", 405),
    // Methods that a server does not know, or that it wants to be asked in another way.
    ("nginx", |ask| ask.method == "get", 400),
    ("lighttpd", |ask| matches!(ask.method, "get" | "BREW"), 501),
    ("lighttpd", |ask| ask.method == "POST" && ask.body.is_empty(), 411),
];

fn has_nul(ask: &Ask) -> bool {
    ask.path.contains("%00")
}

fn leaves_the_root(ask: &Ask) -> bool {
    ask.path.starts_with("/../") || ask.path.starts_with("/%2e%2e/")
}

fn is_no_file_name(ask: &Ask) -> bool {
    ask.path.len() > 4096
}

/// What every file says of a usual installation, and where it is here. `DIR` is the server's folder.
const CHANGES: [(&str, &str); 10] = [
    ("/usr/lib/cgi-bin", "DIR/cgi-bin"),
    ("/var/www/html", "DIR"),
    ("/var/log/nginx", "DIR"),
    ("/var/log/lighttpd", "DIR"),
    ("/var/log/apache2", "DIR"),
    ("/run/nginx.pid", "DIR/pid"),
    ("/run/lighttpd.pid", "DIR/pid"),
    ("/run/lighttpd/", "DIR/"),
    ("/run/apache2/", "DIR/"),
    ("DefaultRuntimeDir /run/apache2", "DefaultRuntimeDir DIR"),
];

impl WebServer {
    /// nginx before this responder, which has to be told that nginx sends programs.
    pub(crate) fn nginx(store: &Scratch, responder: &Path) -> WebServer {
        WebServer::nginx_listening(store, responder, folder(), "")
    }

    /// The same, where TLS ends at nginx, with a certificate of its own.
    pub(crate) fn nginx_by_tls(store: &Scratch, responder: &Path) -> WebServer {
        let folder = folder();
        let mut openssl = Command::new("openssl");
        openssl
            .args(
                "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -out tls.pem -keyout tls.key"
                    .split(' '),
            )
            .current_dir(folder.path());
        let made = openssl.output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let how = " ssl; ssl_certificate DIR/tls.pem; ssl_certificate_key DIR/tls.key";
        let how = in_folder(how, &folder);
        WebServer::nginx_listening(store, responder, folder, &how)
    }

    fn nginx_listening(store: &Scratch, responder: &Path, folder: TempDir, how: &str) -> WebServer {
        let mounts = mounts(&NGINX);
        let mut changes = vec![
            ("/run/gox-server.sock".to_owned(), text(responder)),
            ("user www-data;".to_owned(), own_user("user root;")),
            // As it would at its usual place, it makes folders for bodies that it never gets.
            (
                "http {\n".to_owned(),
                in_folder(
                    "http {\n    client_body_temp_path DIR/body; fastcgi_temp_path DIR/fastcgi; proxy_temp_path DIR/proxy; scgi_temp_path DIR/scgi; uwsgi_temp_path DIR/uwsgi;\n",
                    &folder,
                ),
            ),
        ];
        for ((_, host, _), mount) in NGINX.iter().zip(&mounts) {
            let (named, bound) = (
                format!("listen 80;\n        server_name {host};"),
                format!("listen {}{how};", mount.address),
            );
            changes.push((named, bound));
        }
        let config = install("nginx.conf", &folder, &changes);
        install(
            "nginx-files.conf",
            &folder,
            &[("/var/cache/gox-server".to_owned(), text(&store.dir))],
        );
        let mut command = Command::new(program("nginx"));
        command
            .arg("-c")
            .arg(config)
            .arg("-p")
            .arg(folder.path())
            .args(["-g", "daemon off;"]);
        WebServer::start(command, Signal::SIGHUP, folder, mounts)
    }

    /// lighttpd, which starts gox-server itself.
    pub(crate) fn lighttpd(store: &Scratch) -> WebServer {
        let folder = folder();
        let mounts = mounts(&LIGHTTPD);
        cgi_bin(&folder);
        let own = mounts[0].address.ip();
        let mut changes = vec![
            (
                "\"GOX_DIR\" => \"/var/cache/gox-server\", ".to_owned(),
                settings(store, |name, value| format!("\"{name}\" => \"{value}\", ")),
            ),
            ("/var/cache/gox-server".to_owned(), text(&store.dir)),
            (
                "server.port = 80\n".to_owned(),
                format!("server.bind = \"{own}\"\nserver.port = {}\n", port()),
            ),
            (
                "server.username = \"www-data\"\nserver.groupname = \"www-data\"\n".to_owned(),
                String::new(),
            ),
        ];
        for ((_, host, _), mount) in LIGHTTPD.iter().zip(&mounts) {
            let (named, bound) = (
                format!("$HTTP[\"host\"] == \"{host}\""),
                format!("$SERVER[\"socket\"] == \"{}\"", mount.address),
            );
            changes.push((named, bound));
        }
        let config = install("lighttpd.conf", &folder, &changes);
        let mut command = Command::new(program("lighttpd"));
        command.arg("-D").arg("-f").arg(config);
        WebServer::start(command, Signal::SIGUSR1, folder, mounts)
    }

    /// Apache, before this responder, and with CGI programs and responders that it starts itself.
    pub(crate) fn apache(store: &Scratch, responder: &Path) -> WebServer {
        let folder = folder();
        let mounts = mounts(&APACHE);
        cgi_bin(&folder);
        let [own, fcgids] = ["SetEnv", "FcgidInitialEnv"].map(|word| {
            (
                format!("\n{word} GOX_DIR /var/cache/gox-server\n"),
                settings(store, |name, value| format!("\n{word} {name} {value}\n")),
            )
        });
        let mut changes = vec![
            own,
            fcgids,
            ("/var/cache/gox-server".to_owned(), text(&store.dir)),
            ("/run/gox-server.sock".to_owned(), text(responder)),
            (
                "Listen 80\n".to_owned(),
                mounts
                    .iter()
                    .map(|mount| format!("Listen {}\n", mount.address))
                    .collect(),
            ),
        ];
        for ((_, host, _), mount) in APACHE.iter().zip(&mounts) {
            let (named, bound) = (
                format!("<VirtualHost *:80>\n    ServerName {host}\n"),
                format!("<VirtualHost {}>\n    ServerName {host}\n", mount.address),
            );
            changes.push((named, bound));
        }
        let config = install("apache.conf", &folder, &changes);
        let mut command = apache();
        command.args(["-D", "FOREGROUND", "-f"]).arg(config);
        WebServer::start(command, Signal::SIGUSR1, folder, mounts)
    }

    /// A web server with a configuration of a test's own, at one address. In its command and its configuration `DIR` is its
    /// folder, `CONFIG` its configuration, `HOST` and `PORT` are its address, `USER` is nginx's own user; its CGI programs are in `DIR/cgi-bin`.
    pub(crate) fn configured(name: &'static str, command: &[&str], config: &str, cgi: &str) -> WebServer {
        let folder = folder();
        let mounts = mounts(&[(name, "", "")]);
        let address = mounts[0].address;
        let here = |text: &str| {
            let file = folder.path().join("config");
            in_folder(text, &folder)
                .replace("CONFIG", file.to_str().unwrap())
                .replace("HOST", &address.ip().to_string())
                .replace("PORT", &address.port().to_string())
                .replace("USER", &own_user("user root;"))
        };
        fs::write(folder.path().join("config"), here(config)).unwrap();
        fs::create_dir(folder.path().join("cgi-bin")).unwrap();
        let script = folder.path().join("cgi-bin/gox-server");
        fs::write(&script, cgi).unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        let mut started = match command[0] {
            "/usr/sbin/apache2" => apache(),
            other => Command::new(other),
        };
        started.args(command[1..].iter().map(|argument| here(argument)));
        WebServer::start(started, Signal::SIGHUP, folder, mounts)
    }

    /// Caddy before this responder. What it needs of a certificate authority, and how it is told to load its file anew, is
    /// nothing for a test that runs beside others.
    pub(crate) fn caddy(store: &Scratch, responder: &Path) -> WebServer {
        let folder = folder();
        let mounts = mounts(&CADDY);
        let mut changes = vec![
            (
                "unix//run/gox-server.sock".to_owned(),
                format!("unix/{}", text(responder)),
            ),
            (
                "(gox-server) {".to_owned(),
                in_folder("{\n\tadmin unix/DIR/admin.sock\n}\n(gox-server) {", &folder),
            ),
            ("/var/cache/gox-server".to_owned(), text(&store.dir)),
        ];
        for ((_, host, _), mount) in CADDY.iter().zip(&mounts) {
            let bound = format!(
                "\nhttp://:{} {{\n\tbind {}\n",
                mount.address.port(),
                mount.address.ip()
            );
            changes.push((format!("\n{host} {{\n"), bound));
        }
        let config = install("Caddyfile", &folder, &changes);
        let mut command = Command::new("/usr/bin/caddy");
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(config);
        WebServer::start(command, Signal::SIGUSR1, folder, mounts)
    }

    fn start(mut command: Command, reload: Signal, folder: TempDir, mounts: Vec<Mount>) -> WebServer {
        let said = fs::File::create(folder.path().join("said")).unwrap();
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said);
        let mut server = WebServer {
            child: spawn(&mut command),
            command,
            reload,
            folder,
            mounts,
        };
        server.listens();
        server
    }

    fn listens(&mut self) {
        eventually("the web server listens", PATIENCE, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{:?}: {ended:?}: {}", self.command, self.log());
            self.mounts
                .iter()
                .all(|mount| TcpStream::connect(mount.address).is_ok())
        });
    }

    /// Has it read its configuration anew, as its service manager does for `reload`.
    pub(crate) fn reload(&self) {
        self.signal(self.reload);
    }

    /// Ends it as its service manager does.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        self.child.wait().unwrap();
    }

    /// SIGKILL for it and all that it started and that has not left its session: nobody gets to clean up.
    pub(crate) fn kill(&mut self) {
        // It comes first, or it starts again what is killed.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let session = getsid(None).unwrap();
        let its_own = |process: &Process| getsid(Some(Pid::from_raw(process.pid))) == Ok(session);
        let mut killed = Vec::new();
        // A service manager starts it again only when all are gone; so long a socket of theirs seems to be listened on.
        eventually("what the web server started is gone", PATIENCE, || {
            let mut left = processes::about(self.folder.path());
            left.retain(its_own);
            left.iter().for_each(Process::kill);
            let is_last = left.is_empty();
            killed.extend(left);
            is_last && killed.iter().all(Process::is_gone)
        });
    }

    /// Starts it once more, with the configuration, the places and what was left there.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&mut self.command);
        self.listens();
    }

    /// All that it and its programs have said.
    pub(crate) fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        ["said", "error.log", "gox-server.log"].map(read).concat()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        if std::thread::panicking() {
            self.kill();
            eprintln!("the web server's log:\n{}", self.log());
        } else {
            self.stop();
        }
    }
}

impl Mount {
    pub(crate) fn ask(&self, ask: &Ask) -> Result<Answer, String> {
        let mut ask = ask.clone();
        ask.path = format!("{}{}", self.prefix, ask.path);
        let mut answer = http::ask(self.address, &ask)?;
        if !self.prefix.is_empty() {
            self.move_to_root(&mut answer);
        }
        Ok(answer)
    }

    /// The status with which the server refuses this request by itself, if it does.
    pub(crate) fn refuses_itself(&self, ask: &Ask) -> Option<u16> {
        let mut rules = BY_ITSELF.iter();
        let rule = rules.find(|(who, which, _)| self.name.starts_with(who) && which(ask));
        rule.map(|(_, _, status)| *status)
    }

    /// What says where the service is, as if it were at the root: else no two mounts would say the same.
    fn move_to_root(&self, answer: &mut Answer) {
        for (name, value) in &mut answer.headers {
            if name == "content-location" {
                *value = value
                    .strip_prefix(self.prefix)
                    .unwrap_or("not below the mount")
                    .to_owned();
            }
        }
        if let Ok(text) = str::from_utf8(&answer.body) {
            let at_root = |text: String, before: &str| {
                text.replace(&format!("{before}{}/", self.prefix), &format!("{before}/"))
            };
            let begins = ["127.0.0.1", "\"", " ", ">"];
            answer.body = begins.into_iter().fold(text.to_owned(), at_root).into_bytes();
        }
    }
}

fn spawn(command: &mut Command) -> Child {
    let spawned = command.spawn();
    spawned.unwrap_or_else(|error| panic!("{command:?}: {error}; `make test-packages` installs it"))
}

/// Apache refuses to work as root. In a user namespace it is somebody else, to whom root's files belong.
fn apache() -> Command {
    let apache = program("apache2");
    if !geteuid().is_root() {
        return Command::new(apache);
    }
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-user=33", "--map-group=33"])
        .arg(apache);
    command
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("gox-")
        .tempdir_in("/tmp")
        .unwrap()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn in_folder(text: &str, folder: &TempDir) -> String {
    text.replace("DIR", folder.path().to_str().unwrap())
}

/// As root, where nobody else could read the store; who is no other user anyway needs no line.
fn own_user(line: &str) -> String {
    if geteuid().is_root() {
        line.to_owned()
    } else {
        String::new()
    }
}

/// Puts a file of conf/ where the server finds it, with what has another place here.
#[track_caller]
fn install(name: &str, folder: &TempDir, changes: &[(String, String)]) -> std::path::PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name);
    let mut text = fs::read_to_string(source).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "conf/{name} has no {from:?}");
        text = text.replace(from, to);
    }
    for (from, to) in CHANGES {
        text = text.replace(from, &in_folder(to, folder));
    }
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// The program where web servers look for it.
fn cgi_bin(folder: &TempDir) {
    let place = folder.path().join("cgi-bin");
    fs::create_dir(&place).unwrap();
    symlink(gox_server(), place.join("gox-server")).unwrap();
}

/// The store's settings in a server's own words.
fn settings(store: &Scratch, line: impl Fn(&str, &str) -> String) -> String {
    let settings = store.settings().iter();
    settings
        .map(|(name, value)| line(name, value.to_str().unwrap()))
        .collect()
}

/// A port that this process has not used, on its own address.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(8000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn mounts(sites: &[Site]) -> Vec<Mount> {
    // A process's number has 22 bits at most (PID_MAX_LIMIT), so it fits behind 127, and is nobody else's.
    let [_, high, middle, low] = (std::process::id() + (1 << 22)).to_be_bytes();
    let ip = Ipv4Addr::new(127, high, middle, low);
    let mount = |(name, _, prefix): &Site| Mount {
        name,
        prefix,
        address: (ip, port()).into(),
    };
    sites.iter().map(mount).collect()
}

/// Where Debian keeps servers, which are on nobody's PATH.
fn program(name: &str) -> std::path::PathBuf {
    Path::new("/usr/sbin").join(name)
}
