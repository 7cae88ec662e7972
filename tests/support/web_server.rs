//! Web servers with the files of conf/, changed only in paths and ports (`CHANGES`).
//!
//! Servers listen on an address in 127.0.0.0/8 that is unique to this process, so that ports do not collide. Under root they
//! run as root, which owns the store.

use super::processes::{self, Process};
use super::request::Request;
use super::response::Response;
use super::test_store::TestStore;
use super::{TIMEOUT, eventually, gox_server, http};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use tempfile::TempDir;

/// A running web server and its mounts of gox-server.
pub(crate) struct WebServer {
    command: Command,
    /// The signal for a graceful reload of its configuration.
    reload: Signal,
    child: Child,
    /// Its configuration, sockets and logs. In /tmp, since the path of a socket has at most 107 bytes.
    folder: TempDir,
    pub(crate) mounts: Vec<Mount>,
}

/// A host of its configuration.
#[derive(Clone)]
pub(crate) struct Mount {
    pub(crate) name: &'static str,
    /// The path of the mount: `/go`, or empty.
    pub(crate) prefix: &'static str,
    pub(crate) address: SocketAddr,
}

/// A host in a file of conf/: name of the mount, host name, path of the mount.
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

const HAPROXY: [Site; 2] = [
    ("HAProxy", "gox.example.org", ""),
    ("HAProxy, below a path", "www.example.org", "/go"),
];

const H2O: [Site; 1] = [("h2o", "gox.example.org", "")];

type Rule = (&'static str, fn(&Request) -> bool, u16);

/// Requests that a server refuses without passing them to gox-server: prefix of the mount's name, condition, status. These are
/// all differences between transports. gox-server refuses each of these requests too.
const BY_ITSELF: [Rule; 16] = [
    // NUL: rejected by servers that map paths to files.
    ("nginx", has_nul, 400),
    ("mod_", has_nul, 404),
    ("Caddy", has_nul, 400),
    // Its expression for the path does not match NUL and line feeds.
    (
        "HAProxy",
        |request| has_nul(request) || request.path.contains("%0a"),
        500,
    ),
    // Paths above the root. lighttpd and Caddy map them to the root, which is outside a mount below a path.
    ("nginx", leaves_the_root, 400),
    ("mod_", leaves_the_root, 400),
    ("lighttpd's FastCGI, below a path", leaves_the_root, 404),
    ("lighttpd's CGI, below a path", leaves_the_root, 404),
    ("Caddy, below a path", leaves_the_root, 404),
    // Servers that run CGI programs look up the path on disk: longer than PATH_MAX.
    ("mod_cgid", is_no_file_name, 403),
    ("mod_fcgid", is_no_file_name, 403),
    ("lighttpd's CGI", is_no_file_name, 404),
    // Servers handle TRACE themselves.
    ("nginx", |request| request.method == "TRACE", 405),
    ("mod_", |request| request.method == "TRACE", 405),
    // Methods that a server does not know.
    ("nginx", |request| request.method == "get", 400),
    (
        "lighttpd",
        |request| matches!(request.method, "get" | "BREW"),
        501,
    ),
];

fn has_nul(request: &Request) -> bool {
    request.path.contains("%00")
}

fn leaves_the_root(request: &Request) -> bool {
    request.path.starts_with("/../") || request.path.starts_with("/%2e%2e/")
}

fn is_no_file_name(request: &Request) -> bool {
    request.path.len() > 4096
}

/// Paths in the files of conf/, and their replacements. `DIR` is the server's folder.
const CHANGES: [(&str, &str); 14] = [
    ("/usr/lib/cgi-bin", "DIR/cgi-bin"),
    ("/var/www/html", "DIR"),
    ("/var/log/nginx", "DIR"),
    ("/var/log/lighttpd", "DIR"),
    ("/var/log/apache2", "DIR"),
    ("/var/log/h2o", "DIR"),
    ("/var/log/mini_httpd.log", "DIR/error.log"),
    ("/run/h2o.pid", "DIR/pid"),
    ("/run/mini_httpd.pid", "DIR/pid"),
    ("/run/nginx.pid", "DIR/pid"),
    ("/run/lighttpd.pid", "DIR/pid"),
    ("/run/lighttpd/", "DIR/"),
    ("/run/apache2/", "DIR/"),
    ("DefaultRuntimeDir /run/apache2", "DefaultRuntimeDir DIR"),
];

impl WebServer {
    /// nginx in front of this responder. `GOX_SENDFILE` of the responder must match.
    pub(crate) fn nginx(store: &TestStore, responder: &Path) -> WebServer {
        WebServer::start_nginx(store, responder, folder(), "")
    }

    /// Like `nginx`, with TLS and a self-signed certificate.
    pub(crate) fn nginx_by_tls(store: &TestStore, responder: &Path) -> WebServer {
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
        WebServer::start_nginx(store, responder, folder, &how)
    }

    fn start_nginx(store: &TestStore, responder: &Path, folder: TempDir, how: &str) -> WebServer {
        let mounts = mounts(&NGINX);
        let mut changes = vec![
            ("/run/gox-server.sock".to_owned(), text(responder)),
            ("user www-data;".to_owned(), "user root;".to_owned()),
            // nginx creates these folders at start.
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

    /// lighttpd, which starts gox-server as FastCGI responder and as CGI program.
    pub(crate) fn lighttpd(store: &TestStore) -> WebServer {
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

    /// Apache in front of this responder, and with CGI programs and responders that it starts itself.
    pub(crate) fn apache(store: &TestStore, responder: &Path) -> WebServer {
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

    /// A web server with a custom configuration. Placeholders in its command and configuration: `DIR` (its folder), `CONFIG` (the
    /// configuration file), `HOST` and `PORT` (its address), `USER` (nginx's user line). CGI programs are in `DIR/cgi-bin`.
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
                .replace("USER", "user root;")
        };
        fs::write(folder.path().join("config"), here(config)).unwrap();
        fs::create_dir(folder.path().join("cgi-bin")).unwrap();
        write_script(&folder, cgi);
        let mut started = match command[0] {
            "/usr/sbin/apache2" => apache(),
            "/usr/bin/caddy" => caddy(),
            other => Command::new(other),
        };
        started.args(command[1..].iter().map(|argument| here(argument)));
        WebServer::start(started, Signal::SIGHUP, folder, mounts)
    }

    /// Caddy in front of this responder, without TLS and without its default admin endpoint, which other tests would share.
    pub(crate) fn caddy(store: &TestStore, responder: &Path) -> WebServer {
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
        let mut command = caddy();
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(config);
        WebServer::start(command, Signal::SIGUSR1, folder, mounts)
    }

    /// HAProxy in front of this responder.
    pub(crate) fn haproxy(responder: &Path) -> WebServer {
        let folder = folder();
        let mounts = mounts(&HAPROXY);
        let changes = [
            ("/run/gox-server.sock".to_owned(), text(responder)),
            ("bind :80\n".to_owned(), format!("bind {}\n", mounts[0].address)),
            ("bind :8080\n".to_owned(), format!("bind {}\n", mounts[1].address)),
        ];
        let config = install("haproxy.cfg", &folder, &changes);
        let mut command = Command::new(program("haproxy"));
        command.arg("-db").arg("-f").arg(config);
        WebServer::start(command, Signal::SIGUSR2, folder, mounts)
    }

    /// h2o in front of this responder.
    pub(crate) fn h2o(responder: &Path) -> WebServer {
        let folder = folder();
        let mounts = mounts(&H2O);
        let mut changes = vec![
            ("/run/gox-server.sock".to_owned(), text(responder)),
            ("user: www-data\n".to_owned(), "user: root\n".to_owned()),
        ];
        for ((_, host, _), mount) in H2O.iter().zip(&mounts) {
            let (named, bound) = (
                format!("\"{host}\":\n    listen: 80\n"),
                format!(
                    "\"{host}\":\n    listen: {{ host: {}, port: {} }}\n",
                    mount.address.ip(),
                    mount.address.port()
                ),
            );
            changes.push((named, bound));
        }
        let config = install("h2o.conf", &folder, &changes);
        let mut command = Command::new("/usr/bin/h2o");
        command.arg("-c").arg(config);
        WebServer::start(command, Signal::SIGHUP, folder, mounts)
    }

    /// Varnish in front of this front.
    pub(crate) fn varnish(front: SocketAddr) -> WebServer {
        let folder = folder();
        let mounts = mounts(&[("Varnish", "", "")]);
        let changes = [
            ("\"127.0.0.1\"".to_owned(), format!("\"{}\"", front.ip())),
            ("\"3000\"".to_owned(), format!("\"{}\"", front.port())),
        ];
        let config = install("varnish.vcl", &folder, &changes);
        let mut command = Command::new(program("varnishd"));
        command
            .args([
                "-F",
                "-j",
                "none",
                "-s",
                "malloc,64m",
                "-a",
                &mounts[0].address.to_string(),
            ])
            .arg("-n")
            .arg(folder.path().join("varnish"))
            .arg("-f")
            .arg(config);
        WebServer::start(command, Signal::SIGHUP, folder, mounts)
    }

    /// mini_httpd with this CGI script.
    pub(crate) fn mini_httpd(cgi: &str) -> WebServer {
        let folder = folder();
        let mounts = mounts(&[("mini_httpd", "", "/cgi-bin/gox-server")]);
        let changes = [
            (
                "port=80\n".to_owned(),
                format!(
                    "host={}\nport={}\n",
                    mounts[0].address.ip(),
                    mounts[0].address.port()
                ),
            ),
            ("user=www-data\n".to_owned(), "user=root\n".to_owned()),
        ];
        let config = install("mini-httpd.conf", &folder, &changes);
        fs::create_dir(folder.path().join("cgi-bin")).unwrap();
        write_script(&folder, cgi);
        let mut command = Command::new(program("mini_httpd"));
        command.args(["-D", "-C"]).arg(config);
        WebServer::start(command, Signal::SIGHUP, folder, mounts)
    }

    fn start(mut command: Command, reload: Signal, folder: TempDir, mounts: Vec<Mount>) -> WebServer {
        let output_text = fs::File::create(folder.path().join("output")).unwrap();
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(output_text.try_clone().unwrap())
            .stderr(output_text);
        let mut server = WebServer {
            child: spawn(&mut command),
            command,
            reload,
            folder,
            mounts,
        };
        server.wait_until_listening();
        server
    }

    fn wait_until_listening(&mut self) {
        eventually("the web server listens", TIMEOUT, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{:?}: {ended:?}: {}", self.command, self.log());
            self.mounts
                .iter()
                .all(|mount| TcpStream::connect(mount.address).is_ok())
        });
    }

    /// Reloads the configuration as its service manager does.
    pub(crate) fn reload(&self) {
        self.signal(self.reload);
    }

    /// Stops the server as its service manager does, and waits.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        self.child.wait().unwrap();
    }

    /// Sends SIGKILL to the server and all processes of its session.
    pub(crate) fn kill(&mut self) {
        // The server first, else it restarts its children.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let session = getsid(None).unwrap();
        let its_own = |process: &Process| getsid(Some(Pid::from_raw(process.pid))) == Ok(session);
        let mut killed = Vec::new();
        // A service manager restarts only after all processes have exited; until then their sockets are still in use.
        eventually("the web server's children exit", TIMEOUT, || {
            let mut left = processes::find(self.folder.path());
            left.retain(its_own);
            left.iter().for_each(Process::kill);
            let is_last = left.is_empty();
            killed.extend(left);
            is_last && killed.iter().all(Process::is_gone)
        });
    }

    /// Starts the server again with the same configuration and folder.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(&mut self.command);
        self.wait_until_listening();
    }

    /// Output and logs of the server and its programs.
    pub(crate) fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        ["output", "error.log", "gox-server.log"].map(read).concat()
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
    pub(crate) fn ask(&self, request: &Request) -> Result<Response, String> {
        let mut request = request.clone();
        request.path = format!("{}{}", self.prefix, request.path);
        let mut response = http::ask(self.address, &request)?;
        if !self.prefix.is_empty() {
            self.move_to_root(&mut response);
        }
        Ok(response)
    }

    /// Whether the server sends this request, with all its headers, on to gox-server.
    pub(crate) fn forwards(&self, request: &Request) -> bool {
        // A cache evaluates conditions and ranges itself, asks for gzip only, and resets a connection with a body that it has not read.
        const OWN: [&str; 5] = [
            "Range",
            "If-None-Match",
            "If-Modified-Since",
            "If-Range",
            "Accept-Encoding",
        ];
        let has_own = request.headers.iter().any(|(name, _)| OWN.contains(name));
        self.name != "Varnish" || (!has_own && request.body.is_empty())
    }

    /// The status if the server refuses this request without passing it to gox-server.
    pub(crate) fn refuses_itself(&self, request: &Request) -> Option<u16> {
        let mut rules = BY_ITSELF.iter();
        let rule = rules.find(|(prefix, condition, _)| self.name.starts_with(prefix) && condition(request));
        rule.map(|(_, _, status)| *status)
    }

    /// Removes the mount's path from links, so that responses of different mounts can be compared.
    fn move_to_root(&self, response: &mut Response) {
        for (name, value) in &mut response.headers {
            if name == "content-location" || name == "location" {
                *value = value
                    .strip_prefix(self.prefix)
                    .unwrap_or("not below the mount")
                    .to_owned();
            }
        }
        if let Ok(text) = str::from_utf8(&response.body) {
            let at_root = |text: String, before: &str| {
                text.replace(&format!("{before}{}/", self.prefix), &format!("{before}/"))
            };
            let begins = ["127.0.0.1", "\"", " ", ">"];
            response.body = begins.into_iter().fold(text.to_owned(), at_root).into_bytes();
        }
    }
}

fn spawn(command: &mut Command) -> Child {
    let spawned = command.spawn();
    spawned.unwrap_or_else(|error| panic!("{command:?}: {error}; `make test-packages` installs it"))
}

/// `CADDY=/PATH` tests another version than Debian's.
fn caddy() -> Command {
    Command::new(std::env::var_os("CADDY").unwrap_or_else(|| "/usr/bin/caddy".into()))
}

/// Apache refuses to run as root. A user namespace maps root to www-data (33), which then owns root's files.
fn apache() -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-user=33", "--map-group=33"])
        .arg(program("apache2"));
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

/// Copies a file of conf/ into the server's folder with changed paths.
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

/// Writes a CGI script into the server's cgi-bin.
fn write_script(folder: &TempDir, cgi: &str) {
    let script = folder.path().join("cgi-bin/gox-server");
    fs::write(&script, cgi).unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
}

/// Links gox-server into the server's cgi-bin.
fn cgi_bin(folder: &TempDir) {
    let place = folder.path().join("cgi-bin");
    fs::create_dir(&place).unwrap();
    symlink(gox_server(), place.join("gox-server")).unwrap();
}

/// The store's settings in a server's syntax.
fn settings(store: &TestStore, line: impl Fn(&str, &str) -> String) -> String {
    let settings = store.settings().iter();
    settings
        .map(|(name, value)| line(name, value.to_str().unwrap()))
        .collect()
}

/// The next unused port on this process's address.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(8000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn mounts(sites: &[Site]) -> Vec<Mount> {
    // A PID has at most 22 bits (PID_MAX_LIMIT), so it fits into 127.0.0.0/8 and is unique.
    let [_, high, middle, low] = (std::process::id() + (1 << 22)).to_be_bytes();
    let ip = Ipv4Addr::new(127, high, middle, low);
    let mount = |(name, _, prefix): &Site| Mount {
        name,
        prefix,
        address: (ip, port()).into(),
    };
    sites.iter().map(mount).collect()
}

/// Debian installs servers in /usr/sbin, which may be missing in PATH.
fn program(name: &str) -> std::path::PathBuf {
    Path::new("/usr/sbin").join(name)
}
