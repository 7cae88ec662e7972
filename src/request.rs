//! A request, independent of the transport: the variables of RFC 3875, from any source.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;

use crate::parse::ClientHints;

/// The parts of a request that the handler uses.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// REQUEST_METHOD (RFC 3875 section 4.1.12).
    pub method: String,
    /// The path below the mount point as received, in bytes: PATH_INFO (section 4.1.5), or the path of REQUEST_URI if that contains
    /// anything that web servers decode or normalize. Of a valid target only `@` and `+` may be encoded.
    pub path: Vec<u8>,
    /// SCRIPT_NAME (section 4.1.13): the mount point, without a slash at its end. It is printed into headers and commands, so it is
    /// empty if it holds anything but plain path characters.
    pub mount: String,
    /// QUERY_STRING (section 4.1.7).
    pub query: String,
    /// REMOTE_ADDR (section 4.1.8).
    pub client: String,
    /// HTTP_X_FORWARDED_FOR: used only if the peer is a trusted proxy.
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
    /// HTTP_SEC_FETCH_SITE (Fetch Metadata Request Headers), which only browsers send.
    pub fetch_site: String,
    /// HTTP_SEC_FETCH_DEST: `document` for a page or a download.
    pub fetch_destination: String,
    /// HTTP_SEC_CH_UA_PLATFORM, HTTP_SEC_CH_UA_ARCH and HTTP_SEC_CH_UA_BITNESS.
    pub hints: ClientHints,
    /// HTTP_SEC_PURPOSE, or its predecessor HTTP_PURPOSE.
    pub purpose: String,
    /// SERVER_PROTOCOL (section 4.1.16).
    pub protocol: String,
    /// SERVER_SOFTWARE (section 4.1.17).
    pub server: String,
    /// Whether HTTPS (set by web servers), HTTP_X_FORWARDED_PROTO or HTTP_FORWARDED (RFC 7239) names https.
    pub is_https: bool,
    /// Whether the web server does not pass the path. Every program would be answered with the landing page.
    pub lacks_path_info: bool,
}

impl Request {
    /// Reads the variables of RFC 3875 section 4.1 through `variable`.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Request {
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
        let mount = text("SCRIPT_NAME").filter(|path| is_printable_path(path));
        let mount = mount.unwrap_or_default().trim_end_matches('/').to_owned();
        Request {
            method: text("REQUEST_METHOD").unwrap_or_default(),
            path: path_below_mount(&variable, &mount),
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
            fetch_site: text("HTTP_SEC_FETCH_SITE").unwrap_or_default(),
            fetch_destination: text("HTTP_SEC_FETCH_DEST").unwrap_or_default(),
            hints: ClientHints {
                platform: text("HTTP_SEC_CH_UA_PLATFORM").unwrap_or_default(),
                arch: text("HTTP_SEC_CH_UA_ARCH").unwrap_or_default(),
                bitness: text("HTTP_SEC_CH_UA_BITNESS").unwrap_or_default(),
            },
            purpose: text("HTTP_SEC_PURPOSE")
                .or_else(|| text("HTTP_PURPOSE"))
                .unwrap_or_default(),
            protocol: text("SERVER_PROTOCOL").unwrap_or_default(),
            server: text("SERVER_SOFTWARE").unwrap_or_default(),
            is_https: text("HTTPS").is_some_and(|on| on.eq_ignore_ascii_case("on") || on == "1")
                || text("HTTP_X_FORWARDED_PROTO").is_some_and(|schemes| is_https(first_value(&schemes)))
                || text("HTTP_FORWARDED").is_some_and(|hops| is_https(forwarded_proto(&hops))),
            lacks_path_info: lacks_path_info(&variable),
        }
    }

    /// The text in the field of the first page, if this is the request of its form.
    pub fn typed_program(&self) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        let (_, typed) = pairs.find(|(key, _)| self.path == b"/" && key == "program")?;
        Some(typed.into_owned()).filter(|typed| !typed.trim().is_empty())
    }

    /// Whether a response may start before the program is built. Only gox-server's own front forwards each byte at once and
    /// closes the connection when the CGI program fails, and only HTTP/1.1 lets the client detect that. Conditional and range
    /// requests are excluded: their status is not known yet.
    pub fn allows_early_response(&self) -> bool {
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

    /// Whether the request may start a build. Crawlers and prefetches may not, nor images, scripts and frames in a page of another site.
    pub fn may_start_build(&self) -> bool {
        let is_embedded = self.comes_from_other_site() && self.fetch_destination != "document";
        self.method != "HEAD"
            && !self.purpose.starts_with("prefetch")
            && !is_embedded
            && !is_crawler(&self.user_agent)
    }

    /// Whether a page of another site caused the request.
    pub fn comes_from_other_site(&self) -> bool {
        matches!(self.fetch_site.as_str(), "cross-site" | "same-site")
    }

    /// The client's address, as reported by trusted proxies.
    pub fn client_address(&self, trusts: impl Fn(IpAddr) -> bool) -> &str {
        client_address(&self.client, &self.forwarded_for, trusts)
    }

    /// The service's URL as the client sees it: scheme, host and mount point. It is printed only into responses that no cache
    /// stores, so the scheme may come from an untrusted X-Forwarded-Proto.
    pub fn base_url(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}{}", self.printable_host(), self.mount)
    }

    /// The service's URL as it is typed after `curl`, which assumes http.
    pub fn typed_url(&self) -> String {
        let scheme = if self.is_https { "https://" } else { "" };
        format!("{scheme}{}{}", self.printable_host(), self.mount)
    }

    /// Whether the Host header is valid (RFC 9110 section 7.2): an optional name or address, and an optional port.
    pub fn has_valid_host(&self) -> bool {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
        let end = if self.host.starts_with('[') {
            self.host.find(']').map_or(0, |end| end + 1)
        } else {
            self.host.find(':').unwrap_or(self.host.len())
        };
        let (name, port) = self.host.split_at(end);
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let is_host = match address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => name.bytes().all(is_name),
        };
        let is_port = |port: &str| port.is_empty() || (is_number(port) && port.parse::<u16>().is_ok());
        is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
    }

    /// Whether the web server passes Range to CGI programs.
    pub fn passes_ranges(&self) -> bool {
        let is = |name: &&str| self.server.starts_with(name);
        !["busybox httpd", "mini_httpd"].iter().any(is)
    }

    /// The Host header if it is safe to print, or else the placeholder `HOST`.
    pub fn printable_host(&self) -> &str {
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

/// Whether a User-Agent is that of a crawler or a link preview. Most name themselves a bot or link to a page about them. The output of
/// `uname` contains none of these words, because a host name has no slash.
fn is_crawler(user_agent: &str) -> bool {
    const WORDS: [&str; 5] = [
        "bot/",
        "+http",
        "telegrambot",
        "facebookexternalhit/",
        "whatsapp/",
    ];
    let user_agent = user_agent.to_ascii_lowercase();
    WORDS.iter().any(|word| user_agent.contains(word))
}

/// The client's address: the peer's, or, if the peer is a trusted proxy, the rightmost untrusted address in X-Forwarded-For. Each
/// proxy appends the address that it saw; addresses to the left of an untrusted one may be forged.
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

/// The address of a hop in any form that proxies write: with a port, brackets, a zone or quotes, or as `for=` (RFC 7239 section 6).
/// A hop without an address (`unknown`, `_hidden`) is returned unchanged.
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
        // Two or more colons belong to an IPv6 address.
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

fn is_printable_path(mount: &str) -> bool {
    mount
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The value of the proxy next to the client: later proxies append to the list or replace it.
fn first_value(list: &str) -> &str {
    let mut values = list.split(',').map(str::trim);
    values.find(|value| !value.is_empty()).unwrap_or_default()
}

/// The `proto` parameter of the first hop (RFC 7239 section 5.4).
fn forwarded_proto(hops: &str) -> &str {
    let mut pairs = first_value(hops)
        .split(';')
        .filter_map(|pair| pair.split_once('='));
    let proto = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("proto"));
    proto.map_or("", |(_, scheme)| scheme.trim().trim_matches('"'))
}

fn is_https(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https")
}

/// Whether PATH_INFO is empty although REQUEST_URI has two elements or more, as the path of a program has. The URL of the CGI program
/// itself may be as long, but then SCRIPT_FILENAME is executable. Misconfigured servers name a file that does not exist, or an
/// `index.php` (Caddy's `php_fastcgi`).
fn lacks_path_info(variable: &impl Fn(&str) -> Option<OsString>) -> bool {
    let has = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let uri = variable("REQUEST_URI").unwrap_or_default();
    let uri_path = uri_path(&uri);
    let elements = uri_path
        .split(|b| *b == b'/')
        .filter(|element| !element.is_empty());
    let is_program = |script: OsString| {
        let metadata = fs::metadata(script);
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    !has("PATH_INFO")
        && !is_changed_by_web_servers(uri_path)
        && elements.count() >= 2
        && !variable("SCRIPT_FILENAME").is_some_and(is_program)
}

/// Decodes `%40` and `%2B`, which many clients send for the `@` and the `+` of a version, and nothing else.
pub fn decode_at_and_plus(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(&byte) = rest.first() {
        let (byte, length) = match rest.get(..3) {
            Some(b"%40") => (b'@', 3),
            Some(b"%2B" | b"%2b") => (b'+', 3),
            Some(_) | None => (byte, 1),
        };
        decoded.push(byte);
        rest = &rest[length..];
    }
    decoded
}

/// The path below the mount point. Web servers decode PATH_INFO and may normalize `//`, `.` and `..` in it. If REQUEST_URI has any of
/// these, its path is used instead, so that all transports refuse the same requests.
fn path_below_mount(variable: &impl Fn(&str) -> Option<OsString>, mount: &str) -> Vec<u8> {
    let info = variable("PATH_INFO").unwrap_or_default().into_vec();
    let uri = variable("REQUEST_URI").unwrap_or_default();
    let uri_path = uri_path(&uri);
    let path = if is_changed_by_web_servers(uri_path) {
        let below = uri_path.strip_prefix(mount.as_bytes());
        decode_at_and_plus(below.unwrap_or(uri_path))
    } else {
        info
    };
    if path.is_empty() { b"/".to_vec() } else { path }
}

fn uri_path(uri: &OsStr) -> &[u8] {
    let mut parts = without_host(uri.as_bytes()).split(|b| *b == b'?');
    parts.next().unwrap_or_default()
}

/// The part after SCHEME://HOST of a request target in absolute-form (RFC 9112 section 3.2.2).
fn without_host(uri: &[u8]) -> &[u8] {
    if uri.starts_with(b"/") {
        return uri;
    }
    let mut slashes = uri.iter().enumerate().filter(|(_, b)| **b == b'/');
    slashes.nth(2).map_or(b"", |(at, _)| &uri[at..])
}

fn is_changed_by_web_servers(path: &[u8]) -> bool {
    let is_dot_segment = |element: &[u8]| matches!(element, b"." | b"..");
    path.contains(&b'%')
        || path.windows(2).any(|pair| pair == b"//")
        || path.split(|b| *b == b'/').any(is_dot_segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crawlers_and_link_previews_start_no_build() {
        for (user_agent, may_build) in [
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                false,
            ),
            (
                "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
                false,
            ),
            ("Twitterbot/1.0", false),
            ("TelegramBot (like TwitterBot)", false),
            ("WhatsApp/2.23.20.0", false),
            ("facebookexternalhit/1.1", false),
            ("Linux robot 6.1.0 x86_64", true),
            ("curl/8.5.0", true),
        ] {
            let request = Request {
                method: "GET".to_owned(),
                user_agent: user_agent.to_owned(),
                ..Request::default()
            };
            assert_eq!(request.may_start_build(), may_build, "{user_agent}");
        }
    }

    #[test]
    fn forwarded_addresses_count_only_from_trusted_proxies() {
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
    fn only_at_and_plus_are_decoded() {
        for (uri, info, path) in [
            ("/o/r%40v1", "/o/r@v1", "/o/r@v1"),
            ("/o/r%40v2.0.0%2Bincompatible?x", "", "/o/r@v2.0.0+incompatible"),
            ("/o/r%2b%40", "", "/o/r+@"),
            ("/o/r%2540v1%4", "", "/o/r%2540v1%4"),
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
    fn unprintable_mount_point_is_empty() {
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

    #[test]
    fn scheme_is_that_of_the_client() {
        for (variable, value, is_https) in [
            ("HTTPS", "on", true),
            ("HTTPS", "ON", true),
            ("HTTPS", "1", true),
            ("HTTPS", "off", false),
            ("HTTPS", "", false),
            ("HTTP_X_FORWARDED_PROTO", "https", true),
            ("HTTP_X_FORWARDED_PROTO", "HTTPS", true),
            ("HTTP_X_FORWARDED_PROTO", "https, http", true),
            ("HTTP_X_FORWARDED_PROTO", "https,https", true),
            ("HTTP_X_FORWARDED_PROTO", " , https", true),
            ("HTTP_X_FORWARDED_PROTO", "http, https", false),
            ("HTTP_X_FORWARDED_PROTO", "httpsx", false),
            ("HTTP_FORWARDED", "for=192.0.2.1;proto=https", true),
            (
                "HTTP_FORWARDED",
                "Proto=\"HTTPS\"; for=192.0.2.1, proto=http",
                true,
            ),
            ("HTTP_FORWARDED", "proto=http, proto=https", false),
            ("HTTP_FORWARDED", "for=https", false),
        ] {
            let request = request(&[(variable, value)]);
            assert_eq!(request.is_https, is_https, "{variable}={value}");
        }
    }

    #[test]
    fn valid_host_is_a_name_or_address_with_optional_port() {
        for (host, is_valid) in [
            ("", true),
            ("example.org", true),
            ("example.org:8080", true),
            ("example.org:", true),
            ("my_host-1.example:80", true),
            ("127.0.0.1", true),
            ("[::1]", true),
            ("[2001:db8::1]:443", true),
            ("a b<c>", false),
            ("a/b", false),
            ("user@example.org", false),
            ("example.org:http", false),
            ("example.org:+80", false),
            ("example.org:99999", false),
            ("example.org:80:80", false),
            ("::1", false),
            ("[::1", false),
            ("[::1]80", false),
            ("[example.org]", false),
            ("exämple.org", false),
            ("a, b", false),
            ("a\"b", false),
            ("a\\b", false),
        ] {
            assert_eq!(
                request(&[("HTTP_HOST", host)]).has_valid_host(),
                is_valid,
                "{host}"
            );
        }
    }

    #[test]
    fn missing_path_info_is_detected() {
        let own = std::env::current_exe().unwrap();
        let own = own.to_str().unwrap();
        let index = tempfile::NamedTempFile::new().unwrap();
        let index = index.path().to_str().unwrap();
        for (uri, info, script, lacks) in [
            ("/o/r", "", "/usr/share/nginx/html/o/r", true),
            ("/o/r@v1.0.0?os=linux", "", "", true),
            ("/o/%0a/r", "", "", false),
            ("/go/o/r", "", "proxy:fcgi://127.0.0.1:9000/o/r", true),
            ("/-/install/o/r", "", "/index.php", true),
            // A file that is no program.
            ("/o/r", "", index, true),
            ("/o/r", "/o/r", "", false),
            ("/cgi-bin/gox-server", "", own, false),
            ("/go", "", "/var/www/html/go", false),
            ("/", "", "", false),
            ("", "", "", false),
        ] {
            let request = request(&[
                ("REQUEST_URI", uri),
                ("PATH_INFO", info),
                ("SCRIPT_FILENAME", script),
                ("SCRIPT_NAME", uri),
            ]);
            assert_eq!(request.lacks_path_info, lacks, "{uri} {script}");
        }
    }
}
