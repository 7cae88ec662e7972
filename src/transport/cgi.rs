//! CGI/1.1, as the CGI program (RFC 3875): reads one request from the environment and writes the response to stdout.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::time::Instant;

use nix::sys::stat::{FileStat, fstat};
use nix::unistd::dup2_stderr;

use super::cgi_writer::{CgiWriter, IncompleteResponse};
use super::read_request;
use crate::config::{self, Config};
use crate::error::{Error, Reason};
use crate::response::Response;
use crate::{handler, journal};

/// Responds to the request in the environment. Fails if it could not write the whole response; the web server must then abort
/// the response to the client.
pub fn run() -> Result<(), String> {
    let start = Instant::now();
    if let Err(error) = discard_shared_stderr() {
        eprintln!("gox-server: cannot inspect stderr: {error}");
    }
    discard_body();
    let config = Config::from_env();
    let request = read_request(config.as_ref().ok(), config::request_variable);
    let mut writer = CgiWriter::new(io::stdout().lock(), &request, config.as_ref().ok());
    let response = match &config {
        Ok(config) => {
            journal::start(config.log);
            handler::answer(&request, config, &mut writer)
        }
        Err(bad) => {
            eprintln!("gox-server: {bad}");
            Response::from_error(&Error::new(Reason::Internal), &request)
        }
    };
    let trusts = |peer| config.as_ref().is_ok_and(|config| config.trusts(peer));
    let client = request.client_address(trusts);
    journal::log_request(&request, client, &response, start.elapsed().as_secs_f64());
    match writer.finish(response, &request.method, config.as_ref().ok()) {
        // The client disconnected, which is not an error of the program.
        Err(IncompleteResponse::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| error.to_string()),
    }
}

/// Redirects stderr to /dev/null if it is the same file as stdout. mini_httpd passes one pipe as both, and log lines would become
/// part of the response headers.
fn discard_shared_stderr() -> io::Result<()> {
    let file_id = |stat: FileStat| (stat.st_dev, stat.st_ino);
    if file_id(fstat(io::stdout())?) == file_id(fstat(io::stderr())?) {
        dup2_stderr(OpenOptions::new().write(true).open("/dev/null")?)?;
    }
    Ok(())
}

/// Reads the request body and discards it. Apache's mod_cgid passes the body through a socket, and closing a socket with unread
/// bytes resets the connection, which can lose the end of the response. A chunked body has no CONTENT_LENGTH and ends with EOF.
fn discard_body() {
    let length = match config::request_variable("HTTP_TRANSFER_ENCODING") {
        Some(_) => Some(u64::MAX),
        None => config::request_variable("CONTENT_LENGTH").and_then(|length| length.to_str()?.parse().ok()),
    };
    let mut body = io::stdin().lock().take(length.unwrap_or(0));
    // An error is ignored: the body has no meaning.
    io::copy(&mut body, &mut io::sink()).ok();
}
