//! What one client, and all clients together, may take from the front: numbers with their reasons.
//! It enforces nothing; `front`, `connection` and `line` do. How long a build may last is not known here.

use std::time::Duration;

/// What clients may take. The defaults suit a small machine behind a router or directly on the net.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once. Beyond it nothing is accepted: the kernel's backlog is the queue.
    pub connections: usize,
    /// From the accepted connection to its first whole request head.
    pub first_head: Duration,
    /// From the end of an answer to the next whole request head.
    pub next_head: Duration,
    /// The request line and all header fields together.
    pub head_bytes: usize,
    /// How long a client may take nothing at all of an answer. Slow is fine, still is not.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A request under way holds three descriptors (socket, pipe, pidfd) and one process; 256 of them fit
            // into the usual 1024 descriptors, and into the 256 tasks of the smallest dyno when most are idle.
            connections: 256,
            // Every honest client sends its head in one packet. Ten seconds are three lost SYNs and a modem.
            first_head: Duration::from_secs(10),
            // Heroku's router keeps idle connections for 90 s. Whoever closes first loses the request that
            // crosses the closing, so the front must be the more patient one.
            next_head: Duration::from_secs(95),
            // What nginx allows (4 × 8 KiB). Each field becomes an environment variable, of which the kernel
            // takes 128 KiB each (MAX_ARG_STRLEN, execve(2)).
            head_bytes: 32 * 1024,
            // nginx's send_timeout. Kernel buffers and retransmissions hide shorter pauses anyway.
            stall: Duration::from_secs(60),
        }
    }
}
