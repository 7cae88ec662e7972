//! What holds of everything that reads a stranger's bytes, whatever the bytes: a law for each, which panics where it is broken.
//!
//! `make fuzz` looks for such bytes with libFuzzer, which needs a nightly Rust. The test suite (tests/fuzz.rs) tries the kept
//! corpus, and what a bounded number of mutations makes of it, with any Rust.

use gox_server::answer::served::{coding, served};
use gox_server::answer::{Body, Response};
use gox_server::asked::{Coding, Guess, Platform, Target, Wish, platform};
use gox_server::config::Config;
use gox_server::doors::fastcgi::pairs::Pairs;
use gox_server::doors::fastcgi::record::{BeginRequest, HEADER_LEN, Header, RecordType, get_values_result};
use gox_server::doors::{fastcgi, front};
use gox_server::request::Request;
use gox_server::store::{Description, Fingerprint, Representation};
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;

/// A law, by the name of its folder in corpus/.
pub type Law = (&'static str, fn(&[u8]));

/// All of them.
pub const LAWS: [Law; 7] = [
    ("records", records),
    ("connection", connection),
    ("target", target),
    ("user_agent", user_agent),
    ("query", query),
    ("head", head),
    ("served", served_part),
];

/// A record's header is its eight bytes, the reserved one apart; pairs are what they were written from; an answer to
/// FCGI_GET_VALUES is one record, however much was asked for.
pub fn records(bytes: &[u8]) {
    if let Some((first, _)) = bytes.split_first_chunk::<HEADER_LEN>()
        && let Ok(header) = Header::parse(*first)
    {
        assert_eq!(header.bytes()[..HEADER_LEN - 1], first[..HEADER_LEN - 1]);
    }
    assert_eq!(BeginRequest::parse(bytes).is_ok(), bytes.len() == 8);
    let known = [("A", "1".to_owned()), ("FCGI_MAX_CONNS", "256".to_owned())];
    let result = get_values_result(bytes, &known);
    match Pairs::parse(bytes) {
        Ok(pairs) => {
            let printed: Vec<u8> = pairs.iter().flat_map(|(name, value)| pair(name, value)).collect();
            assert!(printed.len() <= bytes.len());
            assert!(Pairs::parse(&printed).is_ok_and(|again| again.iter().eq(pairs.iter())));
            let (header, content) = one_record(&result.unwrap_or_default());
            assert_eq!(header.record_type, RecordType::GetValuesResult);
            assert!(content.len() < 32);
        }
        Err(malformed) => assert_eq!(result, Err(malformed)),
    }
}

/// A pair with the shortest lengths.
fn pair(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |length: usize| match u8::try_from(length) {
        Ok(short @ 0..128) => vec![short],
        Ok(_) | Err(_) => (length as u32 | 1 << 31).to_be_bytes().to_vec(),
    };
    [&length(name.len()), &length(value.len()), name, value].concat()
}

fn one_record(bytes: &[u8]) -> (Header, Vec<u8>) {
    let mut records = records_of(bytes);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

/// All records in these bytes, which are nothing else.
fn records_of(mut bytes: &[u8]) -> Vec<(Header, Vec<u8>)> {
    let mut records = Vec::new();
    while let Some((first, rest)) = bytes.split_first_chunk::<HEADER_LEN>() {
        let header = Header::parse(*first).expect("ours are of version 1");
        let (content, rest) = rest
            .split_at_checked(header.content_length.into())
            .expect("ours are whole");
        records.push((header, content.to_vec()));
        bytes = &rest[header.padding_length.into()..];
    }
    assert!(bytes.is_empty());
    records
}

/// Whatever comes over a connection, records come back: of each request its FCGI_STDOUT, which is a head and a body as CGI has
/// them, and its end; or nothing more, if the connection is cut.
pub fn connection(bytes: &[u8]) {
    // Nothing can be kept there, so that nothing is built.
    static CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
        dir: "/dev/null/nowhere".into(),
        ..Config::from_environment().expect("no setting is bad")
    });
    let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let back = std::thread::scope(|scope| {
        let mut reader = ours.try_clone().expect("the same socket");
        let read = scope.spawn(move || {
            let mut back = Vec::new();
            reader.read_to_end(&mut back).map(|_| back)
        });
        let serve = scope.spawn(|| fastcgi::converse(theirs.into(), &CONFIG));
        // A responder that cuts the connection leaves the rest unread.
        ours.write_all(bytes).ok();
        ours.shutdown(Shutdown::Write).ok();
        // How it ended is the responder's to log.
        serve.join().expect("no panic").ok();
        read.join().expect("no panic")
    });
    // Cut with bytes unread, what came before may be lost with them.
    if let Ok(back) = back {
        answers(&records_of(&back));
    }
}

fn answers(records: &[(Header, Vec<u8>)]) {
    let (mut stdout, mut ended) = (Vec::new(), false);
    for (header, content) in records {
        match header.record_type {
            RecordType::Stdout if content.is_empty() => ended = true,
            RecordType::Stdout => {
                assert!(!ended, "something behind the end of FCGI_STDOUT");
                stdout.extend_from_slice(content);
            }
            RecordType::EndRequest => {
                assert!(content.len() == 8 && content[..4] == [0; 4]);
                // A request that was refused, aborted or never taken in has no answer.
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

/// A target prints a path that means the same, of letters that need no escape; what is none is told in letters that harm
/// nobody.
pub fn target(bytes: &[u8]) {
    match Target::parse(bytes) {
        Ok(target) => {
            let printed = target.to_string();
            plain(&printed);
            assert_eq!(Target::parse(printed.as_bytes()).as_ref(), Ok(&target));
            let import = target.import_path();
            plain(&import);
            for element in import.split('/') {
                assert!(!matches!(element, "" | "." | "..") && !element.starts_with('-'));
            }
            assert!(!import.contains("..."), "a pattern of packages");
            assert!(!target.version().query().starts_with('-'));
        }
        Err(bad) => {
            harmless(&bad.to_string());
            harmless(&bad.hint().unwrap_or_default());
        }
    }
}

/// A platform that a User-Agent tells is one that Go knows, and prints a query that means the same.
pub fn user_agent(bytes: &[u8]) {
    match platform(&String::from_utf8_lossy(bytes)) {
        Ok(told) => {
            assert!(Platform::new(told.os(), told.arch()).is_ok());
            let wish = Wish::parse(&told.query()).expect("a query that is understood");
            assert!(wish.platform("").is_ok_and(|again| again == told));
        }
        Err(untold) => {
            harmless(&untold.to_string());
            for completed in Wish::default().completed(&untold) {
                plain(&completed.to_string());
            }
        }
    }
}

/// A query that is understood prints one that means the same.
pub fn query(bytes: &[u8]) {
    match Wish::parse(&String::from_utf8_lossy(bytes)) {
        Ok(wish) => {
            let printed = wish.to_string();
            plain(&printed);
            assert_eq!(Wish::parse(&printed), Ok(wish));
        }
        Err(bad) => {
            harmless(&bad.to_string());
            harmless(&bad.hint());
        }
    }
}

/// A head is a head whatever follows it, and printed again means the same; none of it is about a connection.
pub fn head(bytes: &[u8]) {
    let Ok(Some((head, length))) = front::head::parse(bytes) else {
        return;
    };
    assert!(bytes[..length].ends_with(b"\n"));
    assert_eq!(front::head::parse(&bytes[..length - 1]), Ok(None));
    assert!((200..600).contains(&head.status.as_u16()));
    assert!(!head.fields.contains_key("connection") && !head.fields.contains_key("transfer-encoding"));
    let mut printed = format!("Status: {}\r\n", head.status.as_str()).into_bytes();
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

/// Conditions, ranges, codings and digests: a size, then lines that are If-None-Match, Range, If-Range, Accept-Encoding,
/// Want-Repr-Digest, If-Match and If-Modified-Since. What is sent lies within what stands for the program, is announced as what
/// it is, and no header has a letter that could begin another; no coding and no long digest comes that was not named.
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
    let coding = coding(&request);
    let response = served(program(size, coding), &request, Guess::Machine);
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
    within(&response, size);
}

fn within(response: &Response, size: u64) {
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

/// What stands for a program: so many bytes, of which nobody reads one.
fn program(size: u64, coding: Option<Coding>) -> Representation {
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

/// What needs no escape in a path, a header or a shell.
fn plain(text: &str) {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~+@=&,:!".contains(&byte);
    assert!(text.bytes().all(safe), "{text:?}");
}

/// What may be shown in a terminal and a log.
fn harmless(text: &str) {
    let turning = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(
        !text.contains(|letter: char| letter.is_control() || turning(letter)),
        "{text:?}"
    );
}
