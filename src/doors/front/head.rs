//! The head of a CGI response (RFC 3875 section 6): `Status:` and header fields up to an empty line.
//! It reads bytes and says what they mean. It knows no process, and what X-Sendfile names it does not open.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::StatusCode;

/// The longest head. Go's own CGI host stops at 1 KiB a line, which real cookies and CSPs outgrow.
const MAX_BYTES: usize = 64 * 1024;

/// Fields that mean one connection (RFC 9110 section 7.6.1). Ours to the client is not the program's business.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const STATUS: HeaderName = HeaderName::from_static("status");
const X_SENDFILE: HeaderName = HeaderName::from_static("x-sendfile");

/// A whole head.
#[derive(Debug, PartialEq)]
pub struct Head {
    /// 200 to 599.
    pub status: StatusCode,
    /// What goes to the client; `Content-Length` is among them when it is known.
    pub fields: HeaderMap,
    /// How long the body is to be.
    pub content_length: Option<u64>,
    /// The file whose bytes are the body.
    pub send_file: Option<PathBuf>,
}

/// Why bytes are no head.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// More than a program may send before its body.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// RFC 3875 section 6.3 wants one.
    #[error("it has no field")]
    Empty,
    /// RFC 9112 section 5.2 lets a server refuse it.
    #[error("a line continues the one before (obs-fold)")]
    Folded,
    /// No name and colon, or letters that no field may have.
    #[error("{0:?} is not a header field")]
    Line(String),
    /// RFC 3875 section 6.3.3.
    #[error("{0:?} is not a status from 200 to 599")]
    Status(String),
    /// RFC 9110 section 8.6.
    #[error("{0:?} is not a length")]
    Length(String),
    /// Relative to what?
    #[error("{0:?} is not an absolute path")]
    SendFile(String),
    /// Of which one counts.
    #[error("{0} comes twice")]
    Twice(HeaderName),
}

/// The head at the start of `bytes` and how long it is; `None` while its empty line is still to come.
pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Malformed> {
    let mut fields = HeaderMap::new();
    let mut read = 0;
    while let Some(length) = bytes[read..].iter().position(|&byte| byte == b'\n') {
        let line = &bytes[read..read + length];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        read += length + 1;
        if read > MAX_BYTES {
            return Err(Malformed::TooLong);
        }
        if line.is_empty() {
            return Ok(Some((Head::from_fields(fields)?, read)));
        }
        let (name, value) = field(line)?;
        fields.append(name, value);
    }
    if bytes.len() > MAX_BYTES {
        Err(Malformed::TooLong)
    } else {
        Ok(None)
    }
}

fn field(line: &[u8]) -> Result<(HeaderName, HeaderValue), Malformed> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(Malformed::Folded);
    }
    let malformed = || Malformed::Line(shown(line));
    let colon = line.iter().position(|&byte| byte == b':').ok_or_else(malformed)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let name = HeaderName::from_bytes(name).map_err(|_| malformed())?;
    let value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| malformed())?;
    Ok((name, value))
}

impl Head {
    fn from_fields(mut fields: HeaderMap) -> Result<Self, Malformed> {
        // RFC 3875 section 6.3: "The response header MUST contain at least one CGI-field".
        if fields.is_empty() {
            return Err(Malformed::Empty);
        }
        let status = match only(&fields, STATUS)? {
            Some(value) => status(value)?,
            // Section 6.2.3: a Location alone is a redirect; a document is 200 (section 6.3.3).
            None if fields.contains_key(header::LOCATION) => StatusCode::FOUND,
            None => StatusCode::OK,
        };
        let content_length = only(&fields, header::CONTENT_LENGTH)?.map(length).transpose()?;
        let send_file = only(&fields, X_SENDFILE)?.map(absolute).transpose()?;
        for name in HOP_BY_HOP.into_iter().chain([STATUS, X_SENDFILE]) {
            fields.remove(name);
        }
        Ok(Self {
            status,
            fields,
            content_length,
            send_file,
        })
    }
}

fn only(fields: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, Malformed> {
    let mut values = fields.get_all(&name).iter();
    let first = values.next();
    if values.next().is_some() {
        Err(Malformed::Twice(name))
    } else {
        Ok(first)
    }
}

/// `200 OK`: three digits, then nothing or a space and words that HTTP/1.1 does without.
/// Go's host answers 200 with an empty body to a broken one: net/http fills in what was not written.
fn status(value: &HeaderValue) -> Result<StatusCode, Malformed> {
    let bytes = value.as_bytes();
    let (digits, rest) = bytes.split_at_checked(3).unwrap_or((bytes, b""));
    match StatusCode::from_bytes(digits) {
        Ok(status) if matches!(status.as_u16(), 200..=599) && (rest.is_empty() || rest[0] == b' ') => {
            Ok(status)
        }
        Ok(_) | Err(_) => Err(Malformed::Status(shown(bytes))),
    }
}

fn length(value: &HeaderValue) -> Result<u64, Malformed> {
    let bytes = value.as_bytes();
    let malformed = || Malformed::Length(shown(bytes));
    // `parse` alone would take a sign.
    if !bytes.iter().all(u8::is_ascii_digit) {
        return Err(malformed());
    }
    str::from_utf8(bytes)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(malformed)
}

fn absolute(value: &HeaderValue) -> Result<PathBuf, Malformed> {
    let path = Path::new(OsStr::from_bytes(value.as_bytes()));
    if path.is_absolute() {
        Ok(path.to_path_buf())
    } else {
        Err(Malformed::SendFile(shown(value.as_bytes())))
    }
}

/// Enough of `bytes` to find them in the program; the log need not hold all 64 KiB.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned()
}
