//! Records, as the FastCGI specification 1.0 lays them out (sections 3.3 to 5.5): bytes to values and back, in its words.
//! No I/O, and no memory of what came before: which record may follow which is the connection's business.

use super::malformed::Malformed;
use super::pairs::{Pairs, pair};

/// FCGI_HEADER_LEN: what every record begins with.
pub const HEADER_LEN: usize = 8;

/// FCGI_NULL_REQUEST_ID: the record is about the connection, and about no request (section 3.3).
pub const NULL_REQUEST_ID: u16 = 0;

/// FCGI_VERSION_1, the only one there is.
const VERSION_1: u8 = 1;

/// FCGI_KEEP_CONN, a bit of FCGI_BEGIN_REQUEST's flags.
const KEEP_CONN: u8 = 1;

/// The record types (section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordType {
    /// FCGI_BEGIN_REQUEST: the web server opens a request.
    BeginRequest,
    /// FCGI_ABORT_REQUEST: the web server no longer wants its answer.
    AbortRequest,
    /// FCGI_END_REQUEST: the application closes it.
    EndRequest,
    /// FCGI_PARAMS: a stream of name-value pairs, CGI's variables.
    Params,
    /// FCGI_STDIN: a stream, the request's body.
    Stdin,
    /// FCGI_STDOUT: a stream, the answer.
    Stdout,
    /// FCGI_GET_VALUES: the web server asks what the application can do.
    GetValues,
    /// FCGI_GET_VALUES_RESULT: its answer.
    GetValuesResult,
    /// FCGI_UNKNOWN_TYPE: the answer to a management record that means nothing here.
    UnknownType,
    /// Any other.
    Other(u8),
}

impl RecordType {
    fn of(number: u8) -> RecordType {
        match number {
            1 => RecordType::BeginRequest,
            2 => RecordType::AbortRequest,
            3 => RecordType::EndRequest,
            4 => RecordType::Params,
            5 => RecordType::Stdin,
            6 => RecordType::Stdout,
            9 => RecordType::GetValues,
            10 => RecordType::GetValuesResult,
            11 => RecordType::UnknownType,
            other => RecordType::Other(other),
        }
    }

    fn number(self) -> u8 {
        match self {
            RecordType::BeginRequest => 1,
            RecordType::AbortRequest => 2,
            RecordType::EndRequest => 3,
            RecordType::Params => 4,
            RecordType::Stdin => 5,
            RecordType::Stdout => 6,
            RecordType::GetValues => 9,
            RecordType::GetValuesResult => 10,
            RecordType::UnknownType => 11,
            RecordType::Other(number) => number,
        }
    }
}

/// The first 8 bytes of a record (section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// type
    pub record_type: RecordType,
    /// requestId
    pub request_id: u16,
    /// contentLength
    pub content_length: u16,
    /// paddingLength
    pub padding_length: u8,
}

impl Header {
    /// The header of a record with this much content, and no padding, which section 3.3 only recommends.
    pub fn new(record_type: RecordType, request_id: u16, content_length: u16) -> Header {
        Header {
            record_type,
            request_id,
            content_length,
            padding_length: 0,
        }
    }

    /// Reads one. Any type and any lengths are a header.
    pub fn parse(bytes: [u8; HEADER_LEN]) -> Result<Header, Malformed> {
        let [
            version,
            number,
            id_1,
            id_0,
            length_1,
            length_0,
            padding_length,
            _reserved,
        ] = bytes;
        if version != VERSION_1 {
            return Err(Malformed::Version(version));
        }
        Ok(Header {
            record_type: RecordType::of(number),
            request_id: u16::from_be_bytes([id_1, id_0]),
            content_length: u16::from_be_bytes([length_1, length_0]),
            padding_length,
        })
    }

    /// Writes one.
    pub fn bytes(self) -> [u8; HEADER_LEN] {
        let [id_1, id_0] = self.request_id.to_be_bytes();
        let [length_1, length_0] = self.content_length.to_be_bytes();
        let number = self.record_type.number();
        [
            VERSION_1,
            number,
            id_1,
            id_0,
            length_1,
            length_0,
            self.padding_length,
            0,
        ]
    }
}

/// The body of FCGI_BEGIN_REQUEST (section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeginRequest {
    /// role
    pub role: u16,
    /// FCGI_KEEP_CONN: who closes the connection after the request. Without it, the application.
    pub keep_conn: bool,
}

/// FCGI_RESPONDER, the role of a CGI program. Authorizers and filters are other programs.
pub const RESPONDER: u16 = 1;

impl BeginRequest {
    /// Reads one.
    pub fn parse(content: &[u8]) -> Result<BeginRequest, Malformed> {
        let [role_1, role_0, flags, _, _, _, _, _] = *content else {
            return Err(Malformed::BeginRequest(content.len()));
        };
        Ok(BeginRequest {
            role: u16::from_be_bytes([role_1, role_0]),
            keep_conn: flags & KEEP_CONN != 0,
        })
    }
}

/// protocolStatus of FCGI_END_REQUEST (section 5.5). FCGI_OVERLOADED is never said: who finds no room is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolStatus {
    /// FCGI_REQUEST_COMPLETE
    RequestComplete = 0,
    /// FCGI_CANT_MPX_CONN: a second request before the first has ended.
    CantMpxConn = 1,
    /// FCGI_UNKNOWN_ROLE
    UnknownRole = 3,
}

/// An FCGI_END_REQUEST. Its appStatus, a CGI program's exit status, is 0: an answer that failed has no end.
pub fn end_request(request_id: u16, status: ProtocolStatus) -> Vec<u8> {
    whole(
        RecordType::EndRequest,
        request_id,
        &[0, 0, 0, 0, status as u8, 0, 0, 0],
    )
}

/// The FCGI_UNKNOWN_TYPE that answers a management record of such a type (section 4.2).
pub fn unknown_type(unknown: RecordType) -> Vec<u8> {
    whole(
        RecordType::UnknownType,
        NULL_REQUEST_ID,
        &[unknown.number(), 0, 0, 0, 0, 0, 0, 0],
    )
}

/// The FCGI_GET_VALUES_RESULT to this query (section 4.1): what is known of what was asked for, each at most once.
/// Names that mean nothing here are left out, as the specification says.
pub fn get_values_result(query: &[u8], known: &[(&str, String)]) -> Result<Vec<u8>, Malformed> {
    let asked = Pairs::parse(query)?;
    let content: Vec<u8> = known
        .iter()
        .filter(|(name, _)| asked.get(name).is_some())
        .flat_map(|(name, value)| pair(name, value))
        .collect();
    Ok(whole(RecordType::GetValuesResult, NULL_REQUEST_ID, &content))
}

/// A record of our own, whose content is far from the 65535 bytes that one can hold.
fn whole(record_type: RecordType, request_id: u16, content: &[u8]) -> Vec<u8> {
    let header = Header::new(record_type, request_id, content.len() as u16);
    [&header.bytes(), content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_roundtrip() {
        for number in 0..=255 {
            for (request_id, content_length, padding_length) in [(0, 0, 0), (1, 8, 7), (0x1234, 0xfedc, 0xff)]
            {
                let header = Header {
                    record_type: RecordType::of(number),
                    request_id,
                    content_length,
                    padding_length,
                };
                assert_eq!(header.record_type.number(), number);
                assert_eq!(Header::parse(header.bytes()), Ok(header));
            }
        }
    }

    #[test]
    fn header_spec() {
        // The first example of the specification's appendix B: {FCGI_BEGIN_REQUEST, 1, {FCGI_RESPONDER, 0}}.
        let bytes = [1, 1, 0, 1, 0, 8, 0, 0];
        assert_eq!(Header::new(RecordType::BeginRequest, 1, 8).bytes(), bytes);
        let params = Header {
            record_type: RecordType::Params,
            request_id: 258,
            content_length: 772,
            padding_length: 5,
        };
        // The reserved byte means nothing, whatever it is.
        assert_eq!(Header::parse([1, 4, 1, 2, 3, 4, 5, 6]), Ok(params));
    }

    #[test]
    fn header_invalid() {
        for version in [0, 2, b'G', 0xff] {
            assert_eq!(
                Header::parse([version, 1, 0, 1, 0, 8, 0, 0]),
                Err(Malformed::Version(version))
            );
        }
    }

    #[test]
    fn begin_request_spec() {
        let begin = |bytes: &[u8]| BeginRequest::parse(bytes).map(|begin| (begin.role, begin.keep_conn));
        assert_eq!(begin(&[0, 1, 0, 0, 0, 0, 0, 0]), Ok((RESPONDER, false)));
        assert_eq!(begin(&[0, 3, 1, 9, 9, 9, 9, 9]), Ok((3, true)));
        assert_eq!(begin(&[1, 1, 0xfe, 0, 0, 0, 0, 0]), Ok((257, false)));
    }

    #[test]
    fn begin_request_invalid() {
        for length in [0, 7, 9] {
            assert_eq!(
                BeginRequest::parse(&vec![1; length]),
                Err(Malformed::BeginRequest(length))
            );
        }
    }

    #[test]
    fn answers_spec() {
        assert_eq!(
            end_request(1, ProtocolStatus::RequestComplete),
            [1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(
            end_request(0x0203, ProtocolStatus::CantMpxConn),
            [1, 3, 2, 3, 0, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
        );
        assert_eq!(end_request(1, ProtocolStatus::UnknownRole)[12], 3);
        assert_eq!(
            unknown_type(RecordType::Other(99)),
            [1, 11, 0, 0, 0, 8, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn get_values_spec() {
        let known = [
            ("FCGI_MAX_CONNS", "64".to_owned()),
            ("FCGI_MPXS_CONNS", "0".to_owned()),
        ];
        let ask = |query: &[u8]| get_values_result(query, &known);
        let asked = b"\x0f\0FCGI_MPXS_CONNS\x03\0NEW\x0f\0FCGI_MPXS_CONNS";
        assert_eq!(
            ask(asked).unwrap(),
            b"\x01\x0a\0\0\0\x12\0\0\x0f\x01FCGI_MPXS_CONNS0"
        );
        assert_eq!(ask(b"").unwrap(), [1, 10, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ask(b"\x0f\0FCGI"), Err(Malformed::Pair));
    }
}
