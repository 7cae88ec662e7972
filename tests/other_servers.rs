//! Web servers that conf/ has no file for, and configurations that leave out what gox-server needs.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::http::{self, exchange};
use crate::support::scratch::Scratch;
use crate::support::web_server::WebServer;
use crate::support::{gox_server, plain, tmp};
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

const NGINX_COMMAND: &[&str] = &["/usr/sbin/nginx", "-c", "CONFIG", "-p", "DIR"];

/// A web server whose configuration, as it is copied from everywhere, passes no PATH_INFO.
struct LeavesOut {
    name: &'static str,
    command: &'static [&'static str],
    /// With `ADVICE` where the advised lines belong.
    config: String,
}

fn leave_out_path_info() -> Vec<LeavesOut> {
    let server = |name, command, config: String| LeavesOut {
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
    ]
}

/// What a failure prints that was saved as the program and is run.
fn read(answer: &Answer) -> String {
    let file = tempfile::NamedTempFile::new_in(tmp()).unwrap();
    std::fs::write(file.path(), &answer.body).unwrap();
    let ran = Command::new("/bin/sh").arg(file.path()).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{answer}");
    String::from_utf8(ran.stderr).unwrap()
}

#[test]
fn a_web_server_that_leaves_out_path_info_is_told_which_lines_to_add() {
    let store = Scratch::new();
    let responder = store.responder();
    for LeavesOut {
        name,
        command,
        config,
    } in leave_out_path_info()
    {
        let config = config.replace("SOCKET", responder.socket.to_str().unwrap());
        let start = |lines: &str| WebServer::configured(name, command, &config.replace("ADVICE", lines), "");
        let server = start("");
        let ask = |path: &str| server.mounts[0].ask(&Ask::get(path)).unwrap();
        for path in [
            "/tester/hello@v1.0.0?os=linux&arch=amd64",
            "/-/install/tester/hello",
            "/tester/hello@v1.0.0",
        ] {
            ask(path).refused("no-path-info");
        }
        let text = read(&ask("/tester/hello"));
        let advised = text.lines().filter_map(|line| line.strip_prefix("  "));
        let advised: Vec<_> = advised.filter(|line| !line.starts_with('#')).collect();
        assert!(!advised.is_empty(), "{name}: {text}");
        drop(server);
        if config.contains("ADVICE") {
            let server = start(&advised.join("\n"));
            is_hello(&server.mounts[0].ask(&Ask::get("/tester/hello@v1.0.0")).unwrap());
        }
    }
}

/// The program for a web server that passes none of its variables on.
fn script(store: &Scratch) -> String {
    let settings = store.settings().iter();
    let settings = settings.map(|(name, value)| format!("export {name}='{}'\n", value.to_str().unwrap()));
    format!(
        "#!/bin/sh\n{}exec '{}'\n",
        settings.collect::<String>(),
        gox_server().display()
    )
}

#[track_caller]
fn is_hello(answer: &Answer) {
    answer.program();
    assert_eq!(
        answer.sha256(),
        plain::install(&tester("hello", "v1.0.0").wanted).sha256,
        "{answer}"
    );
}

const HELLO: &str = "/cgi-bin/gox-server/tester/hello@v1.0.0?os=linux&arch=amd64";

/// mini_httpd gives a program one pipe as stdout and stderr.
#[test]
fn mini_httpd_gets_no_line_of_the_log() {
    let store = Scratch::new();
    let command = "/usr/sbin/mini_httpd -D -p PORT -h HOST -d DIR -c cgi-bin/* -u root -i DIR/pid";
    let command: Vec<_> = command.split(' ').collect();
    let server = WebServer::configured("mini_httpd", &command, "", &script(&store));
    let request = format!("GET {HELLO} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    let wire = exchange(server.mounts[0].address, request.as_bytes()).unwrap();
    let answer = Answer::from_http(&wire, false).unwrap();
    is_hello(&answer);
    assert_eq!(answer.header("accept-ranges"), None, "{answer}");
    let head = String::from_utf8_lossy(&wire[..wire.len() - answer.body.len()]).into_owned();
    assert!(!head.contains("method=GET") && !head.contains(" info "), "{head}");
}

/// It passes neither Range nor conditions on.
#[test]
fn busybox_httpd_promises_no_ranges() {
    let store = Scratch::new();
    let command = ["/bin/busybox", "httpd", "-f", "-p", "HOST:PORT", "-h", "DIR"];
    let server = WebServer::configured("busybox httpd", &command, "", &script(&store));
    let answer = http::ask(server.mounts[0].address, &Ask::get(HELLO)).unwrap();
    is_hello(&answer);
    assert_eq!(answer.header("accept-ranges"), None, "{answer}");
    let announced = http::ask(server.mounts[0].address, &Ask::get(HELLO).method("HEAD")).unwrap();
    assert_eq!(announced.header("accept-ranges"), None, "{announced}");
    // The place where it is mounted has as many elements as a program's path.
    let first = http::ask(server.mounts[0].address, &Ask::get("/cgi-bin/gox-server")).unwrap();
    assert!(first.status == 200 && first.text().contains("curl"), "{first}");
}
