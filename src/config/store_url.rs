//! The URL of an object store: `s3://BUCKET/PREFIX`.

use std::fmt;
use std::str::FromStr;

use super::GOX_STORE;
use super::read::{BadSetting, read_text};

/// A bucket, and the prefix of all keys in it. Its characters need no encoding in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl {
    /// The name of the bucket.
    pub bucket: String,
    /// The prefix without slashes around it; empty for the whole bucket.
    pub prefix: String,
}

impl StoreUrl {
    pub(super) fn from_env() -> Result<Option<StoreUrl>, BadSetting> {
        let Some(value) = read_text(GOX_STORE)? else {
            return Ok(None);
        };
        let requirement =
            "must be s3://BUCKET or s3://BUCKET/PREFIX, with letters, digits, '.', '_', '-' and '/' only";
        let url = value.parse();
        url.map(Some)
            .map_err(|()| BadSetting::new(GOX_STORE, value, requirement))
    }
}

impl FromStr for StoreUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<StoreUrl, ()> {
        let path = text.strip_prefix("s3://").ok_or(())?;
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_plain = |segment: &str| {
            let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            !matches!(segment, "" | "." | "..") && segment.bytes().all(is_allowed)
        };
        if !is_plain(bucket) || !(prefix.is_empty() || prefix.split('/').all(is_plain)) {
            return Err(());
        }
        Ok(StoreUrl {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bucket_and_a_plain_prefix_are_accepted() {
        let parse = |text: &str| {
            let url: Result<StoreUrl, ()> = text.parse();
            url.map(|url| (url.bucket, url.prefix)).ok()
        };
        let pair = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(parse("s3://b"), pair("b", ""));
        assert_eq!(parse("s3://b.c-d/"), pair("b.c-d", ""));
        assert_eq!(parse("s3://b/x/y_1/"), pair("b", "x/y_1"));
        for invalid in [
            "b",
            "s3:b",
            "s3://",
            "s3:///x",
            "https://b",
            "s3://b/x//y",
            "s3://b/../x",
            "s3://b/a b",
            "s3://b/x?y",
            "s3://key:secret@b",
        ] {
            assert_eq!(parse(invalid), None, "{invalid}");
        }
    }
}
