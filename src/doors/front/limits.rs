//! What one client, and all clients together, may take from the front: numbers with their reasons.
//! It enforces nothing; `front`, `seats`, `connection` and `line` do. How long a build may last is not known here.

use std::time::Duration;

/// What clients may take. The defaults suit a small machine behind a router or directly on the net.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections of one address (a /64 of IPv6), or requests of it through trusted proxies; 0: no bound.
    pub per_address: usize,
    /// Connections beyond either, which are asked for health only.
    pub reserve: usize,
    /// Requests under way at once. The next wait for them in order of arrival.
    pub requests: usize,
    /// Requests for health under way at once, besides.
    pub health: usize,
    /// From the accepted connection to its first whole request head.
    pub first_head: Duration,
    /// The same of a connection in reserve.
    pub reserve_head: Duration,
    /// From the end of an answer to the next whole request head.
    pub next_head: Duration,
    /// The request line and all header fields together.
    pub head_bytes: usize,
    /// How long an answer waits for a client that takes less than `pace_bytes` of it meanwhile.
    pub stall: Duration,
    /// What a client takes at least, in `stall`.
    pub pace_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // An idle connection costs a descriptor and some kilobytes.
            connections: 1024,
            // What conf/nginx.conf allows: a browser opens six, and a build farm behind one address some tens.
            per_address: 64,
            // Each is gone within a second.
            reserve: 32,
            // A request under way holds three descriptors (socket, pipe, pidfd) and one process; 256 of them fit
            // into the usual 1024 descriptors, and into the 256 tasks of the smallest dyno when most are idle.
            requests: 256,
            // Each takes milliseconds.
            health: 16,
            // Every honest client sends its head in one packet. Ten seconds are three lost SYNs and a modem.
            first_head: Duration::from_secs(10),
            // Probes come from the same machine or network.
            reserve_head: Duration::from_secs(1),
            // Heroku's router keeps idle connections for 90 s. Whoever closes first loses the request that
            // crosses the closing, so the front must be the more patient one.
            next_head: Duration::from_secs(95),
            // What nginx allows (4 × 8 KiB). Each field becomes an environment variable, of which the kernel
            // takes 128 KiB each (MAX_ARG_STRLEN, execve(2)).
            head_bytes: 32 * 1024,
            // nginx's send_timeout. Kernel buffers and retransmissions hide shorter pauses anyway.
            stall: Duration::from_secs(60),
            // 4 KiB/s: GPRS has as much, and 6 MB take less than half an hour.
            pace_bytes: 240 * 1024,
        }
    }
}

impl Limits {
    /// The same with as many connections as so many open files suffice for: a request under way has two besides its socket.
    pub(super) fn with_files(self, files: usize) -> Limits {
        /// The listener, the event loop, the standard streams, and files that are read.
        const OTHERS: usize = 32;
        let besides = OTHERS + 2 * (self.requests + self.health) + self.reserve;
        Limits {
            connections: self.connections.min(files.saturating_sub(besides)).max(1),
            ..self
        }
    }
}
