//! The output of a program as the body of an answer, as it comes.
//! Its duty is that nothing looks whole that is not: the end of the body is given away only when the program has
//! ended well and has kept the length it promised. It knows neither HTTP nor the client.

use hyper::body::Bytes;

use super::fault::Fault;
use super::pieces::Source;
use super::program::Program;

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

    /// Sees to it that the output ends here, and well.
    async fn end(&mut self) -> Result<(), Fault> {
        self.ended = true;
        self.given += self.program.read().await?.len() as u64;
        // Too much is wrong whatever follows; of too little, the exit status says more.
        if self.promised.is_none_or(|promised| self.given <= promised) {
            self.program.ended_well().await?;
        }
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
