//! What each client has caused in the last hour, in a bounded number of files: each holds the clients whose names hash to it, and
//! only those of the last hour. A client is a network: what one person has of addresses is a /24 of IPv4, or a /48 of IPv6 (RFC 6177).

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{BuildKey, KeyMaker, Store};

/// A client's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client(String);

/// What costs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A build.
    Build,
    /// A second during which a build holds a slot.
    SlotSecond,
    /// A look-up at the module proxy.
    Lookup,
}

/// An hour, in seconds: budgets are counted from the first cost on, and forgotten after it.
const HOUR: u64 = 3600;

/// What one client has caused.
#[derive(Default, Serialize, Deserialize)]
struct Spent {
    since: u64,
    builds: u32,
    slot_seconds: u32,
    lookups: u32,
}

/// The clients of one file, by name.
type Clients = BTreeMap<String, Spent>;

impl Spent {
    fn count(&mut self, cost: Cost) -> &mut u32 {
        match cost {
            Cost::Build => &mut self.builds,
            Cost::SlotSecond => &mut self.slot_seconds,
            Cost::Lookup => &mut self.lookups,
        }
    }
}

impl Client {
    /// What it is called: letters, digits, dots and colons.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The client of this name.
    pub fn named(name: String) -> Client {
        Client(name)
    }

    fn key(&self) -> BuildKey {
        KeyMaker::default().field(&self.0).finish()
    }

    /// The operator, and the processes that gox-server starts for itself: one client, without a budget.
    pub fn operator() -> Client {
        Client("operator".to_owned())
    }

    /// The network of an address; what is no address (a unix socket, a test) is one client.
    pub fn of(address: &str) -> Client {
        Client(match address.parse() {
            Ok(IpAddr::V4(v4)) => format!("{}.{}.{}", v4.octets()[0], v4.octets()[1], v4.octets()[2]),
            Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
                Some(v4) => return Client::of(&v4.to_string()),
                None => format!(
                    "{:x}:{:x}:{:x}",
                    v6.segments()[0],
                    v6.segments()[1],
                    v6.segments()[2]
                ),
            },
            Err(_) => "unknown".to_owned(),
        })
    }
}

impl Store {
    /// Adds a cost to what the client has caused; says whether it stays within `per_hour`. Zero means no bound.
    pub fn spend(&self, client: &Client, cost: Cost, per_hour: u32) -> io::Result<bool> {
        if per_hour == 0 {
            return Ok(true);
        }
        self.with_spent(client, |spent| {
            let count = spent.count(cost);
            let is_within = *count < per_hour;
            *count += u32::from(is_within);
            is_within
        })
    }

    /// Adds to what the client has caused what is known only afterwards.
    pub fn charge(&self, client: &Client, cost: Cost, amount: u32) -> io::Result<()> {
        self.with_spent(client, |spent| {
            let count = spent.count(cost);
            *count = count.saturating_add(amount);
        })
    }

    /// Whether the client has caused less than `per_hour`. Zero means no bound.
    pub fn has_left(&self, client: &Client, cost: Cost, per_hour: u32) -> io::Result<bool> {
        Ok(per_hour == 0 || self.with_spent(client, |spent| *spent.count(cost) < per_hour)?)
    }

    fn with_spent<T>(&self, client: &Client, change: impl FnOnce(&mut Spent) -> T) -> io::Result<T> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.budget(client))?;
        // Held for some microseconds; the kernel gives it back with the file.
        file.lock()?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let mut clients = read(&mut file);
        clients.retain(|_, spent| now.abs_diff(spent.since) < HOUR);
        let spent = clients.entry(client.0.clone()).or_insert_with(|| Spent {
            since: now,
            ..Spent::default()
        });
        let changed = change(spent);
        write(&file, &clients)?;
        Ok(changed)
    }

    fn budget(&self, client: &Client) -> PathBuf {
        super::table::place(&self.clients(), &client.key())
    }

    /// The lock of the request that waits for a slot to build this, for this client and those that share its first digit: of one
    /// program, no more tickets wait than there are digits.
    pub fn queued(&self, key: &BuildKey, client: &Client) -> PathBuf {
        let build = self.lock(key);
        build.with_added_extension(&client.key().as_str()[..1])
    }
}

/// What is not what we write counts as nothing spent.
fn read(file: &mut File) -> Clients {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    // The end of a longer text may be left behind it.
    let first = read
        .ok()
        .and_then(|_| serde_json::Deserializer::from_str(&text).into_iter().next());
    first.and_then(Result::ok).unwrap_or_default()
}

/// Writes over what is there, and cuts it then: a process that is killed in between has spent what it spent.
fn write(file: &File, clients: &Clients) -> io::Result<()> {
    let bytes = serde_json::to_vec(clients)?;
    file.write_all_at(&bytes, 0)?;
    file.set_len(bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_a_network() {
        assert_eq!(Client::of("192.0.2.1"), Client::of("192.0.2.254"));
        assert_eq!(Client::of("192.0.2.1"), Client::of("::ffff:192.0.2.9"));
        assert_ne!(Client::of("192.0.2.1"), Client::of("192.0.3.1"));
        assert_eq!(Client::of("2001:db8:1:2::1"), Client::of("2001:db8:1:ffff::2"));
        assert_ne!(Client::of("2001:db8:1::1"), Client::of("2001:db8:2::1"));
    }

    #[test]
    fn a_budget_ends_and_is_each_clients_own() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let spend = |address: &str, cost| store.spend(&Client::of(address), cost, 2).unwrap();
        assert_eq!(
            [1, 2, 3].map(|_| spend("192.0.2.1", Cost::Build)),
            [true, true, false]
        );
        assert!(spend("192.0.2.1", Cost::Lookup));
        assert!(spend("198.51.100.1", Cost::Build));
    }

    /// Found by trying: both hash to one of the 4,096 files.
    #[test]
    fn two_clients_of_one_file_have_a_budget_each() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let clients = ["192.0.2.1", "1.12.31.1"].map(Client::of);
        assert_eq!(store.budget(&clients[0]), store.budget(&clients[1]));
        for expected in [true, false, false] {
            let within = clients
                .each_ref()
                .map(|client| store.spend(client, Cost::Lookup, 1).unwrap());
            assert_eq!(within, [expected; 2]);
        }
        assert!(store.has_left(&clients[0], Cost::SlotSecond, 60).unwrap());
        store.charge(&clients[0], Cost::SlotSecond, 60).unwrap();
        let left = clients
            .each_ref()
            .map(|client| store.has_left(client, Cost::SlotSecond, 60).unwrap());
        assert_eq!(left, [false, true]);
    }
}
