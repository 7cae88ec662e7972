//! What takes long to find out of the state: found out by one process at a time, kept for a while, and read by all others.

use std::fs;
use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Store;
use super::file::{read_json, replace};
use super::lock::Lock;
use super::table::age;

/// How long an observation is kept: two scrapes of Prometheus, which are 15 s apart as a rule.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// How long the first observation is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// What `observe` finds, or has found a while ago in this process or another. A failure is not kept.
    pub fn observed<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        observe: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let path = self.dir().join(format!("{name}.json"));
        let kept = |least: Duration| -> Option<T> {
            let at = fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .ok()?;
            (age(at) < least).then(|| read_json(&path)).flatten()
        };
        if let Some(observed) = kept(KEPT_FOR) {
            return Ok(observed);
        }
        let lock = self.dir().join("locks").join(name);
        let alone = match Lock::try_take(&lock) {
            // An old observation is better than a wait for the new one.
            Ok(None) => match kept(Duration::MAX) {
                Some(observed) => return Ok(observed),
                None => Lock::take_within(&lock, PATIENCE)?,
            },
            Ok(taken) => taken,
            // Nothing can be kept on a disk that is full or read-only.
            Err(_) => return observe(),
        };
        // Another process may have found it meanwhile.
        if let Some(observed) = kept(KEPT_FOR) {
            return Ok(observed);
        }
        let observed = observe()?;
        if alone.is_some() {
            replace(&path, &serde_json::to_vec(&observed)?)?;
        }
        Ok(observed)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn many_that_ask_observe_once_until_it_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let observations = AtomicUsize::new(0);
        let look = || {
            store
                .observed("x", || Ok(observations.fetch_add(1, Ordering::SeqCst) + 1))
                .unwrap()
        };
        std::thread::scope(|scope| {
            let asked: Vec<_> = (0..16).map(|_| scope.spawn(look)).collect();
            asked
                .into_iter()
                .for_each(|asked| assert_eq!(asked.join().unwrap(), 1));
        });
        let file = File::open(dir.path().join("x.json")).unwrap();
        file.set_modified(SystemTime::now() - KEPT_FOR * 2).unwrap();
        let alone = Lock::try_take(&dir.path().join("locks/x")).unwrap();
        assert_eq!(look(), 1, "another process observes");
        drop(alone);
        assert_eq!(look(), 2);
        file.set_modified(SystemTime::now() - KEPT_FOR * 2).unwrap();
        assert_eq!(look(), 2);
        let failed: io::Result<u32> = store.observed("y", || Err(io::Error::other("no")));
        assert!(failed.is_err() && !dir.path().join("y.json").exists());
    }
}
