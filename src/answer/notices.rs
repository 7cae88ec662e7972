//! What a module's author says of it today: that it is deprecated, or that a version is taken back. The program is served all
//! the same; who asked is told.

use serde::{Deserialize, Serialize};

use super::Response;
use super::refusal::clean;

/// Longer than honest ones are, and short enough for a header.
const MOST_CHARS: usize = 300;

/// An author's words, each in one line without control characters.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// The module is deprecated, and why (Go modules reference, "go.mod files: Deprecation").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// The version is retracted, and why (Go modules reference, "retract directive").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retracted: Option<String>,
}

impl Notices {
    /// What the author wrote, whatever it is.
    pub fn new(deprecated: Option<&str>, retracted: &[String]) -> Notices {
        let retracted = (!retracted.is_empty()).then(|| retracted.join("; "));
        Notices {
            deprecated: deprecated.map(one_line),
            retracted: retracted.as_deref().map(one_line),
        }
    }

    /// For a person, a sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let deprecated = self.deprecated.iter();
        let deprecated = deprecated.map(|why| format!("This module is deprecated by its author: {why}"));
        let retracted = self.retracted.iter();
        let retracted = retracted.map(|why| format!("This version is retracted by its author: {why}"));
        deprecated.chain(retracted).collect()
    }
}

impl Response {
    /// Tells of them beside the program.
    pub fn noted(self, notices: Option<&Notices>) -> Response {
        let Some(notices) = notices else { return self };
        let header = |words: &Option<String>| words.as_deref().map(ascii);
        self.with_some("Gox-Deprecated", header(&notices.deprecated))
            .with_some("Gox-Retracted", header(&notices.retracted))
    }
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = clean(&line);
    match line.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// What every reader of a header understands (RFC 9110 section 5.5).
fn ascii(line: &str) -> String {
    line.replace('…', "...")
        .replace(|c: char| !c.is_ascii_graphic() && c != ' ', "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_author_writes_is_one_short_line() {
        let words = format!("use\r\n\x1b[31m höher {}", "x".repeat(1000));
        let notices = Notices::new(Some(&words), &["by mistake".to_owned(), "again".to_owned()]);
        let deprecated = notices.deprecated.clone().unwrap();
        assert!(
            deprecated.starts_with("use \u{FFFD}[31m höher xxx"),
            "{deprecated}"
        );
        assert_eq!(deprecated.chars().count(), MOST_CHARS + 1);
        let response = Response::text(200, "text/plain", String::new()).noted(Some(&notices));
        let header = response.header("Gox-Deprecated").unwrap();
        assert!(
            header.starts_with("use ?[31m h?her xxx") && header.ends_with("x..."),
            "{header}"
        );
        assert_eq!(response.header("Gox-Retracted"), Some("by mistake; again"));
        assert_eq!(Notices::new(None, &[]).sentences(), [] as [&str; 0]);
    }
}
