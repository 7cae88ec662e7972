//! Turns between processes that share a few slots: those of builds, and those of look-ups. A waiter holds a ticket, a file
//! that is locked as long as its owner lives. Clients take turns: whatever one of them queues, the next slot goes to the client that
//! holds the fewest, and among equals to the one that is behind in the order of start times.
//!
//! Start times are those of start-time fair queueing (Goyal, Vin and Cheng, 1996), where each turn costs the same: a client's
//! next ticket starts one turn after its last, a newcomer's starts now. "Now" is the start time of the turn that was taken last. It
//! moves by one client's part of a turn whenever a ticket is bypassed by a later one, so that newcomers bypass it for one round at most.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Store;
use super::budget::Client;
use super::lock::{ASK_EVERY, Lock, TemporaryLock, Waiting};
use super::ticket::Ticket;

/// What one turn costs, in the unit of start times: enough for the parts of as many clients as wait at once.
const TURN: u64 = 100_000;

/// How often a waiter determines the order again, for each ticket in the queue: all waiters together read it 500 times a second,
/// however many they are, and none more often than it is asked whether it still waits.
const REORDER_EVERY: Duration = Duration::from_millis(2);

/// Look-ups at once: each waits for the network, and costs a process of 20 MB.
const LOOKUPS: usize = 8;

/// Of these, what one client may hold: names that the module proxy answers slowly block no other client.
const LOOKUPS_OF_ONE: usize = 2;

/// Processes that refresh old answers at once. They take turns to ask the module proxy as well.
const REFRESHES: usize = 4;

/// Of these, what one client may cause.
const REFRESHES_OF_ONE: usize = 2;

/// Slots, and the queue for them.
#[derive(Debug)]
pub struct Turns {
    queue: PathBuf,
    slots: Vec<PathBuf>,
    /// Slots that one client may hold.
    per_client: usize,
}

/// How many may wait.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// All clients together.
    pub all: usize,
    /// One client.
    pub one: usize,
}

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTurn {
    /// The queue is full.
    QueueFull,
    /// The client has its part of the queue.
    ShareFull,
    /// It did not come in time, or is not wanted any more.
    TooLate,
}

/// A ticket of this process.
struct Owned {
    ticket: Ticket,
    _lock: TemporaryLock,
}

/// A slot that is taken: by which client, and the start time of that turn.
struct Held {
    slot: PathBuf,
    start: u64,
    client: String,
}

/// What the queue counts.
#[derive(Clone, Copy, Default)]
struct Clock {
    /// The number of the last ticket.
    number: u64,
    /// The start time that a newcomer gets.
    now: u64,
}

impl Store {
    /// The turns of builds.
    pub fn build_turns(&self, slots: usize) -> Turns {
        Turns {
            queue: self.queue(),
            slots: (0..slots).map(|n| self.slot(n)).collect(),
            // A client that is alone uses the whole machine.
            per_client: slots,
        }
    }

    /// The turns to ask the module proxy.
    pub fn lookup_turns(&self) -> Turns {
        self.turns("lookups", LOOKUPS, LOOKUPS_OF_ONE)
    }

    /// The turns to refresh old answers.
    pub fn refresh_turns(&self) -> Turns {
        self.turns("refreshing", REFRESHES, REFRESHES_OF_ONE)
    }

    fn turns(&self, name: &str, slots: usize, per_client: usize) -> Turns {
        let dir = self.dir().join("locks").join(name);
        Turns {
            queue: dir.join("queue"),
            slots: (0..slots).map(|n| dir.join(n.to_string())).collect(),
            per_client,
        }
    }
}

impl Turns {
    /// Takes a slot: at once, or when its turn comes, until `deadline`. `tell` hears again and again how many tickets come first, and
    /// says whether the slot is still wanted.
    pub fn acquire(
        &self,
        client: &Client,
        room: Room,
        deadline: Instant,
        tell: &mut dyn FnMut(usize) -> bool,
    ) -> io::Result<Result<Lock, NoTurn>> {
        if let Some(slot) = self.take_at_once(client)? {
            return Ok(Ok(slot));
        }
        match self.draw(client, room)? {
            Ok(owned) => Ok(self
                .wait(&owned.ticket, client, deadline, tell)?
                .ok_or(NoTurn::TooLate)),
            Err(full) => Ok(Err(full)),
        }
    }

    /// A slot, if one is free, and no other client's ticket comes first.
    pub fn take_at_once(&self, client: &Client) -> io::Result<Option<Lock>> {
        let _alone = self.alone()?;
        let held = self.held()?;
        let is_below = |name: &str| count(&held, name) < self.per_client;
        let waiting = self.waiting()?;
        if !is_below(client.name()) || waiting.iter().any(|queued| is_below(&queued.client)) {
            return Ok(None);
        }
        let clock = self.clock();
        self.take(client, next_start(clock, client, &held, &[]), clock, &[])
    }

    /// How many tickets wait.
    pub fn length(&self) -> io::Result<usize> {
        Ok(self.waiting()?.len())
    }

    /// How many slots are taken.
    pub fn running(&self) -> io::Result<usize> {
        let mut taken = 0;
        for slot in &self.slots {
            taken += usize::from(!Lock::is_free(slot)?);
        }
        Ok(taken)
    }

    fn draw(&self, client: &Client, room: Room) -> io::Result<Result<Owned, NoTurn>> {
        let _alone = self.alone()?;
        let waiting = self.waiting()?;
        if waiting.len() >= room.all {
            return Ok(Err(NoTurn::QueueFull));
        }
        if waiting.iter().filter(|q| q.client == client.name()).count() >= room.one {
            return Ok(Err(NoTurn::ShareFull));
        }
        let clock = self.clock();
        let ticket = Ticket {
            start: next_start(clock, client, &self.held()?, &waiting),
            number: clock.number + 1,
            client: client.name().to_owned(),
        };
        self.set_clock(Clock {
            number: ticket.number,
            ..clock
        })?;
        // Under its own name it is seen, and is taken for a dead owner's while it is not locked.
        let drawn = self.queue.join("drawn");
        let lock = Lock::try_take(&drawn)?.ok_or(io::Error::other("a new ticket is locked"))?;
        let path = ticket.path(&self.queue);
        fs::rename(&drawn, &path)?;
        Ok(Ok(Owned {
            ticket,
            _lock: TemporaryLock::new(lock, path),
        }))
    }

    fn wait(
        &self,
        ticket: &Ticket,
        client: &Client,
        deadline: Instant,
        tell: &mut dyn FnMut(usize) -> bool,
    ) -> io::Result<Option<Lock>> {
        let since = Instant::now();
        loop {
            let held = self.held()?;
            let order = order(self.queued()?, &held);
            let ahead = order.iter().take_while(|q| q.number != ticket.number).count();
            let before = ahead.checked_sub(1).map(|last| order[last].path(&self.queue));
            let is_below = count(&held, client.name()) < self.per_client;
            // What has to come free first: the ticket just before, then a slot, of its own where the client may hold no more.
            let watched = match &before {
                Some(ticket) => vec![ticket.clone()],
                None if is_below => {
                    if let Some(slot) = self.take_if_first(ticket, client)? {
                        return Ok(Some(slot));
                    }
                    self.slots.clone()
                }
                None => slots_of(held, client.name()),
            };
            let watch = Waiting::since(&watched, since);
            let reorder = Instant::now() + REORDER_EVERY * u32::try_from(order.len()).unwrap_or(u32::MAX);
            loop {
                if Instant::now() >= deadline || !tell(ahead) {
                    return Ok(None);
                }
                if watch.within(ASK_EVERY)? {
                    if let Some(dead) = &before {
                        Ticket::remove_dead(dead)?;
                    }
                    break;
                }
                if Instant::now() >= reorder {
                    break;
                }
            }
        }
    }

    /// A slot, if one is free and this ticket is still the first.
    fn take_if_first(&self, ticket: &Ticket, client: &Client) -> io::Result<Option<Lock>> {
        let _alone = self.alone()?;
        let held = self.held()?;
        let mut order = order(self.queued()?, &held);
        if order.first().is_some_and(|first| first.number != ticket.number) {
            return Ok(None);
        }
        order.retain(|queued| queued.number < ticket.number);
        self.take(client, ticket.start, self.clock(), &order)
    }

    /// A free slot for this client, whose turn starts at `start` and bypasses these tickets.
    fn take(
        &self,
        client: &Client,
        start: u64,
        clock: Clock,
        bypassed: &[Ticket],
    ) -> io::Result<Option<Lock>> {
        for slot in &self.slots {
            let Some(lock) = Lock::try_take(slot)? else {
                continue;
            };
            fs::write(slot, format!("{start} {}", client.name()))?;
            let names = bypassed.iter().map(|queued| queued.client.as_str());
            let clients: BTreeSet<&str> = names.chain([client.name()]).collect();
            let passed = match bypassed {
                [] => 0,
                [..] => TURN / clients.len() as u64,
            };
            let now = start.max(clock.now + passed);
            self.set_clock(Clock { now, ..clock })?;
            return Ok(Some(lock));
        }
        Ok(None)
    }

    /// Held by a process that draws a ticket or takes a slot: no two get one number, and none takes a slot out of turn.
    fn alone(&self) -> io::Result<Lock> {
        let path = self.queue.join("drawing");
        let lock = Lock::take_within(&path, Duration::MAX)?;
        lock.ok_or_else(|| io::Error::other("the queue stays locked"))
    }

    /// The slots that are taken, as far as their takers are known.
    fn held(&self) -> io::Result<Vec<Held>> {
        let mut held = Vec::new();
        for slot in &self.slots {
            if Lock::is_free(slot)? {
                continue;
            }
            let text = fs::read_to_string(slot)?;
            if let Some((start, client)) = text.split_once(' ') {
                held.push(Held {
                    slot: slot.clone(),
                    start: start.parse().unwrap_or(0),
                    client: client.to_owned(),
                });
            }
        }
        Ok(held)
    }

    /// The tickets, whether their owners live or not.
    fn queued(&self) -> io::Result<Vec<Ticket>> {
        let mut queued = Vec::new();
        for entry in fs::read_dir(&self.queue)? {
            queued.extend(entry?.file_name().to_str().and_then(Ticket::parse));
        }
        Ok(queued)
    }

    /// The tickets whose owners live; those of the dead are removed.
    fn waiting(&self) -> io::Result<Vec<Ticket>> {
        let mut waiting = Vec::new();
        for queued in self.queued()? {
            if !Ticket::remove_dead(&queued.path(&self.queue))? {
                waiting.push(queued);
            }
        }
        Ok(waiting)
    }

    /// What the queue counts. An operator may have emptied the directory: tickets that wait then are behind new ones, once.
    fn clock(&self) -> Clock {
        let text = fs::read_to_string(self.queue.join("clock")).unwrap_or_default();
        let parsed = text
            .split_once(' ')
            .and_then(|(number, now)| Some((number.parse().ok()?, now.parse().ok()?)));
        parsed.map_or_else(Clock::default, |(number, now)| Clock { number, now })
    }

    fn set_clock(&self, clock: Clock) -> io::Result<()> {
        let aside = self.queue.join("next-clock");
        fs::write(&aside, format!("{} {}", clock.number, clock.now))?;
        fs::rename(aside, self.queue.join("clock"))
    }
}

/// Sorts tickets by turn: first the client that holds the fewest slots, then the earliest start, then the order of arrival.
fn order(mut queued: Vec<Ticket>, held: &[Held]) -> Vec<Ticket> {
    queued.sort_by_cached_key(|q| (count(held, &q.client), q.start, q.number));
    queued
}

fn count(held: &[Held], client: &str) -> usize {
    held.iter().filter(|held| held.client == client).count()
}

fn slots_of(held: Vec<Held>, client: &str) -> Vec<PathBuf> {
    let own = held.into_iter().filter(|held| held.client == client);
    own.map(|held| held.slot).collect()
}

/// When a client's next turn starts: now, or one turn after the last that it waits for or has.
fn next_start(clock: Clock, client: &Client, held: &[Held], waiting: &[Ticket]) -> u64 {
    let waiting = waiting.iter().map(|q| (q.start, &q.client));
    let own = held
        .iter()
        .map(|held| (held.start, &held.client))
        .chain(waiting)
        .filter(|(_, name)| *name == client.name());
    own.map(|(start, _)| start + TURN)
        .max()
        .map_or(clock.now, |next| next.max(clock.now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { all: 400, one: 400 };

    /// A queue in which every ticket is one of this process.
    struct Line {
        turns: Turns,
        tickets: Vec<(Client, Owned)>,
        _dir: tempfile::TempDir,
    }

    impl Line {
        fn new(slots: usize, per_client: usize) -> Line {
            let dir = tempfile::tempdir().unwrap();
            let turns = Turns {
                per_client,
                ..Store::open(dir.path()).unwrap().build_turns(slots)
            };
            Line {
                turns,
                tickets: Vec::new(),
                _dir: dir,
            }
        }

        fn draw(&mut self, name: &str) {
            let client = Client::named(name.to_owned());
            let ticket = self.turns.draw(&client, ROOM).unwrap().ok().unwrap();
            self.tickets.push((client, ticket));
        }

        /// The client that gets a slot now, if one does.
        fn next(&mut self) -> Option<(String, Lock)> {
            let taken = self.tickets.iter().enumerate().find_map(|(at, (client, owned))| {
                let is_below = count(&self.turns.held().unwrap(), client.name()) < self.turns.per_client;
                let slot = is_below.then(|| self.turns.take_if_first(&owned.ticket, client).unwrap());
                Some((at, slot??))
            });
            taken.map(|(at, slot)| (self.tickets.remove(at).0.name().to_owned(), slot))
        }

        /// The clients in the order of their turns, where each turn ends before the next begins.
        fn served(&mut self, turns: usize) -> String {
            (0..turns).map(|_| self.next().unwrap().0).collect()
        }
    }

    #[test]
    fn clients_take_turns_whatever_one_has_queued() {
        let mut line = Line::new(1, 1);
        (0..100).for_each(|_| line.draw("a"));
        assert_eq!(line.served(2), "aa");
        line.draw("b");
        // The newcomer waits for what runs, and for nothing else.
        assert_eq!(line.served(2), "ba");
        (0..3).for_each(|_| line.draw("b"));
        (0..2).for_each(|_| line.draw("c"));
        assert_eq!(line.served(8), "bcabcaba");
    }

    #[test]
    fn a_client_gets_no_second_slot_while_another_waits() {
        let mut line = Line::new(2, 2);
        (0..4).for_each(|_| line.draw("a"));
        let (_, first) = line.next().unwrap();
        (0..3).for_each(|_| line.draw("b"));
        let (name, _second) = line.next().unwrap();
        assert_eq!(name, "b");
        assert!(line.next().is_none());
        drop(first);
        // One of the two slots is b's.
        assert_eq!(line.served(3), "aaa");
        assert_eq!(line.served(1), "b", "a client that is alone has all slots");
    }

    #[test]
    fn newcomers_bypass_a_ticket_for_one_round_at_most() {
        let mut line = Line::new(1, 1);
        (0..3).for_each(|_| line.draw("a"));
        assert_eq!(line.served(1), "a");
        let mut served = String::new();
        for number in 0..20 {
            line.draw(&format!("{}", number % 10));
            served += &line.served(1);
        }
        let place = served.find('a');
        assert!(place.is_some_and(|place| place <= 4), "{served}");
    }

    #[test]
    fn a_client_holds_no_more_slots_than_it_may() {
        let mut line = Line::new(8, 2);
        (0..5).for_each(|_| line.draw("a"));
        line.draw("b");
        let mut held: Vec<_> = std::iter::from_fn(|| line.next()).collect();
        held.sort_by(|one, other| one.0.cmp(&other.0));
        let names: String = held.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, "aab");
        let [a, c] = ["a", "c"].map(|name| Client::named(name.to_owned()));
        assert!(line.turns.take_at_once(&a).unwrap().is_none());
        assert!(line.turns.take_at_once(&c).unwrap().is_some());
    }

    #[test]
    fn a_client_has_its_part_of_the_queue_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let turns = Store::open(dir.path()).unwrap().build_turns(1);
        let [one, other] = ["192.0.2.1", "198.51.100.1"].map(Client::of);
        let draw = |client, one| turns.draw(client, Room { all: 4, one }).unwrap();
        let first = draw(&one, 2).ok().unwrap();
        let _second = draw(&one, 2).ok().unwrap();
        assert_eq!(draw(&one, 2).err(), Some(NoTurn::ShareFull));
        let _others = [draw(&other, 4), draw(&other, 4)].map(|ticket| ticket.ok().unwrap());
        assert_eq!(draw(&other, 4).err(), Some(NoTurn::QueueFull));
        drop(first);
        assert_eq!(turns.length().unwrap(), 3);
        assert!(draw(&one, 2).is_ok());
    }

    #[test]
    fn a_dead_owners_ticket_is_removed() {
        let mut line = Line::new(1, 1);
        line.draw("a");
        let dead = Ticket {
            start: 0,
            number: 0,
            client: "b".to_owned(),
        };
        fs::write(dead.path(&line.turns.queue), "").unwrap();
        let (client, owned) = line.tickets.remove(0);
        let later = Instant::now() + Duration::from_secs(60);
        let slot = line
            .turns
            .wait(&owned.ticket, &client, later, &mut |_| true)
            .unwrap();
        assert!(slot.is_some());
    }
}
