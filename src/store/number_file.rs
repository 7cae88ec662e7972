//! Files of decimal numbers of fixed width. A process locks a file and overwrites its numbers, so the files never grow.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The width of a number: the digits of `u64::MAX`, and a newline.
pub(super) const WIDTH: usize = 21;

/// Reads the numbers. They are 0 if the file is missing, or where it is damaged or too short.
pub(super) fn read_numbers<const N: usize>(path: &Path) -> io::Result<[u64; N]> {
    match File::open(path) {
        Ok(file) => read(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok([0; N]),
        Err(error) => Err(error),
    }
}

/// Changes the numbers under a lock.
pub(super) fn update_numbers<const N: usize>(
    path: &Path,
    change: impl FnOnce(&mut [u64; N]),
) -> io::Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    // Held for microseconds. The kernel releases it when the file is closed.
    file.lock()?;
    let mut numbers = read(&file)?;
    change(&mut numbers);
    let mut text = Vec::with_capacity(N * WIDTH);
    for number in numbers {
        writeln!(text, "{number:020}")?;
    }
    file.write_all_at(&text, 0)
}

fn read<const N: usize>(file: &File) -> io::Result<[u64; N]> {
    let mut bytes = vec![0; N * WIDTH];
    let length = file.read_at(&mut bytes, 0)?;
    let text = String::from_utf8_lossy(&bytes[..length]);
    let mut numbers = text.lines().map(|line| line.parse().unwrap_or(0));
    Ok(std::array::from_fn(|_| numbers.next().unwrap_or(0)))
}
