//! A response, independent of its transport, and the closed list of failure reasons.

use super::sha256;
use std::fmt;

/// Every failure reason with its status. This is a public interface and therefore repeated here on purpose: a change in
/// src/ must be made here too, with existing clients in mind.
pub(crate) const REASONS: [(&str, u16); 47] = [
    ("several-commands", 300),
    ("bad-path", 400),
    ("bad-version", 400),
    ("bad-query", 400),
    ("platform-untold", 400),
    ("unknown-platform", 400),
    ("bad-host", 400),
    ("denied", 403),
    ("known-vulnerabilities", 403),
    ("no-such-module", 404),
    ("no-such-version", 404),
    ("no-such-package", 404),
    ("wrong-file-name", 404),
    ("no-such-page", 404),
    ("no-command", 404),
    ("not-built", 404),
    ("method-not-allowed", 405),
    ("too-large", 422),
    ("too-much-disk", 422),
    ("does-not-compile", 422),
    ("needs-cgo", 422),
    ("needs-newer-go", 422),
    ("needs-tags", 422),
    ("system-too-old", 422),
    ("not-for-this-platform", 422),
    ("replace-directives", 422),
    ("declares-another-path", 422),
    ("invalid-module", 422),
    ("missing-embed", 422),
    ("missing-replacement", 422),
    ("missing-dependency", 422),
    ("no-release-recipe", 422),
    ("no-such-go", 400),
    ("too-many-builds", 429),
    ("forbidden-call", 500),
    ("internal", 500),
    ("no-path-info", 500),
    ("proxy-failed", 502),
    ("checksum-mismatch", 502),
    ("queue-full", 503),
    ("still-building", 503),
    ("no-go", 503),
    ("no-state-directory", 503),
    ("out-of-time", 503),
    ("out-of-memory", 503),
    ("no-sandbox", 503),
    ("disk-full", 507),
];

/// The status of a reason.
#[track_caller]
pub(crate) fn status_of(reason: &str) -> u16 {
    let named = REASONS.iter().find(|(name, _)| *name == reason);
    named
        .unwrap_or_else(|| panic!("{reason} is not a known reason"))
        .1
}

/// The reason phrase of `404 Not Found`.
fn phrase_of(status: &str) -> String {
    status
        .split_once(' ')
        .map_or("", |(_, phrase)| phrase)
        .trim()
        .to_owned()
}

/// The members of a list (RFC 9110 section 5.6.1), without optional whitespace.
pub(crate) fn list(value: Option<&str>) -> Option<Vec<&str>> {
    Some(value?.split(',').map(str::trim).collect())
}

/// A response.
#[derive(Clone, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason_phrase: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What the process wrote to stderr. Only the CGI transport provides it.
    pub(crate) log: String,
}

impl Response {
    /// Parses the output of a CGI program (RFC 3875 section 6).
    pub(crate) fn from_cgi(printed: &[u8]) -> Result<Response, String> {
        let (head, body) = split_head(printed)?;
        let mut headers = header_lines(head.lines())?;
        let at = headers
            .iter()
            .position(|(name, _)| name == "status")
            .ok_or("no Status line")?;
        let (_, status) = headers.remove(at);
        let reason_phrase = phrase_of(&status);
        let status = status
            .get(..3)
            .and_then(|code| code.parse().ok())
            .ok_or(format!("Status: {status:?}"))?;
        Ok(Response {
            status,
            reason_phrase,
            headers,
            body: body.to_vec(),
            log: String::new(),
        })
    }

    /// Parses the bytes of one HTTP/1.1 response (RFC 9112) up to the end of the connection.
    pub(crate) fn from_http(wire: &[u8], to_head: bool) -> Result<Response, String> {
        let (head, rest) = split_head(wire)?;
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default();
        let status = first
            .strip_prefix("HTTP/1.")
            .and_then(|line| line.get(2..5)?.parse().ok());
        let status = status.ok_or_else(|| format!("status line {first:?}"))?;
        let mut response = Response {
            status,
            reason_phrase: phrase_of(first.split_once(' ').map_or("", |(_, status)| status)),
            headers: header_lines(lines)?,
            body: rest.to_vec(),
            log: String::new(),
        };
        if to_head {
            return if rest.is_empty() {
                Ok(response)
            } else {
                Err(format!("a HEAD response has {} bytes of body", rest.len()))
            };
        }
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = unchunk(rest)?;
        } else if let Some(length) = response.header("content-length")
            && length != rest.len().to_string()
        {
            return Err(format!(
                "Content-Length: {length}, but {} bytes received",
                rest.len()
            ));
        }
        Ok(response)
    }

    /// The value of a header. Names are case-insensitive.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let same = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        self.headers.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// The value of `Gox-Reason`.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.header("gox-reason")
    }

    pub(crate) fn sha256(&self) -> String {
        sha256(&self.body)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts status 200 and returns the body.
    #[track_caller]
    pub(crate) fn program(&self) -> &[u8] {
        assert_eq!(self.status, 200, "{self}");
        &self.body
    }

    /// Asserts that the request failed for this reason, with the status of the reason.
    #[track_caller]
    pub(crate) fn refused(&self, reason: &str) -> &Response {
        assert_eq!(
            (self.status, self.reason()),
            (status_of(reason), Some(reason)),
            "{self}"
        );
        self
    }
}

/// For assertion messages: the head, and the body if it is text.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", value.escape_debug())?;
        }
        match str::from_utf8(&self.body) {
            Ok(text) if text.len() < 4000 => {
                writeln!(f, "\n{}", text.escape_debug().to_string().replace("\\n", "\n"))?
            }
            Ok(_) | Err(_) => writeln!(f, "\n({} bytes, sha256 {})", self.body.len(), self.sha256())?,
        }
        if !self.log.is_empty() {
            writeln!(f, "log: {}", self.log.trim_end())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn split_head(bytes: &[u8]) -> Result<(&str, &[u8]), String> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or_else(|| {
        format!(
            "no end of head: {:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(300)])
        )
    })?;
    let head = str::from_utf8(&bytes[..end]).map_err(|error| format!("the head is not UTF-8: {error}"))?;
    Ok((head, &bytes[end + 4..]))
}

fn header_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<(String, String)>, String> {
    lines
        .map(|line| {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| format!("not a header: {line:?}"))?;
            let token = name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !name.is_empty();
            let visible = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
            if token && visible {
                Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
            } else {
                Err(format!("invalid header: {line:?}"))
            }
        })
        .collect()
}

fn unchunk(mut wire: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let end = wire
            .windows(2)
            .position(|window| window == b"\r\n")
            .ok_or("the body is truncated between chunks")?;
        let size = str::from_utf8(&wire[..end])
            .ok()
            .and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.ok_or_else(|| format!("chunk size {:?}", String::from_utf8_lossy(&wire[..end])))?;
        wire = &wire[end + 2..];
        if size == 0 {
            return if wire == b"\r\n" {
                Ok(body)
            } else {
                Err("data after the last chunk".to_owned())
            };
        }
        body.extend_from_slice(wire.get(..size).ok_or("the body is truncated in a chunk")?);
        wire = wire
            .get(size..)
            .and_then(|wire| wire.strip_prefix(b"\r\n"))
            .ok_or("a chunk has no terminating CRLF")?;
    }
}

#[test]
fn cgi_response_has_head_and_body() {
    let response =
        Response::from_cgi(b"Status: 404 Not Found\r\nGox-Reason: no-command\r\n\r\nno\r\n\r\n").unwrap();
    assert_eq!(
        (response.status, response.reason(), &*response.body),
        (404, Some("no-command"), &b"no\r\n\r\n"[..])
    );
    for wrong in [
        "",
        "Status: 200 OK\r\n",
        "X: 1\r\n\r\n",
        "Status: 200\r\nA B: 1\r\n\r\n",
        "Status: 200\r\nA: \x1b\r\n\r\n",
    ] {
        assert!(Response::from_cgi(wrong.as_bytes()).is_err(), "{wrong:?}");
    }
}

#[test]
fn truncated_http_response_is_rejected() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(Response::from_http(chunked, false).unwrap().body, b"abc");
    assert!(Response::from_http(&chunked[..chunked.len() - 5], false).is_err());
    assert!(Response::from_http(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", false).is_err());
    assert!(Response::from_http(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", true).is_err());
}
