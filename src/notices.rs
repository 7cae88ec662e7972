//! Notices of module authors: a module is deprecated, or a version is retracted. The program is served, with the notice.

use serde::{Deserialize, Serialize};

use crate::text::sanitize;

/// The maximum length of a notice: more than authors write, and short enough for a header.
const MAX_CHARS: usize = 300;

/// An author's notices, each one line without control characters.
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
    /// Makes notices from untrusted text.
    pub fn new(deprecated: Option<&str>, retracted: &[String]) -> Notices {
        let retracted = (!retracted.is_empty()).then(|| retracted.join("; "));
        Notices {
            deprecated: deprecated.map(to_one_line),
            retracted: retracted.as_deref().map(to_one_line),
        }
    }

    /// One sentence for each notice.
    pub fn sentences(&self) -> Vec<String> {
        let deprecated = self.deprecated.iter();
        let deprecated = deprecated.map(|why| format!("This module is deprecated by its author: {why}"));
        let retracted = self.retracted.iter();
        let retracted = retracted.map(|why| format!("This version is retracted by its author: {why}"));
        deprecated.chain(retracted).collect()
    }

    /// One header field for each notice, in ASCII (RFC 9110 section 5.5).
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let fields = [
            ("Gox-Deprecated", &self.deprecated),
            ("Gox-Retracted", &self.retracted),
        ];
        let fields = fields.into_iter();
        fields.filter_map(|(name, text)| Some((name, to_ascii(text.as_deref()?))))
    }
}

fn to_one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = sanitize(&line);
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn to_ascii(line: &str) -> String {
    line.replace('…', "...")
        .replace(|c: char| !c.is_ascii_graphic() && c != ' ', "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_notice_becomes_one_short_line() {
        let words = format!("use\r\n\x1b[31m höher {}", "x".repeat(1000));
        let notices = Notices::new(Some(&words), &["by mistake".to_owned(), "again".to_owned()]);
        let deprecated = notices.deprecated.clone().unwrap();
        assert!(
            deprecated.starts_with("use \u{FFFD}[31m höher xxx"),
            "{deprecated}"
        );
        assert_eq!(deprecated.chars().count(), MAX_CHARS + 1);
        let headers: Vec<_> = notices.headers().collect();
        let [("Gox-Deprecated", deprecated), ("Gox-Retracted", retracted)] = &headers[..] else {
            panic!("{headers:?}");
        };
        assert!(
            deprecated.starts_with("use ?[31m h?her xxx") && deprecated.ends_with("x..."),
            "{deprecated}"
        );
        assert_eq!(retracted, "by mistake; again");
        assert_eq!(Notices::new(None, &[]).sentences(), [] as [&str; 0]);
    }
}
