//! Name-value pairs (FastCGI specification 1.0, section 3.4), which encode the variables of a request. They are parsed without a
//! copy, so that the memory for a request is bounded by its length.

use super::protocol_error::ProtocolError;

/// A validated sequence of name-value pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairs<'a>(&'a [u8]);

impl<'a> Pairs<'a> {
    /// Validates the content of a whole stream, or of a record that is not part of a stream.
    pub fn parse(bytes: &'a [u8]) -> Result<Pairs<'a>, ProtocolError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = split_first(rest).ok_or(ProtocolError::Pair)?;
        }
        Ok(Pairs(bytes))
    }

    /// The pairs, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut bytes = self.0;
        std::iter::from_fn(move || {
            let (pair, rest) = split_first(bytes)?;
            bytes = rest;
            Some(pair)
        })
    }

    /// The value of a name. If the name occurs several times, the last value, as if an environment variable were set again.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let matching = self.iter().filter(|(other, _)| *other == name.as_bytes());
        matching.last().map(|(_, value)| value)
    }
}

type Pair<'a> = (&'a [u8], &'a [u8]);

/// Splits the first pair from the rest.
fn split_first(bytes: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let (name_length, rest) = split_length(bytes)?;
    let (value_length, rest) = split_length(rest)?;
    let (name, rest) = rest.split_at_checked(name_length)?;
    let (value, rest) = rest.split_at_checked(value_length)?;
    Some(((name, value), rest))
}

/// Splits a length from the rest: one byte up to 127, otherwise four bytes with the highest bit set.
fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [b0 @ 0..=127, ref rest @ ..] => Some((b0.into(), rest)),
        [b3, b2, b1, b0, ref rest @ ..] => {
            let length = u32::from_be_bytes([b3 & 0x7f, b2, b1, b0]);
            Some((usize::try_from(length).ok()?, rest))
        }
        _ => None,
    }
}

/// Encodes a pair. Name and value must be shorter than 128 bytes.
pub(super) fn encode_pair(name: &str, value: &str) -> Vec<u8> {
    debug_assert!(name.len() < 128 && value.len() < 128);
    let lengths = [name.len() as u8, value.len() as u8];
    [&lengths, name.as_bytes(), value.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode_length(length: usize) -> Vec<u8> {
        match u8::try_from(length) {
            Ok(short @ 0..128) => vec![short],
            _ => (length as u32 | 1 << 31).to_be_bytes().to_vec(),
        }
    }

    /// Encodes a pair of any length.
    fn encode(name: &[u8], value: &[u8]) -> Vec<u8> {
        [
            &encode_length(name.len()),
            &encode_length(value.len()),
            name,
            value,
        ]
        .concat()
    }

    #[test]
    fn pairs_roundtrip() {
        let texts = [0, 1, 127, 128, 255, 256, 70_000].map(|length| vec![b'x'; length]);
        let pairs: Vec<_> = texts
            .iter()
            .flat_map(|name| texts.iter().map(move |value| (&**name, &**value)))
            .collect();
        let bytes: Vec<u8> = pairs
            .iter()
            .flat_map(|(name, value)| encode(name, value))
            .collect();
        assert!(Pairs::parse(&bytes).unwrap().iter().eq(pairs));
        assert_eq!(encode_pair("A", "bc"), encode(b"A", b"bc"));
    }

    #[test]
    fn pairs_spec() {
        let long = [&b"\x04\x80\x00\x00\x80NAME"[..], &[b'v'; 128]].concat();
        assert_eq!(Pairs::parse(&long).unwrap().get("NAME"), Some(&[b'v'; 128][..]));
        // A short length may be encoded in four bytes.
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
        let two_pairs = [encode(b"NAME", b"value"), encode(&[b'n'; 200], &[b'v'; 300])].concat();
        let ends = [0, 11, two_pairs.len()];
        for end in 0..=two_pairs.len() {
            assert_eq!(
                Pairs::parse(&two_pairs[..end]).is_ok(),
                ends.contains(&end),
                "{end}"
            );
        }
        // A length of 2 GiB allocates no memory.
        assert_eq!(Pairs::parse(b"\xff\xff\xff\xff\x01Av"), Err(ProtocolError::Pair));
        assert_eq!(
            Pairs::parse(b"\xff\xff\xff\xff\xff\xff\xff\xffAv"),
            Err(ProtocolError::Pair)
        );
    }
}
