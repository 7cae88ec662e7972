//! A program on its way out, as HTTP has it: validators, ranges, digests (RFC 9110 sections 8.8, 13 and 14; RFC 9530).

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::response::{Body, Response, Status};
use crate::request::Request;
use crate::store::{Artifact, Description, Meta};

/// How long a browser or proxy may keep what a guessed URL gave: what `latest` means changes within minutes.
const GUESSED: &str = "public, max-age=60";

/// An exact URL means the same bytes for ever.
const EXACT: &str = "public, max-age=31536000, immutable";

/// The answer for this program; `exact` if the URL named all that decides its bytes.
pub fn served(artifact: Artifact, request: &Request, exact: bool) -> Response {
    let Artifact { meta, file, path } = artifact;
    let etag = format!("\"{}\"", meta.sha256);
    let validated = |response| caching(response, &meta, exact).with("ETag", etag.clone());
    if request
        .if_none_match
        .as_deref()
        .is_some_and(|tags| matches(tags, &etag))
    {
        return validated(respond(304, Body::Empty));
    }
    let may_resume = request.if_range.as_deref().is_none_or(|tag| tag == etag);
    let range = request
        .range
        .as_deref()
        .filter(|_| may_resume && request.method == "GET");
    let (status, start, len) = match range.map(|r| part(r, meta.size)) {
        None | Some(Part::Whole) => (200, 0, meta.size),
        Some(Part::Bytes(start, len)) => (206, start, len),
        Some(Part::Outside) => {
            let response = Response::text(416, "text/plain; charset=utf-8", String::new());
            return response.with("Content-Range", format!("bytes */{}", meta.size));
        }
    };
    let body = Body::File {
        file,
        path,
        start,
        len,
    };
    let response = described(respond(status, body), &meta.description, &request.mount)
        .with("Content-Length", len.to_string())
        .with(
            "Repr-Digest",
            format!("sha-256=:{}:", STANDARD.encode(bytes(&meta.sha256))),
        );
    let response = match status {
        206 => response.with(
            "Content-Range",
            format!("bytes {start}-{}/{}", start + len - 1, meta.size),
        ),
        _ => response,
    };
    validated(response)
}

/// The answer to HEAD for a program that nobody has asked for yet: what GET would say, save what only the bytes tell
/// (RFC 9110 section 9.3.2). HEAD never builds.
pub fn announced(description: &Description, request: &Request) -> Response {
    unfinished(described(respond(200, Body::Empty), description, &request.mount))
}

/// The headers of an answer that begins before its program is there. Which recipe makes it is not known yet either.
pub(super) fn coming(description: &Description, request: &Request) -> Response {
    unfinished(named(respond(200, Body::Empty), description, &request.mount))
}

fn respond(status: u16, body: Body) -> Response {
    Response {
        status: Status(status),
        headers: vec![],
        body,
    }
}

fn unfinished(response: Response) -> Response {
    response
        .with("X-Content-Type-Options", "nosniff")
        .with("Cache-Control", "no-store")
        .with("Vary", "User-Agent, Accept")
}

fn described(response: Response, description: &Description, mount: &str) -> Response {
    named(response, description, mount)
        .with("Accept-Ranges", "bytes")
        .with("Gox-Recipe", description.recipe.clone())
        .with("Gox-Verify", description.verify.clone())
}

fn named(response: Response, description: &Description, mount: &str) -> Response {
    response
        .with("Content-Type", "application/octet-stream")
        .with(
            "Content-Disposition",
            format!("attachment; filename=\"{}\"", description.file_name),
        )
        .with("Content-Location", format!("{mount}{}", description.exact))
        .with("Gox-Module", description.module.clone())
        .with("Gox-Version", description.version.clone())
        .with("Gox-Go", description.go.clone())
        .with("Gox-Platform", description.platform.clone())
}

fn caching(response: Response, meta: &Meta, exact: bool) -> Response {
    let time = meta.description.module_time;
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
    let response = response
        .with("X-Content-Type-Options", "nosniff")
        .with("Cache-Control", if exact { EXACT } else { GUESSED });
    let response = if exact {
        response
    } else {
        response.with("Vary", "User-Agent, Accept")
    };
    if time > 0 {
        response.with("Last-Modified", httpdate::fmt_http_date(modified))
    } else {
        response
    }
}

/// If-None-Match compares weakly (RFC 9110 section 13.1.2).
fn matches(tags: &str, etag: &str) -> bool {
    tags.trim() == "*"
        || tags
            .split(',')
            .any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

enum Part {
    Whole,
    Bytes(u64, u64),
    Outside,
}

/// One range of bytes (RFC 9110 section 14.1.2). Several, or what is no range, mean the whole: that is always right.
fn part(range: &str, size: u64) -> Part {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|spec| spec.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(first), _) if first >= size && (last.is_empty() || last.parse::<u64>().is_ok()) => {
            Part::Outside
        }
        (Some(first), None) if last.is_empty() => Part::Bytes(first, size - first),
        (Some(first), Some(last)) if last >= first => Part::Bytes(first, last.min(size - 1) - first + 1),
        (None, Some(0)) if first.is_empty() => Part::Outside,
        (None, Some(suffix)) if first.is_empty() && size > 0 => {
            Part::Bytes(size.saturating_sub(suffix), suffix.min(size))
        }
        _ => Part::Whole,
    }
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
    fn a_range_is_one_range_or_the_whole() {
        let shown = |range: &str| match part(range, 100) {
            Part::Whole => "whole".to_owned(),
            Part::Bytes(start, len) => format!("{start}+{len}"),
            Part::Outside => "outside".to_owned(),
        };
        for (range, expected) in [
            ("bytes=0-9", "0+10"),
            ("bytes=90-", "90+10"),
            ("bytes=-10", "90+10"),
            ("bytes=-1000", "0+100"),
            ("bytes=50-1000", "50+50"),
            ("bytes=100-", "outside"),
            ("bytes=-0", "outside"),
            ("bytes=9-0", "whole"),
            ("bytes=0-1,5-6", "whole"),
            ("lines=0-1", "whole"),
            ("bytes=x-", "whole"),
        ] {
            assert_eq!(shown(range), expected, "{range}");
        }
    }
}
