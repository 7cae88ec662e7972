//! Totals of the use of the object store, in a file each.

use std::io;

use super::number_file::{read_numbers, update_numbers};
use super::{Store, layout};

/// A quantity that is summed since the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// Programs fetched from the object store.
    Fetches,
    /// Programs published in the object store.
    Publications,
    /// Objects of the object store that were rejected.
    Rejections,
    /// Programs that differ from the object store.
    Conflicts,
    /// Failed requests to the object store.
    Errors,
    /// Compiled packages fetched from the object store.
    PackagesFetched,
    /// Compiled packages sent to the object store.
    PackagesSent,
    /// Resolutions fetched from the object store.
    ResolutionsFetched,
    /// Bytes fetched from the object store.
    BytesFetched,
    /// Bytes sent to the object store.
    BytesSent,
    /// Seconds of building that fetched programs saved.
    SecondsSaved,
}

impl Total {
    /// All totals.
    pub const ALL: [Total; 11] = [
        Total::Fetches,
        Total::Publications,
        Total::Rejections,
        Total::Conflicts,
        Total::Errors,
        Total::PackagesFetched,
        Total::PackagesSent,
        Total::ResolutionsFetched,
        Total::BytesFetched,
        Total::BytesSent,
        Total::SecondsSaved,
    ];

    /// The name of the file, and of the metric in `/-/metrics`.
    pub fn name(self) -> &'static str {
        match self {
            Total::Fetches => "store_fetches",
            Total::Publications => "store_publications",
            Total::Rejections => "store_rejections",
            Total::Conflicts => "store_conflicts",
            Total::Errors => "store_errors",
            Total::PackagesFetched => "store_fetched_packages",
            Total::PackagesSent => "store_sent_packages",
            Total::ResolutionsFetched => "store_fetched_resolutions",
            Total::BytesFetched => "store_fetched_bytes",
            Total::BytesSent => "store_sent_bytes",
            Total::SecondsSaved => "store_saved_seconds",
        }
    }

    /// The help text in `/-/metrics`.
    pub fn help(self) -> &'static str {
        match self {
            Total::Fetches => "Programs fetched from the object store instead of built.",
            Total::Publications => "Programs published in the object store.",
            Total::Rejections => {
                "Objects of the object store that were damaged or of another program, and were not used."
            }
            Total::Conflicts => "Programs that were built with other bytes than those in the object store.",
            Total::Errors => "Requests to the object store that failed.",
            Total::PackagesFetched => "Compiled packages fetched from the object store instead of compiled.",
            Total::PackagesSent => "Compiled packages sent to the object store.",
            Total::ResolutionsFetched => "Resolutions of names fetched from the object store.",
            Total::BytesFetched => "Bytes of programs and packages fetched from the object store.",
            Total::BytesSent => "Bytes of programs and packages sent to the object store.",
            Total::SecondsSaved => "Seconds that the builds of the fetched programs took.",
        }
    }
}

impl Store {
    /// Adds to a total. An error is only logged: it must not fail the build.
    pub fn add(&self, total: Total, amount: u64) {
        let path = self.path(layout::COUNTERS).join(total.name());
        let added = update_numbers(&path, |[sum]: &mut [u64; 1]| *sum = sum.saturating_add(amount));
        if let Err(error) = added {
            log::warn!("cannot add to the total {}: {error}", total.name());
        }
    }

    /// Reads a total.
    pub fn read_total(&self, total: Total) -> io::Result<u64> {
        let [sum] = read_numbers(&self.path(layout::COUNTERS).join(total.name()))?;
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_added() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.read_total(Total::BytesSent).unwrap(), 0);
        for amount in [1, 40, 400] {
            store.add(Total::BytesSent, amount);
        }
        assert_eq!(store.read_total(Total::BytesSent).unwrap(), 441);
        assert_eq!(store.read_total(Total::Errors).unwrap(), 0);
    }
}
