//! CGI/1.1, the program's side (RFC 3875): one request in the environment, one answer on stdout.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

use crate::answer::response::Reader;
use crate::answer::{Body, Reason, Refusal, Response};
use crate::config::{self, Config, Sendfile};
use crate::request::Request;
use crate::{handler, journal};

/// Answers the request in the environment. Fails when no answer, or only the beginning of one, got out: whoever relays it
/// then has to cut it off, and not call it whole.
pub fn run() -> Result<(), String> {
    let begun = Instant::now();
    let request = Request::from_variables(config::request_variable);
    let config = Config::from_environment();
    let response = match &config {
        Ok(config) => {
            journal::start(config.log);
            handler::answer(&request, config)
        }
        Err(bad) => {
            eprintln!("gox-server: {bad}");
            Response::refusal(&Refusal::new(Reason::Internal), Reader::of(&request.accept))
        }
    };
    journal::answered(&request, &response, begun.elapsed().as_secs_f64());
    match write(
        response,
        &request.method,
        config.as_ref().ok(),
        io::stdout().lock(),
    ) {
        // A client that leaves is no failure of ours.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write the answer: {error}"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes an answer (RFC 3875 section 6). `HEAD` gets the same headers and no body (RFC 9110 section 9.3.2).
fn write(response: Response, method: &str, config: Option<&Config>, out: impl Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    write!(
        out,
        "Status: {} {}\r\n",
        response.status.0,
        response.status.phrase()
    )?;
    for (name, value) in &response.headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    let whole = response.status.0 == 200;
    if method != "HEAD"
        && let Body::File { path, .. } = &response.body
        && let Some((name, value)) = config
            .and_then(|config| by_the_server(config, path))
            .filter(|_| whole)
    {
        return write!(out, "{name}: {value}\r\n\r\n").and_then(|()| out.flush());
    }
    out.write_all(b"\r\n")?;
    if method == "HEAD" {
        return out.flush();
    }
    match response.body {
        Body::Empty => {}
        Body::Text(text) => out.write_all(text.as_bytes())?,
        Body::File {
            mut file, start, len, ..
        } => {
            file.seek(SeekFrom::Start(start))?;
            out.flush()?;
            // From a file to a pipe or a socket: the kernel moves the pages, nothing is copied here.
            let mut out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            return match io::copy(&mut file.take(len), &mut out)? {
                sent if sent == len => Ok(()),
                // Something cut it while it was read.
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
    }
    out.flush()
}

/// The header that has the web server send the file, where the operator says that it does.
fn by_the_server(config: &Config, path: &Path) -> Option<(&'static str, String)> {
    match config.sendfile.as_ref()? {
        Sendfile::Path => Some(("X-Sendfile", path.to_str()?.to_owned())),
        Sendfile::Redirect(prefix) => {
            let below = path.strip_prefix(&config.dir).ok()?.to_str()?;
            Some(("X-Accel-Redirect", format!("{prefix}/{below}")))
        }
    }
}
