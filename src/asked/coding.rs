//! Content codings: those in which a program may be sent (RFC 9110 section 8.4.1), and which of them a client would rather
//! have (section 12.5.3).

use super::weight::weighted;

/// A coding of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// All of them. Who likes both the same gets the first: it is smaller, and sooner unpacked.
    pub const ALL: [Coding; 2] = [Coding::Zstd, Coding::Gzip];

    /// The name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// The coding that this Accept-Encoding header asks for. `None`: the program as it is.
    ///
    /// A coded program is sent to clients that accept `br` or `zstd`: browsers, `curl --compressed`. Go's and Python's HTTP
    /// clients, Varnish and Caddy add `gzip` to requests by themselves, and then pass on ranges, digests and ETags of a copy
    /// that they have unpacked, or that their caller takes for the program.
    pub fn preferred(accept_encoding: &str) -> Option<Coding> {
        let accepted = Accepted(accept_encoding);
        if !MEANT.iter().any(|name| accepted.named(name) > Some(0)) {
            return None;
        }
        let wanted = Coding::ALL.map(|coding| (coding, accepted.weight(coding.name()).unwrap_or(0)));
        let most = wanted.iter().map(|(_, weight)| *weight).max()?;
        let identity = accepted.weight("identity").unwrap_or(0);
        let (coding, _) = wanted.into_iter().find(|(_, weight)| *weight == most)?;
        (most > 0 && most >= identity).then_some(coding)
    }
}

/// Codings that clients name on purpose: to unpack one takes a library that few HTTP clients bring by themselves.
const MEANT: [&str; 2] = ["br", "zstd"];

struct Accepted<'a>(&'a str);

impl Accepted<'_> {
    /// In thousandths. What is not named has the weight of `*`, and without that none.
    fn weight(&self, name: &str) -> Option<u16> {
        self.named(name).or_else(|| self.named("*"))
    }

    fn named(&self, name: &str) -> Option<u16> {
        weighted(self.0).find_map(|(other, weight)| is_same(other, name).then_some(weight))
    }
}

/// Section 8.4.1.3: `x-gzip` is `gzip`.
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
            assert_eq!(Coding::preferred(accept), None, "{accept:?}");
        }
    }

    #[test]
    fn the_heaviest_is_preferred() {
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
            // Nothing that is acceptable is there: what is sent is the program (section 12.5.3).
            ("identity;q=0, br", "identity"),
            ("br, *;q=0.5", "zstd"),
            ("br, *;q=0.5, zstd;q=0", "gzip"),
            ("zstd, *;q=0", "zstd"),
            ("identity, br, *;q=0.1", "identity"),
            // What is malformed means nothing, and what stands beside it all the same.
            ("zstd;q=high, gzip;q=2, br", "identity"),
            (";q=1,,;, zstd", "zstd"),
            ("gzip;q=0, gzip, br", "identity"),
        ] {
            let coding = Coding::preferred(accept).map_or("identity", Coding::name);
            assert_eq!(coding, expected, "{accept:?}");
        }
    }
}
