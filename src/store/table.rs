//! A cache of small values with a fixed number of files. A key selects one of 65,536 buckets, and a bucket holds the latest value.
//! Values that other versions of gox-server wrote are ignored: such a version may have failed where this one succeeds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::BuildKey;
use super::file::{list_entries, replace, replace_at};

/// The bucket is the first hexadecimal digits of the key: 65,536 files of one or two kilobytes, which eviction counts. With fewer, two
/// popular programs replace each other's resolution.
const DIGITS: usize = 4;

/// The version that writes values.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Cached values of one type, in one directory.
#[derive(Debug)]
pub struct Table {
    dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct TableEntry<S, T> {
    by: S,
    key: S,
    value: T,
}

impl Table {
    /// The table in this directory, which must exist.
    pub fn new(dir: PathBuf) -> Table {
        Table { dir }
    }

    /// Returns the value of a key, and the time when it was put.
    pub fn get<T: DeserializeOwned>(&self, key: &BuildKey) -> Option<(T, SystemTime)> {
        let (entry, at) = read_entry(&self.bucket(key))?;
        (entry.key == key.as_str()).then_some((entry.value, at))
    }

    /// Returns all values, and the times when they were put.
    pub fn list<T: DeserializeOwned>(&self) -> io::Result<Vec<(T, SystemTime)>> {
        let files = list_entries(&self.dir, "")?.into_iter();
        let entries = files.filter_map(|path| read_entry(&path));
        Ok(entries.map(|(entry, at)| (entry.value, at)).collect())
    }

    fn bucket(&self, key: &BuildKey) -> PathBuf {
        self.dir.join(&key.as_str()[..DIGITS])
    }

    /// Stores a value, in place of any other value in the same bucket.
    pub fn put(&self, key: &BuildKey, value: &impl Serialize) -> io::Result<()> {
        replace(&self.bucket(key), &encode(key, value)?)
    }

    /// The same for a value that was put into another table at this time.
    pub fn put_at(&self, key: &BuildKey, value: &impl Serialize, at: SystemTime) -> io::Result<()> {
        replace_at(&self.bucket(key), &encode(key, value)?, at)
    }
}

/// Encodes a value with its key and this version, as JSON.
pub fn encode(key: &BuildKey, value: &impl Serialize) -> io::Result<Vec<u8>> {
    let entry = TableEntry {
        by: VERSION,
        key: key.as_str(),
        value,
    };
    Ok(serde_json::to_vec(&entry)?)
}

/// Decodes the value of a key. `None` for the value of another key or version.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], key: &BuildKey) -> Option<T> {
    let entry: TableEntry<String, T> = serde_json::from_slice(bytes).ok()?;
    (entry.by == VERSION && entry.key == key.as_str()).then_some(entry.value)
}

/// Reads an entry, and the time when it was put. An unreadable file, or the entry of another version, counts as missing.
fn read_entry<T: DeserializeOwned>(path: &Path) -> Option<(TableEntry<String, T>, SystemTime)> {
    let at = fs::metadata(path).ok()?.modified().ok()?;
    let entry: TableEntry<String, T> = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (entry.by == VERSION).then_some((entry, at))
}

/// The time since `at`. `Duration::MAX` if `at` is in the future, which happens after the clock was set back.
pub fn age(at: SystemTime) -> Duration {
    at.elapsed().unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::KeyHasher;
    use super::*;

    #[test]
    fn a_time_in_the_future_counts_as_old() {
        let hour = Duration::from_secs(3600);
        assert!((hour..2 * hour).contains(&age(SystemTime::now() - hour)));
        assert_eq!(age(SystemTime::now() + hour), Duration::MAX);
    }

    #[test]
    fn values_of_another_version_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let table = Table::new(dir.path().to_owned());
        let key = KeyHasher::default().finish();
        table.put(&key, &1).unwrap();
        let file = table.bucket(&key);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace(VERSION, "0.0.1")).unwrap();
        assert_eq!(table.get::<u32>(&key), None);
    }

    #[test]
    fn a_bucket_returns_the_latest_value_for_its_own_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let table = Table::new(dir.path().to_owned());
        let key = |n: u32| KeyHasher::default().field(n.to_string()).finish();
        for n in 0..5000 {
            table.put(&key(n), &n).unwrap();
            assert_eq!(table.get::<u32>(&key(n)).map(|(v, _)| v), Some(n));
        }
        let wrong = (0..5000)
            .filter(|n| table.get::<u32>(&key(*n)).is_some_and(|(v, _)| v != *n))
            .count();
        assert_eq!(wrong, 0);
        let buckets = fs::read_dir(dir.path()).unwrap().count();
        assert!((4500..5000).contains(&buckets), "{buckets} buckets");
    }
}
