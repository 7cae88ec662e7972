//! What decides which bytes are meant besides the URL, and so how long, and by whom, an answer may be used again.

use super::{GoVersion, Target, Wish};

/// How much a URL leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guess {
    /// Nothing: it means the same bytes for ever.
    Nothing,
    /// Which version, or which Go, and so what day it is.
    Version,
    /// The machine too, which the User-Agent tells.
    Machine,
}

impl Guess {
    /// What this URL leaves open, which means `version` now.
    pub fn of(target: &Target, wish: &Wish, version: &str) -> Guess {
        if wish.os.is_none() || wish.arch.is_none() {
            Guess::Machine
        } else if wish.go.is_none_or(GoVersion::is_series) || !target.version().is_only(version) {
            Guess::Version
        } else {
            Guess::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_leaves_open() {
        for (path, query, guess) in [
            ("/o/r", "", Guess::Machine),
            ("/o/r@v1.0.0", "os=linux", Guess::Machine),
            ("/o/r@v1.0.0", "arch=arm64&go=1.26.8", Guess::Machine),
            ("/o/r", "os=linux&arch=arm64&go=1.26.8", Guess::Version),
            ("/o/r@v1.0", "os=linux&arch=arm64&go=1.26.8", Guess::Version),
            ("/o/r@v1.0.0", "os=linux&arch=arm64", Guess::Version),
            ("/o/r@v1.0.0", "os=linux&arch=arm64&go=1.26", Guess::Version),
            ("/o/r@v1.0.0", "os=linux&arch=arm64&go=1.26.8", Guess::Nothing),
        ] {
            let target = Target::parse(path.as_bytes()).unwrap();
            let wish = Wish::parse(query).unwrap();
            assert_eq!(Guess::of(&target, &wish, "v1.0.0"), guess, "{path}?{query}");
        }
    }
}
