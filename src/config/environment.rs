//! Reads environment variables that are not settings.

use std::env;
use std::ffi::OsString;

/// Returns the variables that the front passes to the CGI program of each request, and the CGI program to detached processes: the
/// operator's settings, and the variables needed to find `go` and the state.
pub fn inheritable_environment() -> Vec<(OsString, OsString)> {
    const ALSO: &[&str] = &[
        "GOPROXY",
        "GOSUMDB",
        "HOME",
        "PATH",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "RUST_LOG",
    ];
    env::vars_os()
        .filter(|(name, _)| ALSO.iter().any(|n| name == n) || name.as_encoded_bytes().starts_with(b"GOX_"))
        .collect()
}

/// Reads a variable that is not a setting but set by the web server: a meta-variable of a CGI request (RFC 3875 section 4.1), or
/// FCGI_WEB_SERVER_ADDRS (FastCGI specification).
pub fn request_variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}
