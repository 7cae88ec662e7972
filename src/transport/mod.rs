//! The transports: CGI, FastCGI and the bundled HTTP front. Each one translates its protocol to a `Request` and a `Response`.
//! No other module imports a transport.

pub mod cgi;
mod cgi_writer;
mod cgi_response;
pub mod fastcgi;
pub mod front;

/// Maximum length of a request body in bytes, the default of nginx. A body has no meaning here. It is read and discarded because
/// a web server may send all of it before it reads the response.
const MAX_BODY_BYTES: u32 = 1 << 20;
