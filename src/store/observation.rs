//! Caches results that take long to compute, for all processes. One process at a time computes a result.

use std::fs;
use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::file::{read_json, replace};
use super::lock::Lock;
use super::table::age;
use super::{Store, layout};

/// How long a result is cached: two scrapes of Prometheus, which by default are 15 s apart.
const TTL: Duration = Duration::from_secs(30);

/// How long a process waits for another one to compute the first result.
const FIRST_RESULT_TIMEOUT: Duration = Duration::from_secs(10);

impl Store {
    /// Returns the cached result of `observe`, or calls it. Errors are not cached.
    pub fn observe_cached<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        observe: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let path = self.path(&format!("{name}.json"));
        let cached = |max_age: Duration| -> Option<T> {
            let at = fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .ok()?;
            (age(at) < max_age).then(|| read_json(&path)).flatten()
        };
        if let Some(result) = cached(TTL) {
            return Ok(result);
        }
        let lock_path = self.path(layout::LOCKS).join(name);
        let lock = match Lock::try_acquire(&lock_path) {
            // An expired result is better than a wait.
            Ok(None) => match cached(Duration::MAX) {
                Some(expired) => return Ok(expired),
                None => Lock::acquire_within(&lock_path, FIRST_RESULT_TIMEOUT)?,
            },
            Ok(lock) => lock,
            // The disk is full or read-only: nothing can be cached.
            Err(_) => return observe(),
        };
        // Another process may have cached a result meanwhile.
        if let Some(result) = cached(TTL) {
            return Ok(result);
        }
        let result = observe()?;
        if lock.is_some() {
            replace(&path, &serde_json::to_vec(&result)?)?;
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn concurrent_callers_compute_a_result_once_until_it_expires() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let calls = AtomicUsize::new(0);
        let observe = || {
            store
                .observe_cached("x", || Ok(calls.fetch_add(1, Ordering::SeqCst) + 1))
                .unwrap()
        };
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..16).map(|_| scope.spawn(observe)).collect();
            callers
                .into_iter()
                .for_each(|caller| assert_eq!(caller.join().unwrap(), 1));
        });
        let file = File::open(dir.path().join("x.json")).unwrap();
        file.set_modified(SystemTime::now() - TTL * 2).unwrap();
        let lock = Lock::try_acquire(&dir.path().join("locks/x")).unwrap();
        assert_eq!(observe(), 1, "another process computes the next result");
        drop(lock);
        assert_eq!(observe(), 2);
        file.set_modified(SystemTime::now() - TTL * 2).unwrap();
        assert_eq!(observe(), 2);
        let failed: io::Result<u32> = store.observe_cached("y", || Err(io::Error::other("no")));
        assert!(failed.is_err() && !dir.path().join("y.json").exists());
    }
}
