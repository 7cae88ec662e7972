//! A request, whatever door it came through: RFC 3875's variables, read from whoever has them.

use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What the handler may know of a request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// REQUEST_METHOD (RFC 3875 section 4.1.12).
    pub method: String,
    /// The path below the mount point, bytes as received: PATH_INFO (section 4.1.5), or what REQUEST_URI says if that
    /// shows what a server decodes or folds, which nothing legal needs.
    pub path: Vec<u8>,
    /// SCRIPT_NAME (section 4.1.13): where the service is mounted, without a slash at its end. Empty if it is no plain path:
    /// it is printed into headers and commands.
    pub mount: String,
    /// QUERY_STRING (section 4.1.7).
    pub query: String,
    /// REMOTE_ADDR (section 4.1.8).
    pub client: String,
    /// HTTP_X_FORWARDED_FOR: believed only of proxies that the operator trusts.
    pub forwarded_for: String,
    /// HTTP_HOST: printed, never trusted.
    pub host: String,
    /// HTTP_USER_AGENT.
    pub user_agent: String,
    /// HTTP_ACCEPT.
    pub accept: String,
    /// HTTP_ACCEPT_ENCODING.
    pub accept_encoding: String,
    /// HTTP_WANT_REPR_DIGEST.
    pub want_repr_digest: String,
    /// HTTP_IF_MATCH.
    pub if_match: Option<String>,
    /// HTTP_IF_NONE_MATCH.
    pub if_none_match: Option<String>,
    /// HTTP_IF_MODIFIED_SINCE.
    pub if_modified_since: Option<String>,
    /// HTTP_IF_UNMODIFIED_SINCE.
    pub if_unmodified_since: Option<String>,
    /// HTTP_RANGE.
    pub range: Option<String>,
    /// HTTP_IF_RANGE.
    pub if_range: Option<String>,
    /// SERVER_PROTOCOL (section 4.1.16).
    pub protocol: String,
    /// SERVER_SOFTWARE (section 4.1.17).
    pub server: String,
    /// Whether HTTPS, as web servers set it, or HTTP_X_FORWARDED_PROTO says so.
    pub is_https: bool,
}

impl Request {
    /// Reads the variables of RFC 3875 section 4.1 through `variable`.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Request {
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
        let mount = text("SCRIPT_NAME").filter(|path| is_plain(path));
        let mount = mount.unwrap_or_default().trim_end_matches('/').to_owned();
        Request {
            method: text("REQUEST_METHOD").unwrap_or_default(),
            path: path(&variable, &mount),
            mount,
            query: text("QUERY_STRING").unwrap_or_default(),
            client: text("REMOTE_ADDR").unwrap_or_default(),
            forwarded_for: text("HTTP_X_FORWARDED_FOR").unwrap_or_default(),
            host: text("HTTP_HOST").unwrap_or_default(),
            user_agent: text("HTTP_USER_AGENT").unwrap_or_default(),
            accept: text("HTTP_ACCEPT").unwrap_or_default(),
            accept_encoding: text("HTTP_ACCEPT_ENCODING").unwrap_or_default(),
            want_repr_digest: text("HTTP_WANT_REPR_DIGEST").unwrap_or_default(),
            if_match: text("HTTP_IF_MATCH"),
            if_none_match: text("HTTP_IF_NONE_MATCH"),
            if_modified_since: text("HTTP_IF_MODIFIED_SINCE"),
            if_unmodified_since: text("HTTP_IF_UNMODIFIED_SINCE"),
            range: text("HTTP_RANGE"),
            if_range: text("HTTP_IF_RANGE"),
            protocol: text("SERVER_PROTOCOL").unwrap_or_default(),
            server: text("SERVER_SOFTWARE").unwrap_or_default(),
            is_https: text("HTTPS").is_some_and(|on| on == "on")
                || text("HTTP_X_FORWARDED_PROTO").is_some_and(|scheme| scheme == "https"),
        }
    }
}

impl Request {
    /// Whether an answer may begin before its end is known: our own front passes each byte on at once, and cuts the
    /// connection when the program fails; and HTTP/1.1 tells a cut from an end. Who may be answered with a part, or with nothing,
    /// gets no beginning.
    pub fn may_begin_early(&self) -> bool {
        let conditions = [
            &self.range,
            &self.if_match,
            &self.if_none_match,
            &self.if_modified_since,
            &self.if_unmodified_since,
        ];
        self.server.starts_with("gox-server/")
            && self.protocol == "HTTP/1.1"
            && conditions.into_iter().all(Option::is_none)
    }

    /// The address of the client, past proxies that are trusted.
    pub fn client_address(&self, trusts: impl Fn(IpAddr) -> bool) -> &str {
        client_address(&self.client, &self.forwarded_for, trusts)
    }

    /// Where the client sees the service: scheme, host and mount. It is printed into what that client alone gets, so that
    /// X-Forwarded-Proto may say `https`, whoever sent it.
    pub fn address(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}{}", self.plain_host(), self.mount)
    }

    /// The Host header, where it is a name and a port: it is a stranger's, and is printed.
    pub fn plain_host(&self) -> &str {
        let plain = self
            .host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        if plain && !self.host.is_empty() {
            &self.host
        } else {
            "HOST"
        }
    }
}

/// The address of the client: the peer's, or, past proxies that are trusted, the one that the nearest of them saw. Each adds to the
/// right of the list; what is left of the first stranger is the stranger's own word.
pub fn client_address<'a>(peer: &'a str, forwarded_for: &'a str, trusts: impl Fn(IpAddr) -> bool) -> &'a str {
    let is_trusted = |address: &str| address.parse().is_ok_and(&trusts);
    let hops = forwarded_for.rsplit(',').map(address_of_hop);
    let mut seen = address_of_hop(peer);
    for hop in hops.filter(|hop| !hop.is_empty()) {
        if !is_trusted(seen) {
            break;
        }
        seen = hop;
    }
    seen
}

/// The address of a hop, in any of the forms that proxies write: with a port, brackets, a zone or quotes, and as a `for=` of RFC 7239
/// section 6. What holds no address (`unknown`, `_hidden`) stays as it is.
fn address_of_hop(hop: &str) -> &str {
    let mut pairs = hop.split(';').map(str::trim);
    let node = pairs.find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim_end()
            .eq_ignore_ascii_case("for")
            .then_some(value.trim_start())
    });
    let hop = node.unwrap_or(hop).trim().trim_matches('"').trim();
    let host = match hop.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').map_or(hop, |(host, _)| host),
        // More colons than one are those of an IPv6 address.
        None => match hop.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            Some(_) | None => hop,
        },
    };
    let host = host.split_once('%').map_or(host, |(address, _zone)| address);
    match host.parse::<IpAddr>() {
        Ok(_) => host,
        Err(_) => hop,
    }
}

fn is_plain(mount: &str) -> bool {
    mount
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b))
}

/// A server decodes PATH_INFO, and may fold `//`, `.` and `..` in it. Where REQUEST_URI shows any of that, it is the path
/// that counts, so that every door refuses the same requests.
fn path(variable: &impl Fn(&str) -> Option<OsString>, mount: &str) -> Vec<u8> {
    let info = variable("PATH_INFO").unwrap_or_default().into_vec();
    let uri = variable("REQUEST_URI").unwrap_or_default();
    let uri_path = without_host(uri.as_bytes())
        .split(|b| *b == b'?')
        .next()
        .unwrap_or_default();
    let path = if is_changed_by_servers(uri_path) {
        let below = uri_path.strip_prefix(mount.as_bytes());
        below.unwrap_or(uri_path).to_vec()
    } else {
        info
    };
    if path.is_empty() { b"/".to_vec() } else { path }
}

/// What stands behind SCHEME://HOST where a client speaks to us as to a proxy (RFC 9112 section 3.2.2).
fn without_host(uri: &[u8]) -> &[u8] {
    if uri.starts_with(b"/") {
        return uri;
    }
    let mut slashes = uri.iter().enumerate().filter(|(_, b)| **b == b'/');
    slashes.nth(2).map_or(b"", |(at, _)| &uri[at..])
}

fn is_changed_by_servers(path: &[u8]) -> bool {
    let folded = |element: &[u8]| matches!(element, b"." | b"..");
    path.contains(&b'%')
        || path.windows(2).any(|pair| pair == b"//")
        || path.split(|b| *b == b'/').any(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        for (client, forwarded_for, expected) in [
            ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.7, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9, 10.0.0.2:5555", "203.0.113.9"),
            (
                "10.0.0.1",
                "198.51.100.7, 203.0.113.9:1, [::ffff:10.0.0.2]:5555",
                "203.0.113.9",
            ),
            ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
            ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
            ("10.0.0.1", "fe80::1%eth0", "fe80::1"),
            ("10.0.0.1", "[fe80::1%25eth0]:80", "fe80::1"),
            ("10.0.0.1", "\"203.0.113.9\"", "203.0.113.9"),
            ("10.0.0.1", "\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("10.0.0.1", "for=203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "For = \"203.0.113.9:80\"", "203.0.113.9"),
            (
                "10.0.0.1",
                "proto=https;for=\"[2001:db8::1]:443\";by=10.0.0.2",
                "2001:db8::1",
            ),
            ("10.0.0.1", "203.0.113.9 , \t", "203.0.113.9"),
            ("10.0.0.1:9000", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9, unknown", "unknown"),
            ("10.0.0.1", "203.0.113.9, _hidden:80", "_hidden:80"),
            ("10.0.0.1", "203.0.113.9, [2001:db8::1", "[2001:db8::1"),
        ] {
            let request = Request {
                client: client.into(),
                forwarded_for: forwarded_for.into(),
                ..Request::default()
            };
            assert_eq!(
                request.client_address(|peer| trusted.contains(&peer.to_canonical())),
                expected,
                "{client} {forwarded_for}"
            );
        }
    }

    fn request(variables: &[(&str, &str)]) -> Request {
        Request::from_variables(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn what_a_server_folds_is_seen_as_it_was_typed() {
        for (uri, info, path) in [
            ("/o/r?x=%2f//..", "/o/r", "/o/r"),
            ("/go/o/r", "/o/r", "/o/r"),
            ("/before/rewriting", "/o/r", "/o/r"),
            ("/o//r", "/o/r", "/o//r"),
            ("/o/x/../r", "/o/r", "/o/x/../r"),
            ("/o/r/.", "/o/r", "/o/r/."),
            ("/o/r...", "/o/r...", "/o/r..."),
            ("/%6f/r", "/o/r", "/%6f/r"),
            ("http://host/o/r", "/o/r", "/o/r"),
            ("http://host/o//r", "/o/r", "/o//r"),
            ("http://host", "/", "/"),
            ("*", "/o/r", "/o/r"),
            ("", "/o/r", "/o/r"),
            ("", "", "/"),
        ] {
            let request = request(&[("REQUEST_URI", uri), ("PATH_INFO", info)]);
            assert_eq!(String::from_utf8_lossy(&request.path), path, "{uri}");
        }
        let below = request(&[
            ("REQUEST_URI", "/go/o//r"),
            ("PATH_INFO", "/o/r"),
            ("SCRIPT_NAME", "/go"),
        ]);
        assert_eq!((&*below.path, &*below.mount), (&b"/o//r"[..], "/go"));
    }

    #[test]
    fn a_mount_is_a_plain_path_or_none() {
        for (name, mount) in [
            ("", ""),
            ("/", ""),
            ("/go", "/go"),
            ("/cgi-bin/gox-server/", "/cgi-bin/gox-server"),
            ("/go\r\nX: y", ""),
            ("/$(id)", ""),
        ] {
            assert_eq!(request(&[("SCRIPT_NAME", name)]).mount, mount, "{name}");
        }
    }
}
