//! A request, independent of its transport.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// The default User-Agent: what `uname -sm` prints on most machines.
pub(crate) const LINUX: &str = "Linux x86_64";

/// A request. `path` and `query` are raw, with percent-encoding.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A GET of `url` (a path with an optional query) with the User-Agent of a Linux host.
    pub(crate) fn get(url: &str) -> Request {
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (url, None),
        };
        let headers = vec![("User-Agent", LINUX.to_owned()), ("Accept", "*/*".to_owned())];
        Request {
            method: "GET",
            path: path.to_owned(),
            query,
            headers,
            body: Vec::new(),
        }
    }

    /// Sets the method.
    pub(crate) fn method(mut self, method: &'static str) -> Request {
        self.method = method;
        self
    }

    /// Sets a header and replaces one of the same name.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Request {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The request target (RFC 9112 section 3.2) in origin form.
    pub(crate) fn uri(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The request as CGI meta-variables (RFC 3875 section 4.1). PATH_INFO is decoded and ends at a NUL, as in a server that
    /// passes C strings. REQUEST_URI, which RFC 3875 does not define, is raw.
    pub(crate) fn variables(&self) -> Vec<(String, OsString)> {
        let mut variables: Vec<(String, OsString)> = vec![
            ("GATEWAY_INTERFACE".into(), "CGI/1.1".into()),
            ("SERVER_PROTOCOL".into(), "HTTP/1.1".into()),
            ("SERVER_SOFTWARE".into(), "suite/1".into()),
            ("SERVER_NAME".into(), "127.0.0.1".into()),
            ("SERVER_PORT".into(), "80".into()),
            ("REMOTE_ADDR".into(), "127.0.0.1".into()),
            ("REQUEST_METHOD".into(), self.method.into()),
            ("SCRIPT_NAME".into(), "".into()),
            ("PATH_INFO".into(), OsString::from_vec(percent_decode(&self.path))),
            (
                "QUERY_STRING".into(),
                self.query.clone().unwrap_or_default().into(),
            ),
            ("REQUEST_URI".into(), self.uri().into()),
            ("HTTP_HOST".into(), "127.0.0.1".into()),
        ];
        if !self.body.is_empty() {
            variables.push(("CONTENT_LENGTH".into(), self.body.len().to_string().into()));
        }
        for (name, value) in &self.headers {
            let name = format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"));
            variables.push((name, value.into()));
        }
        variables
    }
}

fn percent_decode(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let (mut decoded, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits = bytes
            .get(at + 1..at + 3)
            .and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            Some(_) | None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default()
        .to_vec()
}

#[test]
fn path_is_decoded_once() {
    assert_eq!(percent_decode("/%2e%252e/%zz/%"), b"/.%2e/%zz/%");
    assert_eq!(percent_decode("/a%00/b"), b"/a");
}
