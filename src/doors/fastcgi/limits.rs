//! What web servers together, and one request, may take: numbers with their reasons. How long a build may last is not known
//! here, and a web server that waits for one is waited for.

use std::time::Duration;

/// Connections at once, each with a thread. Beyond it nothing is accepted: the kernel's backlog is the queue. As many as
/// the front takes, and for its reason: they fit into the usual 1024 descriptors.
pub(super) const CONNECTIONS: u32 = 256;

/// All variables of a request together. nginx takes 32 KiB of head from a client, lighttpd 8 KiB; what they say twice
/// (REQUEST_URI, PATH_INFO) and what they add fits beside that.
pub(super) const PARAMS_BYTES: usize = 64 << 10;

/// From the first byte of a request to the last of its body. Most web servers have all of it before they connect; Apache's
/// mod_proxy_fcgi passes a body on as its client sends it, and nobody sends one that means anything.
pub(super) const REQUEST: Duration = Duration::from_secs(15);

/// Between two requests on a connection. nginx keeps an idle one for 60 s: whoever closes first loses the request that
/// crosses the closing, so the responder must be the more patient one.
pub(super) const IDLE: Duration = Duration::from_secs(95);

/// How long a web server may take nothing at all of an answer. It paces us for a slow client, and gives up on one by itself:
/// lighttpd after 360 s (server.max-write-idle), the others sooner.
pub(super) const STALL: Duration = Duration::from_secs(400);

/// After an accept that failed for want of descriptors or memory: long enough for some to come free.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
