//! Content codings of programs (RFC 9110 section 8.4.1), and their negotiation by Accept-Encoding (section 12.5.3).

use super::weight::parse_weights;

/// A content coding of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentCoding {
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl ContentCoding {
    /// All codings. With equal weights the first is preferred: it is smaller and faster to decompress.
    pub const ALL: [ContentCoding; 2] = [ContentCoding::Zstd, ContentCoding::Gzip];

    /// Returns the name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            ContentCoding::Zstd => "zstd",
            ContentCoding::Gzip => "gzip",
        }
    }

    /// Chooses the coding for an Accept-Encoding header. `None` means no coding.
    ///
    /// Only clients that accept `br` or `zstd` get a coding: browsers, `curl --compressed`. Go's and Python's HTTP clients, Varnish
    /// and Caddy add `gzip` to requests by themselves. They would pass on ranges, digests and ETags of the compressed representation
    /// after decompressing it, or a caller would take the compressed file for the program.
    pub fn negotiate(accept_encoding: &str) -> Option<ContentCoding> {
        let accepted = AcceptEncoding(accept_encoding);
        if !EXPLICIT.iter().any(|name| accepted.named(name) > Some(0)) {
            return None;
        }
        let weights = ContentCoding::ALL.map(|coding| (coding, accepted.weight(coding.name()).unwrap_or(0)));
        let highest = weights.iter().map(|(_, weight)| *weight).max()?;
        let identity = accepted.weight("identity").unwrap_or(0);
        let (coding, _) = weights.into_iter().find(|(_, weight)| *weight == highest)?;
        (highest > 0 && highest >= identity).then_some(coding)
    }
}

/// Codings that few HTTP libraries add by themselves. A client that names one can decompress.
const EXPLICIT: [&str; 2] = ["br", "zstd"];

/// An Accept-Encoding header.
struct AcceptEncoding<'a>(&'a str);

impl AcceptEncoding<'_> {
    /// Returns the weight of a coding in thousandths, or that of `*`.
    fn weight(&self, name: &str) -> Option<u16> {
        self.named(name).or_else(|| self.named("*"))
    }

    /// Returns the weight of a coding that the header names.
    fn named(&self, name: &str) -> Option<u16> {
        parse_weights(self.0).find_map(|(other, weight)| is_same(other, name).then_some(weight))
    }
}

/// Compares names of codings. `x-gzip` is `gzip` (section 8.4.1.3).
fn is_same(accepted: &str, name: &str) -> bool {
    accepted.eq_ignore_ascii_case(name) || (name == "gzip" && accepted.eq_ignore_ascii_case("x-gzip"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clients_that_name_br_or_zstd_get_a_coding() {
        for accept in [
            "",
            "gzip",
            "x-gzip",
            "gzip, deflate",
            "gzip, compress, bzip, bzip2, deflate",
            "gzip;q=1.0, br;q=0",
            "zstd;q=0.000",
            "zstd;q=0, gzip",
            "*",
            "gzip;q=0.5, *",
            "identity;q=0, gzip",
            "identity, *;q=0.1",
            "identity;q=0",
            "*;q=0",
            "gzip zstd",
            "gzip;q=1;br",
        ] {
            assert_eq!(ContentCoding::negotiate(accept), None, "{accept:?}");
        }
    }

    #[test]
    fn highest_weight_is_preferred() {
        for (accept, expected) in [
            ("zstd", "zstd"),
            ("ZStd", "zstd"),
            ("deflate, gzip, br, zstd", "zstd"),
            ("gzip,deflate,br", "gzip"),
            ("GZip, BR", "gzip"),
            ("x-gzip, br", "gzip"),
            ("gzip;q=1.0, zstd;q=0.5", "gzip"),
            ("gzip;q=0.5, zstd;q=0.500", "zstd"),
            ("gzip ; q=0.001, br", "gzip"),
            ("br, deflate, compress", "identity"),
            ("identity, zstd", "zstd"),
            ("identity, zstd;q=0.9", "identity"),
            ("identity;q=0.5, gzip;q=0.9, br", "gzip"),
            ("identity;q=0, zstd;q=0.1", "zstd"),
            // Nothing is acceptable: the program is sent without coding (section 12.5.3).
            ("identity;q=0, br", "identity"),
            ("br, *;q=0.5", "zstd"),
            ("br, *;q=0.5, zstd;q=0", "gzip"),
            ("zstd, *;q=0", "zstd"),
            ("identity, br, *;q=0.1", "identity"),
            // Malformed elements are ignored, the others are not.
            ("zstd;q=high, gzip;q=2, br", "identity"),
            (";q=1,,;, zstd", "zstd"),
            ("gzip;q=0, gzip, br", "identity"),
        ] {
            let coding = ContentCoding::negotiate(accept).map_or("identity", ContentCoding::name);
            assert_eq!(coding, expected, "{accept:?}");
        }
    }
}
