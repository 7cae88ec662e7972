//! Many clients at once: guarantees hold under load, and a flood by one client hardly delays others.
//!
//! LOAD scales the tests (default 1). `make load` uses 10: 500 clients for 50 programs, 100,000 names, 200 programs, and 50
//! programs of up to 100 MB under a cap of 512 MiB. It prints measurements.

use crate::support::front::Front;
use crate::support::random::number;
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{http, processes, walk};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileTimes};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Between two measurements, which take CPU time too.
const PAUSE: Duration = Duration::from_millis(20);

/// The scale of the tests.
fn load() -> usize {
    number("LOAD").map_or(1, |load| usize::try_from(load).unwrap())
}

/// A different program for each number: the unused build tag changes only the build information.
fn program(number: usize) -> Request {
    Request::get(&format!("/tester/hello@v1.0.0?tags=x{number}"))
}

/// Asserts a complete response, by its ETag. Returns its SHA-256.
#[track_caller]
fn assert_complete(response: &Response) -> String {
    let sum = response.sha256();
    let validator = format!("\"{sum}\"");
    assert_eq!(
        (response.status, response.header("etag")),
        (200, Some(&*validator)),
        "{response}"
    );
    sum
}

fn read_count(front: &Front, name: &str) -> u64 {
    let response = front.ask(&Request::get("/-/status"));
    let status: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    status["counts"][name].as_u64().unwrap()
}

/// Proportional set size (Pss) in bytes; see proc_pid_smaps(5).
fn read_pss(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Ten concurrent clients for each program: each program is built once, and all clients get it.
#[test]
fn many_clients_are_served_and_each_program_is_built_once() {
    let (programs, clients) = (5 * load(), 50 * load());
    let store = TestStore::new();
    let front = store.front();
    assert_complete(&front.ask(&program(0)));
    let pid = i32::try_from(front.child.id()).unwrap();
    let (waiting, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let begun = Instant::now();
    let responses: Vec<(usize, Duration, Response)> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut each: Vec<_> = processes::children(pid)
                    .into_iter()
                    .filter_map(read_pss)
                    .collect();
                each.sort_unstable();
                if let Some(middle) = each.get(each.len() / 2) {
                    waiting.lock().unwrap().push(*middle);
                }
                std::thread::park_timeout(PAUSE);
            }
        });
        let clients: Vec<_> = (0..clients)
            .map(|client| {
                let front = &front;
                scope.spawn(move || {
                    let number = client % programs;
                    let response = front.ask(&program(number));
                    (number, begun.elapsed(), response)
                })
            })
            .collect();
        let responses = clients.into_iter().map(|client| client.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        responses
    });
    // No 503: clients of the same program wait for one build, and the queue has space for the others.
    let sums: BTreeSet<_> = responses
        .iter()
        .map(|(number, _, response)| (number, assert_complete(response)))
        .collect();
    assert_eq!(
        sums.len(),
        programs,
        "clients of the same program got different bytes"
    );
    assert_eq!(read_count(&front, "builds"), programs as u64);
    // Measure the time between the first and the last response of each program.
    let mut first = BTreeMap::new();
    let mut last = BTreeMap::new();
    for (number, at, _) in &responses {
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
        "{clients} clients, {programs} programs: all served in {:.1?}; clients of one program within {spread:.1?}; \
         a waiting client costs {} kB",
        begun.elapsed(),
        each.iter().max().unwrap_or(&0) >> 10
    );
}

/// 200 clients watch one build: 32 of them by events. The others get 204, and their pages are loaded again and again.
#[test]
fn watchers_of_one_build_are_bounded() {
    use crate::events::{EventStream, client, events_of, press};
    use crate::support::proxy::{Behavior, Proxy};
    let watchers = 200 * load();
    let proxy = Proxy::start(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1");
    let front = store.front();
    press(&front, "waits-for-dependency");
    proxy.wait_for_request("/arrives-late/@v/v1.0.0.zip");
    let open =
        |number: usize| EventStream::open(front.address, &events_of("waits-for-dependency", &client(number)));
    let begun = Instant::now();
    let streams: Vec<_> = (0..watchers)
        .map(open)
        .filter(|stream| stream.status == 200)
        .collect();
    let opened = begun.elapsed();
    assert_eq!(streams.len(), 32);
    assert_eq!(open(watchers).status, 204);
    let begun = Instant::now();
    let page = Request::get("/tester/waits-for-dependency?os=linux&arch=amd64").header("Accept", "text/html");
    let shown = front.ask(&page);
    assert!(shown.text().contains("Being compiled"), "{shown}");
    let shown = begun.elapsed();
    let pid = i32::try_from(front.child.id()).unwrap();
    let children = processes::children(pid);
    assert_eq!(children.len(), 32);
    let memory: u64 = children.into_iter().filter_map(read_pss).sum();
    println!(
        "{watchers} watchers connect in {opened:.1?}: 32 streams, a process of {} kB each; front {} kB; the next one gets 204 and the \
         page in {shown:.1?}",
        (memory >> 10) / 32,
        read_pss(pid).unwrap() >> 10
    );
    assert!(memory < 64 << 20, "{memory}");
    proxy.set_behavior(Behavior::Serve);
    let ends = streams
        .into_iter()
        .map(|stream| stream.last().unwrap()["stage"].clone());
    assert!(ends.into_iter().all(|stage| stage == "built"));
}

/// Thousands of unknown names. Other clients are served meanwhile; how fast, is printed.
#[test]
fn flood_of_unknown_names_takes_bounded_files_memory_and_proxy_requests() {
    use crate::support::proxy::{Behavior, MAX_REQUESTS, Proxy};
    const BUDGET: usize = 50;
    let names = 1000 * load() * load();
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1")
        .set("GOX_LOOKUPS_PER_HOUR", BUDGET.to_string());
    let front = store.front();
    let good = Request::get("/tester/hello@v1.0.0").header("X-Forwarded-For", "192.0.2.1");
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
    let before = proxy.requests().len();
    let (next, reasons) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let flooded = std::thread::scope(|scope| {
        let floods: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= names {
                            return;
                        }
                        let request = Request::get(&format!("/tester/nosuch{number}"))
                            .header("X-Forwarded-For", "198.51.100.1");
                        let response = front.ask(&request);
                        reasons
                            .lock()
                            .unwrap()
                            .insert(response.reason().unwrap_or("none").to_owned());
                    }
                })
            })
            .collect();
        median(&mut || floods.iter().any(|flood| !flood.is_finished()))
    });
    let reasons = reasons.into_inner().unwrap();
    assert!(
        reasons
            .iter()
            .all(|reason| ["no-such-module", "too-many-builds"].contains(&reason.as_str())),
        "{reasons:?}"
    );
    let asked = proxy.requests().len() - before;
    assert!(
        asked <= BUDGET * MAX_REQUESTS,
        "{asked} proxy requests for {BUDGET} lookups"
    );
    let files = walk(&store.dir.join("resolutions")).len();
    assert!(files <= 2 * BUDGET, "{files}");
    let front_memory = read_pss(i32::try_from(front.child.id()).unwrap()).unwrap();
    assert!(front_memory < 32 << 20, "{front_memory}");
    println!(
        "{names} unknown names: {asked} proxy requests, {files} files, front {} kB; median of another client {flooded:.1?}, \
         on an idle server {idle:.1?}",
        front_memory >> 10
    );
}

/// A client that reads a piece of its response after each build. The front ends a connection that reads less than 240 KiB a minute.
struct SlowReader(Mutex<(TcpStream, Vec<u8>)>);

impl SlowReader {
    fn begin(front: &Front, request: &Request) -> SlowReader {
        let mut connection = front.connect();
        connection.write_all(&http::encode_request(request)).unwrap();
        SlowReader(Mutex::new((connection, Vec::new())))
    }

    fn read_piece(&self) {
        let (connection, wire) = &mut *self.0.lock().unwrap();
        connection.take(32 << 10).read_to_end(wire).unwrap();
    }

    fn finish(self) -> Response {
        let (mut connection, mut wire) = self.0.into_inner().unwrap();
        connection.read_to_end(&mut wire).unwrap();
        Response::from_http(&wire, false).unwrap()
    }
}

/// Many programs under a cap of five, and a slow reader: no response is truncated, no request fails, and the cap is exceeded by
/// at most one program.
#[test]
fn cache_cap_holds_while_programs_are_built_and_read() {
    let programs = 20 * load();
    let store = TestStore::new();
    let first = store.ask(&program(0));
    let size = first.program().len() as u64;
    let cap = total_bytes(&store.dir.join("cache")) + 5 * size;
    let store = store.set("GOX_CACHE_BYTES", cap.to_string());
    let mut front = store.front();
    let slow = SlowReader::begin(&front, &program(0));
    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > programs {
                        return;
                    }
                    assert_complete(&front.ask(&program(number)));
                    slow.read_piece();
                    // Make artifacts evictable that are older than two seconds; other clients may still wait for newer ones.
                    let is_new = |path: &&PathBuf| {
                        let made = fs::metadata(path).and_then(|metadata| metadata.modified());
                        made.is_ok_and(|at| at.elapsed().is_ok_and(|since| since < Duration::from_secs(2)))
                    };
                    let artifacts = store.artifacts();
                    artifacts
                        .iter()
                        .filter(|path| !is_new(path))
                        .for_each(|path| make_old(path));
                }
            });
        }
    });
    store.artifacts().iter().for_each(|path| make_old(path));
    assert_complete(&front.ask(&program(programs + 1)));
    assert_eq!(slow.finish().sha256(), first.sha256());
    front.signal(Signal::SIGTERM);
    front.wait_for_exit();
    store.wait_until_idle();
    let cached = total_bytes(&store.dir.join("artifacts"));
    assert!(cached < 7 * size, "{cached} bytes are cached");
    println!(
        "{programs} programs of {size} bytes under a cap of 5: {} are cached",
        store.artifacts().len()
    );
}

/// Disk usage of a folder in bytes, without symbolic links and working directories of builds.
fn on_disk(folder: &Path) -> u64 {
    let (mut bytes, mut left) = (0, vec![folder.to_owned()]);
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() && entry.file_name() != "work" => left.push(entry.path()),
                Ok(meta) if meta.is_file() => bytes += meta.blocks() * 512,
                // A symbolic link, or removed in the meantime.
                Ok(_) | Err(_) => {}
            }
        }
    }
    bytes
}

/// Builds, hits and compression under a small cap, with a reader that reads a piece after each build. From LOAD=2 on, every fifth program
/// has 100 MB. All responses are complete, no build fails, and disk usage never exceeds the cap plus programs reserved for waiters plus what
/// running builds add.
#[test]
fn cache_cap_holds_during_builds_hits_and_compression() {
    let (builds, cap, largest) = match load() {
        1 => (10, 16 << 20, 4 << 20),
        load => (5 * load, 512 << 20, 256 << 20),
    };
    let program = |number: usize| match (load(), number % 5) {
        (2.., 0) => Request::get(&format!("/tester/large@v1.0.0?tags=x{number}")),
        _ => program(number),
    };
    let store = TestStore::with_image_cache()
        .set("GOX_BUILDS", "2")
        .set("GOX_CACHE_BYTES", cap.to_string());
    let mut front = store.front();
    let first = front.ask(&program(0));
    let slow = SlowReader::begin(&front, &program(0));
    let (next, over) = (AtomicUsize::new(1), AtomicBool::new(false));
    let most = std::thread::scope(|scope| {
        let disk = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(on_disk(&store.dir));
                std::thread::park_timeout(PAUSE);
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
                        assert_complete(&front.ask(&program(number)));
                        assert_complete(&front.ask(&program(number).header("Accept-Encoding", "zstd")));
                        assert_complete(&front.ask(&program(number / 2)));
                        slow.read_piece();
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        over.store(true, Ordering::Relaxed);
        disk.join().unwrap()
    });
    assert_eq!(slow.finish().sha256(), first.sha256());
    let builds = read_count(&front, "builds");
    assert_eq!(read_count(&front, "failed_builds"), 0);
    front.signal(Signal::SIGTERM);
    front.wait_for_exit();
    store.wait_until_idle();
    println!(
        "{builds} builds under a cap of {} KiB: {} KiB at most, {} KiB in the end",
        cap >> 10,
        most >> 10,
        on_disk(&store.dir) >> 10
    );
    assert!(most <= cap / 4 * 5 + 3 * largest, "{most} bytes were on the disk");
}

fn total_bytes(folder: &Path) -> u64 {
    let files = walk(folder).into_iter().filter(|path| path.is_file());
    files
        .map(|path| path.metadata().map_or(0, |meta| meta.len()))
        .sum()
}

/// Sets access and modification time to yesterday, if the file still exists.
fn make_old(path: &Path) {
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    let times = FileTimes::new().set_accessed(yesterday).set_modified(yesterday);
    if let Ok(file) = File::open(path) {
        file.set_times(times).unwrap();
    }
}
