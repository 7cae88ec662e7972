//! A claim that this machine holds. A thread renews it until it is released, or until the process ends.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};

use super::ObjectStore;
use super::claim::RENEWAL_INTERVAL;
use crate::store::BuildKey;

/// A claim of this machine.
pub struct HeldClaim {
    objects: Arc<ObjectStore>,
    key: BuildKey,
    number: usize,
    /// Dropping it ends the thread.
    end: Sender<()>,
    /// `None` if no thread could be started. Then the claim may expire during the build, which costs a second build.
    renewal: Option<JoinHandle<()>>,
}

impl HeldClaim {
    /// Starts to renew a claim that was just acquired.
    pub(super) fn hold(objects: &Arc<ObjectStore>, key: &BuildKey, number: usize) -> HeldClaim {
        let (end, ended) = mpsc::channel::<()>();
        let renew = {
            let (objects, key) = (Arc::clone(objects), key.clone());
            move || {
                while ended.recv_timeout(RENEWAL_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    objects.renew(&key, number);
                }
            }
        };
        HeldClaim {
            objects: Arc::clone(objects),
            key: key.clone(),
            number,
            end,
            renewal: thread::Builder::new().spawn(renew).ok(),
        }
    }

    /// Releases the claim. Call it after the outcome of the build was published.
    pub fn release(self) {
        drop(self.end);
        // A renewal after the removal would create the claim again.
        if let Some(renewal) = self.renewal {
            // The thread does not panic.
            renewal.join().ok();
        }
        self.objects.release(&self.key, self.number);
    }
}
