//! Random faults: disks fill up, clocks jump, programs and compiled packages vanish or are damaged, and processes are killed
//! while clients send requests. Every 200 has the right bytes; afterwards no process is left and every program is served.
//!
//! CAMPAIGN is the number of builds (default 40, `make campaign` 300). CAMPAIGN_SEED repeats the random choices of a run, but
//! not the scheduling.

use crate::host::{DATED, READ_ONLY, command_on_host, compiled_outputs, mount_small_disk};
use crate::support::case::tester;
use crate::support::front::Front;
use crate::support::random::{Random, number, seed};
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{http, plain_go, processes, walk};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock, mpsc};
use std::time::{Duration, Instant, SystemTime};

const CLIENTS: usize = 8;

/// The name under which correct responses are counted.
const RIGHT: &str = "200, right";

/// Minimum time between two kills without a correct response between them: a damaged compile cache means compiling the
/// standard library again, which must be able to finish.
const RESPITE: Duration = Duration::from_secs(4);

/// Sends a request by CGI after the shell script `words`. `None` if the process was killed.
fn request_by_cgi(store: &TestStore, words: &str, request: &Request) -> Option<Response> {
    let mut command = command_on_host(store, words, request);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    output
        .status
        .success()
        .then(|| Response::from_cgi(&output.stdout).unwrap())
}

fn request_by_front(store: &TestStore, front: &Mutex<Front>, request: &Request) -> Option<Response> {
    let address = {
        let mut front = front.lock().unwrap();
        if front.child.try_wait().unwrap().is_some() {
            *front = store.front();
        }
        front.address
    };
    let _sending = SENDING.read().unwrap();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(&http::encode_request(request)).ok()?;
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).ok()?;
    // A truncated response is an error, as for a client.
    Response::from_http(&wire, false).ok()
}

/// Write-locked while a file is replaced. The front opens a program after its CGI process has checked it; replacing it between
/// the two is not a disk fault.
static SENDING: RwLock<()> = RwLock::new(());

/// A random fault of the host, with the shell script that causes it. Mostly none.
fn random_host_fault(random: &mut Random) -> Option<(&'static str, String)> {
    Some(match random.below(40) {
        0 => ("disk full: build", mount_small_disk("work", "512k")),
        1 => ("disk full: programs", mount_small_disk("artifacts", "64k")),
        2 => ("disk full: modules", mount_small_disk("cache/modules", "16k")),
        3 => ("disk full: all", mount_small_disk(".", "2m")),
        4 => ("disk read-only", READ_ONLY.to_owned()),
        _ => return None,
    })
}

/// Shifts the modification times of all files with an age by one to three days.
fn shift_times(store: &TestStore, random: &mut Random) {
    let days = Duration::from_secs(24 * 60 * 60 * (1 + random.below(3) as u64));
    let then = match random.below(2) {
        0 => SystemTime::now() + days,
        _ => SystemTime::now() - days,
    };
    for folder in DATED {
        for path in walk(&store.dir.join(folder)) {
            // The file may have been removed.
            File::open(path).and_then(|file| file.set_modified(then)).ok();
        }
    }
}

/// Removes or damages a random program or compiled package.
fn damage(store: &TestStore, random: &mut Random) -> Option<&'static str> {
    if random.below(60) == 0 {
        shift_times(store, random);
        return Some("clock: jumped");
    }
    // Rare: each time a part of the standard library must be compiled again.
    let (what, among) = match random.below(80) {
        0 => ("damaged: compiled", compiled_outputs(store)),
        _ => ("damaged: program", store.artifacts()),
    };
    if among.is_empty() {
        return None;
    }
    let damaged = &among[random.below(among.len())];
    // Written to a new file and renamed: changing a file in place would change a response that is being sent.
    let replace = |change: &dyn Fn(&mut Vec<u8>), name: usize| {
        let mut bytes = fs::read(damaged)?;
        change(&mut bytes);
        let aside = damaged.with_file_name(format!("damaged-{name}"));
        fs::write(&aside, bytes)?;
        let _no_request_runs = SENDING.write().unwrap();
        fs::rename(aside, damaged)
    };
    let lose_a_bit = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
    };
    // Another client may have removed the file.
    let done = match random.below(4) {
        0 => replace(&|bytes| bytes.truncate(1000), random.below(1 << 30)),
        1 => replace(&lose_a_bit, random.below(1 << 30)),
        2 => fs::remove_file(damaged.with_file_name("meta.json")),
        _ => fs::remove_dir_all(damaged.parent().unwrap()),
    };
    done.is_ok().then_some(what)
}

#[test]
fn random_faults_never_corrupt_a_response() {
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
            let request = Request::get(&format!("/tester/{name}@{version}"));
            (request, plain_go::install(&tester(name, version).wanted).sha256)
        })
        .into();
    let store = TestStore::with_own_cache();
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
                    let mut random = Random::new(seed.wrapping_mul(client * 2 + 3));
                    while built() < builds && asked.fetch_add(1, Ordering::Relaxed) < builds * 50 {
                        let (request, sha256) = &right[random.below(right.len())];
                        let response = if client < 2 {
                            request_by_front(store, front, request)
                        } else {
                            let words = random_host_fault(&mut random).map(|(what, words)| {
                                count(what);
                                words
                            });
                            request_by_cgi(store, words.as_deref().unwrap_or(":"), request)
                        };
                        match response {
                            Some(response) if response.status == 200 => {
                                assert_eq!(&response.sha256(), sha256, "seed {seed}: {response}");
                                count(RIGHT);
                                damage(store, &mut random).into_iter().for_each(count);
                            }
                            Some(response) => count(&format!(
                                "{} {}",
                                response.status,
                                response.reason().unwrap_or("-")
                            )),
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
                let mut random = Random::new(seed);
                let pause = |random: &mut Random| Duration::from_millis(random.below(400) as u64);
                let (mut served, mut killed) = (0, Instant::now());
                while ended.recv_timeout(pause(&mut random)) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let right = counts.lock().unwrap().get(RIGHT).copied().unwrap_or(0);
                    if right == served && killed.elapsed() < RESPITE {
                        continue;
                    }
                    (served, killed) = (right, Instant::now());
                    let front_pid = i32::try_from(front.lock().unwrap().child.id()).unwrap();
                    let living = processes::find(&store.dir);
                    if random.below(20) == 0 {
                        living.iter().for_each(processes::Process::kill);
                        count("killed: all at once");
                    } else if let Some(victim) = living.get(random.below(living.len().max(1))) {
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
    // The front may have been killed last.
    front.into_inner().unwrap().kill();
    store.wait_until_idle();
    for (request, sha256) in &right {
        let response = store.ask(request);
        assert_eq!(&response.sha256(), sha256, "seed {seed}: afterwards: {response}");
    }
}
