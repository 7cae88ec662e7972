//! The transports: CGI, FastCGI and the bundled HTTP front. Each one translates its protocol to a `Request` and a `Response`.
//! Only `server.rs` and `main.rs` import a transport.

pub mod cgi;
mod cgi_writer;
mod cgi_response;
pub mod fastcgi;
pub mod front;

use std::ffi::OsString;

use crate::config::Config;
use crate::request::Request;

/// Reads a request through `variable`. GOX_URL replaces the address that the web server reports.
fn read_request(config: Option<&Config>, variable: impl Fn(&str) -> Option<OsString>) -> Request {
    let request = Request::from_variables(variable);
    match config.and_then(|config| config.url.as_ref()) {
        // An invalid Host header stays, because it is refused.
        Some(url) if request.has_valid_host() => Request {
            is_https: url.is_https,
            host: url.host.clone(),
            mount: url.path.clone(),
            ..request
        },
        Some(_) | None => request,
    }
}
