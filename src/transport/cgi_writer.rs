//! Writes the response of a CGI program to stdout. If the operator limits the time to the first byte, and the CGI program runs
//! behind the bundled front, which passes on bytes without delay, the response starts before the build has finished.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::cgi_response;
use crate::config::Config;
use crate::request::Request;
use crate::response::{Body, EarlyResponse, Response, ResponseSink};

/// Interval between two bytes of an early response. Heroku's router closes a connection after 55 s without a byte. Few bytes of a
/// program are known before the build (24 of an ELF file), and they must last for the longest build.
const BYTE_INTERVAL: Duration = Duration::from_secs(40);

/// Stdout of a CGI program, as a response sink.
pub(super) struct CgiWriter<W> {
    out: W,
    /// When the next early byte is due; `None` if this response does not start early.
    due: Option<Instant>,
    sent: Option<SentPart>,
}

/// The part of an early response that has been sent.
struct SentPart {
    /// Content-Location, which identifies the program.
    location: Option<String>,
    /// The first bytes of the program.
    head: Vec<u8>,
}

/// Why a response is incomplete. The web server must abort the response to the client.
#[derive(Debug, thiserror::Error)]
pub(super) enum IncompleteResponse {
    #[error("cannot write the response: {0}")]
    Write(#[from] io::Error),
    #[error("the early response was for a program, but the final status is {0}")]
    OtherResponse(u16),
    #[error("the first bytes of the program differ from those of the early response")]
    OtherHead,
}

impl<W: Write> CgiWriter<W> {
    pub(super) fn new(out: W, request: &Request, config: Option<&Config>) -> CgiWriter<W> {
        let first_byte = config.and_then(|config| config.first_byte);
        CgiWriter {
            out,
            due: first_byte
                .filter(|_| request.allows_early_response())
                .map(|wait| Instant::now() + wait),
            sent: None,
        }
    }

    /// Writes the response, or the rest of it if it has started early.
    pub(super) fn finish(
        mut self,
        response: Response,
        method: &str,
        config: Option<&Config>,
    ) -> Result<(), IncompleteResponse> {
        match self.sent {
            None => Ok(cgi_response::write(
                response, method, config, self.out, has_reader,
            )?),
            Some(sent) => sent.write_rest(response, &mut self.out),
        }
    }

    /// Sends the next byte of the early response; before the first byte, the headers.
    fn send_early_byte(&mut self, early: &EarlyResponse) -> io::Result<()> {
        if self.sent.is_none() {
            cgi_response::write_head(&early.response, &mut self.out)?;
        }
        let sent = self.sent.get_or_insert_with(|| SentPart {
            location: location(&early.response),
            head: Vec::new(),
        });
        // After the last known byte, nothing more can be sent.
        if let Some(&byte) = early.head.get(sent.head.len()) {
            self.out.write_all(&[byte])?;
            sent.head.push(byte);
        }
        self.out.flush()
    }
}

impl<W: Write> ResponseSink for CgiWriter<W> {
    fn keep_alive(&mut self, early: Option<&EarlyResponse>) -> bool {
        match (self.due, early) {
            (Some(due), Some(early)) if due <= Instant::now() => {
                self.due = Some(due + BYTE_INTERVAL);
                self.send_early_byte(early).is_ok()
            }
            (Some(_) | None, _) => true,
        }
    }

    fn sends_early_response(&self) -> bool {
        self.due.is_some()
    }

    fn has_started(&self) -> bool {
        self.sent.is_some()
    }
}

impl SentPart {
    fn write_rest(self, response: Response, out: &mut impl Write) -> Result<(), IncompleteResponse> {
        let is_same = location(&response) == self.location;
        let Response {
            status,
            body: Body::File { mut file, len, .. },
            ..
        } = response
        else {
            return Err(IncompleteResponse::OtherResponse(response.status.0));
        };
        if status.0 != 200 || !is_same {
            return Err(IncompleteResponse::OtherResponse(status.0));
        }
        let mut head = vec![0; self.head.len()];
        file.read_exact(&mut head)?;
        if head != self.head {
            return Err(IncompleteResponse::OtherHead);
        }
        let left = len - head.len() as u64;
        if io::copy(&mut file.take(left), out)? != left {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(out.flush()?)
    }
}

/// Whether the web server still has its end of stdout open.
fn has_reader() -> bool {
    let stdout = io::stdout();
    // Without requested events, poll(2) reports only errors and hang-ups. If it fails, the next write fails too.
    let mut polled = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    !poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn location(response: &Response) -> Option<String> {
    response.header("Content-Location").map(str::to_owned)
}
