//! Where the objects are: the URL of each object, and the region for its signature.

use std::collections::HashMap;

use url::Url;

use crate::config::StoreUrl;

/// The region if none is set. Stores other than AWS accept it, or name theirs in the error.
const DEFAULT_REGION: &str = "us-east-1";

/// The address of the objects below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The URL of the prefix, with a slash at its end.
    base: String,
    /// The region of the bucket.
    pub(super) region: String,
}

impl Address {
    /// Finds the address of a bucket in the variables of the AWS command line. The bucket is in the path of the URL, or in its
    /// host where the endpoint is that of AWS or starts with the bucket's name.
    pub(super) fn find(store: &StoreUrl, variables: &HashMap<String, String>) -> Result<Address, String> {
        let first = |names: [&str; 2]| {
            let mut values = names.iter().filter_map(|name| variables.get(*name));
            values.find(|value| !value.is_empty())
        };
        let region = first(["AWS_REGION", "AWS_DEFAULT_REGION"]).map_or(DEFAULT_REGION, String::as_str);
        let endpoint = match first(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]) {
            Some(endpoint) => endpoint.clone(),
            // TLS certificates of AWS do not cover a bucket name with a dot.
            None if store.bucket.contains('.') => format!("https://s3.{region}.amazonaws.com"),
            None => format!("https://{}.s3.{region}.amazonaws.com", store.bucket),
        };
        let url = Url::parse(&endpoint).map_err(|error| format!("AWS_ENDPOINT_URL: {error}"))?;
        let host = url.host_str().unwrap_or_default();
        let is_plain = matches!(url.scheme(), "https" | "http")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if host.is_empty() || !is_plain {
            return Err(
                "AWS_ENDPOINT_URL: must be an http or https URL without user, query or fragment".to_owned(),
            );
        }
        let names_bucket = host.starts_with(&format!("{}.", store.bucket));
        let bucket = Some(&store.bucket).filter(|_| !names_bucket);
        let prefix = Some(&store.prefix).filter(|prefix| !prefix.is_empty());
        let mut base = url.as_str().trim_end_matches('/').to_owned() + "/";
        for part in bucket.into_iter().chain(prefix) {
            base += &format!("{part}/");
        }
        Ok(Address {
            base,
            region: region.to_owned(),
        })
    }

    /// The URL of an object.
    pub(super) fn url(&self, key: &str) -> String {
        format!("{}{key}", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_is_in_the_path_or_in_the_host() {
        let url = |store: &str, variables: &[(&str, &str)]| {
            let variables = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Address::find(&store.parse().unwrap(), &variables.collect()).map(|address| address.url("k"))
        };
        let endpoint = |value| [("AWS_ENDPOINT_URL", value)];
        for (store, variables, expected) in [
            ("s3://b", &[][..], "https://b.s3.us-east-1.amazonaws.com/k"),
            (
                "s3://b.c/p",
                &[("AWS_REGION", "eu-north-1")],
                "https://s3.eu-north-1.amazonaws.com/b.c/p/k",
            ),
            (
                "s3://b/p",
                &endpoint("http://127.0.0.1:9000/"),
                "http://127.0.0.1:9000/b/p/k",
            ),
            (
                "s3://b/p/q",
                &endpoint("https://b.example.org"),
                "https://b.example.org/p/q/k",
            ),
            (
                "s3://b",
                &endpoint("https://a.example.org/s3"),
                "https://a.example.org/s3/b/k",
            ),
            (
                "s3://b",
                &[
                    ("AWS_ENDPOINT_URL_S3", "https://a.example.org"),
                    ("AWS_ENDPOINT_URL", "https://c.example.org"),
                ],
                "https://a.example.org/b/k",
            ),
        ] {
            assert_eq!(url(store, variables).as_deref(), Ok(expected));
        }
        for invalid in [
            "a.example.org",
            "ftp://a.example.org",
            "https://u:p@a.example.org",
            "https://a.example.org?x",
        ] {
            assert!(url("s3://b", &endpoint(invalid)).is_err(), "{invalid}");
        }
    }
}
