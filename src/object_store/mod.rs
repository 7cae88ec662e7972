//! The S3-compatible object store that machines share (GOX_STORE). Only detached processes and `doctor` connect to it; any process may
//! read what they have recorded about it.
//!
//! | object | content |
//! |---|---|
//! | `result/BUILDKEY` | the metadata of a program, as JSON; created once, never replaced |
//! | `bytes/SHA256` | a program |
//! | `failure/BUILDKEY` | a permanent failure of a build, as JSON; may be replaced |
//! | `resolution/KEY` | what a name means, or that it has no program, as JSON; replaced |
//! | `claim/BUILDKEY/N` | the name of the machine that builds this program; see `claim.rs` |
//! | `packages/KEY` | the compiled packages of a program or of the standard library, for one Go version and platform; replaced |
//! | `out/SHA256` | a compiled package |
//! | `probe/…` | what a probe writes and removes |

mod address;
mod claim;
mod client;
mod connection;
mod held_claim;
mod probe;
mod random;
pub mod record;
mod signer;
mod store_error;

pub use claim::LIFETIME as CLAIM_LIFETIME;
pub use client::{MAX_THREADS, Object};
pub use connection::{Claim, ObjectStore, check};
pub use held_claim::HeldClaim;
pub use probe::ProbeResult;
pub use random::random_part_of;
