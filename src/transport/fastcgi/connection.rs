//! One connection of a web server. It carries one request at a time (FCGI_MPXS_CONNS is 0). This module checks the order of the
//! records and the length of FCGI_PARAMS; `handler` responds to the requests.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, ErrorKind, IoSlice, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use super::limits::{IDLE_TIMEOUT, MAX_CONNECTIONS, MAX_PARAMS_BYTES, REQUEST_TIMEOUT};
use super::pairs::Pairs;
use super::protocol_error::ProtocolError;
use super::record::{
    BeginRequest, HEADER_LEN, NULL_REQUEST_ID, ProtocolStatus, RESPONDER, RecordHeader, RecordType,
    end_request, get_values_result, unknown_type,
};
use super::stdout::StdoutStream;
use super::stream::TimedStream;
use super::wait::{StopSignal, poll_readable};
use crate::config::Config;
use crate::transport::{cgi_response, read_request};
use crate::{handler, journal};

/// Why a connection is closed in the middle of a request.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// Bytes that are not FastCGI 1.0.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    /// A record that the protocol does not allow at this point.
    #[error("unexpected record {0:?}")]
    UnexpectedRecord(RecordType),
    /// Too many bytes of CGI variables.
    #[error("more than {MAX_PARAMS_BYTES} bytes of FCGI_PARAMS")]
    TooManyParams,
    /// The web server closed the connection.
    #[error("the web server closed the connection during a request")]
    Closed,
    /// The socket failed, or a timeout expired.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl ConnectionError {
    /// Whether the web server closed the connection, which is not an error of either side.
    pub(super) fn is_disconnect(&self) -> bool {
        match self {
            ConnectionError::Closed => true,
            ConnectionError::Io(error) => matches!(
                error.kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
            ),
            ConnectionError::Protocol(_)
            | ConnectionError::UnexpectedRecord(_)
            | ConnectionError::TooManyParams => false,
        }
    }
}

/// A connection, and the current record.
pub(super) struct Connection<'a> {
    reader: BufReader<TimedStream>,
    /// Content of the current record.
    content: Vec<u8>,
    config: &'a Config,
}

impl<'a> Connection<'a> {
    pub(super) fn new(stream: TimedStream, config: &'a Config) -> Connection<'a> {
        Connection {
            reader: BufReader::new(stream),
            content: Vec::new(),
            config,
        }
    }

    /// Serves requests until the web server closes the connection, asks the responder to close it (without FCGI_KEEP_CONN) or is
    /// idle for too long, or until `stop`.
    pub(super) fn serve(mut self, stop: &StopSignal) -> Result<(), ConnectionError> {
        while self.wait_for_request(stop)? && self.serve_request(stop)? {}
        Ok(())
    }

    /// Waits for the first byte of a request. A request that arrives at the same time as the stop signal is served.
    fn wait_for_request(&self, stop: &StopSignal) -> io::Result<bool> {
        if !self.reader.buffer().is_empty() {
            return Ok(true);
        }
        let [has_bytes, _] =
            poll_readable([self.reader.get_ref().as_fd(), stop.as_fd()], Some(IDLE_TIMEOUT))?;
        Ok(has_bytes)
    }

    /// Serves one request. Returns whether the connection stays open for another one.
    fn serve_request(&mut self, stop: &StopSignal) -> Result<bool, ConnectionError> {
        self.set_read_timeout(REQUEST_TIMEOUT);
        let Some(header) = self.next_record_of(NULL_REQUEST_ID)? else {
            return Ok(false);
        };
        let begin = BeginRequest::parse(&self.content)?;
        let id = header.request_id;
        if begin.role != RESPONDER {
            self.send(&end_request(id, ProtocolStatus::UnknownRole))?;
        } else if let Some(params) = self.read_request(id)? {
            self.respond(id, Pairs::parse(&params)?, stop)?;
        } else {
            self.send(&end_request(id, ProtocolStatus::RequestComplete))?;
        }
        Ok(begin.keep_conn)
    }

    /// Reads a request, discards its body and returns its FCGI_PARAMS. `None` if the web server aborts the request.
    fn read_request(&mut self, id: u16) -> Result<Option<Vec<u8>>, ConnectionError> {
        let mut params = Vec::new();
        let is_complete = self.read_stream(id, RecordType::Params, |content| {
            params.extend_from_slice(content);
            if params.len() > MAX_PARAMS_BYTES {
                Err(ConnectionError::TooManyParams)
            } else {
                Ok(())
            }
        })?;
        // A body has no meaning here. It is read because a web server may send all of it before it reads the response.
        let is_complete = is_complete && self.read_stream(id, RecordType::Stdin, |_| Ok(()))?;
        Ok(is_complete.then_some(params))
    }

    /// Reads a stream up to the empty record that ends it. Returns false if the web server aborts the request first.
    fn read_stream(
        &mut self,
        id: u16,
        record_type: RecordType,
        mut receive: impl FnMut(&[u8]) -> Result<(), ConnectionError>,
    ) -> Result<bool, ConnectionError> {
        loop {
            let header = self.next_record_of(id)?.ok_or(ConnectionError::Closed)?;
            if header.record_type == RecordType::AbortRequest {
                return Ok(false);
            }
            if header.record_type != record_type {
                return Err(ConnectionError::UnexpectedRecord(header.record_type));
            }
            if self.content.is_empty() {
                return Ok(true);
            }
            receive(&self.content)?;
        }
    }

    /// Writes the response and ends the request. If the web server aborts the request, only the end is written.
    fn respond(&mut self, id: u16, variables: Pairs<'_>, stop: &StopSignal) -> Result<(), ConnectionError> {
        let start = Instant::now();
        let variable = |name: &str| Some(OsString::from_vec(variables.get(name)?.to_vec()));
        let config = self.config;
        let request = read_request(Some(config), variable);
        let mut is_active = Ok(true);
        let response = handler::answer(&request, config, &mut || {
            is_active = self.is_active(id);
            matches!(is_active, Ok(true))
        });
        let client = request.client_address(|peer| config.trusts(peer));
        journal::log_request(&request, client, &response, start.elapsed().as_secs_f64());
        let stdout = StdoutStream::new(self.reader.get_ref(), id);
        if is_active? {
            // During a response, the web server sends nothing unless it aborts the request.
            let web_server = self.reader.get_ref().as_fd();
            let is_wanted =
                || poll_readable([web_server, stop.as_fd()], Some(Duration::ZERO)) == Ok([false; 2]);
            cgi_response::write(
                response,
                &request.method,
                Some(config),
                stdout.buffered(),
                is_wanted,
            )?;
        }
        Ok(stdout.end()?)
    }

    /// Whether the web server has neither aborted this request nor closed the connection. Reads the records that have arrived and
    /// does not wait for others.
    fn is_active(&mut self, id: u16) -> Result<bool, ConnectionError> {
        self.set_read_timeout(REQUEST_TIMEOUT);
        while self.has_bytes()? {
            match self.next_record(id)?.map(|header| header.record_type) {
                Some(RecordType::AbortRequest) => return Ok(false),
                Some(other) => return Err(ConnectionError::UnexpectedRecord(other)),
                None => {}
            }
        }
        Ok(true)
    }

    fn has_bytes(&self) -> io::Result<bool> {
        let [is_readable] = poll_readable([self.reader.get_ref().as_fd()], Some(Duration::ZERO))?;
        Ok(is_readable || !self.reader.buffer().is_empty())
    }

    /// Reads up to the next record of request `active`; if that is NULL_REQUEST_ID, up to the next FCGI_BEGIN_REQUEST. `None` if
    /// the connection ends first.
    fn next_record_of(&mut self, active: u16) -> Result<Option<RecordHeader>, ConnectionError> {
        while !self.reader.fill_buf()?.is_empty() {
            let header = self.next_record(active)?;
            if header.is_some() {
                return Ok(header);
            }
        }
        Ok(None)
    }

    /// Reads one record. Returns it if it belongs to request `active`, or begins a request while none is active. All others are
    /// processed here: management records and second requests get a reply, the rest is ignored (section 3.3).
    fn next_record(&mut self, active: u16) -> Result<Option<RecordHeader>, ConnectionError> {
        let header = self.read_record()?;
        match (header.request_id, header.record_type) {
            (NULL_REQUEST_ID, RecordType::GetValues) => {
                let result = get_values_result(&self.content, &values())?;
                self.send(&result)?;
            }
            (NULL_REQUEST_ID, other) => self.send(&unknown_type(other))?,
            (id, RecordType::BeginRequest) if active == NULL_REQUEST_ID || id == active => {
                return Ok(Some(header));
            }
            (id, _) if id == active => return Ok(Some(header)),
            (id, RecordType::BeginRequest) => self.send(&end_request(id, ProtocolStatus::CantMpxConn))?,
            (_, _) => {}
        }
        Ok(None)
    }

    /// Reads a record, and its content into `self.content`.
    fn read_record(&mut self) -> Result<RecordHeader, ConnectionError> {
        let mut bytes = [0; HEADER_LEN];
        self.reader.read_exact(&mut bytes)?;
        let header = RecordHeader::parse(bytes)?;
        self.content.resize(header.content_length.into(), 0);
        self.reader.read_exact(&mut self.content)?;
        let mut padding = [0; u8::MAX as usize];
        self.reader
            .read_exact(&mut padding[..header.padding_length.into()])?;
        Ok(header)
    }

    fn set_read_timeout(&mut self, timeout: Duration) {
        self.reader.get_mut().set_read_deadline(Instant::now() + timeout);
    }

    fn send(&self, record: &[u8]) -> io::Result<()> {
        self.reader.get_ref().send(&mut [IoSlice::new(record)])
    }
}

/// The variables that a web server can query with FCGI_GET_VALUES (section 4.1).
fn values() -> [(&'static str, String); 3] {
    [
        ("FCGI_MAX_CONNS", MAX_CONNECTIONS.to_string()),
        ("FCGI_MAX_REQS", MAX_CONNECTIONS.to_string()),
        ("FCGI_MPXS_CONNS", "0".to_owned()),
    ]
}
