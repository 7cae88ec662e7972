//! The output of a CGI process as parts of a response body. An incomplete body must not look complete, so the end of the body is
//! returned only after the process has exited successfully and has written as many bytes as its Content-Length says.

use super::body_part::BodyPart;
use super::cgi_process::CgiProcess;
use super::program_error::ProgramError;
use super::streamed_body::PartSource;

/// The output of a CGI process as a source of parts.
pub(super) struct OutputChunks {
    process: CgiProcess,
    content_length: Option<u64>,
    /// Number of bytes read from the process.
    received: u64,
    has_ended: bool,
}

impl OutputChunks {
    pub(super) fn new(process: CgiProcess, content_length: Option<u64>) -> Self {
        Self {
            process,
            content_length,
            received: 0,
            has_ended: false,
        }
    }

    /// Checks that the output ends here, that the process succeeds and that the length is correct.
    async fn check_end(&mut self) -> Result<(), ProgramError> {
        self.has_ended = true;
        self.received += self.process.read().await?.len() as u64;
        // Output that is too long is an error in any case. For output that is too short, the exit status explains more.
        if self.content_length.is_none_or(|length| self.received <= length) {
            self.process.wait_success().await?;
        }
        match self.content_length {
            Some(expected) if expected != self.received => Err(ProgramError::WrongLength {
                expected,
                actual: self.received,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

impl PartSource for OutputChunks {
    async fn next(&mut self) -> Result<Option<BodyPart>, ProgramError> {
        if self.has_ended {
            return Ok(None);
        }
        let chunk = self.process.read().await?;
        self.received += chunk.len() as u64;
        if chunk.is_empty() {
            self.check_end().await?;
            return Ok(None);
        }
        // With Content-Length the last byte completes the response, so the last chunk is held back until the process has succeeded.
        // Without, the end of the chunked coding completes it, and each chunk is sent at once.
        if self.content_length.is_some_and(|length| self.received >= length) {
            self.check_end().await?;
        }
        Ok(Some(BodyPart::Bytes(chunk)))
    }
}
