//! An answer as CGI writes it (RFC 3875 section 6): header lines, an empty one, the body. What a CGI program prints, and what
//! FastCGI carries on FCGI_STDOUT.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::answer::{Body, Response};
use crate::config::{Config, Sendfile};

/// Writes an answer (RFC 3875 section 6). `HEAD` gets the same headers and no body (RFC 9110 section 9.3.2).
pub(super) fn write(
    response: Response,
    method: &str,
    config: Option<&Config>,
    out: impl Write,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    write_fields(&response, &mut out)?;
    let whole = response.status.0 == 200;
    if method != "HEAD"
        && let Body::File { path: Some(path), .. } = &response.body
        && let Some((name, value)) = config
            .and_then(|config| by_the_server(config, &response, path))
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
            // Past the buffer: from a file to a pipe or a socket the kernel moves the pages, and nothing is copied here.
            let mut out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            if io::copy(&mut file.take(len), &mut out)? != len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            return out.flush();
        }
    }
    out.flush()
}

/// Writes the head alone, for a body that comes by and by.
pub(super) fn write_head(response: &Response, out: &mut impl Write) -> io::Result<()> {
    let mut head = Vec::new();
    write_fields(response, &mut head)?;
    head.extend(b"\r\n");
    out.write_all(&head)
}

fn write_fields(response: &Response, out: &mut impl Write) -> io::Result<()> {
    let status = response.status;
    write!(out, "Status: {} {}\r\n", status.0, status.phrase())?;
    for (name, value) in &response.headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    Ok(())
}

/// The header that has the web server send the file, where the operator says that it does.
fn by_the_server(config: &Config, response: &Response, path: &Path) -> Option<(&'static str, String)> {
    match config.sendfile.as_ref()? {
        // Apache's mod_xsendfile takes Content-Encoding away from what it sends.
        Sendfile::Path if response.header("Content-Encoding").is_some() => None,
        Sendfile::Path => Some(("X-Sendfile", path.to_str()?.to_owned())),
        Sendfile::Redirect(prefix) => {
            let below = path.strip_prefix(&config.dir).ok()?.to_str()?;
            Some(("X-Accel-Redirect", format!("{prefix}/{below}")))
        }
    }
}
