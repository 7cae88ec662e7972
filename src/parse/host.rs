//! Host names: the first element of a module path.

/// Whether this can be a public host name: labels of RFC 1123 and a top-level domain that is not numeric. IP addresses, ports and
/// `localhost` are not allowed.
pub(super) fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_top_level = |label: &str| {
        label.len() >= 2
            && label != "localhost"
            && (label.starts_with("xn--") || label.bytes().all(|byte| byte.is_ascii_lowercase()))
    };
    host.split('.').all(is_label) && host.rsplit_once('.').is_some_and(|(_, top)| is_top_level(top))
}

/// Extensions of files that browsers and scanners request from every server. None is a top-level domain.
const FILE_EXTENSIONS: [&str; 16] = [
    "asp", "aspx", "cfg", "cgi", "conf", "css", "gif", "html", "ico", "jpg", "js", "json", "php", "png",
    "txt", "xml",
];

/// Whether an element that looks like a host is rather a file of a web site. A host alone can be a module: tailscale.com.
pub(super) fn is_file_name(host: &str) -> bool {
    host.rsplit_once('.')
        .is_some_and(|(_, extension)| FILE_EXTENSIONS.contains(&extension))
}
