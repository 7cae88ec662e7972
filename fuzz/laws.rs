//! Properties ("laws") of all parsers of untrusted bytes. A law panics if it is violated.
//!
//! `make fuzz` searches for violations with libFuzzer, which needs nightly Rust. tests/fuzz.rs tests the corpus and a bounded number
//! of mutations with stable Rust.

use gox_server::config::Config;
use gox_server::parse::{
    BuildOptions, Cacheability, ContentCoding, Platform, Target, correct, detect_platform,
};
use gox_server::request::Request;
use gox_server::response::program::{negotiate_coding, serve};
use gox_server::response::{Body, Response};
use gox_server::store::{Description, Fingerprint, Representation};
use gox_server::transport::fastcgi::pairs::Pairs;
use gox_server::transport::fastcgi::record::{
    BeginRequest, HEADER_LEN, RecordHeader, RecordType, get_values_result,
};
use gox_server::transport::{fastcgi, front};
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;

/// A law with its name, which is that of its folder in corpus/.
pub type Law = (&'static str, fn(&[u8]));

/// All laws.
pub const LAWS: [Law; 7] = [
    ("records", records),
    ("connection", connection),
    ("target", target),
    ("user_agent", user_agent),
    ("query", query),
    ("head", head),
    ("served", served_part),
];

/// FastCGI records: a header encodes to its eight bytes, except for the reserved byte; name-value pairs round-trip; the response to
/// FCGI_GET_VALUES is one record of bounded length.
pub fn records(bytes: &[u8]) {
    if let Some((first, _)) = bytes.split_first_chunk::<HEADER_LEN>()
        && let Ok(header) = RecordHeader::parse(*first)
    {
        assert_eq!(header.to_bytes()[..HEADER_LEN - 1], first[..HEADER_LEN - 1]);
    }
    assert_eq!(BeginRequest::parse(bytes).is_ok(), bytes.len() == 8);
    let known = [("A", "1".to_owned()), ("FCGI_MAX_CONNS", "256".to_owned())];
    let result = get_values_result(bytes, &known);
    match Pairs::parse(bytes) {
        Ok(pairs) => {
            let printed: Vec<u8> = pairs.iter().flat_map(|(name, value)| pair(name, value)).collect();
            assert!(printed.len() <= bytes.len());
            assert!(Pairs::parse(&printed).is_ok_and(|again| again.iter().eq(pairs.iter())));
            let (header, content) = parse_one_record(&result.unwrap_or_default());
            assert_eq!(header.record_type, RecordType::GetValuesResult);
            assert!(content.len() < 32);
        }
        Err(malformed) => assert_eq!(result, Err(malformed)),
    }
}

/// Encodes a pair with the shortest form of its lengths.
fn pair(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |length: usize| match u8::try_from(length) {
        Ok(short @ 0..128) => vec![short],
        Ok(_) | Err(_) => (length as u32 | 1 << 31).to_be_bytes().to_vec(),
    };
    [&length(name.len()), &length(value.len()), name, value].concat()
}

fn parse_one_record(bytes: &[u8]) -> (RecordHeader, Vec<u8>) {
    let mut records = parse_records(bytes);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

/// Parses bytes that consist of complete records.
fn parse_records(mut bytes: &[u8]) -> Vec<(RecordHeader, Vec<u8>)> {
    let mut records = Vec::new();
    while let Some((first, rest)) = bytes.split_first_chunk::<HEADER_LEN>() {
        let header = RecordHeader::parse(*first).expect("version 1");
        let (content, rest) = rest
            .split_at_checked(header.content_length.into())
            .expect("a complete record");
        records.push((header, content.to_vec()));
        bytes = &rest[header.padding_length.into()..];
    }
    assert!(bytes.is_empty());
    records
}

/// A FastCGI connection: for any input the output is a sequence of records. Each request has a CGI response in FCGI_STDOUT and
/// FCGI_END_REQUEST, or the connection closes.
pub fn connection(bytes: &[u8]) {
    // An unusable state directory, so that nothing is built.
    static CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
        dir: "/dev/null/nowhere".into(),
        ..Config::from_env().expect("valid settings")
    });
    let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let back = std::thread::scope(|scope| {
        let mut reader = ours.try_clone().expect("the same socket");
        let read = scope.spawn(move || {
            let mut back = Vec::new();
            reader.read_to_end(&mut back).map(|_| back)
        });
        let serve = scope.spawn(|| fastcgi::serve_connection(theirs.into(), &CONFIG));
        // The responder may close the connection before it has read all bytes.
        ours.write_all(bytes).ok();
        ours.shutdown(Shutdown::Write).ok();
        // The responder logs its errors itself.
        serve.join().expect("no panic").ok();
        read.join().expect("no panic")
    });
    // If a socket is closed with unread bytes, sent data may be lost (ECONNRESET).
    if let Ok(back) = back {
        check_responses(&parse_records(&back));
    }
}

fn check_responses(records: &[(RecordHeader, Vec<u8>)]) {
    let (mut stdout, mut ended) = (Vec::new(), false);
    for (header, content) in records {
        match header.record_type {
            RecordType::Stdout if content.is_empty() => ended = true,
            RecordType::Stdout => {
                assert!(!ended, "data after the end of FCGI_STDOUT");
                stdout.extend_from_slice(content);
            }
            RecordType::EndRequest => {
                assert!(content.len() == 8 && content[..4] == [0; 4]);
                // A rejected, aborted or incomplete request has no response.
                assert!(ended || stdout.is_empty());
                if !stdout.is_empty() {
                    let (head, _) = front::head::parse(&stdout).expect("a head").expect("a whole one");
                    assert!(head.fields.contains_key("x-content-type-options"));
                }
                (stdout, ended) = (Vec::new(), false);
            }
            RecordType::GetValuesResult | RecordType::UnknownType => assert_eq!(header.request_id, 0),
            other @ (RecordType::BeginRequest
            | RecordType::AbortRequest
            | RecordType::Params
            | RecordType::Stdin
            | RecordType::GetValues
            | RecordType::Other(_)) => panic!("{other:?} from a responder"),
        }
    }
}

/// Targets: a valid target prints as a path that parses to the same target and needs no escapes; an error prints without control
/// characters.
pub fn target(bytes: &[u8]) {
    match Target::parse(bytes) {
        Ok(target) => {
            let printed = target.to_string();
            assert_needs_no_escape(&printed);
            assert_eq!(Target::parse(printed.as_bytes()).as_ref(), Ok(&target));
            let import = target.import_path();
            assert_needs_no_escape(&import);
            for element in import.split('/') {
                assert!(!matches!(element, "" | "." | "..") && !element.starts_with('-'));
            }
            assert!(!import.contains("..."), "a package pattern");
            assert!(!target.version().query().starts_with('-'));
        }
        Err(bad) => {
            assert_printable(&bad.to_string());
            assert_printable(&bad.hint().unwrap_or_default());
        }
    }
    for query in ["", "os=linux&x", "arch=arm.sha256"] {
        if let Some(url) = correct(bytes, query) {
            url.splitn(2, '?').for_each(assert_needs_no_escape);
        }
    }
}

/// User-Agents: a detected platform is one that Go supports, and prints as a query that parses to the same platform.
pub fn user_agent(bytes: &[u8]) {
    match detect_platform(&String::from_utf8_lossy(bytes)) {
        Ok(detected) => {
            assert!(Platform::new(detected.os(), detected.arch()).is_ok());
            let options = BuildOptions::parse(&detected.query()).expect("a valid query");
            assert!(options.platform("").is_ok_and(|again| again == detected));
        }
        Err(undetected) => {
            assert_printable(&undetected.to_string());
            for suggestion in BuildOptions::default().suggestions(&undetected) {
                assert_needs_no_escape(&suggestion.to_string());
            }
        }
    }
}

/// Queries: a valid query prints as a query that parses to the same options.
pub fn query(bytes: &[u8]) {
    match BuildOptions::parse(&String::from_utf8_lossy(bytes)) {
        Ok(options) => {
            let printed = options.to_string();
            assert_needs_no_escape(&printed);
            assert_eq!(BuildOptions::parse(&printed), Ok(options));
        }
        Err(bad) => {
            assert_printable(&bad.to_string());
            assert_printable(&bad.hint().unwrap_or_default());
        }
    }
}

/// Heads of CGI responses: parsing does not depend on what follows, a head round-trips, and it has no connection headers.
pub fn head(bytes: &[u8]) {
    let Ok(Some((head, length))) = front::head::parse(bytes) else {
        return;
    };
    assert!(bytes[..length].ends_with(b"\n"));
    assert_eq!(front::head::parse(&bytes[..length - 1]), Ok(None));
    assert!((200..600).contains(&head.status.as_u16()));
    assert!(!head.fields.contains_key("connection") && !head.fields.contains_key("transfer-encoding"));
    let phrase = head
        .reason_phrase
        .as_ref()
        .map_or(&b""[..], |phrase| phrase.as_bytes());
    let status = [head.status.as_str().as_bytes(), b" ", phrase].concat();
    let mut printed = [b"Status: ", &status[..], b"\r\n"].concat();
    for (name, value) in &head.fields {
        printed.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    if let Some(path) = &head.send_file {
        printed.extend([b"X-Sendfile: ", path.as_os_str().as_encoded_bytes(), b"\r\n"].concat());
    }
    printed.extend(b"\r\n");
    let again = front::head::parse(&printed);
    assert_eq!(again, Ok(Some((head, printed.len()))));
}

/// Conditional requests, ranges, codings and digests. Input lines: size, If-None-Match, Range, If-Range, Accept-Encoding,
/// Want-Repr-Digest, If-Match, If-Modified-Since. The sent range lies within the program, headers describe it and contain only
/// printable characters, and the coding and digest were requested.
pub fn served_part(bytes: &[u8]) {
    let mut lines = bytes.splitn(8, |byte| *byte == b'\n');
    let mut text = || {
        lines
            .next()
            .map(|line| String::from_utf8_lossy(line).into_owned())
    };
    let size = text().and_then(|line| line.parse().ok()).unwrap_or(1_000);
    let request = Request {
        method: "GET".to_owned(),
        if_none_match: text(),
        range: text(),
        if_range: text(),
        accept_encoding: text().unwrap_or_default(),
        want_repr_digest: text().unwrap_or_default(),
        if_match: text(),
        if_modified_since: text(),
        ..Request::default()
    };
    let coding = negotiate_coding(&request);
    let response = serve(program(size, coding), &request, Cacheability::ByClient);
    let accepted = request.accept_encoding.to_ascii_lowercase();
    let named = |name: &str| accepted.contains(name) || accepted.contains('*');
    assert!(coding.is_none_or(|coding| named(coding.name())));
    assert!(coding.is_none() || accepted.contains("br") || accepted.contains("zstd"));
    assert!(coding.is_none() || request.range.is_none() || request.if_range.is_some());
    let digest = response.header("Repr-Digest").unwrap_or_default();
    assert!(!digest.starts_with("sha-512") || request.want_repr_digest.contains("sha-512"));
    for (_, value) in &response.headers {
        assert!(
            value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()),
            "{value:?}"
        );
    }
    assert_within(&response, size);
}

fn assert_within(response: &Response, size: u64) {
    let Body::File { start, len, .. } = response.body else {
        assert!(matches!(response.status.0, 304 | 412 | 416));
        return;
    };
    assert!(start.checked_add(len).is_some_and(|end| end <= size));
    assert_eq!(response.header("Content-Length"), Some(&*len.to_string()));
    if response.status.0 == 200 {
        assert_eq!((start, len), (0, size));
    } else {
        let range = format!("bytes {start}-{}/{size}", start + len - 1);
        assert_eq!(
            (response.status.0, response.header("Content-Range")),
            (206, Some(&*range))
        );
    }
}

/// A representation of this size. Its content is not read.
fn program(size: u64, coding: Option<ContentCoding>) -> Representation {
    let description = Description {
        module: "github.com/o/r".to_owned(),
        version: "v1.0.0".to_owned(),
        package: "github.com/o/r".to_owned(),
        go: "go1.26.0".to_owned(),
        platform: "linux/amd64".to_owned(),
        recipe: "go-install".to_owned(),
        verify: "go install".to_owned(),
        exact: "/o/r@v1.0.0".to_owned(),
        file_name: "r".to_owned(),
        module_time: 1,
    };
    let fingerprint = Fingerprint {
        size,
        sha256: "00".repeat(32),
        sha512: Some("00".repeat(64)),
    };
    let path = "/dev/null".into();
    Representation {
        description,
        program_sha256: fingerprint.sha256.clone(),
        coding,
        fingerprint,
        file: File::open(&path).expect("/dev/null"),
        path,
        is_new: false,
    }
}

/// Asserts that a text needs no escape in a path, a header or a shell.
fn assert_needs_no_escape(text: &str) {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~+@=&,:!".contains(&byte);
    assert!(text.bytes().all(safe), "{text:?}");
}

/// Asserts that a text has no control or bidirectional formatting characters.
fn assert_printable(text: &str) {
    let turning = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(
        !text.contains(|letter: char| letter.is_control() || turning(letter)),
        "{text:?}"
    );
}
