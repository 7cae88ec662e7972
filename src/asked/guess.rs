//! What decides which bytes are meant besides the URL, and so how long, and by whom, an answer may be used again.

use super::{GoVersion, RecipeName, Target, Wish};

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
    /// What this URL leaves open, which means `version` now, built by the operator's recipe where it names none.
    pub fn of(target: &Target, wish: &Wish, version: &str, operators: RecipeName) -> Guess {
        let is_operators = wish.recipe.is_none() && operators != RecipeName::Install;
        if wish.os.is_none() || wish.arch.is_none() {
            Guess::Machine
        } else if wish.go.is_none_or(GoVersion::is_series)
            || !target.version().is_only(version)
            || is_operators
        {
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
            let of = |operators| Guess::of(&target, &wish, "v1.0.0", operators);
            assert_eq!(of(RecipeName::Install), guess, "{path}?{query}");
            assert_eq!(
                of(RecipeName::Release),
                guess.max(Guess::Version),
                "{path}?{query}"
            );
        }
    }
}
