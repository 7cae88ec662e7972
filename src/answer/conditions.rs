//! Conditional requests (RFC 9110 section 13).

use std::time::SystemTime;

use crate::request::Request;

/// What the conditions of a request leave to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// To answer as if there were none.
    Met,
    /// To say that what the client has is still right: 304.
    NotModified,
    /// To say that it is not what the client wants to go on with: 412.
    Failed,
}

impl Verdict {
    /// In the order of section 13.2.2, for GET and HEAD of what has this ETag.
    pub(super) fn on(request: &Request, etag: &str, modified: Option<SystemTime>) -> Verdict {
        let date = |header: &Option<String>| httpdate::parse_http_date(header.as_deref()?).ok();
        let is_what_the_client_has = match (&request.if_match, date(&request.if_unmodified_since)) {
            (Some(tags), _) => names(tags, |tag| tag == etag),
            (None, Some(date)) => modified.is_none_or(|modified| modified <= date),
            (None, None) => true,
        };
        if !is_what_the_client_has {
            return Verdict::Failed;
        }
        let is_known = match (&request.if_none_match, &request.if_modified_since) {
            // Weak tags are as good here (section 13.1.2).
            (Some(tags), _) => names(tags, |tag| tag.trim_start_matches("W/") == etag),
            // No later date than the one that was given: a module's time is its commit's, and what was committed before the
            // client asked may have been released since.
            (None, Some(_)) => modified.is_some() && date(&request.if_modified_since) == modified,
            (None, None) => false,
        };
        if is_known {
            Verdict::NotModified
        } else {
            Verdict::Met
        }
    }
}

fn names(tags: &str, is_it: impl Fn(&str) -> bool) -> bool {
    tags.trim() == "*" || tags.split(',').map(str::trim).any(is_it)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn conditions_come_in_their_order() {
        const DATE: &str = "Fri, 13 Feb 2009 23:31:30 GMT";
        const LATER: &str = "Fri, 13 Feb 2009 23:31:31 GMT";
        let modified = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890));
        for (if_match, if_none_match, if_modified_since, expected) in [
            ("", "", "", Verdict::Met),
            ("", "\"a\"", "", Verdict::NotModified),
            ("", "W/\"a\"", "", Verdict::NotModified),
            ("", "\"b\", \"a\"", "", Verdict::NotModified),
            ("", "*", "", Verdict::NotModified),
            ("", "\"b\"", "", Verdict::Met),
            ("", "", DATE, Verdict::NotModified),
            ("", "", "Friday, 13-Feb-09 23:31:30 GMT", Verdict::NotModified),
            ("", "", LATER, Verdict::Met),
            ("", "", "yesterday", Verdict::Met),
            ("", "\"b\"", DATE, Verdict::Met),
            ("\"a\"", "", "", Verdict::Met),
            ("*", "", "", Verdict::Met),
            ("\"b\", \"a\"", "", "", Verdict::Met),
            ("\"b\"", "", "", Verdict::Failed),
            ("W/\"a\"", "", "", Verdict::Failed),
            ("\"b\"", "\"a\"", DATE, Verdict::Failed),
            ("\"a\"", "\"a\"", "", Verdict::NotModified),
        ] {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let request = Request {
                if_match: some(if_match),
                if_none_match: some(if_none_match),
                if_modified_since: some(if_modified_since),
                ..Request::default()
            };
            assert_eq!(Verdict::on(&request, "\"a\"", modified), expected, "{request:?}");
        }
        let earlier = "Fri, 13 Feb 2009 23:31:29 GMT";
        for (if_unmodified_since, if_match, expected) in [
            (DATE, None, Verdict::Met),
            (LATER, None, Verdict::Met),
            ("yesterday", None, Verdict::Met),
            (earlier, None, Verdict::Failed),
            (earlier, Some("\"a\""), Verdict::Met),
        ] {
            let request = Request {
                if_unmodified_since: Some(if_unmodified_since.to_owned()),
                if_match: if_match.map(str::to_owned),
                ..Request::default()
            };
            assert_eq!(Verdict::on(&request, "\"a\"", modified), expected, "{request:?}");
        }
        let without_a_date = Request {
            if_modified_since: Some("yesterday".to_owned()),
            ..Request::default()
        };
        assert_eq!(Verdict::on(&without_a_date, "\"a\"", None), Verdict::Met);
    }
}
