//! Many at once: what is promised to one client holds for hundreds, and one who floods costs the others little.
//!
//! Small here; `make load` asks with LOAD=10, that is 500 clients for 50 programs, 100,000 names, 200 programs, 50 of up to 100 MB
//! under a cap of 512 MiB, and prints its figures.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::dice::number;
use crate::support::front::Front;
use crate::support::scratch::Scratch;
use crate::support::{http, processes, walk};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileTimes};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How much of everything.
fn load() -> usize {
    number("LOAD").map_or(1, |load| usize::try_from(load).unwrap())
}

/// A program of its own for each number: a tag that no file knows is in its build information, and nowhere else.
fn program(number: usize) -> Ask {
    Ask::get(&format!("/tester/hello@v1.0.0?tags=x{number}"))
}

/// The sum of a program that came as a whole, as its validator says.
#[track_caller]
fn whole(answer: &Answer) -> String {
    let sum = answer.sha256();
    let validator = format!("\"{sum}\"");
    assert_eq!(
        (answer.status, answer.header("etag")),
        (200, Some(&*validator)),
        "{answer}"
    );
    sum
}

fn count(front: &Front, name: &str) -> u64 {
    let answer = front.ask(&Ask::get("/-/status"));
    let status: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    status["counts"][name].as_u64().unwrap()
}

/// Pss in bytes: what a process has to itself, and its share of what it shares (proc_pid_smaps(5)).
fn memory(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Ten clients for each program, all at once: each program is made once, and everybody gets it.
#[test]
fn a_crowd_is_served_and_each_program_made_once() {
    let (programs, clients) = (5 * load(), 50 * load());
    let store = Scratch::new();
    let front = store.front();
    whole(&front.ask(&program(0)));
    let pid = i32::try_from(front.child.id()).unwrap();
    let (waiting, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let begun = Instant::now();
    let answers: Vec<(usize, Duration, Answer)> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut each: Vec<_> = processes::children(pid).into_iter().filter_map(memory).collect();
                each.sort_unstable();
                if let Some(middle) = each.get(each.len() / 2) {
                    waiting.lock().unwrap().push(*middle);
                }
            }
        });
        let clients: Vec<_> = (0..clients)
            .map(|client| {
                let front = &front;
                scope.spawn(move || {
                    let number = client % programs;
                    let answer = front.ask(&program(number));
                    (number, begun.elapsed(), answer)
                })
            })
            .collect();
        let answers = clients.into_iter().map(|client| client.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        answers
    });
    // No 503: a crowd that wants the same waits for one build, and the queue has room for the rest.
    let sums: BTreeSet<_> = answers
        .iter()
        .map(|(number, _, answer)| (number, whole(answer)))
        .collect();
    assert_eq!(sums.len(), programs, "all who wanted the same got the same");
    assert_eq!(count(&front, "builds"), programs as u64);
    // Fair: in the order in which each program's first answer came, all who wanted it were answered before the builds
    // that came two slots later.
    let mut first = BTreeMap::new();
    let mut last = BTreeMap::new();
    for (number, at, _) in &answers {
        first
            .entry(*number)
            .and_modify(|f: &mut Duration| *f = (*f).min(*at))
            .or_insert(*at);
        last.entry(*number)
            .and_modify(|l: &mut Duration| *l = (*l).max(*at))
            .or_insert(*at);
    }
    let spread = first
        .iter()
        .map(|(number, first)| last[number] - *first)
        .max()
        .unwrap();
    let each = waiting.into_inner().unwrap();
    println!(
        "{clients} clients, {programs} programs: all served in {:.1?}; who wanted the same got it within {spread:.1?}; \
         a waiting client costs {} kB",
        begun.elapsed(),
        each.iter().max().unwrap_or(&0) >> 10
    );
}

/// Names that are not, by the thousand: files and calls to the proxy stay bounded, and who asks for a program gets it.
#[test]
fn a_flood_of_names_leaves_the_others_alone() {
    use crate::support::proxy::{Manner, Proxy};
    const BUDGET: usize = 50;
    let names = 1000 * load() * load();
    let proxy = Proxy::start(Manner::Serve);
    let store = Scratch::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1")
        .set("GOX_LOOKUPS_PER_HOUR", BUDGET.to_string());
    let front = store.front();
    let good = Ask::get("/tester/hello@v1.0.0").header("X-Forwarded-For", "192.0.2.1");
    let right = front.ask(&good).sha256();
    let median = |asks: &mut dyn FnMut() -> bool| {
        let mut times = Vec::new();
        while times.len() < 20 || asks() {
            let begun = Instant::now();
            assert_eq!(front.ask(&good).sha256(), right);
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        times[times.len() / 2]
    };
    let idle = median(&mut || false);
    let before = proxy.asked().len();
    let (next, refusals) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let flooded = std::thread::scope(|scope| {
        let floods: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= names {
                            return;
                        }
                        let ask = Ask::get(&format!("/tester/nosuch{number}"))
                            .header("X-Forwarded-For", "198.51.100.1");
                        let answer = front.ask(&ask);
                        refusals
                            .lock()
                            .unwrap()
                            .insert(answer.reason().unwrap_or("none").to_owned());
                    }
                })
            })
            .collect();
        median(&mut || floods.iter().any(|flood| !flood.is_finished()))
    });
    let refusals = refusals.into_inner().unwrap();
    assert!(
        refusals
            .iter()
            .all(|reason| ["no-such-module", "too-many-builds"].contains(&reason.as_str())),
        "{refusals:?}"
    );
    // A name is asked for as a module and at its majors, each a file or two: so many for each question, and no more.
    let asked = proxy.asked().len() - before;
    assert!(asked <= BUDGET * 61, "{asked} calls for {BUDGET} questions");
    let files = walk(&store.dir.join("resolutions")).len();
    assert!(files <= 4097, "{files}");
    let front_memory = memory(i32::try_from(front.child.id()).unwrap()).unwrap();
    assert!(front_memory < 32 << 20, "{front_memory}");
    println!(
        "{names} names that are not: {asked} calls to the proxy, {files} files, front {} kB; a good client's median {flooded:.1?}, \
         of an idle server {idle:.1?}",
        front_memory >> 10
    );
}

/// A cap that holds five programs, many programs, and a reader who has taken a page of one: nobody is cut, nothing fails, and
/// the cap holds to within one program.
#[test]
fn a_cap_holds_while_programs_are_made_and_read() {
    let programs = 20 * load();
    let store = Scratch::new();
    let first = store.ask(&program(0));
    let size = first.program().len() as u64;
    let cap = bytes(&store.dir.join("cache")) + 5 * size;
    let store = store.set("GOX_CACHE_BYTES", cap.to_string());
    let mut front = store.front();
    let mut reader = front.connect();
    reader.write_all(&http::request(&program(0))).unwrap();
    let mut wire = vec![0; 4096];
    reader.read_exact(&mut wire).unwrap();
    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > programs {
                        return;
                    }
                    whole(&front.ask(&program(number)));
                    // What was made a minute ago is not spared any more; another client still waits for what was made just now.
                    let is_new = |path: &&PathBuf| {
                        let made = fs::metadata(path).and_then(|metadata| metadata.modified());
                        made.is_ok_and(|at| at.elapsed().is_ok_and(|since| since < Duration::from_secs(2)))
                    };
                    let artifacts = store.artifacts();
                    artifacts
                        .iter()
                        .filter(|path| !is_new(path))
                        .for_each(|path| age(path));
                }
            });
        }
    });
    store.artifacts().iter().for_each(|path| age(path));
    whole(&front.ask(&program(programs + 1)));
    reader.read_to_end(&mut wire).unwrap();
    assert_eq!(Answer::from_http(&wire, false).unwrap().sha256(), first.sha256());
    front.signal(Signal::SIGTERM);
    front.ended();
    store.quiet();
    let kept = bytes(&store.dir.join("artifacts"));
    assert!(kept < 7 * size, "{kept} bytes are kept");
    println!(
        "{programs} programs of {size} bytes under a cap that holds 5: {} are kept",
        store.artifacts().len()
    );
}

/// Bytes on the disk below a folder, without links and without the directories of running builds.
fn on_disk(folder: &Path) -> u64 {
    let (mut bytes, mut left) = (0, vec![folder.to_owned()]);
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() && entry.file_name() != "work" => left.push(entry.path()),
                Ok(meta) if meta.is_file() => bytes += meta.blocks() * 512,
                // Gone meanwhile, or a link.
                Ok(_) | Err(_) => {}
            }
        }
    }
    bytes
}

/// Everything grows under a small cap: builds, with programs of 100 MB among them under more than a little load, hits and copies, and
/// one client reads slowly. Every answer is whole, no build fails, and at no time does more lie on the disk than the cap, the programs
/// that waiters have time to open, and what the running builds add.
#[test]
fn a_cap_holds_among_builds_hits_and_copies() {
    let (builds, cap, largest) = match load() {
        1 => (10, 16 << 20, 4 << 20),
        load => (5 * load, 512 << 20, 256 << 20),
    };
    let program = |number: usize| match (load(), number % 5) {
        (2.., 0) => Ask::get(&format!("/tester/large@v1.0.0?tags=x{number}")),
        _ => program(number),
    };
    let store = Scratch::in_image()
        .set("GOX_BUILDS", "2")
        .set("GOX_CACHE_BYTES", cap.to_string());
    let mut front = store.front();
    let first = front.ask(&program(0));
    let mut reader = front.connect();
    reader.write_all(&http::request(&program(0))).unwrap();
    let mut wire = vec![0; 4096];
    reader.read_exact(&mut wire).unwrap();
    let (next, over) = (AtomicUsize::new(1), AtomicBool::new(false));
    let most = std::thread::scope(|scope| {
        let disk = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(on_disk(&store.dir));
            }
            most
        });
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number > builds {
                            return;
                        }
                        whole(&front.ask(&program(number)));
                        whole(&front.ask(&program(number).header("Accept-Encoding", "zstd")));
                        whole(&front.ask(&program(number / 2)));
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        over.store(true, Ordering::Relaxed);
        disk.join().unwrap()
    });
    reader.read_to_end(&mut wire).unwrap();
    assert_eq!(Answer::from_http(&wire, false).unwrap().sha256(), first.sha256());
    let builds = count(&front, "builds");
    assert_eq!(count(&front, "failed_builds"), 0);
    front.signal(Signal::SIGTERM);
    front.ended();
    store.quiet();
    println!(
        "{builds} builds under a cap of {} KiB: {} KiB at most, {} KiB in the end",
        cap >> 10,
        most >> 10,
        on_disk(&store.dir) >> 10
    );
    assert!(most <= cap / 4 * 5 + 3 * largest, "{most} bytes were on the disk");
}

fn bytes(folder: &Path) -> u64 {
    let files = walk(folder).into_iter().filter(|path| path.is_file());
    files
        .map(|path| path.metadata().map_or(0, |meta| meta.len()))
        .sum()
}

/// Makes it look as if it had been used yesterday, unless it is gone.
fn age(path: &Path) {
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    let times = FileTimes::new().set_accessed(yesterday).set_modified(yesterday);
    if let Ok(file) = File::open(path) {
        file.set_times(times).unwrap();
    }
}
