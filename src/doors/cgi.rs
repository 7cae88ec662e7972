//! CGI/1.1, the program's side (RFC 3875): one request in the environment, one answer on stdout.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::time::Instant;

use nix::sys::stat::{FileStat, fstat};
use nix::unistd::dup2_stderr;

use super::BODY_BYTES;
use super::caller::{Caller, Cut};
use crate::answer::{Reason, Refusal, Response};
use crate::config::{self, Config};
use crate::request::Request;
use crate::{handler, journal};

/// Answers the request in the environment. Fails when no answer, or only the beginning of one, got out: whoever relays it
/// then has to cut it off, and not call it whole.
pub fn run() -> Result<(), String> {
    let begun = Instant::now();
    if let Err(error) = keep_log_from_client() {
        eprintln!("gox-server: cannot look at stderr: {error}");
    }
    throw_away_the_body();
    let request = Request::from_variables(config::request_variable);
    let config = Config::from_environment();
    let mut caller = Caller::new(io::stdout().lock(), &request, config.as_ref().ok());
    let response = match &config {
        Ok(config) => {
            journal::start(config.log);
            handler::answer(&request, config, &mut caller)
        }
        Err(bad) => {
            eprintln!("gox-server: {bad}");
            Response::refusal(&Refusal::new(Reason::Internal), &request)
        }
    };
    let trusts = |peer| config.as_ref().is_ok_and(|config| config.trusts(peer));
    let client = request.client_address(trusts);
    journal::answered(&request, client, &response, begun.elapsed().as_secs_f64());
    match caller.end(response, &request.method, config.as_ref().ok()) {
        // A client that leaves is no failure of ours.
        Err(Cut::Stdout(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|cut| cut.to_string()),
    }
}

/// mini_httpd gives stdout and stderr the same pipe: what is logged would stand among the header fields.
fn keep_log_from_client() -> io::Result<()> {
    let file = |stat: FileStat| (stat.st_dev, stat.st_ino);
    if file(fstat(io::stdout())?) == file(fstat(io::stderr())?) {
        dup2_stderr(OpenOptions::new().write(true).open("/dev/null")?)?;
    }
    Ok(())
}

/// Where the body comes through a socket, as mod_cgid has it, what is not read of it would cost the answer its end.
fn throw_away_the_body() {
    let length =
        config::request_variable("CONTENT_LENGTH").and_then(|length| length.to_str()?.parse::<u32>().ok());
    let mut body = io::stdin()
        .lock()
        .take(length.unwrap_or(0).min(BODY_BYTES).into());
    // A body that cannot be read is as good as one that is not there.
    io::copy(&mut body, &mut io::sink()).ok();
}
