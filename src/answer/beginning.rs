//! The beginning of an answer whose end is still being made (a router cuts what sends no byte in time).

use super::response::Response;
use super::{Notices, served};
use crate::request::Request;
use crate::store::Description;

/// What can be said of a program before it is there.
#[derive(Debug)]
pub struct Beginning {
    /// Status and headers, without those that only the whole program tells.
    pub response: Response,
    /// The bytes that the program certainly begins with.
    pub head: Vec<u8>,
}

impl Beginning {
    /// The beginning of the answer that a program of this description will be, which begins with `head`.
    pub fn new(
        description: &Description,
        command: String,
        notices: Option<&Notices>,
        request: &Request,
        head: Vec<u8>,
    ) -> Beginning {
        Beginning {
            response: served::coming(description, request)
                .with("Gox-Command", command)
                .noted(notices),
            head,
        }
    }
}

/// Who is to get an answer: a door, as the story sees it.
pub trait Audience {
    /// Told some times a second while a program is made; says whether it is wanted still.
    fn waits(&mut self, beginning: &Beginning) -> bool;

    /// Whether it takes care itself that the first byte comes in time.
    fn begins_in_time(&self) -> bool {
        false
    }

    /// Whether bytes of the program have been sent.
    fn has_begun(&self) -> bool {
        false
    }
}

/// Whoever can only wait.
impl<F: FnMut() -> bool> Audience for F {
    fn waits(&mut self, _: &Beginning) -> bool {
        self()
    }
}
