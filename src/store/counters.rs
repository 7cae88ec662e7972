//! Persistent event counters. Each is a file that holds a decimal number of fixed width. A process locks the file and overwrites
//! the number.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

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

/// The number of digits of `u64::MAX`.
const DIGITS: usize = 20;

impl Store {
    /// Counts one event. An error is only logged: it must not fail the response.
    pub fn increment(&self, counter: Counter) {
        if let Err(error) = self.try_increment(counter) {
            log::warn!("cannot increment the counter {}: {error}", counter.name());
        }
    }

    fn try_increment(&self, counter: Counter) -> io::Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(layout::COUNTERS).join(counter.name()))?;
        // Held for microseconds. The kernel releases it when the file is closed.
        file.lock()?;
        let count = read_number(&file)?.saturating_add(1);
        file.write_all_at(format!("{count:0DIGITS$}").as_bytes(), 0)?;
        // Versions before 0.2 wrote longer files.
        file.set_len(DIGITS as u64)
    }

    /// Reads the number of events.
    pub fn read_counter(&self, counter: Counter) -> io::Result<u64> {
        match File::open(self.path(layout::COUNTERS).join(counter.name())) {
            Ok(file) => read_number(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Reads a number. A file without one counts by its size: versions before 0.2 appended one byte for each event.
fn read_number(file: &File) -> io::Result<u64> {
    let mut digits = [0; DIGITS];
    let number = match file.read_exact_at(&mut digits, 0) {
        Ok(()) => std::str::from_utf8(&digits)
            .ok()
            .and_then(|digits| digits.parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
        Err(error) => return Err(error),
    };
    number.map_or_else(|| Ok(file.metadata()?.len()), Ok)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_counter_file_has_a_fixed_size() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let file = store.path(layout::COUNTERS).join("hits");
        assert_eq!(store.read_counter(Counter::Hits).unwrap(), 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| store.increment(Counter::Hits)));
            }
        });
        assert_eq!(store.read_counter(Counter::Hits).unwrap(), 400);
        // The format of versions before 0.2.
        for events in [3, 1000] {
            fs::write(&file, ".".repeat(events)).unwrap();
            store.increment(Counter::Hits);
            assert_eq!(store.read_counter(Counter::Hits).unwrap(), events as u64 + 1);
            assert_eq!(fs::metadata(&file).unwrap().len(), DIGITS as u64);
        }
    }
}
