//! The heads of responses that send a file, or that say that the client has it (304), stored for some seconds (RFC 9111). So a program
//! that many clients download takes one process in that time, and not one for each of them. The file itself is opened for each
//! response: once it is evicted or replaced, its head is not used any more.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Version};

use super::file_parts::{FileId, FilePart, FileParts};
use super::head::Head;

/// How long a head is used, if its `max-age` is not shorter. A new version, or a new entry of the vulnerability database, is visible after
/// this time, also where no cache is in front of the server.
const LIFETIME: Duration = Duration::from_secs(10);

/// Maximum number of heads. Beyond it all are dropped: each takes the time of one process to be stored again.
const MAX_HEADS: usize = 1024;

/// Maximum length of a key in bytes. With a head of a kilobyte, all heads take 5 MB at most.
const MAX_KEY_BYTES: usize = 4096;

/// The request headers in a key: those of `Vary`, those that make a 304, and Host, which is a part of the URL.
const KEYED: [HeaderName; 6] = [
    header::HOST,
    header::USER_AGENT,
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
];

/// The heads that are stored.
#[derive(Default)]
pub(super) struct StoredHeads(Mutex<HashMap<HeadKey, StoredHead>>);

/// What a stored head is found by: the URL and the values of `KEYED`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct HeadKey(Vec<u8>);

#[derive(Clone)]
struct StoredHead {
    head: Head,
    /// The file of its body; `None` for a 304.
    file: Option<FileId>,
    stored: Instant,
    lifetime: Duration,
}

impl HeadKey {
    /// The key of a request; `None` if its response may depend on anything else, or must come from the program.
    pub(super) fn of(request: &Parts) -> Option<HeadKey> {
        if request.method != Method::GET || request.version != Version::HTTP_11 {
            return None;
        }
        if request.headers.keys().any(needs_program) {
            return None;
        }
        let mut key = request.uri.to_string().into_bytes();
        for name in &KEYED {
            // Neither a URL nor the value of a header contains these bytes.
            key.push(b'\n');
            for value in request.headers.get_all(name) {
                key.extend(value.as_bytes());
                key.push(b'\r');
            }
        }
        (key.len() <= MAX_KEY_BYTES).then_some(HeadKey(key))
    }
}

/// Whether a request with this header is passed to the program: a rare condition, a range, a directive for caches, what only browsers
/// send.
fn needs_program(name: &HeaderName) -> bool {
    let text = name.as_str();
    let is_special = text.starts_with("if-")
        || text.starts_with("sec-")
        || matches!(
            text,
            "range" | "want-repr-digest" | "cache-control" | "pragma" | "authorization" | "purpose"
        );
    is_special && !KEYED.contains(name)
}

impl StoredHeads {
    /// Returns a head, if it is stored and still valid, and opens its file, if it has one.
    pub(super) fn open(&self, key: &HeadKey, stream: &Sender<FilePart>) -> Option<(Head, Option<FileParts>)> {
        let is_fresh = |stored: &&StoredHead| stored.stored.elapsed() <= stored.lifetime;
        let mut stored = self.lock().get(key).filter(is_fresh)?.clone();
        // If the file cannot be opened, the program responds, and reports why.
        let open = |path: &PathBuf| FileParts::open(path, stream.clone());
        let file = stored.head.send_file.as_ref().map(open).transpose().ok()?;
        // RFC 9111 section 4: a cache MUST generate Age.
        let age = stored.stored.elapsed().as_secs();
        stored.head.fields.insert(header::AGE, age.into());
        (file.as_ref().map(FileParts::id) == stored.file).then_some((stored.head, file))
    }

    /// Stores a head unless its fields forbid it. `file` is its body; a 304 has none.
    pub(super) fn store(&self, key: HeadKey, head: &Head, file: Option<&FileParts>) {
        let Some(lifetime) = lifetime(head) else { return };
        let mut heads = self.lock();
        if heads.len() >= MAX_HEADS {
            heads.clear();
        }
        let stored = StoredHead {
            head: head.clone(),
            file: file.map(FileParts::id),
            stored: Instant::now(),
            lifetime,
        };
        heads.insert(key, stored);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<HeadKey, StoredHead>> {
        // Poisoning is ignored: the map is consistent whenever the lock is released.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a head may be used; `None` if it may not be stored.
fn lifetime(head: &Head) -> Option<Duration> {
    let is_keyed = |name: &str| {
        KEYED
            .iter()
            .any(|keyed| name.eq_ignore_ascii_case(keyed.as_str()))
    };
    let is_program = match head.status {
        StatusCode::OK => head.send_file.is_some(),
        // Only responses with a program have validators.
        status => status == StatusCode::NOT_MODIFIED,
    };
    if !is_program || !list(&head.fields, &header::VARY).all(is_keyed) {
        return None;
    }
    let mut directives = list(&head.fields, &header::CACHE_CONTROL);
    let seconds = directives.find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok())?;
    let is_stored = |directive: &str| !["no-store", "no-cache", "private"].contains(&directive);
    list(&head.fields, &header::CACHE_CONTROL)
        .all(is_stored)
        .then(|| LIFETIME.min(Duration::from_secs(seconds)))
}

/// The elements of a header that is a list.
fn list<'a>(fields: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = fields.get_all(name).into_iter();
    values
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of these headers are in no head: the first is for limits and the log, the others are for URLs in texts.
    const UNUSED: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "forwarded"];

    #[test]
    fn every_header_that_the_program_reads_is_part_of_the_key_or_needs_the_program() {
        let reads = include_str!("../../request.rs").split("\"HTTP_").skip(1);
        let names = reads.map(|rest| {
            rest[..rest.find('"').unwrap()]
                .to_ascii_lowercase()
                .replace('_', "-")
        });
        let names: Vec<_> = names.collect();
        assert!(
            names.iter().any(|name| name == "user-agent") && names.len() > 15,
            "{names:?}"
        );
        for name in names.iter().filter(|name| !UNUSED.contains(&name.as_str())) {
            let header = HeaderName::from_bytes(name.as_bytes()).unwrap();
            assert!(KEYED.contains(&header) || needs_program(&header), "{name}");
        }
    }

    #[test]
    fn number_of_heads_is_bounded() {
        let (stream, _parts) = std::sync::mpsc::channel();
        let path = std::env::current_exe().unwrap();
        let file = FileParts::open(&path, stream.clone()).unwrap();
        let head = format!("Cache-Control: max-age=60\nX-Sendfile: {}\n\n", path.display());
        let (head, _) = super::super::head::parse(head.as_bytes()).unwrap().unwrap();
        let heads = StoredHeads::default();
        let keys: Vec<_> = (0..=MAX_HEADS).map(|n| HeadKey(n.to_string().into())).collect();
        for key in &keys {
            heads.store(key.clone(), &head, Some(&file));
            assert!(
                heads
                    .open(key, &stream)
                    .is_some_and(|(stored, _)| stored.send_file == head.send_file)
            );
        }
        assert_eq!(heads.lock().len(), 1);
    }
}
