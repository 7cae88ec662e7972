//! A campaign of faults: clients ask, programs vanish or are damaged, and whoever runs is killed, at moments that a seed
//! decides. Every 200 was right to the byte; at the end nothing is left, and everything is served.
//!
//! `make campaign` asks for 300 builds; CAMPAIGN=N for N (40 by default); CAMPAIGN_SEED repeats one, as far as a machine can.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::dice::{Dice, number, seed};
use crate::support::front::Front;
use crate::support::scratch::Scratch;
use crate::support::{gox_server, http, plain, processes};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock, mpsc};
use std::time::Duration;

const CLIENTS: usize = 8;

/// What came back, or nothing where whoever should have answered was killed.
fn through_environment(store: &Scratch, ask: &Ask) -> Option<Answer> {
    let mut command = Command::new(gox_server());
    command.env_clear().envs(store.settings()).envs(ask.variables());
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

/// Takes a program away, or a part of it, or one bit.
fn damage(store: &Scratch, dice: &mut Dice) {
    let artifacts = store.artifacts();
    if artifacts.is_empty() {
        return;
    }
    let artifact = &artifacts[dice.below(artifacts.len())];
    // Beside, and renamed: no file is proof against being written to while it is sent, as its pages are not copied.
    let replace = |change: &dyn Fn(&mut Vec<u8>), name: usize| {
        let mut bytes = fs::read(artifact)?;
        change(&mut bytes);
        let aside = artifact.with_file_name(format!("damaged-{name}"));
        fs::write(&aside, bytes)?;
        let _nobody_sends = SENDING.write().unwrap();
        fs::rename(aside, artifact)
    };
    // Another client's damage may have been faster, and left nothing to damage.
    let done = match dice.below(4) {
        0 => replace(&|bytes| bytes.truncate(1000), dice.below(1 << 30)),
        1 => replace(
            &|bytes| bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1),
            dice.below(1 << 30),
        ),
        2 => fs::remove_file(artifact.with_file_name("meta.json")),
        _ => fs::remove_dir_all(artifact.parent().unwrap()),
    };
    drop(done);
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
    let store = Scratch::new();
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
                        damage(store, &mut dice);
                        let (ask, sha256) = &right[dice.below(right.len())];
                        let answer = if client < 2 {
                            through_front(store, front, ask)
                        } else {
                            through_environment(store, ask)
                        };
                        match answer {
                            Some(answer) if answer.status == 200 => {
                                assert_eq!(&answer.sha256(), sha256, "seed {seed}: {answer}");
                                count("200, right");
                            }
                            Some(answer) => {
                                count(&format!("{} {}", answer.status, answer.reason().unwrap_or("-")))
                            }
                            None => count("cut off"),
                        }
                    }
                })
            })
            .collect();
        let killer = {
            let (store, front, count) = (&store, &front, &count);
            scope.spawn(move || {
                let mut dice = Dice::new(seed);
                let pause = |dice: &mut Dice| Duration::from_millis(dice.below(400) as u64);
                while ended.recv_timeout(pause(&mut dice)) == Err(mpsc::RecvTimeoutError::Timeout) {
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
        assert_eq!(&store.ask(ask).sha256(), sha256, "seed {seed}: after it all");
    }
}
