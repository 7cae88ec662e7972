//! Module proxies, in the format of GOPROXY, and the credentials in their URLs.

use url::Url;

use super::read::{BadSetting, read_text};

/// Reads a list of module proxies: URLs, or `off` for no proxy. `direct` is accepted beside a URL and removed later; alone it is
/// invalid.
pub(super) fn read_proxies(name: &'static str) -> Result<Option<String>, BadSetting> {
    let Some(value) = read_text(name)? else {
        return Ok(None);
    };
    let mut named = value
        .split([',', '|'])
        .map(str::trim)
        .filter(|entry| !matches!(*entry, "" | "direct" | "off"))
        .peekable();
    let is_valid = match named.peek() {
        Some(_) => named.all(is_proxy_url),
        None => value.trim() == "off",
    };
    if has_credentials_over_http(&value) {
        let requirement =
            "must use https if the URL has a user name or a password: go does not send them over http";
        return Err(BadSetting::new(name, hide_userinfo(&value), requirement));
    }
    if is_valid {
        return Ok(Some(value));
    }
    let requirement = "must have the URL of a module proxy, such as https://proxy.example.org; direct is not used, because clients \
                       could then make go connect to any host";
    let shown: Vec<_> = value.split([',', '|']).map(without_userinfo).collect();
    Err(BadSetting::new(name, shown.join(","), requirement))
}

/// Whether an http URL has a user name or a password, which `go` refuses to send (cmd/go/internal/web, `refusing to pass
/// credentials`).
fn has_credentials_over_http(value: &str) -> bool {
    let urls = value
        .split([',', '|'])
        .filter_map(|entry| Url::parse(entry.trim()).ok());
    let has_credentials = |url: &Url| !url.username().is_empty() || url.password().is_some();
    urls.filter(|url| url.scheme() == "http")
        .any(|url| has_credentials(&url))
}

fn is_proxy_url(text: &str) -> bool {
    let known = |url: Url| matches!(url.scheme(), "https" | "http" | "file");
    Url::parse(text).is_ok_and(known)
}

/// Secrets in the URLs of servers, to be removed from messages. Go removes passwords from its errors, but not user names, which may
/// be tokens.
pub struct Credentials(Vec<String>);

/// Minimum length of a secret that is removed outside URLs too. Shorter ones occur in ordinary words.
const MIN_LENGTH: usize = 6;

/// Characters that end the authority of a URL (RFC 3986 section 3.2), or the URL itself in a text.
const AUTHORITY_END: &[char] = &['/', '?', '#', '"', '\'', '`', '\\', ',', '|', '<', '>'];

impl Credentials {
    /// Collects the secrets of all URLs in a list; `None` if there are none.
    pub fn from_urls(words: &str) -> Option<Credentials> {
        let urls = words
            .split([',', '|', ' '])
            .filter_map(|word| Url::parse(word).ok());
        let secrets: Vec<_> = urls
            .filter_map(|url| {
                let name = Some(url.username()).filter(|name| !name.is_empty());
                url.password().or(name).map(str::to_owned)
            })
            .collect();
        (!secrets.is_empty()).then_some(Credentials(secrets))
    }

    /// Removes the secrets from a text.
    pub fn hide(&self, text: &str) -> String {
        let mut text = hide_userinfo(text);
        for secret in self.0.iter().filter(|secret| secret.len() >= MIN_LENGTH) {
            text = text.replace(secret.as_str(), "xxxxx");
        }
        text
    }
}

/// Removes user names and passwords from the URLs in a text.
pub fn hide_userinfo(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut parts = text.split("://");
    shown.extend(parts.next());
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || AUTHORITY_END.contains(&c));
        let host = part[..end.unwrap_or(part.len())]
            .rfind('@')
            .map_or(0, |at| at + 1);
        shown.push_str("://");
        shown.push_str(&part[host..]);
    }
    shown
}

/// Removes everything before the last `@` except the scheme, from an entry that may be an invalid URL.
fn without_userinfo(entry: &str) -> String {
    let Some((before, host)) = entry.rsplit_once('@') else {
        return entry.to_owned();
    };
    let scheme = before.find("://").map_or("", |at| &before[..at + 3]);
    format!("{scheme}{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_over_http_are_refused() {
        for (list, is_refused) in [
            ("https://h/x", false),
            ("https://user:a@b@h/x@y", false),
            ("http://user@h", true),
            ("https://a:b@h,http://c:d@i|off", true),
            ("http://h/a@b,direct", false),
        ] {
            assert_eq!(has_credentials_over_http(list), is_refused, "{list}");
        }
    }

    #[test]
    fn credentials_are_removed_from_messages() {
        let credentials =
            Credentials::from_urls("https://a.example,http://user:hunter2@b.example:80/x").unwrap();
        for (text, shown) in [
            (
                "reading http://user:xxxxx@b.example:80/x/@v/list: 404",
                "reading http://b.example:80/x/@v/list: 404",
            ),
            (
                "Get \"http://user:***@b.example\": EOF",
                "Get \"http://b.example\": EOF",
            ),
            ("https://a.example/m@v1.0.0", "https://a.example/m@v1.0.0"),
            ("mail x@y.example, not hunter2", "mail x@y.example, not xxxxx"),
            ("://", "://"),
        ] {
            assert_eq!(credentials.hide(text), shown);
        }
        assert!(Credentials::from_urls("https://a.example,off").is_none());
        assert_eq!(
            Credentials::from_urls("https://my-token@a.example")
                .unwrap()
                .hide("my-token"),
            "xxxxx"
        );
        assert_eq!(without_userinfo("ftp://u:a/b@c@d.example"), "ftp://d.example");
        assert_eq!(without_userinfo("u:p@d.example"), "d.example");
    }
}
