//! Places for connections and requests, counted for all clients together and for each address: whatever one address takes, a
//! place is left for `/-/health`, and for others. It knows addresses, and neither sockets nor HTTP.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::Limits;

/// The places of one front.
pub(super) struct Seats {
    connections: Arc<Semaphore>,
    /// Connections beyond that, or beyond what an address may have: these are asked for health only.
    reserve: Arc<Semaphore>,
    /// Requests under way. They wait for each other in order of arrival.
    pub(super) requests: Arc<Semaphore>,
    /// Requests for health under way.
    pub(super) health: Arc<Semaphore>,
    addresses: Arc<Addresses>,
    reserve_addresses: Arc<Addresses>,
}

/// The place of a connection.
pub(super) enum Seat {
    /// One of many.
    Ordinary { _places: Places },
    /// One for a single request, which is for health or is refused.
    Reserved { why: NoSeat, _places: Places },
}

/// Why there is no ordinary place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoSeat {
    /// The front serves as many as it can.
    ForAll,
    /// This address has as many as it may.
    ForAddress,
}

type Places = (OwnedSemaphorePermit, Option<Counted>);

impl Seats {
    pub(super) fn new(limits: &Limits) -> Seats {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Seats {
            connections: semaphore(limits.connections),
            reserve: semaphore(limits.reserve),
            requests: semaphore(limits.requests),
            health: semaphore(limits.health),
            addresses: Addresses::new(limits.per_address),
            // No address has all of it.
            reserve_addresses: Addresses::new(limits.reserve.div_ceil(2)),
        }
    }

    /// A place for a connection of this address; of `None`, a trusted proxy, only the requests are counted. `None` where even the
    /// reserve is full.
    pub(super) fn seat(&self, address: Option<IpAddr>) -> Option<Seat> {
        let why = match take(&self.connections, &self.addresses, address) {
            Ok(_places) => return Some(Seat::Ordinary { _places }),
            Err(why) => why,
        };
        let _places = take(&self.reserve, &self.reserve_addresses, address).ok()?;
        Some(Seat::Reserved { why, _places })
    }

    /// A place for a request of a client that a trusted proxy saw.
    pub(super) fn request_of(&self, client: IpAddr) -> Option<Counted> {
        self.addresses.count(client)
    }
}

fn take(
    places: &Arc<Semaphore>,
    addresses: &Arc<Addresses>,
    address: Option<IpAddr>,
) -> Result<Places, NoSeat> {
    let counted = match address {
        Some(address) => Some(addresses.count(address).ok_or(NoSeat::ForAddress)?),
        None => None,
    };
    let place = Arc::clone(places).try_acquire_owned();
    Ok((place.map_err(|_| NoSeat::ForAll)?, counted))
}

/// How much each address has.
struct Addresses {
    /// Zero: no bound.
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One of what an address has, as long as this value lives.
pub(super) struct Counted {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    fn new(most: usize) -> Arc<Addresses> {
        Arc::new(Addresses {
            most,
            counts: Mutex::default(),
        })
    }

    /// Counts one more, unless the address has as many as it may.
    fn count(self: &Arc<Addresses>, address: IpAddr) -> Option<Counted> {
        let address = block(address);
        // A count is whole whenever the lock is released.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if self.most > 0 && *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Counted {
            addresses: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self
            .addresses
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// What one machine has of addresses: one of IPv4, a /64 of IPv6 (RFC 4291 section 2.5.1).
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}
