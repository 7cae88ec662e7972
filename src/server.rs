//! The servers: the front, which speaks HTTP, and the FastCGI responder.

use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::{self, Config};
use crate::store::{Counter, Store};
use crate::transport::fastcgi::{FastCgiListener, ListenAddress, Responder, WebServerAddrs};
use crate::transport::front::{Front, FrontLimits, Report};
use crate::{doctor, journal};

/// Maximum number of responses without a program that are not counted and logged yet. Further ones wait.
const WAITING_REPORTS: usize = 1024;

/// Pause after the waiting responses were counted and logged. Others arrive meanwhile: to wake the thread for each of them takes more CPU
/// time than a 304.
const REPORTS_PAUSE: Duration = Duration::from_millis(10);

/// Serves HTTP/1.1 on the configured address until it is stopped.
pub fn serve_http(config: Config) -> Result<(), String> {
    // In a thread: a hosting platform waits for the port to open, and the checks take a second.
    let checked = config.clone();
    let checks = thread::spawn(move || {
        doctor::log_cells(&checked);
        doctor::log_go(&checked);
        doctor::start_object_store_check(&checked);
    });
    let reporting = config.clone();
    let (reports, reported) = mpsc::channel(WAITING_REPORTS);
    let reporter = thread::spawn(move || write_reports(&reporting, reported));
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
        reports,
    };
    let stopped = front.run();
    // A panic in these threads has been printed, and does not change how the front ended.
    checks.join().ok();
    reporter.join().ok();
    stopped.map_err(|error| error.to_string())
}

/// Counts and logs responses without a program until the front ends.
fn write_reports(config: &Config, mut reported: mpsc::Receiver<Report>) {
    let mount = config.url.as_ref().map_or("", |url| &url.path);
    let mut reports = Vec::with_capacity(WAITING_REPORTS);
    while reported.blocking_recv_many(&mut reports, WAITING_REPORTS) > 0 {
        let hits = reports.iter().filter(|report| report.status < 400).count();
        // If the state directory cannot be opened, the requests that start a program fail and say so.
        if hits > 0
            && let Ok(store) = Store::open(&config.dir)
        {
            store.count(Counter::Hits, hits as u64);
        }
        for report in reports.drain(..) {
            journal::log_without_program(
                &report.method,
                mount,
                &report.target,
                report.status,
                &report.client,
            );
        }
        thread::sleep(REPORTS_PAUSE);
    }
}

/// Serves FastCGI on a socket of its own.
pub fn bind_fastcgi(config: Config, address: &ListenAddress) -> Result<(), String> {
    let listener = FastCgiListener::bind(address, config.socket_mode)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    serve_fastcgi(config, listener)
}

/// Serves FastCGI on the listening socket that is standard input.
pub fn serve_fastcgi_on_stdin(config: Config) -> Result<(), String> {
    let listener =
        FastCgiListener::from_stdin().map_err(|error| format!("cannot use standard input: {error}"))?;
    serve_fastcgi(config, listener)
}

/// Serves FastCGI until it is stopped.
fn serve_fastcgi(config: Config, listener: FastCgiListener) -> Result<(), String> {
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
