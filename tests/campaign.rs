//! A campaign of faults: clients ask, disks fill up, clocks jump, programs and what was compiled vanish or are damaged, and
//! whoever runs is killed, at moments that a seed decides. Every 200 was right to the byte; at the end nothing is left, and everything is served.
//!
//! `make campaign` asks for 300 builds; CAMPAIGN=N for N (40 by default); CAMPAIGN_SEED repeats one, as far as a machine can.

use crate::machine::{DATED, READ_ONLY, machine, outputs, small_disk};
use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::dice::{Dice, number, seed};
use crate::support::front::Front;
use crate::support::scratch::Scratch;
use crate::support::{http, plain, processes, walk};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock, mpsc};
use std::time::{Duration, Instant, SystemTime};

const CLIENTS: usize = 8;

/// What is counted where all is as it should be.
const RIGHT: &str = "200, right";

/// Nobody is killed so soon after the last unless somebody was served since: with the compile cache damaged, the standard
/// library is compiled anew, and has to come to an end some time.
const RESPITE: Duration = Duration::from_secs(4);

/// What came back, or nothing where whoever should have answered was killed. `words` of sh prepare its machine.
fn through_environment(store: &Scratch, words: &str, ask: &Ask) -> Option<Answer> {
    let mut command = machine(store, words, ask);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    output
        .status
        .success()
        .then(|| Answer::from_cgi(&output.stdout).unwrap())
}

fn through_front(store: &Scratch, front: &Mutex<Front>, ask: &Ask) -> Option<Answer> {
    let address = {
        let mut front = front.lock().unwrap();
        if front.child.try_wait().unwrap().is_some() {
            *front = store.front();
        }
        front.address
    };
    let _sending = SENDING.read().unwrap();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(&http::request(ask)).ok()?;
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).ok()?;
    // What was cut is an error here, which is what a client sees.
    Answer::from_http(&wire, false).ok()
}

/// A front opens the program that its CGI program has checked: between the two no other may be put in its place, which is
/// nothing that happens to a disk by itself.
static SENDING: RwLock<()> = RwLock::new(());

/// What is wrong with the machine that a request finds, and the words of sh that make it so. Mostly nothing.
fn trouble(dice: &mut Dice) -> Option<(&'static str, String)> {
    Some(match dice.below(40) {
        0 => ("disk full: build", small_disk("work", "512k")),
        1 => ("disk full: programs", small_disk("artifacts", "64k")),
        2 => ("disk full: modules", small_disk("cache/modules", "16k")),
        3 => ("disk full: all", small_disk(".", "2m")),
        4 => ("disk read-only", READ_ONLY.to_owned()),
        _ => return None,
    })
}

/// All that remembers when it was made, made older or younger by days.
fn jump(store: &Scratch, dice: &mut Dice) {
    let days = Duration::from_secs(24 * 60 * 60 * (1 + dice.below(3) as u64));
    let then = match dice.below(2) {
        0 => SystemTime::now() + days,
        _ => SystemTime::now() - days,
    };
    for folder in DATED {
        for path in walk(&store.dir.join(folder)) {
            // Gone meanwhile.
            File::open(path).and_then(|file| file.set_modified(then)).ok();
        }
    }
}

/// Takes a program away, or something that was compiled, or a part of it, or one bit.
fn damage(store: &Scratch, dice: &mut Dice) -> Option<&'static str> {
    if dice.below(60) == 0 {
        jump(store, dice);
        return Some("clock: jumped");
    }
    // Each time, a part of the standard library is compiled anew.
    let (what, among) = match dice.below(80) {
        0 => ("damaged: compiled", outputs(store)),
        _ => ("damaged: program", store.artifacts()),
    };
    if among.is_empty() {
        return None;
    }
    let damaged = &among[dice.below(among.len())];
    // Beside, and renamed: no file is proof against being written to while it is sent, as its pages are not copied.
    let replace = |change: &dyn Fn(&mut Vec<u8>), name: usize| {
        let mut bytes = fs::read(damaged)?;
        change(&mut bytes);
        let aside = damaged.with_file_name(format!("damaged-{name}"));
        fs::write(&aside, bytes)?;
        let _nobody_sends = SENDING.write().unwrap();
        fs::rename(aside, damaged)
    };
    let lose_a_bit = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
    };
    // Another client's damage may have been faster, and left nothing to damage.
    let done = match dice.below(4) {
        0 => replace(&|bytes| bytes.truncate(1000), dice.below(1 << 30)),
        1 => replace(&lose_a_bit, dice.below(1 << 30)),
        2 => fs::remove_file(damaged.with_file_name("meta.json")),
        _ => fs::remove_dir_all(damaged.parent().unwrap()),
    };
    done.is_ok().then_some(what)
}

#[test]
fn whoever_is_killed_when_every_answer_is_right() {
    let builds = number("CAMPAIGN").unwrap_or(40) as usize;
    let seed = seed("CAMPAIGN_SEED");
    println!("CAMPAIGN={builds} CAMPAIGN_SEED={seed}");
    let programs = [
        ("hello", "v1.0.0"),
        ("hello", "v1.1.0"),
        ("generate", "v1.0.0"),
        ("pgo-garbage", "v1.0.0"),
    ];
    let right: Vec<_> = programs
        .map(|(name, version)| {
            let ask = Ask::get(&format!("/tester/{name}@{version}"));
            (ask, plain::install(&tester(name, version).wanted).sha256)
        })
        .into();
    let store = Scratch::of_its_own();
    let front = Mutex::new(store.front());
    let built = || {
        let log = fs::read_to_string(store.dir.join("builders.log")).unwrap_or_default();
        log.matches(" built ").count() + log.matches("info built").count()
    };
    let (asked, counts) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<String, usize>::new()));
    let count = |what: &str| *counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    let (over, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS as u64)
            .map(|client| {
                let (store, front, right, asked, count, built) =
                    (&store, &front, &right, &asked, &count, &built);
                scope.spawn(move || {
                    let mut dice = Dice::new(seed.wrapping_mul(client * 2 + 3));
                    while built() < builds && asked.fetch_add(1, Ordering::Relaxed) < builds * 50 {
                        let (ask, sha256) = &right[dice.below(right.len())];
                        let answer = if client < 2 {
                            through_front(store, front, ask)
                        } else {
                            let words = trouble(&mut dice).map(|(what, words)| {
                                count(what);
                                words
                            });
                            through_environment(store, words.as_deref().unwrap_or(":"), ask)
                        };
                        match answer {
                            Some(answer) if answer.status == 200 => {
                                assert_eq!(&answer.sha256(), sha256, "seed {seed}: {answer}");
                                count(RIGHT);
                                damage(store, &mut dice).into_iter().for_each(count);
                            }
                            Some(answer) => {
                                count(&format!("{} {}", answer.status, answer.reason().unwrap_or("-")))
                            }
                            None if client < 2 => count("cut off: through the front"),
                            None => count("cut off: through the environment"),
                        }
                    }
                })
            })
            .collect();
        let killer = {
            let (store, front, count, counts) = (&store, &front, &count, &counts);
            scope.spawn(move || {
                let mut dice = Dice::new(seed);
                let pause = |dice: &mut Dice| Duration::from_millis(dice.below(400) as u64);
                let (mut served, mut killed) = (0, Instant::now());
                while ended.recv_timeout(pause(&mut dice)) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let right = counts.lock().unwrap().get(RIGHT).copied().unwrap_or(0);
                    if right == served && killed.elapsed() < RESPITE {
                        continue;
                    }
                    (served, killed) = (right, Instant::now());
                    let front_pid = i32::try_from(front.lock().unwrap().child.id()).unwrap();
                    let living = processes::about(&store.dir);
                    if dice.below(20) == 0 {
                        living.iter().for_each(processes::Process::kill);
                        count("killed: all at once");
                    } else if let Some(victim) = living.get(dice.below(living.len().max(1))) {
                        victim.kill();
                        let words = ["builder", "compile", "link", "asm", "go"];
                        let kind = words.into_iter().find(|word| victim.is(word));
                        let other = if victim.pid == front_pid {
                            "front"
                        } else {
                            "request"
                        };
                        count(&format!("killed: {}", kind.unwrap_or(other)));
                    }
                }
            })
        };
        for client in clients {
            client.join().unwrap();
        }
        drop(over);
        killer.join().unwrap();
    });
    println!("{} built, {:#?}", built(), counts.into_inner().unwrap());
    // The last that was killed may have been it.
    front.into_inner().unwrap().kill();
    store.quiet();
    for (ask, sha256) in &right {
        let answer = store.ask(ask);
        assert_eq!(&answer.sha256(), sha256, "seed {seed}: after it all: {answer}");
    }
}
