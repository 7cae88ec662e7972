//! The checksum database, as Go names one: `off`, a name that Go knows, or its public key; behind it, where it is asked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use url::Url;

use super::read::{BadSetting, bad, text};

/// The setting as it was written.
pub(super) fn database(name: &'static str) -> Result<Option<String>, BadSetting> {
    let Some(value) = text(name)? else { return Ok(None) };
    if is_database(&value) {
        return Ok(Some(value));
    }
    let wanted = "off, sum.golang.org or a public key NAME+HASH+KEY is wanted, and behind it, after a space, its address if it \
                  is asked elsewhere";
    Err(bad(name, value, wanted))
}

fn is_database(value: &str) -> bool {
    // Go compares these two as they stand.
    if matches!(value, "off" | "sum.golang.google.cn") {
        return true;
    }
    let (who, address) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    (who == "sum.golang.org" || is_key(who)) && (address.is_empty() || Url::parse(address.trim()).is_ok())
}

/// A verifier's key (golang.org/x/mod/sumdb/note): Ed25519's is 1 and 32 bytes more, and its hash tells a slip of the finger.
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
    let wanted = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let is_right = hash.len() == 8 && u32::from_str_radix(hash, 16) == Ok(wanted);
    !name.is_empty() && is_right && key.len() == 33 && key[0] == 1
}

#[cfg(test)]
mod tests {
    use super::is_database;

    /// What Go has built in for sum.golang.org.
    const KEY: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

    #[test]
    fn what_go_takes_is_taken() {
        for fine in [
            "off",
            "sum.golang.org",
            "sum.golang.google.cn",
            "sum.golang.org https://sum.golang.google.cn",
            KEY,
            &format!("{KEY} https://sums.example.org"),
        ] {
            assert!(is_database(fine), "{fine}");
        }
        for odd in [
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
            assert!(!is_database(odd), "{odd}");
        }
    }
}
