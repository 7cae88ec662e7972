//! Turns, in order of arrival, between processes. Who waits holds a ticket: a file with the next number, locked as long as
//! its owner lives. Whose ticket is the oldest takes the next slot that comes free.
//!
//! Nobody hands anything on: a dead owner's ticket is one that can be locked, and the next who looks removes it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::wait::Stage;
use crate::store::Store;
use crate::store::budget::Client;
use crate::store::lock::{Lock, Waiting};

/// One client may have one part of so many of the queue: there is room for others, whatever it asks for.
const PARTS: usize = 4;

/// A place in the queue.
pub struct Ticket {
    path: PathBuf,
    number: u64,
    _lock: Lock,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // If it cannot be removed now, the next who looks finds it unlocked and does.
        fs::remove_file(&self.path).ok();
    }
}

/// Why there is no place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// For anybody.
    ForAll,
    /// For this client, who has its part of it.
    ForOne,
}

impl Ticket {
    /// Gets in line, unless `most` are waiting already, or a quarter of that for `client`, if it is one whose builds are counted.
    pub fn draw(store: &Store, most: usize, client: Option<&Client>) -> io::Result<Result<Ticket, Full>> {
        let queue = store.queue();
        // Whoever holds the counter is alone in drawing: no two get one number, and none slips past the bound.
        let Some(_alone) = Lock::take_within(&queue.join("drawing"), Duration::MAX)? else {
            return Ok(Err(Full::ForAll));
        };
        let waiting = waiting(&queue)?;
        if waiting.len() >= most {
            return Ok(Err(Full::ForAll));
        }
        let name = client.map_or("", Client::name);
        // One whose owner has just gone is nobody's.
        let is_same =
            |(_, path): &&(u64, PathBuf)| fs::read(path).is_ok_and(|owner| owner == name.as_bytes());
        if client.is_some() && waiting.iter().filter(is_same).count() >= (most / PARTS).max(1) {
            return Ok(Err(Full::ForOne));
        }
        let number = next_number(&queue.join("last"))?;
        // Under its number it is seen, and taken for a dead owner's while it is not locked.
        let drawn = queue.join("drawn");
        let lock = Lock::try_take(&drawn)?.ok_or(io::Error::other("a ticket of mine is somebody else's"))?;
        fs::write(&drawn, name)?;
        let path = queue.join(format!("{number:020}"));
        fs::rename(&drawn, &path)?;
        Ok(Ok(Ticket {
            path,
            number,
            _lock: lock,
        }))
    }

    /// Waits until it is this ticket's turn and a slot is free, or until `deadline`.
    pub fn wait_for_slot(
        self,
        store: &Store,
        slots: usize,
        deadline: Instant,
        tell: &mut dyn FnMut(Stage) -> bool,
    ) -> io::Result<Option<Lock>> {
        let slots: Vec<PathBuf> = (0..slots).map(|n| store.slot(n)).collect();
        loop {
            let ahead: Vec<_> = waiting(&store.queue())?
                .into_iter()
                .filter(|(n, _)| *n < self.number)
                .collect();
            let waiting = match ahead.last() {
                Some((_, path)) => Waiting::on(std::slice::from_ref(path)),
                None => match try_any(&slots)? {
                    Some(slot) => return Ok(Some(slot)),
                    None => Waiting::on(&slots),
                },
            };
            let stage = Stage::Queued { ahead: ahead.len() };
            if !waiting.while_wanted(|| Instant::now() < deadline && tell(stage))? {
                return Ok(None);
            }
        }
    }
}

/// A slot, if one is free now and nobody is in line for it.
pub fn slot_at_once(store: &Store, slots: usize) -> io::Result<Option<Lock>> {
    if !waiting(&store.queue())?.is_empty() {
        return Ok(None);
    }
    try_any(&(0..slots).map(|n| store.slot(n)).collect::<Vec<_>>())
}

/// How many wait.
pub fn length(store: &Store) -> io::Result<usize> {
    Ok(waiting(&store.queue())?.len())
}

/// How many of the slots are taken.
pub fn running(store: &Store, slots: usize) -> io::Result<usize> {
    let mut taken = 0;
    for number in 0..slots {
        taken += usize::from(!Lock::is_free(&store.slot(number))?);
    }
    Ok(taken)
}

fn try_any(slots: &[PathBuf]) -> io::Result<Option<Lock>> {
    for slot in slots {
        if let Some(lock) = Lock::try_take(slot)? {
            return Ok(Some(lock));
        }
    }
    Ok(None)
}

/// The tickets whose owners live, oldest first; those of the dead are removed.
fn waiting(queue: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut tickets = Vec::new();
    for entry in fs::read_dir(queue)? {
        let path = entry?.path();
        let Some(number) = path
            .file_name()
            .and_then(|n| n.to_str())
            .and_then(|n| n.parse::<u64>().ok())
        else {
            continue;
        };
        if Lock::is_free(&path)? {
            // Gone already if its owner, or another who looked, was faster.
            fs::remove_file(&path).ok();
        } else {
            tickets.push((number, path));
        }
    }
    tickets.sort();
    Ok(tickets)
}

fn next_number(path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    // Half a number is what a full disk leaves. Tickets that wait then have higher numbers than new ones: unfair once.
    let number = text.trim().parse::<u64>().unwrap_or(0) + 1;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{number:020}").as_bytes())?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_part_of_the_queue_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let draw = |client: Option<&Client>| Ticket::draw(&store, 8, client).unwrap();
        let (one, other) = (Client::of("192.0.2.1"), Client::of("198.51.100.1"));
        let mut drawn: Vec<_> = [&one, &one].map(|client| draw(Some(client)).ok().unwrap()).into();
        assert_eq!(draw(Some(&one)).err(), Some(Full::ForOne));
        drawn.extend(
            [draw(Some(&other)), draw(None), draw(None), draw(None)].map(|ticket| ticket.ok().unwrap()),
        );
        drawn.remove(0);
        drawn.push(draw(Some(&one)).ok().unwrap());
        drawn.extend([draw(None), draw(None)].map(|ticket| ticket.ok().unwrap()));
        assert_eq!(draw(Some(&other)).err(), Some(Full::ForAll));
        assert_eq!(length(&store).unwrap(), 8);
    }
}
