//! Server-sent events of a build: through every server, their limits, and what ends them.

use crate::support::front::Front;
use crate::support::http;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use crate::support::web_server::WebServer;
use crate::support::{TIMEOUT, eventually, fastcgi, processes};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The module that the proxy holds.
const HELD: Behavior = Behavior::Hold("/arrives-late/@v/v1.0.0.zip");

/// An open event stream.
pub(crate) struct EventStream {
    pub(crate) status: u16,
    reader: BufReader<TcpStream>,
}

impl EventStream {
    /// Sends a request and reads the head of the response.
    pub(crate) fn open(address: SocketAddr, request: &Request) -> EventStream {
        let mut stream = http::connect(address);
        stream.write_all(&http::encode_request(request)).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        EventStream { status, reader }
    }
}

/// The events, until the stream ends.
impl Iterator for EventStream {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap_or_else(|error| panic!("{data:?}: {error}")));
            }
        }
    }
}

/// The request of a client for the events of a program.
pub(crate) fn events_of(program: &str, client: &str) -> Request {
    Request::get(&format!("/tester/{program}.events?os=linux&arch=amd64")).header("X-Forwarded-For", client)
}

/// The address of the client with this number. Each client has a network of its own, because limits count networks.
pub(crate) fn client(number: usize) -> String {
    format!("10.{}.{}.1", number / 256, number % 256)
}

/// Presses the button on the page of a program.
pub(crate) fn press(front: &Front, program: &str) {
    let url = format!("/tester/{program}?os=linux&arch=amd64");
    let response = front.ask(&Request::get(&url).method("POST"));
    assert_eq!(response.status, 303, "{response}");
}

/// A store with one slot. A trusted proxy reports its clients.
fn store_with_one_slot(proxy: &Proxy) -> TestStore {
    TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_BUILDS", "1")
        .set("GOX_TRUSTED_PROXIES", "127.0.0.1")
}

/// Occupies the only slot for builds until it is dropped.
pub(crate) fn hold_slot(store: &TestStore) -> File {
    let slots = store.dir.join("slots");
    fs::create_dir_all(&slots).unwrap();
    let slot = File::create(slots.join("0")).unwrap();
    slot.lock().unwrap();
    slot
}

/// The clients of all open streams: the content of a slot is `START CLIENT`.
fn open_streams(store: &TestStore) -> Vec<String> {
    let slots = (0..32).filter_map(|slot| {
        let path = store.dir.join(format!("locks/streams/{slot}"));
        let is_held = matches!(
            File::open(&path).ok()?.try_lock_shared(),
            Err(TryLockError::WouldBlock)
        );
        is_held.then(|| fs::read_to_string(path).unwrap())
    });
    slots
        .map(|text| text.split(' ').nth(1).unwrap_or_default().to_owned())
        .collect()
}

/// A way to the store: its name, its address, and the path of the service.
type Door = (&'static str, SocketAddr, &'static str);

/// The front and every host of every file in conf/.
fn doors(front: &Front, servers: &[WebServer]) -> Vec<Door> {
    let mounts = servers.iter().flat_map(|server| &server.mounts);
    let mounts = mounts.map(|mount| (mount.name, mount.address, mount.prefix));
    [("front", front.address, "")].into_iter().chain(mounts).collect()
}

/// Opens a stream of `watched` through each door, as another client each.
fn open_all(doors: &[Door]) -> Vec<(&'static str, String, EventStream)> {
    let open = |(number, (name, address, prefix)): (usize, &Door)| {
        let client = client(number);
        let mut request = events_of("watched", &client);
        request.path = format!("{prefix}{}", request.path);
        let stream = EventStream::open(*address, &request);
        assert_eq!(stream.status, 200, "{name}");
        (*name, client, stream)
    };
    doors.iter().enumerate().map(open).collect()
}

fn servers(store: &TestStore, responder: &fastcgi::Responder) -> [WebServer; 4] {
    [
        WebServer::nginx(store, &responder.socket),
        WebServer::lighttpd(store),
        WebServer::apache(store, &responder.socket),
        WebServer::caddy(store, &responder.socket),
    ]
}

/// What happened during a build, in the order in which the test saw it: the stream or `progress`, and the event or line.
type Log = Vec<(&'static str, Instant, Value)>;

/// Receives until each stream has had an event that matches.
fn receive_until(
    receiver: &mpsc::Receiver<(&'static str, Instant, Value)>,
    log: &mut Log,
    doors: &[Door],
    what: &str,
    matches: impl Fn(&Value) -> bool,
) {
    let is_missing = |log: &Log, name| {
        !log.iter()
            .any(|(other, _, event)| *other == name && matches(event))
    };
    while let Some((name, ..)) = doors.iter().find(|(name, ..)| is_missing(log, *name)) {
        let received = receiver.recv_timeout(TIMEOUT);
        log.push(received.unwrap_or_else(|error| panic!("{name}: no event {what}: {error}; {log:?}")));
    }
}

/// Each stage reaches each client before the next one begins. The test decides when the build gets its slot and its dependency.
#[test]
fn events_arrive_through_every_server_while_the_build_runs() {
    const SLOW: &str = "github.com/tester/watched/slow";
    let proxy = Proxy::start(HELD);
    let store = store_with_one_slot(&proxy);
    let slot = hold_slot(&store);
    let (front, responder) = (store.front(), store.responder());
    let servers = servers(&store, &responder);
    let doors = doors(&front, &servers);
    press(&front, "watched");
    let (sender, receiver) = mpsc::channel();
    for (name, _, stream) in open_all(&doors) {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for event in stream {
                sender.send((name, Instant::now(), event)).unwrap();
            }
            sender.send((name, Instant::now(), Value::Null)).unwrap();
        });
    }
    let mut log = Log::new();
    let stage = |event: &Value, stage: &str| event["stage"] == stage;
    receive_until(&receiver, &mut log, &doors, "queued", |event| {
        stage(event, "queued")
    });
    drop(slot);
    proxy.wait_for_request("/arrives-late/@v/v1.0.0.zip");
    receive_until(&receiver, &mut log, &doors, "building", |event| {
        stage(event, "building")
    });
    let work = store.dir.join("work");
    std::thread::scope(|scope| {
        // The lines that tools write when they start.
        scope.spawn(|| {
            let mut seen = 0;
            while store.artifacts().is_empty() {
                let builds = fs::read_dir(&work).unwrap().flatten();
                let text = builds.filter_map(|build| fs::read_to_string(build.path().join("progress")).ok());
                let text: String = text.collect();
                for line in text.lines().skip(seen) {
                    sender.send(("progress", Instant::now(), line.into())).unwrap();
                    seen += 1;
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
        proxy.set_behavior(Behavior::Serve);
        receive_until(&receiver, &mut log, &doors, "built", |event| {
            stage(event, "built")
        });
        receive_until(&receiver, &mut log, &doors, "at the end", Value::is_null);
    });
    let mut lines = log.iter().filter(|(name, ..)| *name == "progress");
    let started = lines.find(|(_, _, line)| line.as_str().unwrap().ends_with(SLOW));
    let (started, next) = (started.unwrap().1, lines.next().unwrap().1);
    for (door, ..) in &doors {
        let own = || log.iter().filter(|(name, ..)| name == door);
        let arrived = own().find(|(_, _, event)| event["package"] == SLOW);
        let arrived = arrived
            .unwrap_or_else(|| panic!("{door}: no event of {SLOW}: {log:?}"))
            .1;
        println!(
            "{door}: {} ms after the compiler started",
            (arrived - started).as_millis()
        );
        assert!(arrived < next, "{door}: after the next package");
        let events: Vec<_> = own().map(|(_, _, event)| event).collect();
        let [.., built, Value::Null] = &events[..] else {
            panic!("{door}: {events:?}")
        };
        assert_eq!(built["stage"], "built", "{door}");
    }
    println!("the slow package took {} ms", (next - started).as_millis());
}

/// A stream is closed when its client disconnects: at once where the web server closes its connection to gox-server, else at the first
/// comment that the web server cannot write.
#[test]
fn disconnected_client_frees_its_stream() {
    let proxy = Proxy::start(HELD);
    let store = store_with_one_slot(&proxy);
    let (front, responder) = (store.front(), store.responder());
    let servers = servers(&store, &responder);
    press(&front, "watched");
    proxy.wait_for_request("/arrives-late/@v/v1.0.0.zip");
    let streams = open_all(&doors(&front, &servers));
    // Caddy replaces X-Forwarded-For.
    let seen = |name: &str, client: String| {
        if name.starts_with("Caddy") {
            "127.0.0.1".to_owned()
        } else {
            client
        }
    };
    let mut left: Vec<_> = streams
        .iter()
        .map(|(name, client, _)| (*name, seen(name, client.clone())))
        .collect();
    assert_eq!(open_streams(&store).len(), 15);
    drop(streams);
    let begun = Instant::now();
    eventually("all streams are closed", TIMEOUT, || {
        let open = open_streams(&store);
        left.retain(|(name, client)| {
            let (network, _) = client.rsplit_once('.').unwrap();
            let is_open = open.iter().any(|other| other == network);
            if !is_open {
                println!(
                    "{name}: {:.1} s after the client disconnected",
                    begun.elapsed().as_secs_f64()
                );
            }
            is_open
        });
        left.is_empty()
    });
    proxy.set_behavior(Behavior::Serve);
}

/// Two streams of one client, 32 in all. After 204 an EventSource does not connect again.
#[test]
fn streams_are_limited_for_each_client_and_in_all() {
    let proxy = Proxy::start(HELD);
    let store = store_with_one_slot(&proxy);
    let front = store.front();
    press(&front, "waits-for-dependency");
    proxy.wait_for_request("/arrives-late/@v/v1.0.0.zip");
    let open = |number: usize| {
        let request = events_of("waits-for-dependency", &client(number));
        EventStream::open(front.address, &request)
    };
    let mut streams: Vec<_> = (0..32).map(|number| open(number / 2)).collect();
    assert!(streams.iter().all(|stream| stream.status == 200));
    assert_eq!(open(0).status, 204, "a third stream of one client");
    assert_eq!(open(16).status, 204, "a 33rd stream");
    streams.truncate(31);
    let mut next = None;
    eventually(
        "the stream of a disconnected client is free",
        Duration::from_secs(5),
        || {
            next = Some(open(16)).filter(|stream| stream.status == 200);
            next.is_some()
        },
    );
    assert_eq!(open(0).status, 204, "a third stream of one client");
    // The processes of a killed front see that their output has no reader.
    let is_request = |process: &processes::Process| !process.command.contains(' ');
    let requests = || processes::find(&store.dir).into_iter().filter(is_request).count();
    assert_eq!(requests(), 33, "the front and a process for each stream");
    front.kill();
    eventually(
        "the processes of a killed front exit",
        Duration::from_secs(5),
        || requests() == 0,
    );
    assert!(streams.iter_mut().all(|stream| stream.last().is_some()));
    proxy.set_behavior(Behavior::Serve);
}

/// A responder that stops ends its streams; the build and the web server go on.
#[test]
fn stopped_responder_ends_its_streams() {
    let proxy = Proxy::start(HELD);
    let store = store_with_one_slot(&proxy);
    let front = store.front();
    press(&front, "waits-for-dependency");
    proxy.wait_for_request("/arrives-late/@v/v1.0.0.zip");
    let mut responder = store.responder();
    let request = events_of("waits-for-dependency", "192.0.2.1");
    let ask = |responder: &fastcgi::Responder| {
        let mut connection = responder.connect();
        connection.send(&fastcgi::encode_request(1, false, &request.variables(), &[]));
        connection
    };
    let aborted = ask(&responder);
    eventually("the stream is open", TIMEOUT, || open_streams(&store).len() == 1);
    drop(aborted);
    eventually("its stream is closed", Duration::from_secs(5), || {
        open_streams(&store).is_empty()
    });
    let mut connection = ask(&responder);
    eventually("the stream is open", TIMEOUT, || open_streams(&store).len() == 1);
    let begun = Instant::now();
    responder.signal(Signal::SIGTERM);
    let (status, stdout) = connection.read_response(1);
    assert_eq!(status, 0);
    assert!(stdout.starts_with(b"Status: 200 OK\r\n"), "{stdout:?}");
    assert!(responder.wait_for_exit().success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    proxy.set_behavior(Behavior::Serve);
}

/// A stream of a program that is not being built ends after some seconds, so that the page shows the button again.
#[test]
fn stream_of_unbuilt_program_ends() {
    let store = TestStore::new();
    let front = store.front();
    let events: Vec<_> = EventStream::open(front.address, &events_of("hello", "192.0.2.1")).collect();
    assert_eq!(events, [serde_json::json!({ "stage": "not-built" })]);
}
