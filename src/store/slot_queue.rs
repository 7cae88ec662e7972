//! A fair queue for a fixed number of slots that processes share. A waiter holds a ticket, a file that is locked while the waiter runs.
//! The next slot goes to the client that holds the fewest slots, then to the ticket with the smallest start tag, so that a client with
//! many tickets does not delay the others.
//!
//! Start tags are those of start-time fair queueing (Goyal, Vin and Cheng, 1996) with the same cost for every slot: a client's
//! next ticket starts one cost after its last, the first ticket of a client starts at the virtual time. The virtual time is the
//! start tag of the ticket that was served last. It also advances by a client's share of a cost whenever a slot bypasses older
//! tickets, so that new clients bypass a ticket for one round at most.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::budget::Client;
use super::file::list_entries;
use super::lock::{CALLBACK_INTERVAL, Lock, LockWait, TemporaryLock};
use super::ticket::Ticket;

/// The cost of one slot in virtual time. It is divided by the number of waiting clients, so it has to be large.
const COST: u64 = 100_000;

/// How often a waiter sorts the queue again, multiplied by the number of tickets: all waiters together read the queue 500 times a
/// second, and each of them no more often than it reports progress.
const SORT_INTERVAL: Duration = Duration::from_millis(2);

/// Slots, and the queue of tickets for them.
#[derive(Debug)]
pub struct SlotQueue {
    queue: PathBuf,
    slots: Vec<PathBuf>,
    /// The number of slots that one client may hold.
    per_client: usize,
}

/// How many tickets may wait.
#[derive(Debug, Clone, Copy)]
pub struct QueueCapacity {
    /// Tickets of all clients.
    pub all: usize,
    /// Tickets of one client.
    pub one: usize,
}

/// Why a request did not get a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcquireError {
    /// The queue is full.
    QueueFull,
    /// The client has as many tickets as it may have.
    ShareFull,
    /// The deadline passed, or the caller stopped waiting.
    GaveUp,
}

/// A ticket that this process holds.
struct HeldTicket {
    ticket: Ticket,
    _lock: TemporaryLock,
}

/// A slot that a process holds, with the client and the start tag of the ticket.
struct HeldSlot {
    slot: PathBuf,
    start_tag: u64,
    client: String,
}

/// The persistent state of a queue.
#[derive(Clone, Copy, Default)]
struct Clock {
    /// The number of the newest ticket.
    number: u64,
    /// The virtual time.
    now: u64,
}

impl SlotQueue {
    /// A queue for `count` slots, with their files in the directory `slots`.
    pub(super) fn new(queue: PathBuf, slots: &Path, count: usize, per_client: usize) -> SlotQueue {
        SlotQueue {
            queue,
            slots: (0..count).map(|n| slots.join(n.to_string())).collect(),
            per_client,
        }
    }

    /// Acquires a slot, immediately or when the ticket's turn comes before `deadline`. Calls `on_progress` with the number of
    /// tickets ahead several times a second; it returns whether to keep waiting.
    pub fn acquire(
        &self,
        client: &Client,
        capacity: QueueCapacity,
        deadline: Instant,
        on_progress: &mut dyn FnMut(usize) -> bool,
    ) -> io::Result<Result<Lock, AcquireError>> {
        if let Some(slot) = self.try_acquire(client)? {
            return Ok(Ok(slot));
        }
        match self.enqueue(client, capacity)? {
            Ok(held) => Ok(self
                .wait_for_slot(&held.ticket, client, deadline, on_progress)?
                .ok_or(AcquireError::GaveUp)),
            Err(full) => Ok(Err(full)),
        }
    }

    /// Acquires a slot if one is free and no ticket of another client is ahead.
    pub fn try_acquire(&self, client: &Client) -> io::Result<Option<Lock>> {
        let _lock = self.lock_queue()?;
        let held = self.held_slots()?;
        let is_below_limit = |name: &str| count_slots(&held, name) < self.per_client;
        let waiting = self.waiting_tickets()?;
        if !is_below_limit(client.name()) || waiting.iter().any(|ticket| is_below_limit(&ticket.client)) {
            return Ok(None);
        }
        let clock = self.clock();
        self.take_free_slot(client, next_start_tag(clock, client, &held, &[]), clock, &[])
    }

    /// Counts the tickets that wait.
    pub fn count_waiting(&self) -> io::Result<usize> {
        Ok(self.waiting_tickets()?.len())
    }

    /// Counts the slots that are held.
    pub fn count_running(&self) -> io::Result<usize> {
        let mut running = 0;
        for slot in &self.slots {
            running += usize::from(!Lock::is_free(slot)?);
        }
        Ok(running)
    }

    fn enqueue(
        &self,
        client: &Client,
        capacity: QueueCapacity,
    ) -> io::Result<Result<HeldTicket, AcquireError>> {
        let _lock = self.lock_queue()?;
        let waiting = self.waiting_tickets()?;
        if waiting.len() >= capacity.all {
            return Ok(Err(AcquireError::QueueFull));
        }
        let own = waiting.iter().filter(|ticket| ticket.client == client.name());
        if own.count() >= capacity.one {
            return Ok(Err(AcquireError::ShareFull));
        }
        let clock = self.clock();
        let ticket = Ticket {
            start_tag: next_start_tag(clock, client, &self.held_slots()?, &waiting),
            number: clock.number + 1,
            client: client.name().to_owned(),
        };
        self.set_clock(Clock {
            number: ticket.number,
            ..clock
        })?;
        // The file gets its name after it is locked. Otherwise another process could remove it as abandoned.
        let temporary = self.queue.join("drawn");
        let lock = Lock::try_acquire(&temporary)?.ok_or(io::Error::other("a new ticket is locked"))?;
        let path = ticket.path(&self.queue);
        fs::rename(&temporary, &path)?;
        Ok(Ok(HeldTicket {
            ticket,
            _lock: TemporaryLock::new(lock, path),
        }))
    }

    fn wait_for_slot(
        &self,
        ticket: &Ticket,
        client: &Client,
        deadline: Instant,
        on_progress: &mut dyn FnMut(usize) -> bool,
    ) -> io::Result<Option<Lock>> {
        let since = Instant::now();
        loop {
            let held = self.held_slots()?;
            let sorted = sort_tickets(self.all_tickets()?, &held);
            let ahead = sorted
                .iter()
                .take_while(|other| other.number != ticket.number)
                .count();
            let previous = ahead.checked_sub(1).map(|last| sorted[last].path(&self.queue));
            let is_below_limit = count_slots(&held, client.name()) < self.per_client;
            // Wait for the previous ticket; then for a slot, or for one of the client's own slots if the client is at its limit.
            let awaited = match &previous {
                Some(previous) => vec![previous.clone()],
                None if is_below_limit => {
                    if let Some(slot) = self.take_if_first(ticket, client)? {
                        return Ok(Some(slot));
                    }
                    self.slots.clone()
                }
                None => slots_of(held, client.name()),
            };
            let wait = LockWait::since(&awaited, since);
            let next_sort = Instant::now() + SORT_INTERVAL * u32::try_from(sorted.len()).unwrap_or(u32::MAX);
            loop {
                if Instant::now() >= deadline || !on_progress(ahead) {
                    return Ok(None);
                }
                if wait.wait(CALLBACK_INTERVAL)? {
                    if let Some(previous) = &previous {
                        Ticket::remove_if_abandoned(previous)?;
                    }
                    break;
                }
                if Instant::now() >= next_sort {
                    break;
                }
            }
        }
    }

    /// Takes a slot if one is free and this ticket is still the first one.
    fn take_if_first(&self, ticket: &Ticket, client: &Client) -> io::Result<Option<Lock>> {
        let _lock = self.lock_queue()?;
        let held = self.held_slots()?;
        let mut sorted = sort_tickets(self.all_tickets()?, &held);
        if sorted.first().is_some_and(|first| first.number != ticket.number) {
            return Ok(None);
        }
        sorted.retain(|other| other.number < ticket.number);
        self.take_free_slot(client, ticket.start_tag, self.clock(), &sorted)
    }

    /// Takes a free slot for a client, and advances the virtual time. `bypassed` are older tickets that still wait.
    fn take_free_slot(
        &self,
        client: &Client,
        start_tag: u64,
        clock: Clock,
        bypassed: &[Ticket],
    ) -> io::Result<Option<Lock>> {
        for slot in &self.slots {
            let Some(lock) = Lock::try_acquire(slot)? else {
                continue;
            };
            fs::write(slot, format!("{start_tag} {}", client.name()))?;
            let names = bypassed.iter().map(|ticket| ticket.client.as_str());
            let clients: BTreeSet<&str> = names.chain([client.name()]).collect();
            let advance = match bypassed {
                [] => 0,
                [..] => COST / clients.len() as u64,
            };
            let now = start_tag.max(clock.now + advance);
            self.set_clock(Clock { now, ..clock })?;
            return Ok(Some(lock));
        }
        Ok(None)
    }

    /// Locks the queue. Held while a process adds a ticket or takes a slot, so that numbers are unique and the order is kept.
    fn lock_queue(&self) -> io::Result<Lock> {
        let path = self.queue.join("drawing");
        let lock = Lock::acquire_within(&path, Duration::MAX)?;
        lock.ok_or_else(|| io::Error::other("cannot lock the queue"))
    }

    /// The slots that are held. Skips a slot if its holder has not written its name yet.
    fn held_slots(&self) -> io::Result<Vec<HeldSlot>> {
        let mut held = Vec::new();
        for slot in &self.slots {
            if Lock::is_free(slot)? {
                continue;
            }
            let text = fs::read_to_string(slot)?;
            if let Some((start_tag, client)) = text.split_once(' ') {
                held.push(HeldSlot {
                    slot: slot.clone(),
                    start_tag: start_tag.parse().unwrap_or(0),
                    client: client.to_owned(),
                });
            }
        }
        Ok(held)
    }

    /// All tickets, including abandoned ones.
    fn all_tickets(&self) -> io::Result<Vec<Ticket>> {
        let paths = list_entries(&self.queue, "")?;
        let names = paths.iter().filter_map(|path| path.file_name()?.to_str());
        Ok(names.filter_map(Ticket::parse).collect())
    }

    /// The tickets of running waiters. Removes the abandoned ones.
    fn waiting_tickets(&self) -> io::Result<Vec<Ticket>> {
        let mut waiting = Vec::new();
        for ticket in self.all_tickets()? {
            if !Ticket::remove_if_abandoned(&ticket.path(&self.queue))? {
                waiting.push(ticket);
            }
        }
        Ok(waiting)
    }

    /// Reads the clock. It starts at 0 if the operator emptied the directory: then new tickets come before the waiting ones, once.
    fn clock(&self) -> Clock {
        let text = fs::read_to_string(self.queue.join("clock")).unwrap_or_default();
        let parsed = text
            .split_once(' ')
            .and_then(|(number, now)| Some((number.parse().ok()?, now.parse().ok()?)));
        parsed.map_or_else(Clock::default, |(number, now)| Clock { number, now })
    }

    fn set_clock(&self, clock: Clock) -> io::Result<()> {
        let temporary = self.queue.join("next-clock");
        fs::write(&temporary, format!("{} {}", clock.number, clock.now))?;
        fs::rename(temporary, self.queue.join("clock"))
    }
}

/// Sorts tickets: first by the number of slots that the client holds, then by start tag, then by arrival.
fn sort_tickets(mut tickets: Vec<Ticket>, held: &[HeldSlot]) -> Vec<Ticket> {
    tickets.sort_by_cached_key(|ticket| (count_slots(held, &ticket.client), ticket.start_tag, ticket.number));
    tickets
}

fn count_slots(held: &[HeldSlot], client: &str) -> usize {
    held.iter().filter(|held| held.client == client).count()
}

fn slots_of(held: Vec<HeldSlot>, client: &str) -> Vec<PathBuf> {
    let own = held.into_iter().filter(|held| held.client == client);
    own.map(|held| held.slot).collect()
}

/// The start tag of a client's next ticket: the virtual time, or one cost after the client's latest slot or ticket.
fn next_start_tag(clock: Clock, client: &Client, held: &[HeldSlot], waiting: &[Ticket]) -> u64 {
    let waiting = waiting.iter().map(|ticket| (ticket.start_tag, &ticket.client));
    let own = held
        .iter()
        .map(|held| (held.start_tag, &held.client))
        .chain(waiting)
        .filter(|(_, name)| *name == client.name());
    own.map(|(start_tag, _)| start_tag + COST)
        .max()
        .map_or(clock.now, |next| next.max(clock.now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, layout};

    const CAPACITY: QueueCapacity = QueueCapacity { all: 400, one: 400 };

    /// A queue of which this process holds all tickets.
    struct TestQueue {
        queue: SlotQueue,
        tickets: Vec<(Client, HeldTicket)>,
        _dir: tempfile::TempDir,
    }

    impl TestQueue {
        fn new(slots: usize, per_client: usize) -> TestQueue {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            let (queue, directory) = (store.path(layout::BUILD_QUEUE), store.path(layout::BUILD_SLOTS));
            let queue = SlotQueue::new(queue, &directory, slots, per_client);
            TestQueue {
                queue,
                tickets: Vec::new(),
                _dir: dir,
            }
        }

        fn enqueue(&mut self, name: &str) {
            let client = Client::from_name(name.to_owned());
            let ticket = self.queue.enqueue(&client, CAPACITY).unwrap().ok().unwrap();
            self.tickets.push((client, ticket));
        }

        /// Gives a slot to the next client, if it can have one now.
        fn serve_next(&mut self) -> Option<(String, Lock)> {
            let served = self.tickets.iter().enumerate().find_map(|(at, (client, held))| {
                let is_below_limit =
                    count_slots(&self.queue.held_slots().unwrap(), client.name()) < self.queue.per_client;
                let slot = is_below_limit.then(|| self.queue.take_if_first(&held.ticket, client).unwrap());
                Some((at, slot??))
            });
            served.map(|(at, slot)| (self.tickets.remove(at).0.name().to_owned(), slot))
        }

        /// Serves this many clients one after another, and returns their names.
        fn serve(&mut self, count: usize) -> String {
            (0..count).map(|_| self.serve_next().unwrap().0).collect()
        }
    }

    #[test]
    fn clients_alternate_however_many_tickets_one_has() {
        let mut queue = TestQueue::new(1, 1);
        (0..100).for_each(|_| queue.enqueue("a"));
        assert_eq!(queue.serve(2), "aa");
        queue.enqueue("b");
        // The new client waits only for the slot.
        assert_eq!(queue.serve(2), "ba");
        (0..3).for_each(|_| queue.enqueue("b"));
        (0..2).for_each(|_| queue.enqueue("c"));
        assert_eq!(queue.serve(8), "bcabcaba");
    }

    #[test]
    fn a_client_gets_no_second_slot_while_another_waits() {
        let mut queue = TestQueue::new(2, 2);
        (0..4).for_each(|_| queue.enqueue("a"));
        let (_, first) = queue.serve_next().unwrap();
        (0..3).for_each(|_| queue.enqueue("b"));
        let (name, _second) = queue.serve_next().unwrap();
        assert_eq!(name, "b");
        assert!(queue.serve_next().is_none());
        drop(first);
        // b still holds one of the two slots.
        assert_eq!(queue.serve(3), "aaa");
        assert_eq!(queue.serve(1), "b", "a single client gets all slots");
    }

    #[test]
    fn new_clients_bypass_a_ticket_for_one_round_at_most() {
        let mut queue = TestQueue::new(1, 1);
        (0..3).for_each(|_| queue.enqueue("a"));
        assert_eq!(queue.serve(1), "a");
        let mut served = String::new();
        for number in 0..20 {
            queue.enqueue(&format!("{}", number % 10));
            served += &queue.serve(1);
        }
        let position = served.find('a');
        assert!(position.is_some_and(|position| position <= 4), "{served}");
    }

    #[test]
    fn a_client_holds_no_more_slots_than_it_may() {
        let mut queue = TestQueue::new(8, 2);
        (0..5).for_each(|_| queue.enqueue("a"));
        queue.enqueue("b");
        let mut held: Vec<_> = std::iter::from_fn(|| queue.serve_next()).collect();
        held.sort_by(|one, other| one.0.cmp(&other.0));
        let names: String = held.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, "aab");
        let [a, c] = ["a", "c"].map(|name| Client::from_name(name.to_owned()));
        assert!(queue.queue.try_acquire(&a).unwrap().is_none());
        assert!(queue.queue.try_acquire(&c).unwrap().is_some());
    }

    #[test]
    fn a_client_has_no_more_tickets_than_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let queue = Store::open(dir.path()).unwrap().build_queue(1);
        let [one, other] = ["192.0.2.1", "198.51.100.1"].map(Client::from_address);
        let enqueue = |client, one| queue.enqueue(client, QueueCapacity { all: 4, one }).unwrap();
        let first = enqueue(&one, 2).ok().unwrap();
        let _second = enqueue(&one, 2).ok().unwrap();
        assert_eq!(enqueue(&one, 2).err(), Some(AcquireError::ShareFull));
        let _others = [enqueue(&other, 4), enqueue(&other, 4)].map(|ticket| ticket.ok().unwrap());
        assert_eq!(enqueue(&other, 4).err(), Some(AcquireError::QueueFull));
        drop(first);
        assert_eq!(queue.count_waiting().unwrap(), 3);
        assert!(enqueue(&one, 2).is_ok());
    }

    #[test]
    fn an_abandoned_ticket_is_removed() {
        let mut queue = TestQueue::new(1, 1);
        queue.enqueue("a");
        let abandoned = Ticket {
            start_tag: 0,
            number: 0,
            client: "b".to_owned(),
        };
        fs::write(abandoned.path(&queue.queue.queue), "").unwrap();
        let (client, held) = queue.tickets.remove(0);
        let deadline = Instant::now() + Duration::from_secs(60);
        let slot = queue
            .queue
            .wait_for_slot(&held.ticket, &client, deadline, &mut |_| true)
            .unwrap();
        assert!(slot.is_some());
    }
}
