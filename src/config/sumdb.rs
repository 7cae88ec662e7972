//! The checksum database, in the format of GOSUMDB: `off`, a name that Go knows, or a public key, optionally followed by a URL.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use url::Url;

use super::read::{BadSetting, read_text};

/// Reads a checksum database and validates its format.
pub(super) fn read_database(name: &'static str) -> Result<Option<String>, BadSetting> {
    let Some(value) = read_text(name)? else {
        return Ok(None);
    };
    if is_database(&value) {
        return Ok(Some(value));
    }
    let requirement =
        "must be off, sum.golang.org or a public key NAME+HASH+KEY, optionally followed by a space and a URL";
    Err(BadSetting::new(name, value, requirement))
}

fn is_database(value: &str) -> bool {
    // Go compares these two exactly.
    if matches!(value, "off" | "sum.golang.google.cn") {
        return true;
    }
    let (name, url) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    (name == "sum.golang.org" || is_key(name)) && (url.is_empty() || Url::parse(url.trim()).is_ok())
}

/// Whether this is a verifier key (golang.org/x/mod/sumdb/note): its hash must match, and an Ed25519 key is the byte 1 and 32 more.
fn is_key(text: &str) -> bool {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Ok(key) = STANDARD.decode(key) else {
        return false;
    };
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update("\n")
        .chain_update(&key)
        .finalize();
    let expected = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let hash_matches = hash.len() == 8 && u32::from_str_radix(hash, 16) == Ok(expected);
    !name.is_empty() && hash_matches && key.len() == 33 && key[0] == 1
}

#[cfg(test)]
mod tests {
    use super::is_database;

    /// The key of sum.golang.org that is built into Go.
    const KEY: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

    #[test]
    fn values_that_go_accepts_are_accepted() {
        for valid in [
            "off",
            "sum.golang.org",
            "sum.golang.google.cn",
            "sum.golang.org https://sum.golang.google.cn",
            KEY,
            &format!("{KEY} https://sums.example.org"),
        ] {
            assert!(is_database(valid), "{valid}");
        }
        for invalid in [
            "on",
            " off",
            "sum.example.org",
            "https://sum.golang.org",
            "sum.golang.google.cn https://sums.example.org",
            &KEY.replace("033d", "034d"),
            &KEY.replace("Ac4z", "Ac5z"),
            &KEY[..40],
            &format!("{KEY} sums.example.org"),
            &format!("{KEY} https://a.example b"),
        ] {
            assert!(!is_database(invalid), "{invalid}");
        }
    }
}
