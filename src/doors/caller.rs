//! Who called a CGI program, and stdout, which leads there. Where the operator says that a first byte has to come in time, and
//! the bundled front passes bytes on, the answer begins before its program is there; else the caller just waits.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::cgi_response;
use crate::answer::{Audience, Beginning, Body, Response};
use crate::config::Config;
use crate::request::Request;

/// Between two bytes of a beginning. Heroku's router cuts after 55 s of silence; and bytes that are certain are few (24 of an
/// ELF file), and have to last as long as a build may.
const PULSE: Duration = Duration::from_secs(40);

/// Stdout of a CGI program.
pub(super) struct Caller<W> {
    out: W,
    /// When the next byte is due; `None` where an answer comes as a whole.
    due: Option<Instant>,
    begun: Option<Begun>,
}

/// What has been said already.
struct Begun {
    /// Content-Location: the exact program.
    location: Option<String>,
    sent: Vec<u8>,
}

/// Why an answer that had begun has no end. The caller has to cut it off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("cannot write the answer: {0}")]
    Stdout(#[from] io::Error),
    #[error("the answer had begun, and became another: {0}")]
    NoProgram(u16),
    #[error("the program does not begin as every program for its platform")]
    OtherHead,
}

impl<W: Write> Caller<W> {
    pub(super) fn new(out: W, request: &Request, config: Option<&Config>) -> Caller<W> {
        let first_byte = config.and_then(|config| config.first_byte);
        Caller {
            out,
            due: first_byte
                .filter(|_| request.may_begin_early())
                .map(|wait| Instant::now() + wait),
            begun: None,
        }
    }

    /// Ends the answer: with all of it, or with what is left of it.
    pub(super) fn end(
        mut self,
        response: Response,
        method: &str,
        config: Option<&Config>,
    ) -> Result<(), Cut> {
        match self.begun {
            None => Ok(cgi_response::write(response, method, config, self.out)?),
            Some(begun) => begun.end(response, &mut self.out),
        }
    }

    /// The headers with the first byte, and then one byte after the other.
    fn begin(&mut self, beginning: &Beginning) -> io::Result<()> {
        if self.begun.is_none() {
            cgi_response::write_head(&beginning.response, &mut self.out)?;
        }
        let begun = self.begun.get_or_insert_with(|| Begun {
            location: location(&beginning.response),
            sent: Vec::new(),
        });
        // When none is left, silence is all there is.
        if let Some(&byte) = beginning.head.get(begun.sent.len()) {
            self.out.write_all(&[byte])?;
            begun.sent.push(byte);
        }
        self.out.flush()
    }
}

impl<W: Write> Audience for Caller<W> {
    fn waits(&mut self, beginning: &Beginning) -> bool {
        match self.due {
            Some(due) if due <= Instant::now() => {
                self.due = Some(due + PULSE);
                self.begin(beginning).is_ok()
            }
            Some(_) | None => true,
        }
    }

    fn begins_in_time(&self) -> bool {
        self.due.is_some()
    }

    fn has_begun(&self) -> bool {
        self.begun.is_some()
    }
}

impl Begun {
    fn end(self, response: Response, out: &mut impl Write) -> Result<(), Cut> {
        let same = location(&response) == self.location;
        let Response {
            status,
            body: Body::File { mut file, len, .. },
            ..
        } = response
        else {
            return Err(Cut::NoProgram(response.status.0));
        };
        if status.0 != 200 || !same {
            return Err(Cut::NoProgram(status.0));
        }
        let mut head = vec![0; self.sent.len()];
        file.read_exact(&mut head)?;
        if head != self.sent {
            return Err(Cut::OtherHead);
        }
        let left = len - head.len() as u64;
        if io::copy(&mut file.take(left), out)? != left {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(out.flush()?)
    }
}

fn location(response: &Response) -> Option<String> {
    response.header("Content-Location").map(str::to_owned)
}
