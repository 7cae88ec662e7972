//! One connection of a web server: requests one after another, each answered before the next begins (FCGI_MPXS_CONNS is 0).
//! Which records may come when is decided here, and how much of them; what they mean is the handler's business.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, ErrorKind, IoSlice, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use super::limits::{CONNECTIONS, IDLE, PARAMS_BYTES, REQUEST};
use super::malformed::Malformed;
use super::pairs::Pairs;
use super::record::{
    BeginRequest, HEADER_LEN, Header, NULL_REQUEST_ID, ProtocolStatus, RESPONDER, RecordType, end_request,
    get_values_result, unknown_type,
};
use super::stdout::Stdout;
use super::stream::Stream;
use super::wait::{Stop, ready};
use crate::config::Config;
use crate::doors::{BODY_BYTES, cgi_response};
use crate::request::Request;
use crate::{handler, journal};

/// Why a connection is cut, with whatever request is under way on it.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// No FastCGI.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// A record that means nothing where it comes.
    #[error("{0:?} out of its turn")]
    OutOfTurn(RecordType),
    /// Variables that are kept.
    #[error("more than {PARAMS_BYTES} bytes of FCGI_PARAMS")]
    TooManyParams,
    /// A body that is thrown away.
    #[error("more than {BODY_BYTES} bytes of FCGI_STDIN")]
    TooMuchStdin,
    /// It closed in the middle of a request.
    #[error("the web server is gone")]
    Gone,
    /// The socket failed, or the time was over.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Cut {
    /// Whether the web server did it, and nothing is wrong.
    pub(super) fn is_leaving(&self) -> bool {
        match self {
            Cut::Gone => true,
            Cut::Io(error) => matches!(
                error.kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
            ),
            Cut::Malformed(_) | Cut::OutOfTurn(_) | Cut::TooManyParams | Cut::TooMuchStdin => false,
        }
    }
}

/// A connection, and what of the current record has been read.
pub(super) struct Connection<'a> {
    reader: BufReader<Stream>,
    content: Vec<u8>,
    config: &'a Config,
}

impl<'a> Connection<'a> {
    pub(super) fn new(stream: Stream, config: &'a Config) -> Connection<'a> {
        Connection {
            reader: BufReader::new(stream),
            content: Vec::new(),
            config,
        }
    }

    /// Answers requests until the web server closes, leaves it to us, or says nothing for long; or until `stop`.
    pub(super) fn serve(mut self, stop: &Stop) -> Result<(), Cut> {
        while self.speaks(stop)? && self.request()? {}
        Ok(())
    }

    /// Waits for the first byte of a request. One that comes together with the order to stop is still answered.
    fn speaks(&self, stop: &Stop) -> io::Result<bool> {
        if !self.reader.buffer().is_empty() {
            return Ok(true);
        }
        let [spoken, _] = ready([self.reader.get_ref().as_fd(), stop.as_fd()], Some(IDLE))?;
        Ok(spoken)
    }

    /// One request; says whether the connection stays open for another.
    fn request(&mut self) -> Result<bool, Cut> {
        self.read_within(REQUEST);
        let Some(header) = self.record_of(NULL_REQUEST_ID)? else {
            return Ok(false);
        };
        let begin = BeginRequest::parse(&self.content)?;
        let id = header.request_id;
        if begin.role != RESPONDER {
            self.send(&end_request(id, ProtocolStatus::UnknownRole))?;
        } else if let Some(params) = self.take_in(id)? {
            self.answer(id, Pairs::parse(&params)?)?;
        } else {
            self.send(&end_request(id, ProtocolStatus::RequestComplete))?;
        }
        Ok(begin.keep_conn)
    }

    /// Takes a request in: its variables are kept, its body is thrown away. `None` if the web server aborts it meanwhile.
    fn take_in(&mut self, id: u16) -> Result<Option<Vec<u8>>, Cut> {
        let mut params = Vec::new();
        let whole = self.stream(id, RecordType::Params, |content| {
            params.extend_from_slice(content);
            if params.len() > PARAMS_BYTES {
                Err(Cut::TooManyParams)
            } else {
                Ok(())
            }
        })?;
        let mut stdin_bytes = 0;
        let whole = whole
            && self.stream(id, RecordType::Stdin, |content| {
                stdin_bytes += content.len();
                if stdin_bytes > BODY_BYTES as usize {
                    Err(Cut::TooMuchStdin)
                } else {
                    Ok(())
                }
            })?;
        Ok(whole.then_some(params))
    }

    /// Reads a stream to the record without content that ends it; says no if the web server aborts the request first.
    fn stream(
        &mut self,
        id: u16,
        of: RecordType,
        mut take: impl FnMut(&[u8]) -> Result<(), Cut>,
    ) -> Result<bool, Cut> {
        loop {
            let header = self.record_of(id)?.ok_or(Cut::Gone)?;
            if header.record_type == RecordType::AbortRequest {
                return Ok(false);
            }
            if header.record_type != of {
                return Err(Cut::OutOfTurn(header.record_type));
            }
            if self.content.is_empty() {
                return Ok(true);
            }
            take(&self.content)?;
        }
    }

    /// The answer, and the end of the request. Whoever no longer wants it gets the end alone.
    fn answer(&mut self, id: u16, variables: Pairs<'_>) -> Result<(), Cut> {
        let begun = Instant::now();
        let variable = |name: &str| Some(OsString::from_vec(variables.get(name)?.to_vec()));
        let request = Request::from_variables(variable);
        let config = self.config;
        let mut wanted = Ok(true);
        let response = handler::answer(&request, config, &mut || {
            wanted = self.still_wants(id);
            matches!(wanted, Ok(true))
        });
        let client = request.client_address(|peer| config.trusts(peer));
        journal::answered(&request, client, &response, begun.elapsed().as_secs_f64());
        let stdout = Stdout::new(self.reader.get_ref(), id);
        if wanted? {
            cgi_response::write(response, &request.method, Some(config), stdout.buffered())?;
        }
        Ok(stdout.end()?)
    }

    /// Whether the web server has neither aborted this request nor gone, as far as can be seen without waiting.
    fn still_wants(&mut self, id: u16) -> Result<bool, Cut> {
        self.read_within(REQUEST);
        while self.has_spoken()? {
            match self.record(id)?.map(|header| header.record_type) {
                Some(RecordType::AbortRequest) => return Ok(false),
                Some(other) => return Err(Cut::OutOfTurn(other)),
                None => {}
            }
        }
        Ok(true)
    }

    fn has_spoken(&self) -> io::Result<bool> {
        let [spoken] = ready([self.reader.get_ref().as_fd()], Some(Duration::ZERO))?;
        Ok(spoken || !self.reader.buffer().is_empty())
    }

    /// The next record that belongs to request `active`, or without one the next that begins a request. `None` if the connection
    /// ends before it.
    fn record_of(&mut self, active: u16) -> Result<Option<Header>, Cut> {
        while !self.reader.fill_buf()?.is_empty() {
            let header = self.record(active)?;
            if header.is_some() {
                return Ok(header);
            }
        }
        Ok(None)
    }

    /// The next record, if it belongs to request `active`, or without one if it begins a request. Any other is answered here or,
    /// as section 3.3 says, ignored.
    fn record(&mut self, active: u16) -> Result<Option<Header>, Cut> {
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

    /// A whole record, its content in `self.content`.
    fn read_record(&mut self) -> Result<Header, Cut> {
        let mut bytes = [0; HEADER_LEN];
        self.reader.read_exact(&mut bytes)?;
        let header = Header::parse(bytes)?;
        self.content.resize(header.content_length.into(), 0);
        self.reader.read_exact(&mut self.content)?;
        let mut padding = [0; u8::MAX as usize];
        self.reader
            .read_exact(&mut padding[..header.padding_length.into()])?;
        Ok(header)
    }

    fn read_within(&mut self, time: Duration) {
        self.reader.get_mut().read_by(Instant::now() + time);
    }

    fn send(&self, record: &[u8]) -> io::Result<()> {
        self.reader.get_ref().send(&mut [IoSlice::new(record)])
    }
}

/// The variables that a web server may ask for (section 4.1).
fn values() -> [(&'static str, String); 3] {
    [
        ("FCGI_MAX_CONNS", CONNECTIONS.to_string()),
        ("FCGI_MAX_REQS", CONNECTIONS.to_string()),
        ("FCGI_MPXS_CONNS", "0".to_owned()),
    ]
}
