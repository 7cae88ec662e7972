//! The module proxies, as Go writes a list of them, and the credentials that their addresses may hold.

use url::Url;

use super::read::{BadSetting, bad, text};

/// The list as it was written: addresses, and `off` where nothing new is to be asked for. `direct` may stand in it and is left
/// out later; alone it is no list.
pub(super) fn proxies(name: &'static str) -> Result<Option<String>, BadSetting> {
    let Some(value) = text(name)? else { return Ok(None) };
    let mut named = value
        .split([',', '|'])
        .map(str::trim)
        .filter(|entry| !matches!(*entry, "" | "direct" | "off"))
        .peekable();
    let can_be_used = match named.peek() {
        Some(_) => named.all(is_address),
        None => value.trim() == "off",
    };
    if sends_credentials_in_the_clear(&value) {
        let wanted = "https is wanted where the address has a user or a password: go sends neither by http";
        return Err(bad(name, hide_userinfo(&value), wanted));
    }
    if can_be_used {
        return Ok(Some(value));
    }
    let wanted = "the address of a module proxy is wanted, such as https://proxy.example.org: direct is never used, for \
                  strangers would choose whom go asks";
    let shown: Vec<_> = value.split([',', '|']).map(without_userinfo).collect();
    Err(bad(name, shown.join(","), wanted))
}

/// Whether an entry has a user or a password, and is not https (cmd/go/internal/web, `refusing to pass credentials`).
fn sends_credentials_in_the_clear(value: &str) -> bool {
    let urls = value
        .split([',', '|'])
        .filter_map(|entry| Url::parse(entry.trim()).ok());
    let has_credentials = |url: &Url| !url.username().is_empty() || url.password().is_some();
    urls.filter(|url| url.scheme() == "http")
        .any(|url| has_credentials(&url))
}

fn is_address(text: &str) -> bool {
    let known = |url: Url| matches!(url.scheme(), "https" | "http" | "file");
    Url::parse(text).is_ok_and(known)
}

/// The secrets in the addresses of servers. They reach `go`, and no text. Go itself hides passwords in its errors, but not user
/// names, which may be tokens.
pub struct Credentials(Vec<String>);

/// Shorter secrets are hidden in addresses only: they occur in ordinary words.
const SHORTEST: usize = 6;

/// Characters that end the authority of a URL (RFC 3986 section 3.2), or the URL itself in a text.
const AUTHORITY_END: &[char] = &['/', '?', '#', '"', '\'', '`', '\\', ',', '|', '<', '>'];

impl Credentials {
    /// Collects those of all addresses in a list.
    pub fn of(words: &str) -> Option<Credentials> {
        let addresses = words
            .split([',', '|', ' '])
            .filter_map(|word| Url::parse(word).ok());
        let secrets: Vec<_> = addresses
            .filter_map(|url| {
                let name = Some(url.username()).filter(|name| !name.is_empty());
                url.password().or(name).map(str::to_owned)
            })
            .collect();
        (!secrets.is_empty()).then_some(Credentials(secrets))
    }

    /// Removes them from a text.
    pub fn hide(&self, text: &str) -> String {
        let mut text = hide_userinfo(text);
        for secret in self.0.iter().filter(|secret| secret.len() >= SHORTEST) {
            text = text.replace(secret.as_str(), "xxxxx");
        }
        text
    }
}

/// Removes user names and passwords from the addresses in a text.
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

/// Removes everything before the last `@` but the scheme, from an entry that may be an invalid address.
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
    fn credentials_go_by_https_only() {
        for (list, is_refused) in [
            ("https://h/x", false),
            ("https://user:a@b@h/x@y", false),
            ("http://user@h", true),
            ("https://a:b@h,http://c:d@i|off", true),
            ("http://h/a@b,direct", false),
        ] {
            assert_eq!(sends_credentials_in_the_clear(list), is_refused, "{list}");
        }
    }

    #[test]
    fn texts_name_servers_and_no_users() {
        let credentials = Credentials::of("https://a.example,http://user:hunter2@b.example:80/x").unwrap();
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
        assert!(Credentials::of("https://a.example,off").is_none());
        assert_eq!(
            Credentials::of("https://my-token@a.example")
                .unwrap()
                .hide("my-token"),
            "xxxxx"
        );
        assert_eq!(without_userinfo("ftp://u:a/b@c@d.example"), "ftp://d.example");
        assert_eq!(without_userinfo("u:p@d.example"), "d.example");
    }
}
