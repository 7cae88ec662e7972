//! The version of each request, as hyper takes it: RFC 9110 section 2.5 has a later minor version treated as 1.1, and hyper answers
//! 400 to it, as it does to another major version, which is 505.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What stands before the version in a request line (RFC 9112 section 3).
const MARK: &[u8] = b" HTTP/";

/// A mark on a request whose major version is not 1. hyper has read it as HTTP/1.1.
#[derive(Debug, Clone, Copy)]
pub(super) struct OtherMajor;

/// Finds the request lines in what one client sends, byte by byte, and changes their versions in place. A body has no place
/// here: no request follows one on the same connection.
#[derive(Debug)]
pub(super) struct Versions {
    at: At,
    is_first: bool,
    other_major: Arc<AtomicBool>,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    /// Empty lines, which may come before a request (RFC 9112 section 2.2), or its first byte.
    Start,
    /// A request line, of which so much of the mark was read last.
    Request(usize),
    Major,
    Dot,
    Minor,
    /// A line, empty so far, of the header fields.
    NewLine,
    /// The rest of a line.
    Line,
}

impl Versions {
    /// Sets `other_major` if the first request is of another major version. hyper refuses a later one.
    pub(super) fn new(other_major: Arc<AtomicBool>) -> Self {
        Self {
            at: At::Start,
            is_first: true,
            other_major,
        }
    }

    pub(super) fn normalize(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.at = self.next(byte);
        }
    }

    fn next(&mut self, byte: &mut u8) -> At {
        match (self.at, *byte) {
            (At::Start, b'\r' | b'\n') => At::Start,
            (At::Start, _) => At::Request(0),
            (At::Request(read), other) if MARK[read] == other && read + 1 == MARK.len() => At::Major,
            (At::Request(read), other) if MARK[read] == other => At::Request(read + 1),
            (At::Request(_), other) if other != b'\n' => At::Request(usize::from(other == MARK[0])),
            (At::Major, b'1') => At::Dot,
            (At::Major, b'0'..=b'9') if self.is_first => {
                self.other_major.store(true, Relaxed);
                *byte = b'1';
                At::Dot
            }
            (At::Dot, b'.') => At::Minor,
            (At::Minor, minor @ b'0'..=b'9') => {
                if minor > b'1' || self.other_major.load(Relaxed) {
                    *byte = b'1';
                }
                At::Line
            }
            (At::NewLine, b'\n') => {
                self.is_first = false;
                At::Start
            }
            (At::NewLine, b'\r') => At::NewLine,
            (_, b'\n') => At::NewLine,
            (_, _) => At::Line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What hyper reads, in pieces of so many bytes, and whether the first request is of another major version.
    fn normalized(sent: &str, piece: usize) -> (String, bool) {
        let other_major = Arc::<AtomicBool>::default();
        let mut versions = Versions::new(Arc::clone(&other_major));
        let mut bytes = sent.as_bytes().to_vec();
        bytes
            .chunks_mut(piece)
            .for_each(|piece| versions.normalize(piece));
        (String::from_utf8(bytes).unwrap(), other_major.load(Relaxed))
    }

    #[test]
    fn only_versions_of_request_lines_change() {
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
            // These are no versions, and stay none.
            ("GET / HTTP/1.22", "GET / HTTP/1.12", false),
            ("GET / HTTP/12.0", "GET / HTTP/12.0", false),
            ("GET / HTTP/x.2", "GET / HTTP/x.2", false),
            ("GET / http/1.2", "GET / http/1.2", false),
        ] {
            let (sent, read) = (format!("{sent}\r\n{HOST}"), format!("{read}\r\n{HOST}"));
            for piece in [1, 3, 1000] {
                assert_eq!(normalized(&sent, piece), (read.clone(), is_other), "{sent}");
                let later = normalized(&format!("GET / HTTP/1.1\n{HOST}{sent}"), piece).0;
                let unchanged = if is_other { &sent } else { &read };
                assert_eq!(later, format!("GET / HTTP/1.1\n{HOST}{unchanged}"));
            }
        }
    }
}
