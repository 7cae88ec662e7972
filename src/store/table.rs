//! Small things to remember, in a number of files that is bounded whatever anybody asks for: each name has one place, and
//! what is put there displaces what was. A name that was displaced is asked again; nothing is ever wrong. What another version of
//! gox-server has put there is not believed: it may have failed where this one does not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::BuildKey;
use super::file::replace;

/// Three digits of a key: 4096 places, of a kilobyte or two each.
const DIGITS: usize = 3;

/// Who remembers.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Remembered things of one kind.
#[derive(Debug)]
pub struct Table {
    dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Entry<W, T> {
    by: W,
    key: W,
    value: T,
}

impl Table {
    /// The table in this directory, which is there.
    pub fn new(dir: PathBuf) -> Table {
        Table { dir }
    }

    /// What was put under this key, and when.
    pub fn get<T: DeserializeOwned>(&self, key: &BuildKey) -> Option<(T, SystemTime)> {
        let place = place(&self.dir, key);
        let at = fs::metadata(&place).ok()?.modified().ok()?;
        // What cannot be read, or is another's, is not there.
        let entry: Entry<String, T> = serde_json::from_slice(&fs::read(&place).ok()?).ok()?;
        (entry.by == VERSION && entry.key == key.as_str()).then_some((entry.value, at))
    }

    /// Puts a value under this key.
    pub fn put(&self, key: &BuildKey, value: &impl Serialize) -> io::Result<()> {
        let bytes = serde_json::to_vec(&Entry {
            by: VERSION,
            key: key.as_str(),
            value,
        })?;
        replace(&place(&self.dir, key), &bytes)
    }
}

/// The one place of a key in a directory of 4096.
pub fn place(dir: &Path, key: &BuildKey) -> PathBuf {
    dir.join(&key.as_str()[..DIGITS])
}

/// How long ago that was. A date that is still to come is that of a clock which was set back, and says nothing: as if it were
/// of long ago.
pub fn age(at: SystemTime) -> Duration {
    at.elapsed().unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::KeyMaker;
    use super::*;

    #[test]
    fn what_is_from_the_future_is_old() {
        let hour = Duration::from_secs(3600);
        assert!((hour..2 * hour).contains(&age(SystemTime::now() - hour)));
        assert_eq!(age(SystemTime::now() + hour), Duration::MAX);
    }

    #[test]
    fn what_another_version_remembers_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let table = Table::new(dir.path().to_owned());
        let key = KeyMaker::default().finish();
        table.put(&key, &1).unwrap();
        let file = place(dir.path(), &key);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace(VERSION, "0.0.1")).unwrap();
        assert_eq!(table.get::<u32>(&key), None);
    }

    #[test]
    fn a_place_holds_the_last_that_was_put_there_under_its_own_name_only() {
        let dir = tempfile::tempdir().unwrap();
        let table = Table::new(dir.path().to_owned());
        let key = |n: u32| KeyMaker::default().field(n.to_string()).finish();
        for n in 0..5000 {
            table.put(&key(n), &n).unwrap();
            assert_eq!(table.get::<u32>(&key(n)).map(|(v, _)| v), Some(n));
        }
        let wrong = (0..5000)
            .filter(|n| table.get::<u32>(&key(*n)).is_some_and(|(v, _)| v != *n))
            .count();
        assert_eq!(wrong, 0);
        assert!(fs::read_dir(dir.path()).unwrap().count() <= 4096);
    }
}
