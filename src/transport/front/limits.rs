//! Limits of the front for one client and for all clients, and the reason of each. The time of a build is not limited here.

use std::time::Duration;

/// The limits of a front. The defaults are for a small machine, behind a router or directly on the internet.
#[derive(Debug, Clone)]
pub struct FrontLimits {
    /// Maximum number of connections.
    pub connections: usize,
    /// Maximum number of connections of one address (a /64 of IPv6), or of its requests through trusted proxies; 0: no limit.
    pub per_address: usize,
    /// Number of additional connections, which are served only for health checks.
    pub reserve: usize,
    /// Maximum number of concurrent requests. Further requests wait in order of arrival.
    pub requests: usize,
    /// Maximum number of concurrent health checks, in addition to `requests`.
    pub health: usize,
    /// Time from accept to the end of the first request head.
    pub first_head: Duration,
    /// The same for a reserved connection.
    pub reserve_head: Duration,
    /// Time from the end of a response to the end of the next request head.
    pub next_head: Duration,
    /// Maximum length of the request line and all header fields in bytes.
    pub head_bytes: usize,
    /// Time for which writes may be blocked while the client reads less than `pace_bytes`.
    pub stall: Duration,
    /// Minimum number of bytes that the client must read in `stall`.
    pub pace_bytes: usize,
}

impl Default for FrontLimits {
    fn default() -> Self {
        Self {
            // An idle connection costs a descriptor and some kilobytes.
            connections: 1024,
            // The same limit as in conf/nginx.conf. A browser opens six connections, a build farm behind one address some tens.
            per_address: 64,
            // Each lasts at most a second.
            reserve: 32,
            // A request uses three descriptors (socket, pipe, pidfd) and one process. 256 requests fit into the usual 1024
            // descriptors, and into the 256 tasks of the smallest dyno if most connections are idle.
            requests: 256,
            // Each takes milliseconds.
            health: 16,
            // Clients send the head in one packet. Ten seconds are enough for three lost SYNs and a modem.
            first_head: Duration::from_secs(10),
            // Health checks come from the same machine or network.
            reserve_head: Duration::from_secs(1),
            // Heroku's router keeps idle connections for 90 s. If the front closed one first, a request that is sent at that moment
            // would be lost, so this timeout must be longer.
            next_head: Duration::from_secs(95),
            // nginx's limit (4 × 8 KiB). Each field becomes an environment variable, and the kernel limits one to 128 KiB
            // (MAX_ARG_STRLEN, execve(2)).
            head_bytes: 32 * 1024,
            // nginx's send_timeout. Kernel buffers and retransmissions hide shorter pauses anyway.
            stall: Duration::from_secs(60),
            // 4 KiB/s, the rate of GPRS. 6 MB take less than half an hour.
            pace_bytes: 240 * 1024,
        }
    }
}

impl FrontLimits {
    /// Reduces the number of connections to what the limit of open files permits. A request uses two files besides its socket.
    pub(super) fn cap_to_open_files(self, max_files: usize) -> FrontLimits {
        /// The listener, the event loop, the standard streams, and files that are sent.
        const OTHERS: usize = 32;
        let other_files = OTHERS + 2 * (self.requests + self.health) + self.reserve;
        FrontLimits {
            connections: self.connections.min(max_files.saturating_sub(other_files)).max(1),
            ..self
        }
    }
}
