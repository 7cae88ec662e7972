//! Parses the head of a CGI response (RFC 3875 section 6): `Status:` and header fields up to an empty line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::StatusCode;

/// Maximum length of a head in bytes. The limit of Go's net/http/cgi, 1 KiB a line, is too low for cookies and CSPs.
const MAX_BYTES: usize = 64 * 1024;

/// Hop-by-hop fields (RFC 9110 section 7.6.1), which a CGI program cannot set for the connection to the client.
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

/// The head of a CGI response.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// 200 to 599.
    pub status: StatusCode,
    /// The reason phrase, if the program sends one.
    pub reason_phrase: Option<ReasonPhrase>,
    /// The fields for the client, with `Content-Length` if the program sends it.
    pub fields: HeaderMap,
    /// Length of the body in bytes, if the program sends it.
    pub content_length: Option<u64>,
    /// Path of the file that is the body (X-Sendfile).
    pub send_file: Option<PathBuf>,
}

/// Why a head is invalid.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum InvalidHead {
    /// The head exceeds the maximum length.
    #[error("longer than {MAX_BYTES} bytes")]
    TooLong,
    /// RFC 3875 section 6.3 requires a field.
    #[error("no header field")]
    Empty,
    /// RFC 9112 section 5.2 permits a server to reject it.
    #[error("a folded line (obs-fold)")]
    Folded,
    /// A line without name and colon, or with invalid characters.
    #[error("{0:?} is not a header field")]
    Field(String),
    /// RFC 3875 section 6.3.3.
    #[error("{0:?} is not a status from 200 to 599")]
    Status(String),
    /// RFC 9110 section 8.6.
    #[error("{0:?} is not a length")]
    Length(String),
    /// X-Sendfile is a relative path.
    #[error("{0:?} is not an absolute path")]
    SendFile(String),
    /// A field that can occur only once occurs several times.
    #[error("several {0} fields")]
    Repeated(HeaderName),
}

/// Parses the head at the start of `bytes`, and returns it with its length. `None` if the empty line is missing: read more bytes.
pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, InvalidHead> {
    let mut fields = HeaderMap::new();
    let mut read = 0;
    while let Some(length) = bytes[read..].iter().position(|&byte| byte == b'\n') {
        let line = &bytes[read..read + length];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        read += length + 1;
        if read > MAX_BYTES {
            return Err(InvalidHead::TooLong);
        }
        if line.is_empty() {
            return Ok(Some((Head::from_fields(fields)?, read)));
        }
        let (name, value) = parse_field(line)?;
        fields.append(name, value);
    }
    if bytes.len() > MAX_BYTES {
        Err(InvalidHead::TooLong)
    } else {
        Ok(None)
    }
}

fn parse_field(line: &[u8]) -> Result<(HeaderName, HeaderValue), InvalidHead> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(InvalidHead::Folded);
    }
    let invalid = || InvalidHead::Field(excerpt(line));
    let colon = line.iter().position(|&byte| byte == b':').ok_or_else(invalid)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let name = HeaderName::from_bytes(name).map_err(|_| invalid())?;
    let value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| invalid())?;
    Ok((name, value))
}

impl Head {
    fn from_fields(mut fields: HeaderMap) -> Result<Self, InvalidHead> {
        // RFC 3875 section 6.3: "The response header MUST contain at least one CGI-field".
        if fields.is_empty() {
            return Err(InvalidHead::Empty);
        }
        let (status, reason_phrase) = match single_value(&fields, STATUS)? {
            Some(value) => parse_status(value)?,
            // A Location without Status is a redirect (section 6.2.3), a document without Status is 200 (section 6.3.3).
            None if fields.contains_key(header::LOCATION) => (StatusCode::FOUND, None),
            None => (StatusCode::OK, None),
        };
        let content_length = single_value(&fields, header::CONTENT_LENGTH)?;
        let content_length = content_length.map(parse_length).transpose()?;
        let send_file = single_value(&fields, X_SENDFILE)?.map(parse_path).transpose()?;
        for name in HOP_BY_HOP.into_iter().chain([STATUS, X_SENDFILE]) {
            fields.remove(name);
        }
        Ok(Self {
            status,
            reason_phrase,
            fields,
            content_length,
            send_file,
        })
    }
}

fn single_value(fields: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, InvalidHead> {
    let mut values = fields.get_all(&name).iter();
    let first = values.next();
    if values.next().is_some() {
        Err(InvalidHead::Repeated(name))
    } else {
        Ok(first)
    }
}

/// Parses a status such as `200 OK`: three digits, and optionally a space and a reason phrase, which HTTP/1.1 does not require.
///
/// Go's net/http/cgi responds with 200 and an empty body to an invalid status. This function rejects it.
fn parse_status(value: &HeaderValue) -> Result<(StatusCode, Option<ReasonPhrase>), InvalidHead> {
    let bytes = value.as_bytes();
    let (digits, rest) = bytes.split_at_checked(3).unwrap_or((bytes, b""));
    match StatusCode::from_bytes(digits) {
        Ok(status) if matches!(status.as_u16(), 200..=599) && (rest.is_empty() || rest[0] == b' ') => {
            // A header value contains no byte that is invalid in a reason phrase.
            let phrase = ReasonPhrase::try_from(rest.trim_ascii()).ok();
            Ok((status, phrase.filter(|phrase| !phrase.as_bytes().is_empty())))
        }
        Ok(_) | Err(_) => Err(InvalidHead::Status(excerpt(bytes))),
    }
}

fn parse_length(value: &HeaderValue) -> Result<u64, InvalidHead> {
    let bytes = value.as_bytes();
    let invalid = || InvalidHead::Length(excerpt(bytes));
    // `parse` also accepts a sign.
    if !bytes.iter().all(u8::is_ascii_digit) {
        return Err(invalid());
    }
    str::from_utf8(bytes)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(invalid)
}

fn parse_path(value: &HeaderValue) -> Result<PathBuf, InvalidHead> {
    let path = Path::new(OsStr::from_bytes(value.as_bytes()));
    if path.is_absolute() {
        Ok(path.to_path_buf())
    } else {
        Err(InvalidHead::SendFile(excerpt(value.as_bytes())))
    }
}

/// The first 100 bytes, for the log.
fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned()
}
