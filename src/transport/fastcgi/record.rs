//! Parses and encodes records (FastCGI specification 1.0, sections 3.3 to 5.5). Names are those of the specification. This module
//! has no I/O and no state: `connection` checks the order of records.

use super::pairs::{Pairs, encode_pair};
use super::protocol_error::ProtocolError;

/// FCGI_HEADER_LEN: length of a record header in bytes.
pub const HEADER_LEN: usize = 8;

/// FCGI_NULL_REQUEST_ID: the request ID of management records, which belong to no request (section 3.3).
pub const NULL_REQUEST_ID: u16 = 0;

/// FCGI_VERSION_1, the only version.
const VERSION_1: u8 = 1;

/// FCGI_KEEP_CONN: a flag of FCGI_BEGIN_REQUEST.
const KEEP_CONN: u8 = 1;

/// The record types (section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordType {
    /// FCGI_BEGIN_REQUEST: the web server starts a request.
    BeginRequest,
    /// FCGI_ABORT_REQUEST: the web server aborts a request.
    AbortRequest,
    /// FCGI_END_REQUEST: the application ends a request.
    EndRequest,
    /// FCGI_PARAMS: a stream with the CGI variables as name-value pairs.
    Params,
    /// FCGI_STDIN: a stream with the request body.
    Stdin,
    /// FCGI_STDOUT: a stream with the response.
    Stdout,
    /// FCGI_GET_VALUES: the web server queries variables of the application.
    GetValues,
    /// FCGI_GET_VALUES_RESULT: the reply to FCGI_GET_VALUES.
    GetValuesResult,
    /// FCGI_UNKNOWN_TYPE: the reply to a management record of an unknown type.
    UnknownType,
    /// Any other type.
    Other(u8),
}

impl RecordType {
    fn from_number(number: u8) -> RecordType {
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

/// The header of a record (section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// type
    pub record_type: RecordType,
    /// requestId
    pub request_id: u16,
    /// contentLength
    pub content_length: u16,
    /// paddingLength
    pub padding_length: u8,
}

impl RecordHeader {
    /// The header of a record with this content length. It has no padding, which section 3.3 only recommends.
    pub fn new(record_type: RecordType, request_id: u16, content_length: u16) -> RecordHeader {
        RecordHeader {
            record_type,
            request_id,
            content_length,
            padding_length: 0,
        }
    }

    /// Parses a header. All types and lengths are valid.
    pub fn parse(bytes: [u8; HEADER_LEN]) -> Result<RecordHeader, ProtocolError> {
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
            return Err(ProtocolError::Version(version));
        }
        Ok(RecordHeader {
            record_type: RecordType::from_number(number),
            request_id: u16::from_be_bytes([id_1, id_0]),
            content_length: u16::from_be_bytes([length_1, length_0]),
            padding_length,
        })
    }

    /// Encodes the header.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
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
    /// FCGI_KEEP_CONN: whether the connection stays open after the request. Otherwise the application closes it.
    pub keep_conn: bool,
}

/// FCGI_RESPONDER: the role of a CGI program. The others, authorizer and filter, are not supported.
pub const RESPONDER: u16 = 1;

impl BeginRequest {
    /// Parses the body.
    pub fn parse(content: &[u8]) -> Result<BeginRequest, ProtocolError> {
        let [role_1, role_0, flags, _, _, _, _, _] = *content else {
            return Err(ProtocolError::BeginRequest(content.len()));
        };
        Ok(BeginRequest {
            role: u16::from_be_bytes([role_1, role_0]),
            keep_conn: flags & KEEP_CONN != 0,
        })
    }
}

/// protocolStatus of FCGI_END_REQUEST (section 5.5). FCGI_OVERLOADED is not used: above the limit, connections are not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolStatus {
    /// FCGI_REQUEST_COMPLETE
    RequestComplete = 0,
    /// FCGI_CANT_MPX_CONN: rejects a second request on a connection while its first request has not ended.
    CantMpxConn = 1,
    /// FCGI_UNKNOWN_ROLE
    UnknownRole = 3,
}

/// Encodes FCGI_END_REQUEST. appStatus, the exit status of a CGI program, is 0: after a failed response the connection is closed
/// without this record.
pub fn end_request(request_id: u16, status: ProtocolStatus) -> Vec<u8> {
    encode_record(
        RecordType::EndRequest,
        request_id,
        &[0, 0, 0, 0, status as u8, 0, 0, 0],
    )
}

/// Encodes FCGI_UNKNOWN_TYPE, the reply to a management record of type `unknown` (section 4.2).
pub fn unknown_type(unknown: RecordType) -> Vec<u8> {
    encode_record(
        RecordType::UnknownType,
        NULL_REQUEST_ID,
        &[unknown.number(), 0, 0, 0, 0, 0, 0, 0],
    )
}

/// Encodes FCGI_GET_VALUES_RESULT, the reply to this query (section 4.1). It has each queried variable once. Unknown names are
/// omitted, as section 4.1 specifies.
pub fn get_values_result(query: &[u8], known: &[(&str, String)]) -> Result<Vec<u8>, ProtocolError> {
    let query = Pairs::parse(query)?;
    let content: Vec<u8> = known
        .iter()
        .filter(|(name, _)| query.get(name).is_some())
        .flat_map(|(name, value)| encode_pair(name, value))
        .collect();
    Ok(encode_record(
        RecordType::GetValuesResult,
        NULL_REQUEST_ID,
        &content,
    ))
}

/// Encodes a record. `content` must not be longer than 65535 bytes.
fn encode_record(record_type: RecordType, request_id: u16, content: &[u8]) -> Vec<u8> {
    let header = RecordHeader::new(record_type, request_id, content.len() as u16);
    [&header.to_bytes(), content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_roundtrip() {
        for number in 0..=255 {
            for (request_id, content_length, padding_length) in [(0, 0, 0), (1, 8, 7), (0x1234, 0xfedc, 0xff)]
            {
                let header = RecordHeader {
                    record_type: RecordType::from_number(number),
                    request_id,
                    content_length,
                    padding_length,
                };
                assert_eq!(header.record_type.number(), number);
                assert_eq!(RecordHeader::parse(header.to_bytes()), Ok(header));
            }
        }
    }

    #[test]
    fn header_spec() {
        // The first example of appendix B of the specification: {FCGI_BEGIN_REQUEST, 1, {FCGI_RESPONDER, 0}}.
        let bytes = [1, 1, 0, 1, 0, 8, 0, 0];
        assert_eq!(
            RecordHeader::new(RecordType::BeginRequest, 1, 8).to_bytes(),
            bytes
        );
        let params = RecordHeader {
            record_type: RecordType::Params,
            request_id: 258,
            content_length: 772,
            padding_length: 5,
        };
        // The value of the reserved byte is ignored.
        assert_eq!(RecordHeader::parse([1, 4, 1, 2, 3, 4, 5, 6]), Ok(params));
    }

    #[test]
    fn header_invalid() {
        for version in [0, 2, b'G', 0xff] {
            assert_eq!(
                RecordHeader::parse([version, 1, 0, 1, 0, 8, 0, 0]),
                Err(ProtocolError::Version(version))
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
                Err(ProtocolError::BeginRequest(length))
            );
        }
    }

    #[test]
    fn replies_spec() {
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
        let reply = |query: &[u8]| get_values_result(query, &known);
        let query = b"\x0f\0FCGI_MPXS_CONNS\x03\0NEW\x0f\0FCGI_MPXS_CONNS";
        assert_eq!(
            reply(query).unwrap(),
            b"\x01\x0a\0\0\0\x12\0\0\x0f\x01FCGI_MPXS_CONNS0"
        );
        assert_eq!(reply(b"").unwrap(), [1, 10, 0, 0, 0, 0, 0, 0]);
        assert_eq!(reply(b"\x0f\0FCGI"), Err(ProtocolError::Pair));
    }
}
