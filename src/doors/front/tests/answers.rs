//! What a client gets for each thing a program may do.

use std::io::{Read, Write};

use super::*;

/// Request line, what the program does, the status (0: no head at all), the end of what comes.
const CASES: [(&str, u16, &str); 24] = [
    ("GET /length HTTP/1.1", 201, "\r\n\r\nhello\n"),
    ("GET /length HTTP/1.0", 201, "\r\n\r\nhello\n"),
    ("HEAD /length HTTP/1.1", 201, "\r\n\r\n"),
    ("GET /chunks HTTP/1.1", 200, "\r\n\r\n6\r\nhello\n\r\n0\r\n\r\n"),
    ("GET /chunks HTTP/1.0", 200, "\r\n\r\nhello\n"),
    ("HEAD /chunks HTTP/1.1", 200, "\r\n\r\n"),
    ("GET /nothing HTTP/1.1", 502, "its log says why\n"),
    ("GET /killed HTTP/1.1", 502, "its log says why\n"),
    ("GET /half-a-head HTTP/1.1", 502, "its log says why\n"),
    ("GET /bad-status HTTP/1.1", 502, "its log says why\n"),
    // Cut: the length is not reached, the last chunk does not come.
    ("GET /too-short HTTP/1.1", 200, "\r\n\r\nhello\n"),
    ("GET /chunks-fail HTTP/1.1", 200, "\r\n\r\n6\r\nhello\n\r\n"),
    ("GET /chunks-killed HTTP/1.1", 200, "\r\n\r\n6\r\nhello\n\r\n"),
    // Nothing yet was out, and a HEAD is answered by what GET would be.
    ("HEAD /chunks-fail HTTP/1.1", 502, "\r\n\r\n"),
    ("GET /empty HTTP/1.1", 200, "\r\n\r\n"),
    ("GET /empty-fails HTTP/1.1", 502, "its log says why\n"),
    ("GET /not-modified HTTP/1.1", 304, "\r\n\r\n"),
    ("HEAD /file HTTP/1.1", 200, "\r\n\r\n"),
    ("GET /file-length HTTP/1.1", 502, "its log says why\n"),
    ("GET /file-fails HTTP/1.1", 502, "its log says why\n"),
    ("GET /no-file HTTP/1.1", 502, "its log says why\n"),
    ("GET /directory HTTP/1.1", 502, "its log says why\n"),
    ("GET foo HTTP/1.1", 400, "slash\n"),
    ("OPTIONS * HTTP/1.1", 405, "of a path\n"),
];

#[test]
fn every_program_gets_the_answer_it_deserves() {
    let served = Served::new();
    for (line, status, ending) in CASES {
        let (answer, end) = served.ask(&format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n"));
        let told = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        assert_eq!((told, end), (Some(status), End::Closed), "{line}: {answer}");
        assert!(answer.ends_with(ending), "{line}: {answer}");
        let hop_by_hop = answer.matches("connection: close").count();
        assert!(
            hop_by_hop <= 1 && !answer.contains("x-sendfile"),
            "{line}: {answer}"
        );
    }
}

#[test]
fn the_last_byte_of_a_promised_length_waits_for_the_programs_good_end() {
    let served = Served::new();
    for path in ["/too-long", "/never-ends", "/length-fails"] {
        let (answer, _) = served.ask(&get(path));
        assert!(!answer.contains("hel"), "{path}: {answer}");
    }
}

#[test]
fn an_answer_that_only_closing_ends_is_cut_by_reset() {
    let served = Served::new();
    for path in ["/chunks-fail", "/chunks-killed"] {
        // RST may or may not overtake the bytes before it.
        assert_eq!(served.ask(&format!("GET {path} HTTP/1.0\r\n\r\n")).1, End::Reset);
    }
}

#[test]
fn a_sent_file_is_the_whole_file() {
    let (answer, _) = Served::new().ask(&get("/file"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 600010"), "{head}");
    assert!(body == file_bytes());
}

#[test]
fn bytes_go_out_as_they_come() {
    let served = Served::new();
    let mut stream = served.send(&get("/two-steps"));
    let mut seen = Vec::new();
    while !seen.ends_with(b"one\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.extend(byte);
    }
    // The program is still at work, and waits for this.
    File::options()
        .write(true)
        .open(served.pipe())
        .unwrap()
        .write_all(b"go\n")
        .unwrap();
    assert_eq!(rest(stream).0, "4\r\ntwo\n\r\n0\r\n\r\n");
}

#[test]
fn requests_share_a_connection() {
    let two = "GET /length HTTP/1.1\r\nHost: x\r\n\r\n".to_owned() + &get("/chunks");
    let (answers, _) = Served::new().ask(&two);
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 2, "{answers}");
}

#[test]
fn a_body_is_not_read_and_does_not_cost_the_answer() {
    let served = Served::new();
    let body = "x".repeat(3_000_000);
    let request = format!(
        "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (answer, end) = served.ask(&request);
    assert!(
        answer.contains("connection: close") && answer.ends_with("hello\n"),
        "{answer}"
    );
    assert_eq!(end, End::Closed);
}

#[test]
fn http_1_1_without_one_host_is_refused() {
    let served = Served::new();
    for hosts in ["", "Host: x\r\nHost: y\r\n"] {
        let (answer, _) = served.ask(&format!(
            "GET /length HTTP/1.1\r\nConnection: close\r\n{hosts}\r\n"
        ));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

#[test]
fn a_program_sees_its_own_environment_only() {
    let (answer, _) = Served::new().ask(&get("/environment"));
    assert!(
        answer.contains("\nSERVER_NAME=127.0.0.1\n") && answer.contains("\nPATH=/usr/bin:/bin\n"),
        "{answer}"
    );
    assert!(!answer.contains("CARGO_"), "{answer}");
}

#[test]
fn a_program_that_cannot_start_is_a_503() {
    let served = Served::start("/nonexistent".into(), Limits::default(), DEADLINE);
    let (answer, _) = served.ask(&get("/length"));
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"),
        "{answer}"
    );
}
