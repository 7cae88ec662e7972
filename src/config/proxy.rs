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
    if can_be_used {
        return Ok(Some(value));
    }
    let wanted = "the address of a module proxy is wanted, such as https://proxy.golang.org: direct is never used, for \
                  strangers would choose whom go asks";
    Err(bad(name, value, wanted))
}

fn is_address(text: &str) -> bool {
    let known = |url: Url| matches!(url.scheme(), "https" | "http" | "file");
    Url::parse(text).is_ok_and(known)
}
