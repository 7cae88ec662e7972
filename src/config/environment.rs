//! Reads environment variables that are not settings.

use std::collections::HashMap;
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

/// Returns the variables with the endpoint, region and credentials of the object store, under the names that the AWS command line uses;
/// none without GOX_STORE. Processes that neither connect to the store nor start one that does do not get them.
pub fn object_store_environment() -> Vec<(OsString, OsString)> {
    // An empty variable counts as unset.
    if env::var_os("GOX_STORE").is_none_or(|store| store.is_empty()) {
        return Vec::new();
    }
    env::vars_os()
        .filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AWS_"))
        .collect()
}

/// Returns the variables that describe the object store and its credentials to this process. HOME contains the AWS configuration files.
pub fn aws_environment() -> HashMap<String, String> {
    let home = env::var("HOME").map(|home| ("HOME".to_owned(), home));
    let aws = object_store_environment()
        .into_iter()
        .filter_map(|(name, value)| {
            // A value that is not UTF-8 counts as unset.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
    home.into_iter().chain(aws).collect()
}

/// Reads a variable that is not a setting but set by the web server: a meta-variable of a CGI request (RFC 3875 section 4.1), or
/// FCGI_WEB_SERVER_ADDRS (FastCGI specification).
pub fn request_variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}
