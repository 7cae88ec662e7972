//! Counts that outlive every process: each is a file that holds a number of fixed width, written in place by the process that has
//! the file's lock for that moment.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

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

/// Digits of the largest count.
const DIGITS: usize = 20;

impl Store {
    /// Counts one event. A count that cannot be kept stops no answer.
    pub fn count(&self, counter: Counter) {
        if let Err(error) = self.add_one(counter) {
            log::warn!("cannot count: {error}");
        }
    }

    fn add_one(&self, counter: Counter) -> io::Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.counters().join(counter.name()))?;
        // Held for some microseconds; the kernel gives it back with the file.
        file.lock()?;
        let count = read(&file)?.saturating_add(1);
        file.write_all_at(format!("{count:0DIGITS$}").as_bytes(), 0)?;
        // Another version of gox-server wrote more.
        file.set_len(DIGITS as u64)
    }

    /// How many there were.
    pub fn counted(&self, counter: Counter) -> io::Result<u64> {
        match File::open(self.counters().join(counter.name())) {
            Ok(file) => read(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// What is no number counts as its bytes: versions before 0.2 added one for each event.
fn read(file: &File) -> io::Result<u64> {
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
    fn a_counter_takes_the_same_room_however_much_it_counted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let file = store.counters().join("hits");
        assert_eq!(store.counted(Counter::Hits).unwrap(), 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| store.count(Counter::Hits)));
            }
        });
        assert_eq!(store.counted(Counter::Hits).unwrap(), 400);
        // As versions before 0.2 counted.
        for events in [3, 1000] {
            fs::write(&file, ".".repeat(events)).unwrap();
            store.count(Counter::Hits);
            assert_eq!(store.counted(Counter::Hits).unwrap(), events as u64 + 1);
            assert_eq!(fs::metadata(&file).unwrap().len(), DIGITS as u64);
        }
    }
}
