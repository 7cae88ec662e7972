//! Responses that start before the build has finished: some routers close a connection that gets no byte in time.

use super::message::Response;
use super::program;
use crate::notices::Notices;
use crate::request::Request;
use crate::store::Description;

/// The start of a response, known before the program is built.
#[derive(Debug)]
pub struct EarlyResponse {
    /// Status and headers, without those that depend on the built program.
    pub response: Response,
    /// The first bytes of the program. All programs of its platform begin with them.
    pub head: Vec<u8>,
}

impl EarlyResponse {
    /// The early response for a program with this description, which will begin with `head`.
    pub fn new(
        description: &Description,
        command: String,
        notices: Option<&Notices>,
        request: &Request,
        head: Vec<u8>,
    ) -> EarlyResponse {
        EarlyResponse {
            response: program::early_headers(description, request)
                .with("Gox-Command", command)
                .with_notices(notices),
            head,
        }
    }
}

/// The client's connection, as the request handler uses it during a build.
pub trait ResponseSink {
    /// Called several times a second during a build. May send parts of the early response, if the response may start before the build
    /// ends. Returns false if the client has disconnected.
    fn keep_alive(&mut self, early: Option<&EarlyResponse>) -> bool;

    /// Whether `keep_alive` sends the first byte in time, so that the request needs no deadline for it.
    fn sends_early_response(&self) -> bool {
        false
    }

    /// Whether a part of the response has been sent.
    fn has_started(&self) -> bool {
        false
    }
}

/// A sink that sends nothing early. The function returns whether the client is still connected.
impl<F: FnMut() -> bool> ResponseSink for F {
    fn keep_alive(&mut self, _: Option<&EarlyResponse>) -> bool {
        self()
    }
}
