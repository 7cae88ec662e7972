//! The program of one request: started, heard out, waited for. Its output is the answer's body.
//! Whoever drops a `Program` kills it. What its head means is `head`'s to say; its stderr is our own.

use std::path::Path;
use std::process::Stdio;

use hyper::body::Bytes;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

use super::environment::Environment;
use super::fault::Fault;
use super::head::{self, Head};
use super::pieces::Source;

/// What a Linux pipe holds: one read empties it.
const PIPE_BYTES: usize = 64 * 1024;

/// A running CGI program.
pub(super) struct Program {
    child: Child,
    output: ChildStdout,
    /// Output that was read along with the head.
    unread: Vec<u8>,
}

impl Program {
    pub(super) fn start(path: &Path, environment: Environment) -> Result<Self, Fault> {
        let mut child = Command::new(path)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // Ctrl-C in a terminal goes to a whole process group. The front drains; its programs finish.
            .process_group(0)
            // The client is gone, or the drain is over. tokio reaps what it has killed.
            .kill_on_drop(true)
            .spawn()
            .map_err(Fault::CouldNotStart)?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| Fault::CouldNotStart(std::io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            child,
            output,
            unread: Vec::new(),
        })
    }

    pub(super) async fn head(&mut self) -> Result<Head, Fault> {
        loop {
            if let Some((head, length)) = head::parse(&self.unread)? {
                self.unread.drain(..length);
                return Ok(head);
            }
            self.unread.reserve(4096);
            if self
                .output
                .read_buf(&mut self.unread)
                .await
                .map_err(Fault::Unreadable)?
                == 0
            {
                return Err(Fault::NoHead(self.child.wait().await.map_err(Fault::Unreadable)?));
            }
        }
    }

    /// The next output as it comes, empty at its end.
    async fn read(&mut self) -> Result<Bytes, Fault> {
        if self.unread.is_empty() {
            self.unread.reserve(PIPE_BYTES);
            self.output
                .read_buf(&mut self.unread)
                .await
                .map_err(Fault::Unreadable)?;
        }
        Ok(std::mem::take(&mut self.unread).into())
    }

    /// Waits for the exit status, which alone says that the output is all there is.
    async fn ended_well(&mut self) -> Result<(), Fault> {
        let status = self.child.wait().await.map_err(Fault::Unreadable)?;
        if status.success() {
            Ok(())
        } else {
            Err(Fault::Failed(status))
        }
    }

    /// Hears the program out when its output goes nowhere (HEAD, 304, X-Sendfile), so that it is neither killed
    /// at its last line nor believed before it has ended well.
    pub(super) async fn finish(mut self) -> Result<(), Fault> {
        while !self.read().await?.is_empty() {}
        self.ended_well().await
    }
}

/// The output of a program as a body.
pub(super) struct Relay {
    program: Program,
    promised: Option<u64>,
    given: u64,
    ended: bool,
}

impl Relay {
    pub(super) fn new(program: Program, promised: Option<u64>) -> Self {
        Self {
            program,
            promised,
            given: 0,
            ended: false,
        }
    }

    /// Reads to the end of the output and of the program, which must add nothing to what it has given.
    async fn end(&mut self) -> Result<(), Fault> {
        self.ended = true;
        loop {
            let more = self.program.read().await?.len() as u64;
            self.given += more;
            if more == 0 {
                break;
            }
        }
        self.program.ended_well().await?;
        match self.promised {
            Some(promised) if promised != self.given => Err(Fault::WrongLength {
                promised,
                given: self.given,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Source for Relay {
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        if self.ended {
            return Ok(None);
        }
        let piece = self.program.read().await?;
        self.given += piece.len() as u64;
        if piece.is_empty() {
            self.end().await?;
            return Ok(None);
        }
        // With Content-Length the last byte is the end mark. It is held back until the program has ended well;
        // without, the last chunk is, and every piece goes out at once.
        if self.promised.is_some_and(|promised| self.given >= promised) {
            self.end().await?;
        }
        Ok(Some(piece))
    }
}
