//! Name-value pairs (FastCGI specification 1.0, section 3.4): the variables of a request, one behind the other.
//! They are read where they lie, so that what a peer sends is never more than what it takes to hold it.

use super::malformed::Malformed;

/// Bytes that are whole pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairs<'a>(&'a [u8]);

impl<'a> Pairs<'a> {
    /// Takes a whole stream, or the content of a record that is none.
    pub fn parse(bytes: &'a [u8]) -> Result<Pairs<'a>, Malformed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = first(rest).ok_or(Malformed::Pair)?;
        }
        Ok(Pairs(bytes))
    }

    /// The pairs, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (pair, behind) = first(rest)?;
            rest = behind;
            Some(pair)
        })
    }

    /// The value of this name. Of two the last counts, as in an environment that is set twice.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let named = self.iter().filter(|(other, _)| *other == name.as_bytes());
        named.last().map(|(_, value)| value)
    }
}

type Pair<'a> = (&'a [u8], &'a [u8]);

/// The first pair, and what is behind it.
fn first(bytes: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let (name_length, rest) = length(bytes)?;
    let (value_length, rest) = length(rest)?;
    let (name, rest) = rest.split_at_checked(name_length)?;
    let (value, rest) = rest.split_at_checked(value_length)?;
    Some(((name, value), rest))
}

/// One byte up to 127; else four, of which the highest bit says so.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [b0 @ 0..=127, ref rest @ ..] => Some((b0.into(), rest)),
        [b3, b2, b1, b0, ref rest @ ..] => {
            let length = u32::from_be_bytes([b3 & 0x7f, b2, b1, b0]);
            Some((usize::try_from(length).ok()?, rest))
        }
        _ => None,
    }
}

/// Writes a pair of short texts, as all of ours are.
pub(super) fn pair(name: &str, value: &str) -> Vec<u8> {
    debug_assert!(name.len() < 128 && value.len() < 128);
    let lengths = [name.len() as u8, value.len() as u8];
    [&lengths, name.as_bytes(), value.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(length: usize) -> Vec<u8> {
        match u8::try_from(length) {
            Ok(short @ 0..128) => vec![short],
            _ => (length as u32 | 1 << 31).to_be_bytes().to_vec(),
        }
    }

    /// A pair as a web server writes it.
    fn sent(name: &[u8], value: &[u8]) -> Vec<u8> {
        [&encoded(name.len()), &encoded(value.len()), name, value].concat()
    }

    #[test]
    fn pairs_roundtrip() {
        let texts = [0, 1, 127, 128, 255, 256, 70_000].map(|length| vec![b'x'; length]);
        let wanted: Vec<_> = texts
            .iter()
            .flat_map(|name| texts.iter().map(move |value| (&**name, &**value)))
            .collect();
        let bytes: Vec<u8> = wanted
            .iter()
            .flat_map(|(name, value)| sent(name, value))
            .collect();
        assert!(Pairs::parse(&bytes).unwrap().iter().eq(wanted));
        assert_eq!(pair("A", "bc"), sent(b"A", b"bc"));
    }

    #[test]
    fn pairs_spec() {
        let long = [&b"\x04\x80\x00\x00\x80NAME"[..], &[b'v'; 128]].concat();
        assert_eq!(Pairs::parse(&long).unwrap().get("NAME"), Some(&[b'v'; 128][..]));
        // Four bytes may say what one could.
        assert_eq!(
            Pairs::parse(b"\x80\0\0\x01\x01Av").unwrap().get("A"),
            Some(&b"v"[..])
        );
        let odd = Pairs::parse(b"\x03\x03A\0B\n\0\xff\0\0\x01\x00Z\x01\x01Z2").unwrap();
        assert_eq!(odd.get("A\0B"), Some(&b"\n\0\xff"[..]));
        assert_eq!(odd.get(""), Some(&b""[..]));
        assert_eq!(odd.get("Z"), Some(&b"2"[..]));
        assert_eq!(odd.get("Y"), None);
        assert_eq!(Pairs::parse(b"").unwrap().iter().count(), 0);
    }

    #[test]
    fn pairs_invalid() {
        let whole = [sent(b"NAME", b"value"), sent(&[b'n'; 200], &[b'v'; 300])].concat();
        let ends = [0, 11, whole.len()];
        for end in 0..=whole.len() {
            assert_eq!(Pairs::parse(&whole[..end]).is_ok(), ends.contains(&end), "{end}");
        }
        // A length of 2 GiB is only a number.
        assert_eq!(Pairs::parse(b"\xff\xff\xff\xff\x01Av"), Err(Malformed::Pair));
        assert_eq!(
            Pairs::parse(b"\xff\xff\xff\xff\xff\xff\xff\xffAv"),
            Err(Malformed::Pair)
        );
    }
}
