//! Variables that look like settings and are none: what was meant does not hold, and nobody says so.

use std::env;
use std::fmt;

use super::SETTINGS;

/// Where the install script puts programs: no setting, and nobody's slip.
const INSTALLS_TO: &str = "GOX_BIN";

/// More letters than that are another word.
const SLIPS: usize = 3;

/// A name that begins as those of our settings do.
pub struct Misspelt {
    name: String,
    meant: Option<&'static str>,
}

impl Misspelt {
    /// Those of this process's environment, by name.
    pub fn in_environment() -> Vec<Misspelt> {
        let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("GOX_")).collect();
        names.sort();
        names.into_iter().filter_map(Misspelt::of).collect()
    }

    fn of(name: String) -> Option<Misspelt> {
        if name == INSTALLS_TO || SETTINGS.iter().any(|setting| setting.name == name) {
            return None;
        }
        let slips = |known: &&str| strsim::damerau_levenshtein(known, &name);
        let closest = SETTINGS.iter().map(|setting| setting.name).min_by_key(slips);
        let meant = closest.filter(|known| slips(known) <= SLIPS);
        Some(Misspelt { name, meant })
    }
}

impl fmt::Display for Misspelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no setting", self.name)?;
        self.meant.map_or(Ok(()), |meant| write!(f, "; {meant} is one"))
    }
}

#[cfg(test)]
mod tests {
    use super::Misspelt;

    #[test]
    fn what_was_meant_is_said() {
        let said = |name: &str| Misspelt::of(name.to_owned()).map(|found| found.to_string());
        assert_eq!(said("GOX_DENY"), None);
        assert_eq!(said("GOX_BIN"), None);
        let found = said("GOX_CAHCE_BYTES");
        assert_eq!(
            found.as_deref(),
            Some("GOX_CAHCE_BYTES is no setting; GOX_CACHE_BYTES is one")
        );
        assert_eq!(
            said("GOX_DENYLIST_FILE").as_deref(),
            Some("GOX_DENYLIST_FILE is no setting")
        );
    }
}
