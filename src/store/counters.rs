//! Event counters with histograms of durations, in a file each.

use std::io;
use std::time::Duration;

use super::number_file::{read_numbers, update_numbers};
use super::{Store, layout};

/// An event that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Programs served without a build.
    Hits,
    /// Programs served after the request waited for a build.
    Misses,
    /// Requests answered without a program.
    Refusals,
    /// Builds that succeeded.
    Builds,
    /// Builds that failed.
    FailedBuilds,
}

impl Counter {
    /// All counters.
    pub const ALL: [Counter; 5] = [
        Counter::Hits,
        Counter::Misses,
        Counter::Refusals,
        Counter::Builds,
        Counter::FailedBuilds,
    ];

    /// The name of the file, and of the metric in `/-/metrics`.
    pub fn name(self) -> &'static str {
        match self {
            Counter::Hits => "hits",
            Counter::Misses => "misses",
            Counter::Refusals => "refusals",
            Counter::Builds => "builds",
            Counter::FailedBuilds => "failed_builds",
        }
    }

    /// The help text in `/-/metrics`.
    pub fn help(self) -> &'static str {
        match self {
            Counter::Hits => "Programs served without a build.",
            Counter::Misses => "Programs served after the request waited for a build.",
            Counter::Refusals => "Requests answered without a program.",
            Counter::Builds => "Builds that succeeded.",
            Counter::FailedBuilds => "Builds that failed.",
        }
    }
}

/// The upper bounds of the buckets in seconds: a hit takes less than a millisecond, a build up to a quarter of an hour.
pub const BOUNDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 420.0, 900.0,
];

/// The numbers in a file: microseconds, and the events of each bucket. The last bucket has no bound.
const NUMBERS: usize = 1 + BOUNDS.len() + 1;

/// The number of events, and their durations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    microseconds: u64,
    buckets: [u64; BOUNDS.len() + 1],
}

impl Histogram {
    /// The number of events.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all durations in seconds.
    pub fn seconds(&self) -> f64 {
        self.microseconds as f64 / 1e6
    }

    /// The events that took at most as long as each of `BOUNDS`.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        BOUNDS
            .into_iter()
            .zip(self.buckets)
            .scan(0, |sum, (bound, events)| {
                *sum += events;
                Some((bound, *sum))
            })
    }

    fn add(&mut self, events: u64, duration: Duration) {
        let bucket = BOUNDS.partition_point(|bound| *bound < duration.as_secs_f64());
        self.buckets[bucket] += events;
        self.microseconds += events * duration.as_micros() as u64;
    }
}

impl From<[u64; NUMBERS]> for Histogram {
    fn from([microseconds, buckets @ ..]: [u64; NUMBERS]) -> Histogram {
        Histogram {
            microseconds,
            buckets,
        }
    }
}

impl Store {
    /// Counts one event, which began when this store was opened.
    pub fn increment(&self, counter: Counter) {
        self.count(counter, 1);
    }

    /// Counts events, which began when this store was opened. An error is only logged: it must not fail a response.
    pub fn count(&self, counter: Counter, events: u64) {
        let path = self.path(layout::COUNTERS).join(counter.name());
        let duration = self.opened_at.elapsed();
        let counted = update_numbers(&path, |numbers| {
            let mut histogram = Histogram::from(*numbers);
            histogram.add(events, duration);
            numbers[0] = histogram.microseconds;
            numbers[1..].copy_from_slice(&histogram.buckets);
        });
        if let Err(error) = counted {
            log::warn!("cannot increment the counter {}: {error}", counter.name());
        }
    }

    /// Reads the number of events and their durations.
    pub fn read_counter(&self, counter: Counter) -> io::Result<Histogram> {
        read_numbers(&self.path(layout::COUNTERS).join(counter.name())).map(Histogram::from)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::number_file::WIDTH;

    #[test]
    fn a_counter_file_has_a_fixed_size() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.read_counter(Counter::Hits).unwrap(), Histogram::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| store.increment(Counter::Hits)));
            }
        });
        store.count(Counter::Hits, 20);
        let histogram = store.read_counter(Counter::Hits).unwrap();
        assert!(histogram.count() == 420 && histogram.seconds() > 0.0);
        let file = store.path(layout::COUNTERS).join("hits");
        assert_eq!(fs::metadata(&file).unwrap().len(), (NUMBERS * WIDTH) as u64);
        // A file that is damaged or of another version starts again.
        fs::write(&file, "x".repeat(20)).unwrap();
        store.increment(Counter::Hits);
        assert_eq!(store.read_counter(Counter::Hits).unwrap().count(), 1);
    }

    #[test]
    fn durations_are_counted_in_the_bucket_of_their_bound() {
        let mut histogram = Histogram::default();
        for milliseconds in [0, 1, 2, 900_000, 900_001] {
            histogram.add(1, Duration::from_millis(milliseconds));
        }
        let cumulative: Vec<_> = histogram.cumulative().map(|(_, events)| events).collect();
        assert_eq!(cumulative, [1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!((histogram.count(), histogram.seconds()), (5, 1800.004));
    }
}
