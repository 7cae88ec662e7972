//! CGI responses (RFC 3875 section 6): header lines, an empty line, the body. CGI writes them to stdout, FastCGI to FCGI_STDOUT.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::config::{Config, Sendfile};
use crate::response::{Body, Response, Stream};

/// Writes a response. `HEAD` gets the same headers as GET and no body (RFC 9110 section 9.3.2). A stream ends early if `is_wanted`
/// returns false.
pub(super) fn write(
    response: Response,
    method: &str,
    config: Option<&Config>,
    out: impl Write,
    is_wanted: impl Fn() -> bool,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    write_fields(&response, &mut out)?;
    if method != "HEAD"
        && response.status.0 == 200
        && let Body::File { path: Some(path), .. } = &response.body
        && let Some((name, value)) = config.and_then(|config| sendfile_header(config, &response, path))
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
        Body::Stream(Stream(parts)) => {
            out.flush()?;
            for part in parts.take_while(|_| is_wanted()) {
                out.write_all(part.as_bytes())?;
                out.flush()?;
            }
        }
        Body::File {
            mut file, start, len, ..
        } => {
            file.seek(SeekFrom::Start(start))?;
            out.flush()?;
            // Without the buffer, io::copy uses splice(2) or sendfile(2), and the kernel copies the bytes.
            let mut out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            if io::copy(&mut file.take(len), &mut out)? != len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            return out.flush();
        }
    }
    out.flush()
}

/// Writes the headers and the empty line. The caller writes the body.
pub(super) fn write_head(response: &Response, out: &mut impl Write) -> io::Result<()> {
    let mut head = Vec::new();
    write_fields(response, &mut head)?;
    head.extend(b"\r\n");
    out.write_all(&head)
}

fn write_fields(response: &Response, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "Status: {} {}\r\n",
        response.status.0, response.reason_phrase
    )?;
    for (name, value) in &response.headers {
        // It would end the field, and what follows would be fields that gox-server did not set.
        if value.contains(['\r', '\n']) {
            return Err(io::Error::other(format!("{name} has a line break")));
        }
        write!(out, "{name}: {value}\r\n")?;
    }
    Ok(())
}

/// The header that makes the web server send the file, if the operator has configured one.
fn sendfile_header(config: &Config, response: &Response, path: &Path) -> Option<(&'static str, String)> {
    match config.sendfile.as_ref()? {
        // Apache's mod_xsendfile removes Content-Encoding.
        Sendfile::Path if response.header("Content-Encoding").is_some() => None,
        Sendfile::Path => Some(("X-Sendfile", path.to_str()?.to_owned())),
        Sendfile::Redirect(prefix) => {
            let below = path.strip_prefix(&config.dir).ok()?.to_str()?;
            Some(("X-Accel-Redirect", format!("{prefix}/{below}")))
        }
    }
}
