//! The CGI process of one request. Dropping it kills the process. It inherits stderr, and its stdin is empty.

use std::path::Path;
use std::process::Stdio;

use hyper::body::Bytes;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

use super::environment::Environment;
use super::head::{self, Head};
use super::program_error::ProgramError;

/// Capacity of a pipe (pipe(7)), so that one read empties it.
const PIPE_BYTES: usize = 64 * 1024;

/// A running CGI process.
pub(super) struct CgiProcess {
    child: Child,
    stdout: ChildStdout,
    /// Output that was read from the pipe and not returned yet.
    buffer: Vec<u8>,
}

impl CgiProcess {
    pub(super) fn spawn(path: &Path, environment: Environment) -> Result<Self, ProgramError> {
        let mut child = Command::new(path)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // Its own process group, because Ctrl-C signals the whole group of the front, which lets running programs finish.
            .process_group(0)
            // tokio reaps the killed process.
            .kill_on_drop(true)
            .spawn()
            .map_err(ProgramError::Start)?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| ProgramError::Start(std::io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            child,
            stdout,
            buffer: Vec::new(),
        })
    }

    pub(super) async fn read_head(&mut self) -> Result<Head, ProgramError> {
        loop {
            if let Some((head, length)) = head::parse(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(head);
            }
            self.buffer.reserve(4096);
            if self
                .stdout
                .read_buf(&mut self.buffer)
                .await
                .map_err(ProgramError::Read)?
                == 0
            {
                return Err(ProgramError::NoHead(
                    self.child.wait().await.map_err(ProgramError::Read)?,
                ));
            }
        }
    }

    /// Reads the next output. Empty at the end of the output.
    pub(super) async fn read(&mut self) -> Result<Bytes, ProgramError> {
        if self.buffer.is_empty() {
            self.buffer.reserve(PIPE_BYTES);
            self.stdout
                .read_buf(&mut self.buffer)
                .await
                .map_err(ProgramError::Read)?;
        }
        Ok(std::mem::take(&mut self.buffer).into())
    }

    /// Waits for the exit. Only an exit status of 0 means that the output is complete.
    pub(super) async fn wait_success(&mut self) -> Result<(), ProgramError> {
        let status = self.child.wait().await.map_err(ProgramError::Read)?;
        if status.success() {
            Ok(())
        } else {
            Err(ProgramError::Failed(status))
        }
    }

    /// Discards the rest of the output and waits for a successful exit. For responses without the output as body (HEAD, 304,
    /// X-Sendfile).
    pub(super) async fn drain(mut self) -> Result<(), ProgramError> {
        while !self.read().await?.is_empty() {}
        self.wait_success().await
    }
}
