//! The response to the client for each behaviour of the program.

use std::io::{Read, Write};
use std::process::Command;

use super::*;

/// The end of the response if the program failed.
const INTERNAL_ERROR: &str = "log has the details.' >&2\nexit 1\n}\n";

/// Request line, status, end of the response.
const CASES: [(&str, u16, &str); 24] = [
    ("GET /length HTTP/1.1", 201, "\r\n\r\nhello\n"),
    ("GET /length HTTP/1.0", 201, "\r\n\r\nhello\n"),
    ("HEAD /length HTTP/1.1", 201, "\r\n\r\n"),
    ("GET /chunks HTTP/1.1", 200, "\r\n\r\n6\r\nhello\n\r\n0\r\n\r\n"),
    ("GET /chunks HTTP/1.0", 200, "\r\n\r\nhello\n"),
    ("HEAD /chunks HTTP/1.1", 200, "\r\n\r\n"),
    ("GET /nothing HTTP/1.1", 502, INTERNAL_ERROR),
    ("GET /killed HTTP/1.1", 502, INTERNAL_ERROR),
    ("GET /half-a-head HTTP/1.1", 502, INTERNAL_ERROR),
    ("GET /bad-status HTTP/1.1", 502, INTERNAL_ERROR),
    // Aborted responses: the body is too short, or the last chunk is missing.
    ("GET /too-short HTTP/1.1", 200, "\r\n\r\nhello\n"),
    ("GET /chunks-fail HTTP/1.1", 200, "\r\n\r\n6\r\nhello\n\r\n"),
    ("GET /chunks-killed HTTP/1.1", 200, "\r\n\r\n6\r\nhello\n\r\n"),
    // No part of the response had been sent. HEAD waits for the end of the program.
    ("HEAD /chunks-fail HTTP/1.1", 502, "\r\n\r\n"),
    ("GET /empty HTTP/1.1", 200, "\r\n\r\n"),
    ("GET /empty-fails HTTP/1.1", 502, INTERNAL_ERROR),
    ("GET /not-modified HTTP/1.1", 304, "\r\n\r\n"),
    ("HEAD /file HTTP/1.1", 200, "\r\n\r\n"),
    ("GET /file-length HTTP/1.1", 502, INTERNAL_ERROR),
    ("GET /file-fails HTTP/1.1", 502, INTERNAL_ERROR),
    ("GET /no-file HTTP/1.1", 502, INTERNAL_ERROR),
    ("GET /directory HTTP/1.1", 502, INTERNAL_ERROR),
    ("GET foo HTTP/1.1", 400, "slash.' >&2\nexit 1\n}\n"),
    ("OPTIONS * HTTP/1.1", 405, "not supported here.' >&2\nexit 1\n}\n"),
];

#[test]
fn response_depends_on_the_output_and_exit_status_of_the_program() {
    let front = TestFront::new();
    for (line, status, ending) in CASES {
        let (response, end) = front.fetch(&format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n"));
        let code = response.split(' ').nth(1).and_then(|code| code.parse().ok());
        assert_eq!((code, end), (Some(status), End::Closed), "{line}: {response}");
        assert!(response.ends_with(ending), "{line}: {response}");
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        if body.starts_with("#!") {
            // Clients save the body of a failure as the program, or pipe it into a shell.
            let ran = Command::new("sh").args(["-c", body]).output().unwrap();
            let phrase = head.lines().next().unwrap().splitn(3, ' ').nth(2).unwrap();
            let printed = (ran.status.code(), String::from_utf8(ran.stderr).unwrap());
            assert_eq!(printed, (Some(1), format!("{phrase}\n")), "{line}");
        }
        let hop_by_hop = response.matches("connection: close").count();
        assert!(
            hop_by_hop <= 1 && !response.contains("x-sendfile"),
            "{line}: {response}"
        );
    }
}

#[test]
fn last_byte_of_content_length_is_held_back_until_the_program_succeeds() {
    let front = TestFront::new();
    for path in ["/too-long", "/never-ends", "/length-fails"] {
        let (response, _) = front.fetch(&get(path));
        assert!(!response.contains("hel"), "{path}: {response}");
    }
}

#[test]
fn aborted_close_delimited_response_ends_with_rst() {
    let front = TestFront::new();
    for path in ["/chunks-fail", "/chunks-killed"] {
        // The bytes before RST may be lost or not.
        assert_eq!(front.fetch(&format!("GET {path} HTTP/1.0\r\n\r\n")).1, End::Reset);
    }
}

#[test]
fn x_sendfile_sends_the_whole_file() {
    let front = TestFront::new();
    for request in [get("/file"), "GET /file HTTP/1.0\r\n\r\n".to_owned()] {
        let (response, _) = front.fetch(&request);
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-length: 2500010"), "{head}");
        assert!(body == file_content());
    }
}

/// Files and output of programs alternate on one connection. The client sends all requests at once.
#[test]
fn pipelined_files_are_sent_in_order() {
    let request = |path| get(path).replace("Connection: close\r\n", "");
    let all =
        request("/file") + &request("/length") + &request("/file") + &request("/chunks") + &get("/file");
    let (responses, _) = TestFront::new().fetch(&all);
    let file = file_content();
    let bodies: Vec<_> = responses.split("HTTP/1.1 20").skip(1).collect();
    let endings = [&*file, "hello\n", &file, "hello\n\r\n0\r\n\r\n", &file];
    assert_eq!(bodies.len(), endings.len());
    assert!(
        bodies
            .iter()
            .zip(endings)
            .all(|(body, ending)| body.ends_with(ending))
    );
}

/// The kernel drops a file from the page cache, and a thread reads it again.
#[test]
fn file_that_is_not_cached_is_complete() {
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    let front = TestFront::new();
    let file = File::open(front.directory.path().join("file")).unwrap();
    file.sync_all().unwrap();
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    let (response, _) = front.fetch(&get("/file"));
    assert!(response.ends_with(&format!("\r\n\r\n{}", file_content())));
}

#[test]
fn file_that_becomes_shorter_ends_the_connection() {
    let front = TestFront::new();
    let mut client = front.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    client.read_exact(&mut [0; 15]).unwrap();
    let file = File::options()
        .write(true)
        .open(front.directory.path().join("large"));
    file.unwrap().set_len(0).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!((rest.len() as u64) < LARGE_BYTES);
}

#[test]
fn output_is_relayed_without_delay() {
    let front = TestFront::new();
    let mut stream = front.send(&get("/two-steps"));
    let mut received = Vec::new();
    while !received.ends_with(b"one\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        received.extend(byte);
    }
    // The program waits for this line.
    File::options()
        .write(true)
        .open(front.pipe())
        .unwrap()
        .write_all(b"go\n")
        .unwrap();
    assert_eq!(read_to_end(stream).0, "4\r\ntwo\n\r\n0\r\n\r\n");
}

#[test]
fn connection_serves_several_requests() {
    let two = "GET /length HTTP/1.1\r\nHost: x\r\n\r\n".to_owned() + &get("/chunks");
    let (responses, _) = TestFront::new().fetch(&two);
    assert_eq!(responses.matches("HTTP/1.1 ").count(), 2, "{responses}");
}

#[test]
fn response_is_complete_despite_an_unread_request_body() {
    let front = TestFront::new();
    let body = "x".repeat(3_000_000);
    let request = format!(
        "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (response, end) = front.fetch(&request);
    assert!(
        response.contains("connection: close") && response.ends_with("hello\n"),
        "{response}"
    );
    assert_eq!(end, End::Closed);
}

#[test]
fn http_1_1_request_without_exactly_one_host_is_rejected() {
    let front = TestFront::new();
    for hosts in ["", "Host: x\r\nHost: y\r\n"] {
        let (response, _) = front.fetch(&format!(
            "GET /length HTTP/1.1\r\nConnection: close\r\n{hosts}\r\n"
        ));
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    }
}

#[test]
fn program_does_not_inherit_the_environment_of_the_front() {
    let (response, _) = TestFront::new().fetch(&get("/environment"));
    assert!(
        response.contains("\nSERVER_NAME=127.0.0.1\n") && response.contains("\nPATH=/usr/bin:/bin\n"),
        "{response}"
    );
    assert!(!response.contains("CARGO_"), "{response}");
}

#[test]
fn program_that_cannot_start_is_a_503() {
    let front = TestFront::start("/nonexistent".into(), FrontLimits::default(), DEADLINE);
    let (response, _) = front.fetch(&get("/length"));
    assert!(
        response.starts_with("HTTP/1.1 503 ") && response.contains("retry-after: 1"),
        "{response}"
    );
}
