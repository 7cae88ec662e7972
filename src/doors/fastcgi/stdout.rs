//! FCGI_STDOUT of one request (FastCGI specification 1.0, section 5.3): what is written becomes records.

use std::io::{self, IoSlice, Write};

use super::record::{Header, ProtocolStatus, RecordType, end_request};
use super::stream::Stream;

/// Content of a full record: the most that is a multiple of 8 (section 3.3) and makes no 65,536 bytes with its header.
///
/// A web server's buffers are powers of two. nginx (1.22 at least) that has read a socket empty with a buffer that was full to the
/// last byte takes it for still readable and forgets its timer: the worker that a reload lets end then ends in the middle of the
/// answer. Records of 65,528 bytes end together with buffers of 64 KiB once in 512 MB.
const FULL: usize = 65_520;

/// The stream. It keeps nothing back: each write is a record, and who writes little puts a `BufWriter` before it.
#[derive(Clone, Copy)]
pub(super) struct Stdout<'a> {
    stream: &'a Stream,
    request_id: u16,
}

impl<'a> Stdout<'a> {
    pub(super) fn new(stream: &'a Stream, request_id: u16) -> Stdout<'a> {
        Stdout { stream, request_id }
    }

    /// The same with room for a full record before it, into which `io::copy` reads a file.
    pub(super) fn buffered(self) -> io::BufWriter<Stdout<'a>> {
        io::BufWriter::with_capacity(FULL, self)
    }

    /// Ends the stream with a record without content, and the request with it.
    pub(super) fn end(self) -> io::Result<()> {
        let last = Header::new(RecordType::Stdout, self.request_id, 0).bytes();
        let end = end_request(self.request_id, ProtocolStatus::RequestComplete);
        self.stream.send(&mut [IoSlice::new(&last), IoSlice::new(&end)])
    }
}

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let content = &bytes[..bytes.len().min(FULL)];
        // A record without content would be the end of the stream.
        if !content.is_empty() {
            let header = Header::new(RecordType::Stdout, self.request_id, content.len() as u16).bytes();
            self.stream
                .send(&mut [IoSlice::new(&header), IoSlice::new(content)])?;
        }
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
