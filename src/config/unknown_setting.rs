//! Detects unknown variables that start with `GOX_`, such as misspelt settings, which would have no effect.

use std::env;
use std::fmt;

use super::SETTINGS;

/// The directory to which the install script writes programs. It is a variable of that script, not a setting.
const INSTALL_DIR: &str = "GOX_BIN";

/// The maximum edit distance of a misspelt name.
const MAX_TYPOS: usize = 3;

/// A variable that starts with `GOX_` and is not a setting.
pub struct UnknownSetting {
    name: String,
    suggestion: Option<&'static str>,
}

impl UnknownSetting {
    /// Finds them in the environment of this process, sorted by name.
    pub fn find_in_env() -> Vec<UnknownSetting> {
        let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("GOX_")).collect();
        names.sort();
        names.into_iter().filter_map(UnknownSetting::check).collect()
    }

    /// Returns `None` if the name is known.
    fn check(name: String) -> Option<UnknownSetting> {
        if name == INSTALL_DIR || SETTINGS.iter().any(|setting| setting.name == name) {
            return None;
        }
        let typos = |known: &&str| strsim::damerau_levenshtein(known, &name);
        let closest = SETTINGS.iter().map(|setting| setting.name).min_by_key(typos);
        let suggestion = closest.filter(|known| typos(known) <= MAX_TYPOS);
        Some(UnknownSetting { name, suggestion })
    }
}

impl fmt::Display for UnknownSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a setting", self.name)?;
        self.suggestion
            .map_or(Ok(()), |name| write!(f, "; did you mean {name}?"))
    }
}

#[cfg(test)]
mod tests {
    use super::UnknownSetting;

    #[test]
    fn misspelt_setting_gets_a_suggestion() {
        let message = |name: &str| UnknownSetting::check(name.to_owned()).map(|unknown| unknown.to_string());
        assert_eq!(message("GOX_DENY"), None);
        assert_eq!(message("GOX_BIN"), None);
        assert_eq!(
            message("GOX_CAHCE_BYTES").as_deref(),
            Some("GOX_CAHCE_BYTES is not a setting; did you mean GOX_CACHE_BYTES?")
        );
        assert_eq!(
            message("GOX_DENYLIST_FILE").as_deref(),
            Some("GOX_DENYLIST_FILE is not a setting")
        );
    }
}
