//! Hourly budgets of clients, in a bounded number of files. The hash of a client's name selects the file, which drops a client
//! after an hour. A client is a network: one person may have a /24 of IPv4 addresses, or a /48 of IPv6 (RFC 6177).

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{BuildKey, KeyHasher, Store, layout};

/// A client, identified by its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client(String);

/// A resource that has a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A build.
    Build,
    /// A second during which a build holds a slot.
    SlotSecond,
    /// A MiB that a failed build wrote. A program counts for its client as long as it is stored; what a failed build leaves in the
    /// caches counts for nothing else.
    FailedMegabyte,
    /// A request to the module proxy.
    Lookup,
}

/// The hexadecimal digits of a client's key that select its file, one of 4,096.
const BUCKET_DIGITS: usize = 3;

/// The length of a budget period in seconds. A period starts with the client's first cost.
const PERIOD: u64 = 3600;

/// The costs of one client in the current period.
#[derive(Default, Serialize, Deserialize)]
struct ClientCost {
    since: u64,
    builds: u32,
    slot_seconds: u32,
    #[serde(default)]
    failed_megabytes: u32,
    lookups: u32,
}

/// The content of one file: costs by the name of the client.
type ClientCosts = BTreeMap<String, ClientCost>;

impl ClientCost {
    fn count(&mut self, cost: Cost) -> &mut u32 {
        match cost {
            Cost::Build => &mut self.builds,
            Cost::SlotSecond => &mut self.slot_seconds,
            Cost::FailedMegabyte => &mut self.failed_megabytes,
            Cost::Lookup => &mut self.lookups,
        }
    }
}

impl Client {
    /// The name: letters, digits, dots and colons.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The client with this name.
    pub fn from_name(name: String) -> Client {
        Client(name)
    }

    pub(super) fn key(&self) -> BuildKey {
        KeyHasher::default().field(&self.0).finish()
    }

    /// The operator, including background processes. No budget applies.
    pub fn operator() -> Client {
        Client("operator".to_owned())
    }

    /// The client of an IP address. Everything else, such as a unix socket, is one client, `unknown`.
    pub fn from_address(address: &str) -> Client {
        Client(match address.parse() {
            Ok(IpAddr::V4(v4)) => format!("{}.{}.{}", v4.octets()[0], v4.octets()[1], v4.octets()[2]),
            Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
                Some(v4) => return Client::from_address(&v4.to_string()),
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
    /// Spends one unit, and returns whether the budget had one left. `per_hour` 0 means no limit.
    pub fn spend(&self, client: &Client, cost: Cost, per_hour: u32) -> io::Result<bool> {
        if per_hour == 0 {
            return Ok(true);
        }
        self.update_costs(client, |costs| {
            let count = costs.count(cost);
            let is_within = *count < per_hour;
            *count += u32::from(is_within);
            is_within
        })
    }

    /// Adds a cost that is known only after it was caused. It may exceed the budget.
    pub fn charge(&self, client: &Client, cost: Cost, amount: u32) -> io::Result<()> {
        self.update_costs(client, |costs| {
            let count = costs.count(cost);
            *count = count.saturating_add(amount);
        })
    }

    /// Whether the budget has at least one unit left. `per_hour` 0 means no limit.
    pub fn has_budget(&self, client: &Client, cost: Cost, per_hour: u32) -> io::Result<bool> {
        Ok(per_hour == 0 || self.update_costs(client, |costs| *costs.count(cost) < per_hour)?)
    }

    fn update_costs<T>(&self, client: &Client, change: impl FnOnce(&mut ClientCost) -> T) -> io::Result<T> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.budget_file(client))?;
        // Held for microseconds. The kernel releases it when the file is closed.
        file.lock()?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let mut clients = read(&mut file);
        clients.retain(|_, costs| now.abs_diff(costs.since) < PERIOD);
        let costs = clients.entry(client.0.clone()).or_insert_with(|| ClientCost {
            since: now,
            ..ClientCost::default()
        });
        let result = change(costs);
        write(&file, &clients)?;
        Ok(result)
    }

    fn budget_file(&self, client: &Client) -> PathBuf {
        self.path(layout::CLIENTS)
            .join(&client.key().as_str()[..BUCKET_DIGITS])
    }
}

/// Reads a file. An invalid file counts as empty.
fn read(file: &mut File) -> ClientCosts {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    // A process that was killed in `write` leaves the end of the previous text after the JSON value.
    let first = read
        .ok()
        .and_then(|_| serde_json::Deserializer::from_str(&text).into_iter().next());
    first.and_then(Result::ok).unwrap_or_default()
}

/// Overwrites the file, then truncates it. If the process is killed in between, the costs are not lost.
fn write(file: &File, clients: &ClientCosts) -> io::Result<()> {
    let bytes = serde_json::to_vec(clients)?;
    file.write_all_at(&bytes, 0)?;
    file.set_len(bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_one_client() {
        assert_eq!(
            Client::from_address("192.0.2.1"),
            Client::from_address("192.0.2.254")
        );
        assert_eq!(
            Client::from_address("192.0.2.1"),
            Client::from_address("::ffff:192.0.2.9")
        );
        assert_ne!(
            Client::from_address("192.0.2.1"),
            Client::from_address("192.0.3.1")
        );
        assert_eq!(
            Client::from_address("2001:db8:1:2::1"),
            Client::from_address("2001:db8:1:ffff::2")
        );
        assert_ne!(
            Client::from_address("2001:db8:1::1"),
            Client::from_address("2001:db8:2::1")
        );
    }

    #[test]
    fn clients_have_separate_budgets() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let spend = |address: &str, cost| store.spend(&Client::from_address(address), cost, 2).unwrap();
        assert_eq!(
            [1, 2, 3].map(|_| spend("192.0.2.1", Cost::Build)),
            [true, true, false]
        );
        assert!(spend("192.0.2.1", Cost::Lookup));
        assert!(spend("198.51.100.1", Cost::Build));
    }

    /// The addresses were found by trial: both hash to the same file of 4,096.
    #[test]
    fn clients_in_one_file_have_separate_budgets() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let clients = ["192.0.2.1", "1.12.31.1"].map(Client::from_address);
        assert_eq!(store.budget_file(&clients[0]), store.budget_file(&clients[1]));
        for expected in [true, false, false] {
            let is_within = clients
                .each_ref()
                .map(|client| store.spend(client, Cost::Lookup, 1).unwrap());
            assert_eq!(is_within, [expected; 2]);
        }
        assert!(store.has_budget(&clients[0], Cost::SlotSecond, 60).unwrap());
        store.charge(&clients[0], Cost::SlotSecond, 60).unwrap();
        let left = clients
            .each_ref()
            .map(|client| store.has_budget(client, Cost::SlotSecond, 60).unwrap());
        assert_eq!(left, [false, true]);
    }
}
