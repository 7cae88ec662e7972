//! What each client has caused in the last hour, in a bounded number of files. A client is a network: what one person has
//! of addresses is a /24 of IPv4, or a /48 of IPv6 (RFC 6177).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{KeyMaker, Store};

/// A client's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client(String);

/// What costs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A build.
    Build,
    /// A question to the module proxy.
    Lookup,
}

/// An hour, in seconds: budgets are counted from the first cost on, and forgotten after it.
const HOUR: u64 = 3600;

#[derive(Default, Serialize, Deserialize)]
struct Spent {
    client: String,
    since: u64,
    builds: u32,
    lookups: u32,
}

impl Spent {
    fn count(&mut self, cost: Cost) -> &mut u32 {
        match cost {
            Cost::Build => &mut self.builds,
            Cost::Lookup => &mut self.lookups,
        }
    }
}

impl Client {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.0
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

    /// Takes back a cost that came to nothing.
    pub fn give_back(&self, client: &Client, cost: Cost) -> io::Result<()> {
        self.with_spent(client, |spent| {
            let count = spent.count(cost);
            *count = count.saturating_sub(1);
        })
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
        let is_this = |spent: &Spent| spent.client == client.0 && now.abs_diff(spent.since) < HOUR;
        let mut spent = read(&mut file).filter(is_this).unwrap_or_else(|| Spent {
            client: client.0.clone(),
            since: now,
            ..Spent::default()
        });
        let changed = change(&mut spent);
        write(&mut file, &spent)?;
        Ok(changed)
    }

    fn budget(&self, client: &Client) -> std::path::PathBuf {
        let key = KeyMaker::default().field(&client.0).finish();
        super::table::place(&self.clients(), &key)
    }
}

/// What a crash left half written counts as nothing spent.
fn read(file: &mut File) -> Option<Spent> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write(file: &mut File, spent: &Spent) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&serde_json::to_vec(spent)?)
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
}
