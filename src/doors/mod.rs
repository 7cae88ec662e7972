//! How a request comes in and how an answer goes out: one door per way of being asked.
//! A door knows a protocol and the request it carries; no room imports a door.

pub mod cgi;
mod caller;
mod cgi_response;
pub mod fastcgi;
pub mod front;

/// A body means nothing here, and is read and thrown away: a web server may send all of it before it reads an answer. More than
/// this is not waited for; it is what nginx lets through by default.
const BODY_BYTES: u32 = 1 << 20;
