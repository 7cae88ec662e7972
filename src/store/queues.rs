//! The queues: for slots of builds, lookups, refreshes and event streams.

use super::slot_queue::SlotQueue;
use super::{Store, layout};

/// Concurrent lookups. Each waits for the network, and needs a process of 20 MB.
const LOOKUPS: usize = 8;

/// Concurrent lookups of one client: names that the module proxy answers slowly do not block other clients.
const LOOKUPS_PER_CLIENT: usize = 2;

/// Concurrent refreshes of resolutions. Each needs a lookup slot too.
const REFRESHES: usize = 4;

/// Concurrent refreshes for one client.
const REFRESHES_PER_CLIENT: usize = 2;

/// Concurrent event streams. Each is a process under CGI and the front.
const STREAMS: usize = 32;

/// Concurrent event streams of one client.
const STREAMS_PER_CLIENT: usize = 2;

impl Store {
    /// The queue for build slots. One client may hold all of them while no other client waits.
    pub fn build_queue(&self, slots: usize) -> SlotQueue {
        self.slot_queue(layout::BUILD_QUEUE, layout::BUILD_SLOTS, slots, slots)
    }

    /// The queue for requests to the module proxy.
    pub fn lookup_queue(&self) -> SlotQueue {
        self.slot_queue(
            layout::LOOKUP_QUEUE,
            layout::LOOKUP_SLOTS,
            LOOKUPS,
            LOOKUPS_PER_CLIENT,
        )
    }

    /// The queue for background refreshes of resolutions.
    pub fn refresh_queue(&self) -> SlotQueue {
        self.slot_queue(
            layout::REFRESH_QUEUE,
            layout::REFRESH_SLOTS,
            REFRESHES,
            REFRESHES_PER_CLIENT,
        )
    }

    /// The slots of event streams.
    pub fn stream_queue(&self) -> SlotQueue {
        self.slot_queue(
            layout::STREAM_QUEUE,
            layout::STREAM_SLOTS,
            STREAMS,
            STREAMS_PER_CLIENT,
        )
    }

    fn slot_queue(&self, queue: &str, slots: &str, count: usize, per_client: usize) -> SlotQueue {
        SlotQueue::new(self.path(queue), &self.path(slots), count, per_client)
    }
}
