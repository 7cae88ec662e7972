//! A failure on its way to the person who asked: the reason, what is particular about it, and what to type instead.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Reason;
use crate::request::Request;

/// A failure, with two texts for two readers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refusal {
    /// Which of the closed list.
    pub reason: Reason,
    /// What is particular, for the client: the compiler's words, what was typed. Free of paths of this machine.
    pub detail: String,
    /// What to type instead, one a line, when there is something better than the reason's own advice. What begins with a slash
    /// is an address of this service.
    pub instead: Vec<String>,
    /// Whether it depends on the newest versions of the day: another day's may not fail.
    #[serde(default)]
    pub of_today: bool,
    /// For the log only: errno, paths, exit status.
    #[serde(skip)]
    pub log: String,
    /// How old the failure is, where it is one that was kept.
    #[serde(skip)]
    pub age: Duration,
}

impl Refusal {
    /// A failure with nothing particular about it.
    pub fn new(reason: Reason) -> Refusal {
        Refusal {
            reason,
            detail: String::new(),
            instead: Vec::new(),
            of_today: false,
            log: String::new(),
            age: Duration::ZERO,
        }
    }

    /// Adds what is particular.
    pub fn detail(self, detail: impl Into<String>) -> Refusal {
        Refusal {
            detail: clean(&detail.into()),
            ..self
        }
    }

    /// Adds what to type instead.
    pub fn instead(self, lines: impl IntoIterator<Item = String>) -> Refusal {
        Refusal {
            instead: lines.into_iter().collect(),
            ..self
        }
    }

    /// With its addresses as this client types them: where the service is mounted, and for the platform that was asked for.
    pub fn addressed(&self, request: &Request) -> Refusal {
        let query = Some(request.query.as_str()).filter(|query| query.bytes().all(|b| b.is_ascii_graphic()));
        let address = |line: &str| {
            let query = query.filter(|query| !query.is_empty() && !line.contains('?'));
            let query = query.map_or(String::new(), |query| format!("?{query}"));
            format!("{}{line}{query}", request.mount)
        };
        self.each_address(address)
    }

    /// With its addresses below a path of the service's own.
    pub fn below(&self, place: &str) -> Refusal {
        self.each_address(|line| format!("{place}{line}"))
    }

    fn each_address(&self, change: impl Fn(&str) -> String) -> Refusal {
        let lines = self.instead.iter();
        let lines = lines.map(|line| {
            if is_address(line) {
                change(line)
            } else {
                line.clone()
            }
        });
        self.clone().instead(lines)
    }

    /// Of a failure that was kept for so long.
    pub fn of_age(self, age: Duration) -> Refusal {
        Refusal { age, ..self }
    }

    /// Adds what only the operator may read.
    pub fn log(self, log: impl Into<String>) -> Refusal {
        Refusal {
            log: log.into(),
            ..self
        }
    }

    /// When to try again, in seconds: whole minutes, where a part of the time has passed.
    pub fn retry_after(&self) -> Option<u64> {
        const MINUTE: u64 = 60;
        let after = self.reason.retry_after()?;
        match self.reason.holds_for() {
            Some(holds) => Some(
                holds
                    .saturating_sub(self.age)
                    .as_secs()
                    .max(1)
                    .next_multiple_of(MINUTE),
            ),
            None => Some(after.as_secs()),
        }
    }

    /// What the log says of it beside its name: the operator's own words, or else how the client's begin.
    pub fn told_operator(&self) -> Option<&str> {
        let line = self.detail.lines().next().unwrap_or_default();
        let told = if self.log.is_empty() { line } else { &self.log };
        (!told.is_empty()).then_some(told)
    }
}

/// Whether a line is to be followed, and not words about what to type.
pub fn is_address(line: &str) -> bool {
    line.starts_with('/')
}

/// The operator's trouble: `cannot VERB OBJECT: CAUSE`.
pub fn trouble(what: impl std::fmt::Display, error: &std::io::Error) -> Refusal {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let full = matches!(error.kind(), StorageFull | QuotaExceeded);
    Refusal::new(if full { Reason::DiskFull } else { Reason::Internal })
        .log(format!("cannot {what}: {error}"))
}

/// The state directory cannot be opened: most often, it belongs to another user than the web server runs this program as.
pub fn no_state(dir: &Path, error: &std::io::Error) -> Refusal {
    let refusal = trouble(format!("open the state directory {}", dir.display()), error);
    match refusal.reason == Reason::Internal {
        true => Refusal::new(Reason::NoStateDirectory).log(refusal.log),
        false => refusal,
    }
}

/// Strangers' words for a terminal, a page or a log: no control characters but tab and newline, and nothing that turns
/// the direction of writing around.
pub fn clean(text: &str) -> String {
    let safe = |c: char| matches!(c, '\t' | '\n') || !(c.is_control() || turns(c));
    text.chars()
        .map(|c| if safe(c) { c } else { '\u{FFFD}' })
        .collect()
}

/// Bidirectional controls (Unicode Standard Annex 9).
pub fn turns(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
