//! The addresses by which clients requested programs. `gox-server warm --used` requests them again.

use std::io;
use std::time::Duration;

use super::table::age;
use super::{KeyHasher, Store, Table, layout};

/// How often the date of an address is renewed.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(60 * 60);

impl Store {
    /// Records that a client requested this address, a path and a query. Failures are logged: only `warm --used` needs the record.
    pub fn record_request(&self, address: &str) {
        let key = KeyHasher::default().field(address).finish();
        let last = self.requests().get::<String>(&key);
        if last.is_some_and(|(_, at)| age(at) < RENEWAL_INTERVAL) {
            return;
        }
        let recorded = self
            .create_directories()
            .and_then(|()| self.requests().put(&key, &address));
        if let Err(error) = recorded {
            log::warn!("cannot record the request of {address}: {error}");
        }
    }

    /// Returns the addresses that were requested within this time, sorted.
    pub fn requests_within(&self, time: Duration) -> io::Result<Vec<String>> {
        self.create_directories()?;
        let mut addresses: Vec<String> = self
            .requests()
            .list()?
            .into_iter()
            .filter_map(|(address, at)| (age(at) <= time).then_some(address))
            .collect();
        addresses.sort();
        Ok(addresses)
    }

    fn requests(&self) -> Table {
        Table::new(self.path(layout::REQUESTS))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn addresses_expire_unless_they_are_requested_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let hour = Duration::from_secs(60 * 60);
        for address in ["/b/b", "/a/a?os=linux&arch=arm64"] {
            store.record_request(address);
        }
        assert_eq!(
            store.requests_within(hour).unwrap(),
            ["/a/a?os=linux&arch=arm64", "/b/b"]
        );
        for entry in fs::read_dir(store.path(layout::REQUESTS)).unwrap() {
            let file = File::open(entry.unwrap().path()).unwrap();
            file.set_modified(SystemTime::now() - hour * 3).unwrap();
        }
        store.record_request("/b/b");
        assert_eq!(store.requests_within(hour * 2).unwrap(), ["/b/b"]);
        assert_eq!(store.requests_within(hour * 4).unwrap().len(), 2);
    }
}
