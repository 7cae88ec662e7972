//! Responses with a program: content negotiation, validators, ranges and digests (RFC 9110 sections 8, 12, 13 and 14; RFC 9530).

use std::fs::File;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::message::{Body, Response, Status};
use super::preconditions::Precondition;
use super::range::ByteRange;
use crate::parse::{Cacheability, ContentCoding, HashAlgorithm};
use crate::request::Request;
use crate::store::{Description, Fingerprint, Representation};

/// Maximum length of Gox-Verify in bytes. Enough for the command of a go.mod with fifty modules.
const MAX_VERIFY_BYTES: usize = 4096;

/// Cache-Control of a URL that may select other bytes later: `latest` can change within minutes.
const SHORT_LIVED: &str = "max-age=60";

/// Cache-Control of a URL that always selects the same bytes.
const IMMUTABLE: &str = "max-age=31536000, immutable";

/// Vary of a URL with a platform. A browser gets the program's page, and other clients the program in a content coding.
const VARY_BY_VERSION: &str = "Accept, Accept-Encoding";

/// Vary of a URL without a platform: the request headers that select the program and its content coding.
const VARY_BY_CLIENT: &str = "User-Agent, Accept, Accept-Encoding";

/// Selects the content coding of a program by Accept-Encoding; `None` is the identity coding.
///
/// Two kinds of clients always get the identity coding. HTTP/1.0 clients store the content without decoding it. Clients that send
/// a range without If-Range count decoded bytes (`curl --compressed -C -`), or decode each part by itself.
pub fn negotiate_coding(request: &Request) -> Option<ContentCoding> {
    let is_unconditional_range = request.range.is_some() && request.if_range.is_none();
    if is_unconditional_range || request.protocol == "HTTP/1.0" {
        None
    } else {
        ContentCoding::negotiate(&request.accept_encoding)
    }
}

/// The response to GET for this representation of a program, also to conditional and range requests.
pub fn serve(representation: Representation, request: &Request, cacheability: Cacheability) -> Response {
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
    let modified = modified(&description, &file, cacheability);
    // The headers that 304 repeats of 200 (RFC 9110 section 15.4.5).
    let with_metadata = |response| {
        let response = with_caching(response, cacheability, coding);
        with_location(response, &description, &request.mount).with("ETag", etag.clone())
    };
    match Precondition::evaluate(request, &etag, modified) {
        Precondition::Met => {}
        Precondition::NotModified => return with_metadata(respond(304, Body::Empty)),
        Precondition::Failed => {
            return plain_text(412, "The program has changed since your earlier request.\n");
        }
    }
    let may_resume = request.if_range.as_deref().is_none_or(|tag| tag == etag);
    let range = request
        .range
        .as_deref()
        .filter(|_| may_resume && request.method == "GET");
    let size = fingerprint.size;
    let (status, start, len) = match range.map(|range| ByteRange::parse(range, size)) {
        None | Some(ByteRange::Whole) => (200, 0, size),
        Some(ByteRange::Part(start, len)) => (206, start, len),
        Some(ByteRange::Unsatisfiable) => {
            return plain_text(416, "The range starts after the end of the program.\n")
                .with("Content-Range", format!("bytes */{size}"));
        }
    };
    let body = Body::File {
        file,
        // A web server that sends the file evaluates these headers again, with its own tag and date, and would answer 412.
        path: (request.if_match.is_none() && request.if_unmodified_since.is_none()).then_some(path),
        start,
        len,
    };
    let response = with_description(with_metadata(respond(status, body)), &description);
    let response = with_recipe(response, &description)
        .with_some("Accept-Ranges", accept_ranges(request))
        .with("Content-Length", len.to_string())
        .with("Gox-Sha256", program_sha256)
        .with_some("Content-Encoding", coding.map(ContentCoding::name))
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

/// The response to HEAD for a program that is not built. It has the headers of GET except those that depend on the build or its
/// result, which RFC 9110 section 9.3.2 allows. HEAD never starts a build.
pub fn respond_to_head(description: &Description, request: &Request) -> Response {
    early_headers(description, request).with_some("Accept-Ranges", accept_ranges(request))
}

/// The headers of a response that starts before the program is built. The recipe is not known yet.
pub(super) fn early_headers(description: &Description, request: &Request) -> Response {
    let response = respond(200, Body::Empty)
        .with("Cache-Control", "no-store")
        .with("Vary", VARY_BY_CLIENT);
    with_description(with_location(response, description, &request.mount), description)
}

fn respond(status: u16, body: Body) -> Response {
    Response {
        status: Status(status),
        reason_phrase: Status(status).phrase().to_owned(),
        headers: vec![],
        body,
    }
    .with("X-Content-Type-Options", "nosniff")
}

fn plain_text(status: u16, sentence: &str) -> Response {
    Response::text(status, "text/plain; charset=utf-8", sentence.to_owned())
}

/// Adds Cache-Control and Vary. Encoded content is private: a shared cache would serve parts of it as parts of the program.
fn with_caching(response: Response, cacheability: Cacheability, coding: Option<ContentCoding>) -> Response {
    let (cache, vary) = match cacheability {
        Cacheability::Immutable => (IMMUTABLE, VARY_BY_VERSION),
        Cacheability::ByVersion => (SHORT_LIVED, VARY_BY_VERSION),
        Cacheability::ByClient => (SHORT_LIVED, VARY_BY_CLIENT),
    };
    let cache = match coding {
        Some(_) => format!("private, {cache}"),
        None => cache.to_owned(),
    };
    response.with("Cache-Control", cache).with("Vary", vary)
}

fn with_location(response: Response, description: &Description, mount: &str) -> Response {
    response.with("Content-Location", format!("{mount}{}", description.exact))
}

fn accept_ranges(request: &Request) -> Option<&'static str> {
    request.passes_ranges().then_some("bytes")
}

/// Adds the headers that depend on the recipe.
fn with_recipe(response: Response, description: &Description) -> Response {
    response
        .with("Gox-Recipe", description.recipe.clone())
        .with("Gox-Verify", fit_verify(&description.verify))
}

/// The value of Gox-Verify, or a note if the command is too long: Apache rejects a header above 8 KiB from a CGI program, and many
/// proxies limit all headers together to about that size.
fn fit_verify(verify: &str) -> &str {
    match verify.len() <= MAX_VERIFY_BYTES {
        true => verify,
        false => "# too long for a header: see \"verify\" in the .json of this program",
    }
}

fn with_description(response: Response, description: &Description) -> Response {
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

/// The value of Last-Modified. For an immutable URL: the date of the version. Otherwise the same version may have other bytes
/// later, for example from a newer Go, so it is the date of the build: a client or web server that compares only dates must
/// distinguish the two.
fn modified(description: &Description, file: &File, cacheability: Cacheability) -> Option<SystemTime> {
    let time = match cacheability {
        Cacheability::Immutable => description.module_time,
        Cacheability::ByVersion | Cacheability::ByClient => {
            let built = file.metadata().and_then(|metadata| metadata.modified()).ok()?;
            built.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()
        }
    };
    let time = (time > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(time));
    // Last-Modified is not later than Date (RFC 9110 section 8.8.2.1). The clock of a commit's author may be ahead.
    time.filter(|time| *time <= SystemTime::now())
}

/// The value of Repr-Digest (RFC 9530 section 3): the digest of the encoded content.
fn digest(fingerprint: &Fingerprint, wanted: &str) -> Option<String> {
    HashAlgorithm::negotiate(wanted)
        .into_iter()
        .find_map(|algorithm| {
            let hash = STANDARD.encode(decode_hex(fingerprint.hash(algorithm)?));
            Some(format!("{}=:{hash}:", algorithm.name()))
        })
}

fn decode_hex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .filter_map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_verify_command_is_replaced_by_a_note() {
        let longest = "x".repeat(MAX_VERIFY_BYTES);
        assert_eq!(fit_verify(&longest), longest);
        assert!(fit_verify(&(longest + "x")).starts_with("# too long"));
    }
}
