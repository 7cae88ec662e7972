//! Counts that outlive every process: each is a file to which one byte is added for each event. An append of one byte is
//! whole or not there at all (write(2), O_APPEND), so no lock is needed, and the count is the file's length.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

use super::Store;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Programs served without a build.
    Hits,
    /// Programs served after a build was waited for.
    Misses,
    /// Requests that got no program.
    Refusals,
    /// Builds that made a program.
    Builds,
    /// Builds that made none.
    FailedBuilds,
}

impl Counter {
    /// All of them.
    pub const ALL: [Counter; 5] = [
        Counter::Hits,
        Counter::Misses,
        Counter::Refusals,
        Counter::Builds,
        Counter::FailedBuilds,
    ];

    /// The name of its file, and in `/-/metrics`.
    pub fn name(self) -> &'static str {
        match self {
            Counter::Hits => "hits",
            Counter::Misses => "misses",
            Counter::Refusals => "refusals",
            Counter::Builds => "builds",
            Counter::FailedBuilds => "failed_builds",
        }
    }

    /// What it counts, for a person.
    pub fn help(self) -> &'static str {
        match self {
            Counter::Hits => "Programs served without a build.",
            Counter::Misses => "Programs served after a build was waited for.",
            Counter::Refusals => "Requests that got no program.",
            Counter::Builds => "Builds that made a program.",
            Counter::FailedBuilds => "Builds that made none.",
        }
    }
}

impl Store {
    /// Counts one event. A count that cannot be kept stops no answer.
    pub fn count(&self, counter: Counter) {
        let path = self.counters().join(counter.name());
        let counted = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .and_then(|mut file| file.write_all(b"."));
        if let Err(error) = counted {
            log::warn!("cannot count: {error}");
        }
    }

    /// How many there were.
    pub fn counted(&self, counter: Counter) -> io::Result<u64> {
        match fs::metadata(self.counters().join(counter.name())) {
            Ok(file) => Ok(file.size()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }
}
