//! Limits for connections and requests, and the reason of each. The time of a build is not limited here.

use std::time::Duration;

/// Maximum number of connections, each with its own thread. Further connections wait in the kernel's backlog. The same number as
/// the front's limit for requests, for the same reason: they fit into the usual limit of 1024 descriptors.
pub(super) const MAX_CONNECTIONS: u32 = 256;

/// Maximum length of all FCGI_PARAMS of a request in bytes. nginx accepts request headers of 32 KiB, lighttpd of 8 KiB. The rest
/// is for the variables that they add, and for the path, which they send twice (REQUEST_URI, PATH_INFO).
pub(super) const MAX_PARAMS_BYTES: usize = 64 << 10;

/// Time from the first byte of a request to the last byte of its body. Most web servers read the whole request before they
/// connect. Apache's mod_proxy_fcgi forwards a body while its client sends it, but no request needs a body.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Time between two requests on a connection. nginx closes an idle connection after 60 s. If the responder closed it first, a
/// request that is sent at that moment would be lost, so this timeout must be longer.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(95);

/// Time in which the web server reads no byte of a response. A web server reads at the speed of its client and has a shorter
/// timeout for a slow one: lighttpd's is 360 s (server.max-write-idle), the longest of all.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(400);

/// Delay after an accept that failed for lack of descriptors or memory.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
