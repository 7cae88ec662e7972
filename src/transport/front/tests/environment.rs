//! Tests of the environment of the CGI program.

use std::ffi::OsString;

use hyper::http::request::Builder;
use hyper::{Request, Version};

use super::super::environment::{Endpoints, build_environment};

const INHERITED: [(&str, &str); 6] = [
    ("GOX_DIR", "/var/cache/gox-server"),
    ("HTTP_PROXY", "http://operator"),
    ("REMOTE_USER", "root"),
    ("GATEWAY_INTERFACE", "forged"),
    ("GOX_SENDFILE", "forged"),
    ("CONTENT_LENGTH", "5"),
];

fn variables(request: Builder, client: &str, server: &str) -> Vec<(String, String)> {
    let (request, ()) = request.body(()).unwrap().into_parts();
    let endpoints = Endpoints {
        client: client.parse().unwrap(),
        server: server.parse().unwrap(),
    };
    let inherited: Vec<(OsString, OsString)> = INHERITED
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    build_environment(&request, endpoints, &inherited)
        .into_iter()
        .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
        .collect()
}

fn value<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    variables
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

#[test]
fn request_sets_exactly_these_variables() {
    let request = Request::get("/o/r%2f@v1?os=linux&a=%20")
        .header("Host", "gox.example")
        .header("User-Agent", "Linux x86_64")
        .header("X-Twice", "a")
        .header("X-Twice", "b")
        .header("Cookie", "c=1")
        .header("Cookie", "d=2")
        .header("Proxy", "http://evil")
        .header("Foo_Bar", "forged")
        .header("Foo.Bar", "forged")
        .header("Foo-Bar", "honest")
        .header("Authorization", "Basic secret")
        .header("Connection", "keep-alive")
        .header("Transfer-Encoding", "chunked")
        .header("Content-Length", "5")
        .header("Content-Type", "text/plain");
    let variables = variables(request, "192.0.2.7:40000", "198.51.100.1:3000");
    let expected = [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("GOX_DIR", "/var/cache/gox-server"),
        ("GOX_SENDFILE", "X-Sendfile"),
        ("HTTP_COOKIE", "c=1; d=2"),
        ("HTTP_FOO_BAR", "honest"),
        ("HTTP_HOST", "gox.example"),
        ("HTTP_USER_AGENT", "Linux x86_64"),
        ("HTTP_X_TWICE", "a, b"),
        ("PATH_INFO", "/o/r%2f@v1"),
        ("QUERY_STRING", "os=linux&a=%20"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("REMOTE_PORT", "40000"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/o/r%2f@v1?os=linux&a=%20"),
        ("SCRIPT_NAME", ""),
        ("SERVER_NAME", "198.51.100.1"),
        ("SERVER_PORT", "3000"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        (
            "SERVER_SOFTWARE",
            concat!("gox-server/", env!("CARGO_PKG_VERSION")),
        ),
    ];
    let expected: Vec<_> = expected
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(variables, expected);
}

#[test]
fn ipv6_host_has_brackets_and_mapped_addresses_are_ipv4() {
    let six = variables(Request::get("/"), "[2001:db8::1]:1", "[2001:db8::2]:80");
    assert_eq!(value(&six, "REMOTE_ADDR"), Some("2001:db8::1"));
    assert_eq!(value(&six, "SERVER_NAME"), Some("[2001:db8::2]"));
    let mapped = variables(Request::get("/"), "[::ffff:192.0.2.7]:1", "[::ffff:192.0.2.1]:80");
    assert_eq!(value(&mapped, "REMOTE_ADDR"), Some("192.0.2.7"));
    assert_eq!(value(&mapped, "SERVER_NAME"), Some("192.0.2.1"));
}

#[test]
fn path_of_an_absolute_target_is_path_info() {
    let request = Request::head("http://other.example/o/r?x").version(Version::HTTP_10);
    let variables = variables(request, "192.0.2.7:1", "192.0.2.1:2");
    assert_eq!(value(&variables, "PATH_INFO"), Some("/o/r"));
    assert_eq!(
        value(&variables, "REQUEST_URI"),
        Some("http://other.example/o/r?x")
    );
    assert_eq!(value(&variables, "REQUEST_METHOD"), Some("HEAD"));
    assert_eq!(value(&variables, "SERVER_PROTOCOL"), Some("HTTP/1.0"));
    assert_eq!(value(&variables, "SERVER_NAME"), Some("192.0.2.1"));
}
