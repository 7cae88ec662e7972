//! The module proxies, as Go writes a list of them.

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
        return Err(bad(name, without_credentials(&value), wanted));
    }
    if can_be_used {
        return Ok(Some(value));
    }
    let wanted = "the address of a module proxy is wanted, such as https://proxy.golang.org: direct is never used, for \
                  strangers would choose whom go asks";
    Err(bad(name, without_credentials(&value), wanted))
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

/// The list without users and passwords, for an operator's screen and log.
pub fn without_credentials(value: &str) -> String {
    let mut shown = String::new();
    let mut rest = value;
    while let Some((before, behind)) = rest.split_once("://") {
        let end = behind.find(['/', ',', '|', '?', '#']).unwrap_or(behind.len());
        let host = behind[..end].rfind('@').map_or(0, |at| at + 1);
        shown += before;
        shown += "://";
        rest = &behind[host..];
    }
    shown + rest
}

fn is_address(text: &str) -> bool {
    let known = |url: Url| matches!(url.scheme(), "https" | "http" | "file");
    Url::parse(text).is_ok_and(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown_and_go_by_https_only() {
        for (list, shown, is_refused) in [
            ("https://h/x", "https://h/x", false),
            ("https://user:a@b@h/x@y", "https://h/x@y", false),
            ("http://user@h", "http://h", true),
            ("https://a:b@h,http://c:d@i|off", "https://h,http://i|off", true),
            ("http://h/a@b,direct", "http://h/a@b,direct", false),
        ] {
            assert_eq!(without_credentials(list), shown);
            assert_eq!(sends_credentials_in_the_clear(list), is_refused, "{list}");
        }
    }
}
