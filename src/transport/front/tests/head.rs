//! Tests of the parser for CGI response heads.

use super::super::head::{InvalidHead, parse};

const WHOLE: &[u8] = b"Status: 404 Not Found\r\nContent-Type:text/plain\nSet-Cookie: a\nSet-Cookie: b\r\n\
    Content-Length: 5\nTransfer-Encoding: chunked\nKeep-Alive: x\nX-Sendfile: /a b\n\r\nbody\n\n";

#[test]
fn head_is_parsed_once_its_empty_line_has_arrived() {
    let end = WHOLE.len() - b"body\n\n".len();
    for split in 0..=WHOLE.len() {
        match parse(&WHOLE[..split]) {
            Ok(None) => assert!(split < end, "{split}"),
            Ok(Some((head, length))) => {
                assert!(split >= end && length == end, "{split}: {length}");
                assert_eq!(head.status, 404);
                assert_eq!(head.content_length, Some(5));
                assert_eq!(head.send_file.unwrap().to_str(), Some("/a b"));
                let mut fields: Vec<_> = head
                    .fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_bytes()))
                    .collect();
                fields.sort_by_key(|(name, _)| *name);
                let expected: [(&str, &[u8]); 4] = [
                    ("content-length", b"5"),
                    ("content-type", b"text/plain"),
                    ("set-cookie", b"a"),
                    ("set-cookie", b"b"),
                ];
                assert_eq!(fields, expected);
            }
            Err(error) => panic!("{split}: {error}"),
        }
    }
}

#[test]
fn status_is_optional() {
    for (bytes, status) in [
        ("A: b\n\n", 200),
        ("Location: http://x/\n\n", 302),
        ("Status: 599\n\n", 599),
        ("status:  200  \n\n", 200),
        ("Status: 301 \u{fc}\nLocation: /\n\n", 301),
    ] {
        let (head, _) = parse(bytes.as_bytes()).unwrap().unwrap();
        assert_eq!(head.status, status, "{bytes:?}");
    }
}

#[test]
fn invalid_heads_are_rejected_with_the_reason() {
    let line = |text: &str| InvalidHead::Field(text.into());
    let status = |text: &str| InvalidHead::Status(text.into());
    let length = |text: &str| InvalidHead::Length(text.into());
    for (bytes, error) in [
        ("\n", InvalidHead::Empty),
        ("\r\n", InvalidHead::Empty),
        ("A: b\n c\n\n", InvalidHead::Folded),
        ("\tA: b\n\n", InvalidHead::Folded),
        ("hello\n\n", line("hello")),
        (": b\n\n", line(": b")),
        ("A : b\n\n", line("A : b")),
        ("A: b\0\n\n", line("A: b\0")),
        ("A: b\rc: d\n\n", line("A: b\rc: d")),
        ("Status:\n\n", status("")),
        ("Status: OK\n\n", status("OK")),
        ("Status: 20\n\n", status("20")),
        ("Status: 2000\n\n", status("2000")),
        (
            "Status: 101 Switching Protocols\n\n",
            status("101 Switching Protocols"),
        ),
        ("Status: 600\n\n", status("600")),
        ("Status: HTTP/1.1 200 OK\n\n", status("HTTP/1.1 200 OK")),
        (
            "Status: 200\nStatus: 200\n\n",
            InvalidHead::Repeated(hyper::http::HeaderName::from_static("status")),
        ),
        ("Content-Length:\n\n", length("")),
        ("Content-Length: -1\n\n", length("-1")),
        ("Content-Length: +1\n\n", length("+1")),
        ("Content-Length: 1, 1\n\n", length("1, 1")),
        (
            "Content-Length: 18446744073709551616\n\n",
            length("18446744073709551616"),
        ),
        (
            "Content-Length: 1\nContent-Length: 1\n\n",
            InvalidHead::Repeated(hyper::header::CONTENT_LENGTH),
        ),
        ("X-Sendfile: a/b\n\n", InvalidHead::SendFile("a/b".into())),
        ("X-Sendfile:\n\n", InvalidHead::SendFile(String::new())),
    ] {
        assert_eq!(parse(bytes.as_bytes()), Err(error), "{bytes:?}");
    }
}

#[test]
fn head_longer_than_the_limit_is_rejected() {
    let long = |value: usize| format!("A: {}\n\n", "b".repeat(value)).into_bytes();
    let fits = 64 * 1024 - b"A: \n\n".len();
    assert!(parse(&long(fits)).unwrap().is_some());
    assert_eq!(parse(&long(fits + 1)), Err(InvalidHead::TooLong));
    assert_eq!(parse(&b"b".repeat(64 * 1024)), Ok(None));
    assert_eq!(parse(&b"b".repeat(64 * 1024 + 1)), Err(InvalidHead::TooLong));
}
