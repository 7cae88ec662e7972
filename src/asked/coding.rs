//! Content codings: those in which a program may be sent (RFC 9110 section 8.4.1), and which of them a client would rather
//! have (section 12.5.3).

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

    /// What this Accept-Encoding header asks for; `None`: the program as it is, which is sent to whoever accepts nothing else,
    /// and to whoever accepts nothing at all.
    pub fn preferred(accept_encoding: &str) -> Option<Coding> {
        let accepted = Accepted(accept_encoding);
        let wanted = Coding::ALL.map(|coding| (coding, accepted.weight(coding.name()).unwrap_or(0)));
        let most = wanted.iter().map(|(_, weight)| *weight).max()?;
        let identity = accepted.weight("identity").unwrap_or(0);
        let (coding, _) = wanted.into_iter().find(|(_, weight)| *weight == most)?;
        (most > 0 && most >= identity).then_some(coding)
    }
}

struct Accepted<'a>(&'a str);

impl Accepted<'_> {
    /// In thousandths. What is not named has the weight of `*`, and without that none.
    fn weight(&self, name: &str) -> Option<u16> {
        self.named(name).or_else(|| self.named("*"))
    }

    fn named(&self, name: &str) -> Option<u16> {
        self.0
            .split(',')
            .filter_map(element)
            .find_map(|(other, weight)| is_same(other, name).then_some(weight))
    }
}

/// Section 8.4.1.3: `x-gzip` is `gzip`.
fn is_same(accepted: &str, name: &str) -> bool {
    accepted.eq_ignore_ascii_case(name) || (name == "gzip" && accepted.eq_ignore_ascii_case("x-gzip"))
}

/// A name and its weight. What is neither is no element, and means nothing.
fn element(text: &str) -> Option<(&str, u16)> {
    match text.split_once(';') {
        None => Some((text.trim(), 1000)),
        Some((name, weight)) => {
            let (q, value) = weight.trim().split_at_checked(2)?;
            q.eq_ignore_ascii_case("q=")
                .then(|| thousandths(value))
                .flatten()
                .map(|weight| (name.trim(), weight))
        }
    }
}

/// Section 12.4.2: from 0 to 1, with three digits at most.
fn thousandths(value: &str) -> Option<u16> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match (whole, format!("{fraction:0<3}").parse().ok()?) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_is_preferred() {
        for (accept, expected) in [
            ("", "identity"),
            ("zstd", "zstd"),
            ("gzip", "gzip"),
            ("deflate, gzip, br, zstd", "zstd"),
            ("gzip,deflate,br", "gzip"),
            ("GZip", "gzip"),
            ("x-gzip", "gzip"),
            ("gzip;q=1.0, zstd;q=0.5", "gzip"),
            ("gzip;q=0.5, zstd;q=0.500", "zstd"),
            ("gzip ; q=0.001", "gzip"),
            ("gzip;Q=0.3", "gzip"),
            ("zstd;q=0, gzip", "gzip"),
            ("zstd;q=0.000", "identity"),
            ("br, deflate, compress", "identity"),
            ("identity", "identity"),
            ("identity, gzip", "gzip"),
            ("identity, gzip;q=0.9", "identity"),
            ("identity;q=0.5, gzip;q=0.9", "gzip"),
            ("identity;q=0, gzip;q=0.1", "gzip"),
            // Nothing that is acceptable is there: what is sent is the program (section 12.5.3).
            ("identity;q=0", "identity"),
            ("*;q=0", "identity"),
            ("*", "zstd"),
            ("*;q=0.5, zstd;q=0", "gzip"),
            ("gzip;q=0.5, *", "zstd"),
            ("gzip, *;q=0", "gzip"),
            ("identity, *;q=0.1", "identity"),
            // What is malformed means nothing, and what stands beside it all the same.
            ("gzip;q=2", "identity"),
            ("gzip;q=1.001", "identity"),
            ("gzip;q=0.1234", "identity"),
            ("gzip;q=", "identity"),
            ("gzip;q=.5", "identity"),
            ("gzip;q=0.+1", "identity"),
            ("gzip;level=9", "identity"),
            ("gzip;é", "identity"),
            ("gzip;q=1;q=1", "identity"),
            (";q=1,,;, gzip", "gzip"),
            ("gzip zstd", "identity"),
            ("gzip;q=0, gzip", "identity"),
        ] {
            let coding = Coding::preferred(accept).map_or("identity", Coding::name);
            assert_eq!(coding, expected, "{accept:?}");
        }
    }
}
