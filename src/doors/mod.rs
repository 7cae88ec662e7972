//! How a request comes in and how an answer goes out: one door per way of being asked.
//! A door knows a protocol and the request it carries; no room imports a door.

pub mod cgi;
mod cgi_response;
pub mod fastcgi;
pub mod front;
