//! Permits for connections and requests, counted for all clients and for each address. One address cannot use all permits, and a
//! reserve is kept for `/-/health`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::FrontLimits;

/// The permits of one front.
pub(super) struct Permits {
    connections: Arc<Semaphore>,
    /// Connections beyond the limits. They are served only for health checks.
    reserve: Arc<Semaphore>,
    /// Requests. The semaphore is fair: they wait in order of arrival.
    pub(super) requests: Arc<Semaphore>,
    /// Health checks.
    pub(super) health: Arc<Semaphore>,
    addresses: Arc<AddressCounts>,
    reserve_addresses: Arc<AddressCounts>,
}

/// The permit of a connection. Dropping it releases the permit.
pub(super) enum ConnectionPermit {
    /// Within the limits.
    Ordinary { _held: PermitPair },
    /// Beyond the limits: for one request, which is a health check or is rejected.
    Reserved { denied: PermitDenied, _held: PermitPair },
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PermitDenied {
    /// The limit of the front.
    ServerFull,
    /// The limit of this address.
    AddressFull,
}

type PermitPair = (OwnedSemaphorePermit, Option<AddressPermit>);

impl Permits {
    pub(super) fn new(limits: &FrontLimits) -> Permits {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Permits {
            connections: semaphore(limits.connections),
            reserve: semaphore(limits.reserve),
            requests: semaphore(limits.requests),
            health: semaphore(limits.health),
            addresses: AddressCounts::new(limits.per_address),
            // One address cannot use all of the reserve.
            reserve_addresses: AddressCounts::new(limits.reserve.div_ceil(2)),
        }
    }

    /// Acquires the permit of a connection. `address` is `None` for a trusted proxy, of which only the requests are counted for each
    /// address. Returns `None` if the reserve is exhausted too.
    pub(super) fn try_acquire_connection(&self, address: Option<IpAddr>) -> Option<ConnectionPermit> {
        let denied = match try_acquire(&self.connections, &self.addresses, address) {
            Ok(_held) => return Some(ConnectionPermit::Ordinary { _held }),
            Err(denied) => denied,
        };
        let _held = try_acquire(&self.reserve, &self.reserve_addresses, address).ok()?;
        Some(ConnectionPermit::Reserved { denied, _held })
    }

    /// Acquires the permit of an address for a request through a trusted proxy.
    pub(super) fn try_acquire_request(&self, client: IpAddr) -> Option<AddressPermit> {
        self.addresses.try_acquire(client)
    }
}

fn try_acquire(
    semaphore: &Arc<Semaphore>,
    addresses: &Arc<AddressCounts>,
    address: Option<IpAddr>,
) -> Result<PermitPair, PermitDenied> {
    let address_permit = match address {
        Some(address) => Some(addresses.try_acquire(address).ok_or(PermitDenied::AddressFull)?),
        None => None,
    };
    let permit = Arc::clone(semaphore).try_acquire_owned();
    Ok((permit.map_err(|_| PermitDenied::ServerFull)?, address_permit))
}

/// The number of permits of each address.
struct AddressCounts {
    /// Maximum number for one address; 0: no limit.
    max: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// A permit of an address. Dropping it releases the permit.
pub(super) struct AddressPermit {
    addresses: Arc<AddressCounts>,
    address: IpAddr,
}

impl AddressCounts {
    fn new(max: usize) -> Arc<AddressCounts> {
        Arc::new(AddressCounts {
            max,
            counts: Mutex::default(),
        })
    }

    /// Acquires a permit, unless the address has reached the limit.
    fn try_acquire(self: &Arc<AddressCounts>, address: IpAddr) -> Option<AddressPermit> {
        let address = network_of(address);
        // Poisoning is ignored: the counts are consistent whenever the lock is released.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if self.max > 0 && *count >= self.max {
            return None;
        }
        *count += 1;
        Some(AddressPermit {
            addresses: Arc::clone(self),
            address,
        })
    }
}

impl Drop for AddressPermit {
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

/// The network that one client typically controls: one IPv4 address, or an IPv6 /64 (RFC 4291 section 2.5.1).
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}
