//! The environment of the CGI program (RFC 3875 section 4.1): the request, the addresses of its connection, and variables of the
//! operator. Nothing else is inherited, and nothing is decoded.
//!
//! Some variables are never set: CONTENT_LENGTH and CONTENT_TYPE, because no body is passed on; PATH_TRANSLATED, AUTH_TYPE,
//! REMOTE_USER and REMOTE_IDENT, because the front has no files and no users.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use hyper::Version;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;

/// Variables by name.
pub(super) type Environment = BTreeMap<OsString, OsString>;

/// The two socket addresses of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoints {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

/// The meta-variables of RFC 3875 section 4.1, and those that most web servers add. They describe a request and are never inherited.
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

/// Builds the environment for a request. Variables of the request override inherited ones.
pub(super) fn build_environment(
    request: &Parts,
    endpoints: Endpoints,
    inherited: &[(OsString, OsString)],
) -> Environment {
    let mut variables: Environment = inherited
        .iter()
        .filter(|(name, _)| !describes_request(name))
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
    // The program is the root of this server, so the whole path is PATH_INFO.
    set("SCRIPT_NAME", "");
    // Not decoded, although section 4.1.5 requires it: the program decodes the few characters that a valid path may encode.
    set("PATH_INFO", request.uri.path());
    set("QUERY_STRING", request.uri.query().unwrap_or(""));
    set("REQUEST_URI", &request.uri.to_string());
    set("REMOTE_ADDR", &endpoints.client.ip().to_canonical().to_string());
    set("REMOTE_PORT", &endpoints.client.port().to_string());
    // From the socket, because the client controls Host (section 4.1.14 permits both).
    set("SERVER_NAME", &host(endpoints.server.ip().to_canonical()));
    set("SERVER_PORT", &endpoints.server.port().to_string());
    set("GOX_SENDFILE", "X-Sendfile");

    for name in request.headers.keys() {
        if let Some(variable) = variable(name) {
            variables.insert(variable.into(), joined(&request.headers, name));
        }
    }
    // The host of a target in absolute form replaces Host (RFC 9112 section 3.2.2).
    if let Some(authority) = request.uri.authority() {
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        variables.insert("HTTP_HOST".into(), host.into());
    }
    variables
}

/// Whether the program would read this variable as a part of a request.
fn describes_request(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"HTTP_") || META_VARIABLES.iter().any(|known| name == *known)
}

/// The variable of a request header: `User-Agent` becomes `HTTP_USER_AGENT` (section 4.1.18). `None` if the header is not passed on.
fn variable(name: &HeaderName) -> Option<String> {
    // `Foo_Bar` and `Foo-Bar` would become the same variable, so that a client could forge a header that a proxy sets. Some servers
    // map `Foo.Bar` to it too. lighttpd and nginx also drop such headers.
    if !name
        .as_str()
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return None;
    }
    match name.as_str() {
        // Many HTTP clients use HTTP_PROXY as their proxy (httpoxy, CVE-2016-5386).
        "proxy" => None,
        // Credentials must not be in the environment (section 4.1.18).
        "authorization" | "proxy-authorization" => None,
        // These describe the connection or the body. The program gets neither.
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding"
        | "upgrade" | "content-length" | "content-type" | "expect" => None,
        name => Some(format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"))),
    }
}

/// The values of a header, joined to one value (RFC 9110 section 5.3; for cookies RFC 6265 section 5.4).
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName) -> OsString {
    let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
    let values: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(|value| value.as_bytes())
        .collect();
    OsString::from_vec(values.join(separator))
}

/// An address as the host of a URL: an IPv6 address is in brackets (section 4.1.14).
fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
