//! Evaluation of preconditions (RFC 9110 section 13).

use std::time::SystemTime;

use crate::request::Request;

/// The result of the preconditions of a GET or HEAD request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Precondition {
    /// Respond as without preconditions.
    Met,
    /// Respond with 304: the client has the current representation.
    NotModified,
    /// Respond with 412: the client requires another representation than the current one.
    Failed,
}

impl Precondition {
    /// Evaluates the preconditions for a representation with this ETag and date, in the order of section 13.2.2.
    pub(super) fn evaluate(request: &Request, etag: &str, modified: Option<SystemTime>) -> Precondition {
        let date = |header: &Option<String>| httpdate::parse_http_date(header.as_deref()?).ok();
        let is_required_one = match (&request.if_match, date(&request.if_unmodified_since)) {
            (Some(tags), _) => matches_any(tags, |tag| tag == etag),
            (None, Some(date)) => modified.is_none_or(|modified| modified <= date),
            (None, None) => true,
        };
        if !is_required_one {
            return Precondition::Failed;
        }
        let client_has_it = match (&request.if_none_match, &request.if_modified_since) {
            // If-None-Match uses the weak comparison (section 13.1.2).
            (Some(tags), _) => matches_any(tags, |tag| tag.trim_start_matches("W/") == etag),
            // Only the exact date matches, not a later one: the date of a version is the date of its commit, and a commit that is
            // older than the client's date may have been released after it.
            (None, Some(_)) => modified.is_some() && date(&request.if_modified_since) == modified,
            (None, None) => false,
        };
        if client_has_it {
            Precondition::NotModified
        } else {
            Precondition::Met
        }
    }
}

/// Whether a list of entity tags has one that matches, or is `*`.
fn matches_any(tags: &str, is_match: impl Fn(&str) -> bool) -> bool {
    tags.trim() == "*" || tags.split(',').map(str::trim).any(is_match)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn preconditions_are_evaluated_in_order() {
        const DATE: &str = "Fri, 13 Feb 2009 23:31:30 GMT";
        const LATER: &str = "Fri, 13 Feb 2009 23:31:31 GMT";
        let modified = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890));
        for (if_match, if_none_match, if_modified_since, expected) in [
            ("", "", "", Precondition::Met),
            ("", "\"a\"", "", Precondition::NotModified),
            ("", "W/\"a\"", "", Precondition::NotModified),
            ("", "\"b\", \"a\"", "", Precondition::NotModified),
            ("", "*", "", Precondition::NotModified),
            ("", "\"b\"", "", Precondition::Met),
            ("", "", DATE, Precondition::NotModified),
            (
                "",
                "",
                "Friday, 13-Feb-09 23:31:30 GMT",
                Precondition::NotModified,
            ),
            ("", "", LATER, Precondition::Met),
            ("", "", "yesterday", Precondition::Met),
            ("", "\"b\"", DATE, Precondition::Met),
            ("\"a\"", "", "", Precondition::Met),
            ("*", "", "", Precondition::Met),
            ("\"b\", \"a\"", "", "", Precondition::Met),
            ("\"b\"", "", "", Precondition::Failed),
            ("W/\"a\"", "", "", Precondition::Failed),
            ("\"b\"", "\"a\"", DATE, Precondition::Failed),
            ("\"a\"", "\"a\"", "", Precondition::NotModified),
        ] {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let request = Request {
                if_match: some(if_match),
                if_none_match: some(if_none_match),
                if_modified_since: some(if_modified_since),
                ..Request::default()
            };
            assert_eq!(
                Precondition::evaluate(&request, "\"a\"", modified),
                expected,
                "{request:?}"
            );
        }
        let earlier = "Fri, 13 Feb 2009 23:31:29 GMT";
        for (if_unmodified_since, if_match, expected) in [
            (DATE, None, Precondition::Met),
            (LATER, None, Precondition::Met),
            ("yesterday", None, Precondition::Met),
            (earlier, None, Precondition::Failed),
            (earlier, Some("\"a\""), Precondition::Met),
        ] {
            let request = Request {
                if_unmodified_since: Some(if_unmodified_since.to_owned()),
                if_match: if_match.map(str::to_owned),
                ..Request::default()
            };
            assert_eq!(
                Precondition::evaluate(&request, "\"a\"", modified),
                expected,
                "{request:?}"
            );
        }
        let without_a_date = Request {
            if_modified_since: Some("yesterday".to_owned()),
            ..Request::default()
        };
        assert_eq!(
            Precondition::evaluate(&without_a_date, "\"a\"", None),
            Precondition::Met
        );
    }
}
