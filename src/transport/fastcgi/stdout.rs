//! The FCGI_STDOUT stream of one request (FastCGI specification 1.0, section 5.3).

use std::io::{self, IoSlice, Write};

use super::record::{ProtocolStatus, RecordHeader, RecordType, end_request};
use super::stream::TimedStream;

/// Maximum content length of a record: the largest multiple of 8 (section 3.3) that does not make 65,536 bytes with the header.
///
/// The reason is a bug of nginx (seen in 1.22): the length of its buffers is a power of two. If a read fills such a buffer to its
/// last byte and empties the socket, nginx treats the socket as still readable and sets no timer. A worker that shuts down after a
/// reload then exits in the middle of the response. The end of a record of 65,528 bytes coincides with the end of a 64 KiB buffer
/// once in 512 MB.
const MAX_CONTENT_BYTES: usize = 65_520;

/// A writer that sends each write as one record. Put a `BufWriter` before it for short writes.
#[derive(Clone, Copy)]
pub(super) struct StdoutStream<'a> {
    stream: &'a TimedStream,
    request_id: u16,
}

impl<'a> StdoutStream<'a> {
    pub(super) fn new(stream: &'a TimedStream, request_id: u16) -> StdoutStream<'a> {
        StdoutStream { stream, request_id }
    }

    /// Adds a buffer for one full record. `io::copy` reads files into this buffer.
    pub(super) fn buffered(self) -> io::BufWriter<StdoutStream<'a>> {
        io::BufWriter::with_capacity(MAX_CONTENT_BYTES, self)
    }

    /// Ends the stream with an empty record, and ends the request.
    pub(super) fn end(self) -> io::Result<()> {
        let last = RecordHeader::new(RecordType::Stdout, self.request_id, 0).to_bytes();
        let end = end_request(self.request_id, ProtocolStatus::RequestComplete);
        self.stream.send(&mut [IoSlice::new(&last), IoSlice::new(&end)])
    }
}

impl Write for StdoutStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let content = &bytes[..bytes.len().min(MAX_CONTENT_BYTES)];
        // An empty record would end the stream.
        if !content.is_empty() {
            let header =
                RecordHeader::new(RecordType::Stdout, self.request_id, content.len() as u16).to_bytes();
            self.stream
                .send(&mut [IoSlice::new(&header), IoSlice::new(content)])?;
        }
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
