//! HTTP/1.1, the client's side. A few lines on purpose: it sends and shows exactly the bytes that a case means, where a client
//! library mends both.

use super::PATIENCE;
use super::answer::Answer;
use super::ask::Ask;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The bytes of a request whose connection is closed behind the answer.
pub(crate) fn request(ask: &Ask) -> Vec<u8> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n",
        ask.method,
        ask.uri()
    );
    for (name, value) in &ask.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !ask.body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", ask.body.len()));
    }
    [head.as_bytes(), b"\r\n", &ask.body].concat()
}

/// Sends these bytes, and returns all that comes until the server closes.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(address);
    // A server that refuses a head may close before it has read it all.
    stream.write_all(bytes).ok();
    let mut wire = Vec::new();
    match stream.read_to_end(&mut wire) {
        Err(error) if wire.is_empty() => Err(error),
        Ok(_) | Err(_) => Ok(wire),
    }
}

/// Asks, and says what came back; or what is wrong with it.
pub(crate) fn ask(address: SocketAddr, ask: &Ask) -> Result<Answer, String> {
    let wire = exchange(address, &request(ask)).map_err(|error| format!("nothing but {error}"))?;
    Answer::from_http(&wire, ask.method == "HEAD")
}
