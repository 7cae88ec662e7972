//! A program on its way out, as HTTP has it: representations, validators, ranges, digests (RFC 9110 sections 8, 12, 13 and 14;
//! RFC 9530).

use std::fs::File;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::conditions::Verdict;
use super::range::Part;
use super::response::{Body, Response, Status};
use crate::asked::{Coding, Guess, HashAlgorithm};
use crate::request::Request;
use crate::store::{Description, Fingerprint, Representation};

/// Bytes of a command that a header holds. A go.mod of fifty modules fits.
const LONGEST_VERIFY: usize = 4096;

/// How long a browser or proxy may keep what a guessed URL gave: what `latest` means changes within minutes.
const GUESSED: &str = "max-age=60";

/// An exact URL means the same bytes for ever.
const EXACT: &str = "max-age=31536000, immutable";

/// What decides which program a URL without a platform means, and in which coding it comes.
const ALL_VARY: &str = "User-Agent, Accept, Accept-Encoding";

/// The coding in which this request wants a program. HTTP/1.0 clients store what comes as it comes. A range without If-Range does
/// not say of which representation, and clients count bytes that they have unpacked (`curl --compressed -C -`), or unpack each part.
pub fn coding(request: &Request) -> Option<Coding> {
    let is_part_of_any = request.range.is_some() && request.if_range.is_none();
    if is_part_of_any || request.protocol == "HTTP/1.0" {
        None
    } else {
        Coding::preferred(&request.accept_encoding)
    }
}

/// The answer for this program, whose URL left that much open.
pub fn served(representation: Representation, request: &Request, guess: Guess) -> Response {
    let Representation {
        description,
        program_sha256,
        coding,
        fingerprint,
        file,
        path,
        is_new: _,
    } = representation;
    let etag = format!("\"{}\"", fingerprint.sha256);
    let modified = modified(&description, &file, guess);
    // What 304 repeats of 200 (RFC 9110 section 15.4.5).
    let kept = |response| {
        located(caching(response, guess, coding), &description, &request.mount).with("ETag", etag.clone())
    };
    match Verdict::on(request, &etag, modified) {
        Verdict::Met => {}
        Verdict::NotModified => return kept(respond(304, Body::Empty)),
        Verdict::Failed => return unmet(412, "What is here now is not what you have.\n"),
    }
    let may_resume = request.if_range.as_deref().is_none_or(|tag| tag == etag);
    let range = request
        .range
        .as_deref()
        .filter(|_| may_resume && request.method == "GET");
    let size = fingerprint.size;
    let (status, start, len) = match range.map(|range| Part::of(range, size)) {
        None | Some(Part::Whole) => (200, 0, size),
        Some(Part::Bytes(start, len)) => (206, start, len),
        Some(Part::Outside) => {
            return unmet(416, "The program ends before that byte.\n")
                .with("Content-Range", format!("bytes */{size}"));
        }
    };
    let body = Body::File {
        file,
        // A web server compares with a tag and a date of its own, and would say 412.
        path: (request.if_match.is_none() && request.if_unmodified_since.is_none()).then_some(path),
        start,
        len,
    };
    let response = built(named(kept(respond(status, body)), &description), &description)
        .with_some("Accept-Ranges", accept_ranges(request))
        .with("Content-Length", len.to_string())
        .with("Gox-Sha256", program_sha256)
        .with_some("Content-Encoding", coding.map(Coding::name))
        .with_some("Repr-Digest", digest(&fingerprint, &request.want_repr_digest))
        .with_some("Last-Modified", modified.map(httpdate::fmt_http_date));
    match status {
        206 => response.with(
            "Content-Range",
            format!("bytes {start}-{}/{size}", start + len - 1),
        ),
        _ => response,
    }
}

/// The answer to HEAD for a program that nobody has asked for yet: what GET would say, save what only the bytes and
/// the build tell (RFC 9110 section 9.3.2). HEAD never builds.
pub fn announced(description: &Description, request: &Request) -> Response {
    coming(description, request).with_some("Accept-Ranges", accept_ranges(request))
}

/// The headers of an answer that begins before its program is there. Which recipe makes it is not known yet either.
pub(super) fn coming(description: &Description, request: &Request) -> Response {
    let response = respond(200, Body::Empty)
        .with("Cache-Control", "no-store")
        .with("Vary", ALL_VARY);
    named(located(response, description, &request.mount), description)
}

fn respond(status: u16, body: Body) -> Response {
    Response {
        status: Status(status),
        headers: vec![],
        body,
    }
    .with("X-Content-Type-Options", "nosniff")
}

/// A condition or range of the client's that cannot be met.
fn unmet(status: u16, sentence: &str) -> Response {
    Response::text(status, "text/plain; charset=utf-8", sentence.to_owned())
}

/// A shared cache that held a copy would serve parts of it as parts of the program, so copies are for the client alone.
fn caching(response: Response, guess: Guess, coding: Option<Coding>) -> Response {
    let (cache, vary) = match guess {
        Guess::Nothing => (EXACT, "Accept-Encoding"),
        Guess::Version => (GUESSED, "Accept, Accept-Encoding"),
        Guess::Machine => (GUESSED, ALL_VARY),
    };
    let cache = match coding {
        Some(_) => format!("private, {cache}"),
        None => cache.to_owned(),
    };
    response.with("Cache-Control", cache).with("Vary", vary)
}

fn located(response: Response, description: &Description, mount: &str) -> Response {
    response.with("Content-Location", format!("{mount}{}", description.exact))
}

fn accept_ranges(request: &Request) -> Option<&'static str> {
    request.passes_ranges().then_some("bytes")
}

/// What is known when the recipe is.
fn built(response: Response, description: &Description) -> Response {
    response
        .with("Gox-Recipe", description.recipe.clone())
        .with("Gox-Verify", held(&description.verify))
}

/// The line, as far as it fits: Apache takes no header above 8 KiB from a program, and many proxies no head.
fn held(verify: &str) -> &str {
    match verify.len() <= LONGEST_VERIFY {
        true => verify,
        false => "# too long for a header: it is \"verify\" in the .json beside this",
    }
}

fn named(response: Response, description: &Description) -> Response {
    response
        .with("Content-Type", "application/octet-stream")
        .with(
            "Content-Disposition",
            format!("attachment; filename=\"{}\"", description.file_name),
        )
        .with("Gox-Module", description.module.clone())
        .with("Gox-Version", description.version.clone())
        .with("Gox-Go", description.go.clone())
        .with("Gox-Platform", description.platform.clone())
}

/// The version's date. Where another day may give other bytes of that date, as a newer Go makes them, it is the date of these
/// bytes: who knows dates only, client or web server, must not take the ones for the others.
fn modified(description: &Description, file: &File, guess: Guess) -> Option<SystemTime> {
    let time = match guess {
        Guess::Nothing => description.module_time,
        Guess::Version | Guess::Machine => {
            let made = file.metadata().and_then(|metadata| metadata.modified()).ok()?;
            made.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()
        }
    };
    let time = (time > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(time));
    // An author's clock may be ahead (RFC 9110 section 8.8.2.1: not later than Date).
    time.filter(|time| *time <= SystemTime::now())
}

/// Of what is sent, coding and all (RFC 9530 section 3).
fn digest(fingerprint: &Fingerprint, wanted: &str) -> Option<String> {
    HashAlgorithm::by_preference(wanted)
        .into_iter()
        .find_map(|algorithm| {
            let hash = STANDARD.encode(bytes(fingerprint.hash(algorithm)?));
            Some(format!("{}=:{hash}:", algorithm.name()))
        })
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .filter_map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_what_every_server_takes() {
        let longest = "x".repeat(LONGEST_VERIFY);
        assert_eq!(held(&longest), longest);
        assert!(held(&(longest + "x")).starts_with("# too long"));
    }
}
