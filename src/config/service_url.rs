//! The URL of the service as clients see it (GOX_URL), if a proxy hides it.

use std::str::FromStr;

use url::Url;

use super::GOX_URL;
use super::read::{BadSetting, read_text};

/// Scheme, host and path of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUrl {
    /// Whether the scheme is https and not http.
    pub is_https: bool,
    /// Host, and the port if it is not the default.
    pub host: String,
    /// The path of the service, without a slash at its end; empty at the root.
    pub path: String,
}

impl ServiceUrl {
    /// Reads GOX_URL.
    pub(super) fn from_env() -> Result<Option<ServiceUrl>, BadSetting> {
        let Some(value) = read_text(GOX_URL)? else {
            return Ok(None);
        };
        let requirement = "must be a URL of scheme, host and path, such as https://www.example.org/go";
        value
            .parse()
            .map(Some)
            .map_err(|_| BadSetting::new(GOX_URL, value, requirement))
    }
}

/// Not the URL of a service.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidServiceUrl;

impl FromStr for ServiceUrl {
    type Err = InvalidServiceUrl;

    /// Parses a URL without user, query and fragment. It is printed into headers, commands and scripts, so host and path hold plain
    /// characters only.
    fn from_str(text: &str) -> Result<ServiceUrl, InvalidServiceUrl> {
        let url = Url::parse(text).map_err(|_| InvalidServiceUrl)?;
        let host = url.host_str().unwrap_or_default();
        let is_plain = |text: &str, also: &[u8]| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
        };
        let path = url.path().trim_end_matches('/');
        let is_service = matches!(url.scheme(), "http" | "https")
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
            && !text.contains(['?', '#', '@'])
            && !host.is_empty()
            && is_plain(host, b".-:[]")
            && is_plain(path, b"/-._~")
            && !path.contains("//");
        if !is_service {
            return Err(InvalidServiceUrl);
        }
        let port = url.port().map_or(String::new(), |port| format!(":{port}"));
        Ok(ServiceUrl {
            is_https: url.scheme() == "https",
            host: format!("{host}{port}"),
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_has_scheme_host_and_path() {
        for (text, is_https, host, path) in [
            ("https://www.example.org/go", true, "www.example.org", "/go"),
            ("https://www.example.org:443/go/", true, "www.example.org", "/go"),
            ("http://Example.org:8080", false, "example.org:8080", ""),
            ("http://[2001:db8::1]:8080/", false, "[2001:db8::1]:8080", ""),
            ("http://192.0.2.1/a/b", false, "192.0.2.1", "/a/b"),
        ] {
            let (host, path) = (host.to_owned(), path.to_owned());
            assert_eq!(text.parse(), Ok(ServiceUrl { is_https, host, path }), "{text}");
        }
    }

    #[test]
    fn other_text_is_invalid() {
        for text in [
            "",
            "www.example.org",
            "example.org:8080",
            "/go",
            "ftp://example.org",
            "https://",
            "https://example.org/?x",
            "https://example.org/#x",
            "https://user@example.org",
            "https://user:secret@example.org",
            "https://example.org/a b",
            "https://example.org/a%20b",
            "https://example.org//a",
            "https://example.org/$(id)",
            "https://example.org/'",
            "https://exa mple.org",
            "https://ex_ample.org",
            "https://example.org:99999",
            "https://example.org\\go",
            " https://example.org",
            "https://example.org\n",
            "javascript:alert(1)",
        ] {
            assert_eq!(text.parse::<ServiceUrl>(), Err(InvalidServiceUrl), "{text}");
        }
    }
}
