//! Normalizes the HTTP version of each request for hyper, which responds with 400 to any version other than 1.0 and 1.1. A higher
//! minor version is to be treated as 1.1 (RFC 9110 section 2.5), and the correct status for another major version is 505.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The text before the version in a request line (RFC 9112 section 3).
const PREFIX: &[u8] = b" HTTP/";

/// Request extension for a request with a major version other than 1. hyper has parsed it as HTTP/1.1.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnsupportedMajor;

/// Finds the request lines in the bytes of one connection and changes their versions in place. Bodies need not be handled: a
/// request with a body is the last one of its connection.
#[derive(Debug)]
pub(super) struct VersionNormalizer {
    position: Position,
    is_first_request: bool,
    unsupported_major: Arc<AtomicBool>,
}

/// The position of the next byte in a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Position {
    /// Empty lines before a request, which are permitted (RFC 9112 section 2.2), or the first byte of the request.
    Start,
    /// The request line, after this number of bytes of PREFIX.
    RequestLine(usize),
    Major,
    Dot,
    Minor,
    /// The start of a header line, or of the empty line after the headers.
    LineStart,
    /// The rest of a line.
    Line,
}

impl VersionNormalizer {
    /// Creates a normalizer. It sets `unsupported_major` if the first request has another major version; hyper rejects later ones.
    pub(super) fn new(unsupported_major: Arc<AtomicBool>) -> Self {
        Self {
            position: Position::Start,
            is_first_request: true,
            unsupported_major,
        }
    }

    pub(super) fn normalize(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.position = self.advance(byte);
        }
    }

    fn advance(&mut self, byte: &mut u8) -> Position {
        use Position::{Dot, Line, LineStart, Major, Minor, RequestLine, Start};
        match (self.position, *byte) {
            (Start, b'\r' | b'\n') => Start,
            (Start, _) => RequestLine(0),
            (RequestLine(read), other) if PREFIX[read] == other && read + 1 == PREFIX.len() => Major,
            (RequestLine(read), other) if PREFIX[read] == other => RequestLine(read + 1),
            (RequestLine(_), other) if other != b'\n' => RequestLine(usize::from(other == PREFIX[0])),
            (Major, b'1') => Dot,
            (Major, b'0'..=b'9') if self.is_first_request => {
                self.unsupported_major.store(true, Relaxed);
                *byte = b'1';
                Dot
            }
            (Dot, b'.') => Minor,
            (Minor, minor @ b'0'..=b'9') => {
                if minor > b'1' || self.unsupported_major.load(Relaxed) {
                    *byte = b'1';
                }
                Line
            }
            (LineStart, b'\n') => {
                self.is_first_request = false;
                Start
            }
            (LineStart, b'\r') => LineStart,
            (_, b'\n') => LineStart,
            (_, _) => Line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normalizes in chunks of `chunk` bytes. Also returns whether the first request has another major version.
    fn normalize(sent: &str, chunk: usize) -> (String, bool) {
        let unsupported_major = Arc::<AtomicBool>::default();
        let mut versions = VersionNormalizer::new(Arc::clone(&unsupported_major));
        let mut bytes = sent.as_bytes().to_vec();
        bytes
            .chunks_mut(chunk)
            .for_each(|chunk| versions.normalize(chunk));
        (String::from_utf8(bytes).unwrap(), unsupported_major.load(Relaxed))
    }

    #[test]
    fn only_versions_in_request_lines_are_changed() {
        const HOST: &str = "Host: a\r\nX: / HTTP/1.2\r\n\r\n";
        for (sent, read, is_other) in [
            ("GET / HTTP/1.1", "GET / HTTP/1.1", false),
            ("GET / HTTP/1.0", "GET / HTTP/1.0", false),
            ("GET / HTTP/1.2", "GET / HTTP/1.1", false),
            ("GET / HTTP/1.9", "GET / HTTP/1.1", false),
            ("\r\nGET / HTTP/1.2", "\r\nGET / HTTP/1.1", false),
            ("GET /HTTP/1.2 HTTP/1.2", "GET /HTTP/1.2 HTTP/1.1", false),
            ("GET /  HTTP/1.2", "GET /  HTTP/1.1", false),
            ("GET / HTTP/2.0", "GET / HTTP/1.1", true),
            ("GET / HTTP/3.0", "GET / HTTP/1.1", true),
            ("GET / HTTP/0.9", "GET / HTTP/1.1", true),
            // Invalid versions stay invalid.
            ("GET / HTTP/1.22", "GET / HTTP/1.12", false),
            ("GET / HTTP/12.0", "GET / HTTP/12.0", false),
            ("GET / HTTP/x.2", "GET / HTTP/x.2", false),
            ("GET / http/1.2", "GET / http/1.2", false),
        ] {
            let (sent, read) = (format!("{sent}\r\n{HOST}"), format!("{read}\r\n{HOST}"));
            for chunk in [1, 3, 1000] {
                assert_eq!(normalize(&sent, chunk), (read.clone(), is_other), "{sent}");
                let later = normalize(&format!("GET / HTTP/1.1\n{HOST}{sent}"), chunk).0;
                let unchanged = if is_other { &sent } else { &read };
                assert_eq!(later, format!("GET / HTTP/1.1\n{HOST}{unchanged}"));
            }
        }
    }
}
