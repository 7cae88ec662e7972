//! Why a request to the object store failed, in words for the operator.

use ureq::Body;
use ureq::http::{Method, Response, StatusCode};

/// Limit of the text of an error.
const MAX_ERROR_BYTES: u64 = 16 << 10;

/// Why a request failed. The text contains no credentials and no signature.
#[derive(Debug, thiserror::Error)]
#[error("{method} {key}: {cause}")]
pub(super) struct StoreError {
    method: Method,
    key: String,
    cause: String,
    /// Whether the store answered the request.
    pub(super) is_answer: bool,
    /// Whether the same request may succeed soon.
    pub(super) is_transient: bool,
}

/// Why no response was received.
pub(super) enum SendError {
    /// There are no credentials, or they are unusable.
    Unsigned(String),
    /// The connection failed.
    Transport(ureq::Error),
}

impl SendError {
    /// The error of a request that got no response.
    pub(super) fn of_request(self, method: Method, key: &str) -> StoreError {
        match self {
            SendError::Unsigned(cause) => StoreError {
                method,
                key: key.to_owned(),
                cause: format!(
                    "{cause}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE; RUST_LOG=reqsign=debug shows each attempt, and may show credentials"
                ),
                is_answer: false,
                is_transient: false,
            },
            SendError::Transport(error) => transport_error(method, key, &error),
        }
    }
}

/// The error of a request that failed in transport.
pub(super) fn transport_error(method: Method, key: &str, error: &ureq::Error) -> StoreError {
    StoreError {
        method,
        key: key.to_owned(),
        cause: error.to_string(),
        is_answer: false,
        // A timeout has used up the time of the request.
        is_transient: !matches!(error, ureq::Error::Timeout(_)),
    }
}

/// The error of a request that the store answered with an unexpected status, and the `Code` of the response.
pub(super) fn status_error(method: Method, key: &str, status: StatusCode, code: &str) -> StoreError {
    let advice = match status.as_u16() {
        300..=399 => ": redirects are not followed; check AWS_REGION and AWS_ENDPOINT_URL",
        401 | 403 => {
            ": the credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket, and the clock must be right"
        }
        507 => ": the store is full",
        _ => "",
    };
    StoreError {
        method,
        key: key.to_owned(),
        cause: format!("the store answers {} {code}", status.as_u16())
            .trim_end()
            .to_owned()
            + advice,
        is_answer: true,
        is_transient: matches!(status.as_u16(), 408 | 409 | 429 | 500 | 502..=504),
    }
}

/// Reads the `Code` of an error: letters and digits.
pub(super) fn error_code(response: Response<Body>) -> String {
    let body = response
        .into_body()
        .into_with_config()
        .limit(MAX_ERROR_BYTES)
        .read_to_vec();
    // Without a code, the status remains.
    let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map_or("", |(code, _)| code);
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .collect()
}
