//! The environment of the CGI program (RFC 3875 section 4.1), built from nothing: a request, the two ends of
//! its connection, and what the operator hands on. It starts no process and decodes nothing.
//! What is absent on purpose: CONTENT_LENGTH and CONTENT_TYPE, since no body is ever passed on, and
//! PATH_TRANSLATED, AUTH_TYPE, REMOTE_USER and REMOTE_IDENT, since the front knows no files and no users.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use hyper::Version;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;

/// Variables by name.
pub(super) type Environment = BTreeMap<OsString, OsString>;

/// The two ends of a connection, as the kernel names them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

/// The meta-variables of RFC 3875 section 4.1, and those that servers add by habit. Only a request sets them.
const META_VARIABLES: [&str; 21] = [
    "AUTH_TYPE",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "GATEWAY_INTERFACE",
    "HTTPS",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
];

/// Everything the program is told about `request`, over what it inherits.
pub(super) fn environment(request: &Parts, ends: Ends, inherited: &[(OsString, OsString)]) -> Environment {
    let mut variables: Environment = inherited
        .iter()
        .filter(|(name, _)| !belongs_to_requests(name))
        .cloned()
        .collect();
    let mut set = |name: &str, value: &str| variables.insert(name.into(), value.into());

    set("GATEWAY_INTERFACE", "CGI/1.1");
    set(
        "SERVER_SOFTWARE",
        concat!("gox-server/", env!("CARGO_PKG_VERSION")),
    );
    set(
        "SERVER_PROTOCOL",
        if request.version == Version::HTTP_10 {
            "HTTP/1.0"
        } else {
            "HTTP/1.1"
        },
    );
    set("REQUEST_METHOD", request.method.as_str());
    // The whole path belongs to the program: it is the root of this server.
    set("SCRIPT_NAME", "");
    // Section 4.1.5 would have it decoded. Nothing the program takes needs that, and it refuses every '%':
    // what is never decoded cannot be decoded twice.
    set("PATH_INFO", request.uri.path());
    set("QUERY_STRING", request.uri.query().unwrap_or(""));
    set("REQUEST_URI", &request.uri.to_string());
    set("REMOTE_ADDR", &ends.client.ip().to_canonical().to_string());
    set("REMOTE_PORT", &ends.client.port().to_string());
    // From the socket, not from Host, which is the client's word (section 4.1.14 lets a server choose).
    set("SERVER_NAME", &host(ends.server.ip().to_canonical()));
    set("SERVER_PORT", &ends.server.port().to_string());
    set("GOX_SENDFILE", "X-Sendfile");

    for name in request.headers.keys() {
        if let Some(variable) = variable(name) {
            variables.insert(variable.into(), joined(&request.headers, name));
        }
    }
    // A target in absolute form replaces Host, whatever that says (RFC 9112 section 3.2.2).
    if let Some(authority) = request.uri.authority() {
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        variables.insert("HTTP_HOST".into(), host.into());
    }
    variables
}

/// A name under which the program would take the operator's word for a client's.
fn belongs_to_requests(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"HTTP_") || META_VARIABLES.iter().any(|known| name == *known)
}

/// `User-Agent` is `HTTP_USER_AGENT` (section 4.1.18); `None` for what must not be passed on.
fn variable(name: &HeaderName) -> Option<String> {
    // `Foo_Bar` and `Foo-Bar`, or `Foo.Bar` in servers that map it too, would be the same variable, so that a
    // client could forge what a proxy before us sets. lighttpd and nginx drop them as well.
    if !name
        .as_str()
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return None;
    }
    match name.as_str() {
        // HTTP_PROXY means something else to half of all HTTP clients (httpoxy, CVE-2016-5386).
        "proxy" => None,
        // Section 4.1.18: credentials have no place in an environment.
        "authorization" | "proxy-authorization" => None,
        // These describe the connection or a body, and the program sees neither.
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding"
        | "upgrade" | "content-length" | "content-type" | "expect" => None,
        name => Some(format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"))),
    }
}

/// All values of a header as one (RFC 9110 section 5.3; for cookies RFC 6265 section 5.4).
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName) -> OsString {
    let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
    let values: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(|value| value.as_bytes())
        .collect();
    OsString::from_vec(values.join(separator))
}

/// An address as a URL spells it: section 4.1.14 wants brackets around IPv6.
fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
