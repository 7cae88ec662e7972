//! Web servers without a file in conf/, and configurations that do not pass what gox-server needs.

use crate::support::case::tester;
use crate::support::http::{self, exchange};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::web_server::WebServer;
use crate::support::{gox_server, plain_go, tmp};
use std::process::Command;

const NGINX: &str = "daemon off; USER pid DIR/pid; error_log DIR/error.log; events {}
http {
    access_log off;
    client_body_temp_path DIR/body; fastcgi_temp_path DIR/fastcgi; proxy_temp_path DIR/proxy; scgi_temp_path DIR/scgi;
    uwsgi_temp_path DIR/uwsgi;
    server { listen HOST:PORT; location / { fastcgi_pass unix:SOCKET; include /etc/nginx/PARAMETERS;
ADVICE
} }
}";

const APACHE: &str = "ServerRoot /usr/lib/apache2
ServerName www.example.org
PidFile DIR/pid
DefaultRuntimeDir DIR
ErrorLog DIR/error.log
Listen HOST:PORT
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_fcgi_module modules/mod_proxy_fcgi.so
ProxyPass \"/\" \"unix:SOCKET|fcgi://gox-server/\"
ADVICE
";

const HAPROXY: &str = "defaults
    mode http
    timeout connect 60s
    timeout client 60s
    timeout server 60s
frontend web
    bind HOST:PORT
    default_backend gox
backend gox
    use-fcgi-app gox
    server gox unix@SOCKET proto fcgi
fcgi-app gox
    docroot /nonexistent
    ADVICE
";

/// With the lines of the site at the place of `SITE`.
const CADDY: &str = "{
    admin off
    auto_https off
}
http://:PORT {
    bind HOST
    SITE
}
";

const CADDY_COMMAND: &[&str] = &[
    "/usr/bin/caddy",
    "run",
    "--adapter",
    "caddyfile",
    "--config",
    "CONFIG",
];

const NGINX_COMMAND: &[&str] = &["/usr/sbin/nginx", "-c", "CONFIG", "-p", "DIR"];

/// A web server with a common configuration that does not pass PATH_INFO.
struct IncompleteServer {
    name: &'static str,
    command: &'static [&'static str],
    /// With `ADVICE` at the place of the lines that the error message suggests.
    config: String,
}

fn servers_without_path_info() -> Vec<IncompleteServer> {
    let server = |name, command, config: String| IncompleteServer {
        name,
        command,
        config,
    };
    vec![
        server(
            "nginx",
            NGINX_COMMAND,
            NGINX.replace("PARAMETERS", "fastcgi_params"),
        ),
        server(
            "nginx, file names",
            NGINX_COMMAND,
            NGINX.replace("PARAMETERS", "fastcgi.conf"),
        ),
        server(
            "Apache",
            &["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", "CONFIG"],
            APACHE.to_owned(),
        ),
        server(
            "HAProxy",
            &["/usr/sbin/haproxy", "-f", "CONFIG"],
            HAPROXY.to_owned(),
        ),
        // Without an index.php, Caddy 2.6 answers by itself and newer versions name a file that does not exist.
        server(
            "Caddy, php_fastcgi",
            CADDY_COMMAND,
            CADDY.replace("SITE", "root * ROOT\nphp_fastcgi unix/SOCKET"),
        ),
        server("Caddy, split", CADDY_COMMAND, caddy_with_split(".php")),
    ]
}

fn caddy_with_split(split: &str) -> String {
    let site = format!("reverse_proxy unix/SOCKET {{\ntransport fastcgi {{\nsplit \"{split}\"\n}}\n}}");
    CADDY.replace("SITE", &site)
}

/// Runs a failure as a script and returns what it prints.
fn run_as_script(response: &Response) -> String {
    let file = tempfile::NamedTempFile::new_in(tmp()).unwrap();
    std::fs::write(file.path(), &response.body).unwrap();
    let ran = Command::new("/bin/sh").arg(file.path()).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{response}");
    String::from_utf8(ran.stderr).unwrap()
}

#[test]
fn missing_path_info_error_names_the_lines_to_add() {
    let store = TestStore::new();
    let responder = store.responder();
    let root = tempfile::tempdir_in(tmp()).unwrap();
    std::fs::write(root.path().join("index.php"), "<?php").unwrap();
    for IncompleteServer {
        name,
        command,
        config,
    } in servers_without_path_info()
    {
        let config = config
            .replace("SOCKET", responder.socket.to_str().unwrap())
            .replace("ROOT", root.path().to_str().unwrap());
        let start = |lines: &str| WebServer::configured(name, command, &config.replace("ADVICE", lines), "");
        let server = start("");
        let ask = |path: &str| server.mounts[0].ask(&Request::get(path)).unwrap();
        for path in [
            "/tester/hello@v1.0.0?os=linux&arch=amd64",
            "/-/install/tester/hello",
            "/tester/hello@v1.0.0",
        ] {
            ask(path).refused("no-path-info");
        }
        let text = run_as_script(&ask("/tester/hello"));
        let advised = text.lines().filter_map(|line| line.strip_prefix("  "));
        let advised: Vec<_> = advised.filter(|line| !line.starts_with('#')).collect();
        assert!(!advised.is_empty(), "{name}: {text}");
        drop(server);
        if config.contains("ADVICE") {
            let server = start(&advised.join("\n"));
            assert_hello(
                &server.mounts[0]
                    .ask(&Request::get("/tester/hello@v1.0.0"))
                    .unwrap(),
            );
        }
    }
}

/// An empty split is the same as none in Caddy 2.6. Newer versions then pass no PATH_INFO.
#[test]
fn program_behind_caddy_with_empty_split_is_served_or_refused() {
    let store = TestStore::new();
    let responder = store.responder();
    let config = caddy_with_split("").replace("SOCKET", responder.socket.to_str().unwrap());
    let server = WebServer::configured("Caddy, empty split", CADDY_COMMAND, &config, "");
    let hello = Request::get("/tester/hello@v1.0.0?os=linux&arch=amd64");
    let response = server.mounts[0].ask(&hello).unwrap();
    if response.status == 200 {
        assert_hello(&response);
    } else {
        response.refused("no-path-info");
    }
}

/// A CGI script with the settings, for web servers that pass no variables of their own environment.
fn cgi_script(store: &TestStore) -> String {
    let settings = store.settings().iter();
    let settings = settings.map(|(name, value)| format!("export {name}='{}'\n", value.to_str().unwrap()));
    format!(
        "#!/bin/sh\n{}exec '{}'\n",
        settings.collect::<String>(),
        gox_server().display()
    )
}

#[track_caller]
fn assert_hello(response: &Response) {
    response.program();
    assert_eq!(
        response.sha256(),
        plain_go::install(&tester("hello", "v1.0.0").wanted).sha256,
        "{response}"
    );
}

const HELLO: &str = "/cgi-bin/gox-server/tester/hello@v1.0.0?os=linux&arch=amd64";

/// mini_httpd connects stdout and stderr of a program to one pipe.
#[test]
fn mini_httpd_response_contains_no_log_lines() {
    let store = TestStore::new();
    let server = WebServer::mini_httpd(&cgi_script(&store));
    let request = format!("GET {HELLO} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    let wire = exchange(server.mounts[0].address, request.as_bytes()).unwrap();
    let response = Response::from_http(&wire, false).unwrap();
    assert_hello(&response);
    assert_eq!(response.header("accept-ranges"), None, "{response}");
    let head = String::from_utf8_lossy(&wire[..wire.len() - response.body.len()]).into_owned();
    assert!(!head.contains("method=GET") && !head.contains(" info "), "{head}");
}

/// busybox httpd passes neither Range nor conditional headers.
#[test]
fn no_ranges_are_advertised_behind_busybox_httpd() {
    let store = TestStore::new();
    let command = ["/bin/busybox", "httpd", "-f", "-p", "HOST:PORT", "-h", "DIR"];
    let server = WebServer::configured("busybox httpd", &command, "", &cgi_script(&store));
    let response = http::ask(server.mounts[0].address, &Request::get(HELLO)).unwrap();
    assert_hello(&response);
    assert_eq!(response.header("accept-ranges"), None, "{response}");
    let announced = http::ask(server.mounts[0].address, &Request::get(HELLO).method("HEAD")).unwrap();
    assert_eq!(announced.header("accept-ranges"), None, "{announced}");
    // The path of the mount has as many elements as OWNER/REPO.
    let first = http::ask(server.mounts[0].address, &Request::get("/cgi-bin/gox-server")).unwrap();
    assert!(first.status == 200 && first.text().contains("curl"), "{first}");
}
