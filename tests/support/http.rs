//! A minimal HTTP/1.1 client. It sends and returns exactly the bytes of a case; client libraries normalize both.

use super::TIMEOUT;
use super::request::Request;
use super::response::Response;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Encodes a request with `Connection: close`.
pub(crate) fn encode_request(request: &Request) -> Vec<u8> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n",
        request.method,
        request.uri()
    );
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // A form without fields has an empty body, and browsers send its length.
    if !request.body.is_empty() || request.method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
    }
    [head.as_bytes(), b"\r\n", &request.body].concat()
}

/// Sends these bytes and reads until the server closes the connection.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(address);
    // A server that rejects a head may close the connection before it has read all of it.
    stream.write_all(bytes).ok();
    let mut wire = Vec::new();
    match stream.read_to_end(&mut wire) {
        Err(error) if wire.is_empty() => Err(error),
        Ok(_) | Err(_) => Ok(wire),
    }
}

/// Sends a request. The error describes an invalid response.
pub(crate) fn ask(address: SocketAddr, request: &Request) -> Result<Response, String> {
    let wire =
        exchange(address, &encode_request(request)).map_err(|error| format!("no response: {error}"))?;
    Response::from_http(&wire, request.method == "HEAD")
}
