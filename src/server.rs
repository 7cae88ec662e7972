//! The servers: the front, which speaks HTTP, and the FastCGI responder.

use std::sync::Arc;
use std::thread;

use crate::config::{self, Config};
use crate::store::{Counter, Store};
use crate::transport::fastcgi::{FastCgiListener, ListenAddress, Responder, WebServerAddrs};
use crate::transport::front::{Front, FrontLimits};
use crate::{doctor, journal};

/// Serves HTTP/1.1 on the configured address until it is stopped.
pub fn serve_http(config: Config) -> Result<(), String> {
    // In a thread: a hosting platform waits for the port to open, and the checks take a second.
    let checked = config.clone();
    let checks = thread::spawn(move || {
        doctor::log_cells(&checked);
        doctor::log_go(&checked);
        doctor::start_object_store_check(&checked);
    });
    let dir = config.dir.clone();
    // If the state directory cannot be opened, the requests that start a program fail and say so.
    let on_reuse = move |target: &str, status: u16, client: &str| {
        if let Ok(store) = Store::open(&dir) {
            store.increment(Counter::Hits);
        }
        journal::log_reuse(target, status, client);
    };
    let front = Front {
        listen: config.listen,
        // The running file, even after an upgrade replaced it: the front and its CGI programs are one version.
        program: "/proc/self/exe".into(),
        inherited: [
            config::inheritable_environment(),
            config::object_store_environment(),
        ]
        .concat(),
        limits: FrontLimits {
            per_address: config.connections_per_address,
            ..FrontLimits::default()
        },
        trusted_proxies: config.trusted_proxies,
        drain: config.drain,
        on_reuse: Arc::new(on_reuse),
    };
    let stopped = front.run();
    // A panic in the checks has been printed, and does not change how the front ended.
    checks.join().ok();
    stopped.map_err(|error| error.to_string())
}

/// Serves FastCGI on a socket of its own.
pub fn bind_fastcgi(config: Config, address: &ListenAddress) -> Result<(), String> {
    let listener = FastCgiListener::bind(address, config.socket_mode)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    serve_fastcgi(config, listener)
}

/// Serves FastCGI until it is stopped.
pub fn serve_fastcgi(config: Config, listener: FastCgiListener) -> Result<(), String> {
    // Set by the web server or process manager, as the FastCGI specification says: not a setting of gox-server.
    let web_servers =
        config::request_variable("FCGI_WEB_SERVER_ADDRS").map(|value| WebServerAddrs::parse(&value));
    let responder = Responder {
        listener,
        web_servers: web_servers.transpose().map_err(|bad| bad.to_string())?,
        config,
    };
    responder
        .run()
        .map_err(|error| format!("FastCGI responder failed: {error}"))
}
