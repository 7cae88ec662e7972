//! The error of a request: its reason, details for the client, suggestions, and details for the log.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::text::sanitize;

mod reason;

pub use reason::Reason;

/// Maximum length of a reason phrase in bytes: three lines of a terminal, and far below the limits of clients for a status line.
const MAX_REASON_PHRASE: usize = 240;

/// Why a request failed, with one text for the client and one for the operator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Error {
    /// Which of the closed list.
    pub reason: Reason,
    /// Details for the client, such as compiler output or the invalid part of the URL. Contains no path of the server.
    pub detail: String,
    /// What to request or type, one suggestion a line. A line that begins with a slash is a link to this service.
    #[serde(rename = "instead")]
    pub suggestions: Vec<String>,
    /// Whether the failure depends on the day's newest dependencies, so that a build on another day may succeed.
    #[serde(default, rename = "of_today")]
    pub expires_daily: bool,
    /// Details for the log only: errno, paths, exit status.
    #[serde(skip)]
    pub log: String,
    /// Time since the failure, if it was cached.
    #[serde(skip)]
    pub age: Duration,
}

impl Error {
    /// An error without details.
    pub fn new(reason: Reason) -> Error {
        Error {
            reason,
            detail: String::new(),
            suggestions: Vec::new(),
            expires_daily: false,
            log: String::new(),
            age: Duration::ZERO,
        }
    }

    /// Sets the details for the client, sanitized.
    pub fn detail(self, detail: impl Into<String>) -> Error {
        Error {
            detail: sanitize(&detail.into()),
            ..self
        }
    }

    /// Sets the suggestions.
    pub fn suggest(self, lines: impl IntoIterator<Item = String>) -> Error {
        Error {
            suggestions: lines.into_iter().collect(),
            ..self
        }
    }

    /// Prefixes the links with `mount`, the path of the service, and appends `query`, the options of the request, to links without
    /// one.
    pub fn with_links_for(&self, mount: &str, query: &str) -> Error {
        self.map_links(|link| match query {
            "" => format!("{mount}{link}"),
            _ if link.contains('?') => format!("{mount}{link}"),
            query => format!("{mount}{link}?{query}"),
        })
    }

    /// Prefixes the links with a path of the service.
    pub fn with_links_under(&self, path: &str) -> Error {
        self.map_links(|link| format!("{path}{link}"))
    }

    fn map_links(&self, map: impl Fn(&str) -> String) -> Error {
        let lines = self.suggestions.iter();
        let lines = lines.map(|line| if is_link(line) { map(line) } else { line.clone() });
        self.clone().suggest(lines)
    }

    /// Sets the time since the failure.
    pub fn with_age(self, age: Duration) -> Error {
        Error { age, ..self }
    }

    /// Sets the details for the log.
    pub fn log(self, log: impl Into<String>) -> Error {
        Error {
            log: log.into(),
            ..self
        }
    }

    /// The value of Retry-After in seconds. For a cached failure: the rest of the time that it is cached, in whole minutes.
    pub fn retry_after(&self) -> Option<u64> {
        const MINUTE: u64 = 60;
        let after = self.reason.retry_after()?;
        match self.reason.cached_for() {
            Some(cached_for) => {
                let left = cached_for.saturating_sub(self.age).as_secs();
                Some(left.max(1).next_multiple_of(MINUTE))
            }
            None => Some(after.as_secs()),
        }
    }

    /// The reason phrase of the status line (RFC 9112 section 4): what happened, what to do, and the suggestions that fit. Many clients
    /// print it and discard the body. Printable ASCII.
    pub fn reason_phrase(&self) -> String {
        let text = format!("{} {}", self.reason.sentence(), self.reason.advice());
        let is_printable = |line: &&String| line.bytes().all(|b| (b' '..=b'~').contains(&b));
        let suggestions = self.suggestions.iter().filter(is_printable);
        let phrase = suggestions.fold(text.clone(), |phrase, line| {
            let joint = match phrase == text {
                true if is_link(line) && text.ends_with('.') => " Try",
                true => "",
                false => " or",
            };
            let longer = format!("{phrase}{joint} {line}");
            if longer.len() <= MAX_REASON_PHRASE {
                longer
            } else {
                phrase
            }
        });
        phrase.trim_end_matches([':', '.']).to_owned()
    }

    /// The text for the log: the details for the log, or else the first line of the details for the client.
    pub fn log_text(&self) -> Option<&str> {
        let line = self.detail.lines().next().unwrap_or_default();
        let text = if self.log.is_empty() { line } else { &self.log };
        (!text.is_empty()).then_some(text)
    }
}

/// Whether a suggestion is a link to this service, and not text.
pub fn is_link(suggestion: &str) -> bool {
    suggestion.starts_with('/')
}

/// An I/O error of the server. The log says `cannot WHAT: ERROR`, where `what` is a verb and its object.
pub fn internal_error(what: impl std::fmt::Display, error: &std::io::Error) -> Error {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let full = matches!(error.kind(), StorageFull | QuotaExceeded);
    Error::new(if full { Reason::DiskFull } else { Reason::Internal }).log(format!("cannot {what}: {error}"))
}

/// The state directory cannot be opened. The usual cause: it belongs to another user than the one that the web server runs this
/// program as.
pub fn state_dir_error(dir: &Path, error: &std::io::Error) -> Error {
    let error = internal_error(format!("open the state directory {}", dir.display()), error);
    match error.reason == Reason::Internal {
        true => Error::new(Reason::NoStateDirectory).log(error.log),
        false => error,
    }
}
