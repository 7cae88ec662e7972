//! A program on its way out, as HTTP has it: validators, ranges, digests (RFC 9110 sections 8.8, 13 and 14; RFC 9530).

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::response::{Body, Response, Status};
use crate::request::Request;
use crate::store::{Artifact, Meta};

/// How long a browser or proxy may keep what a guessed URL gave: what `latest` means changes within minutes.
const GUESSED: &str = "public, max-age=60";

/// An exact URL means the same bytes for ever.
const EXACT: &str = "public, max-age=31536000, immutable";

/// The answer for this program; `exact` if the URL named all that decides its bytes.
pub fn served(artifact: &Artifact, request: &Request, exact: bool) -> Response {
    let meta = &artifact.meta;
    let etag = format!("\"{}\"", meta.sha256);
    if request
        .if_none_match
        .as_deref()
        .is_some_and(|tags| matches(tags, &etag))
    {
        return with_validators(
            Response {
                status: Status(304),
                headers: vec![],
                body: Body::Empty,
            },
            meta,
            &etag,
            exact,
        );
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
        path: artifact.file.clone(),
        start,
        len,
    };
    let mut response = Response {
        status: Status(status),
        headers: vec![],
        body,
    }
    .with("Content-Type", "application/octet-stream")
    .with("Content-Length", len.to_string())
    .with(
        "Content-Disposition",
        format!("attachment; filename=\"{}\"", meta.file_name),
    )
    .with("Accept-Ranges", "bytes")
    .with("X-Content-Type-Options", "nosniff")
    .with(
        "Repr-Digest",
        format!("sha-256=:{}:", STANDARD.encode(bytes(&meta.sha256))),
    );
    if status == 206 {
        response = response.with(
            "Content-Range",
            format!("bytes {start}-{}/{}", start + len - 1, meta.size),
        );
    }
    let response = response
        .with("Content-Location", format!("{}{}", request.mount, meta.exact))
        .with("Gox-Module", meta.module.clone())
        .with("Gox-Version", meta.version.clone())
        .with("Gox-Go", meta.go.clone())
        .with("Gox-Platform", meta.platform.clone())
        .with("Gox-Recipe", meta.recipe.clone())
        .with("Gox-Verify", meta.verify.clone());
    with_validators(response, meta, &etag, exact)
}

fn with_validators(response: Response, meta: &Meta, etag: &str, exact: bool) -> Response {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(meta.module_time);
    let response = response
        .with("X-Content-Type-Options", "nosniff")
        .with("ETag", etag)
        .with("Cache-Control", if exact { EXACT } else { GUESSED });
    let response = if exact {
        response
    } else {
        response.with("Vary", "User-Agent, Accept")
    };
    if meta.module_time > 0 {
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
