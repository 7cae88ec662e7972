//! Real object stores: versitygw and rclone, which `make stores` builds from their modules and puts on PATH. They check signatures,
//! which the store in support/ does not.

use crate::object_store::{assert_hello, count, log, machine};
use crate::support::front::Front;
use crate::support::object_store::{ACCESS_KEY, BUCKET, SECRET_KEY};
use crate::support::processes;
use crate::support::random::Random;
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use crate::support::web_server::WebServer;
use crate::support::{TIMEOUT, eventually, sha256, tmp, walk};
use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A running store with an empty bucket. The objects are files below `objects`.
struct RealStore {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
    objects: PathBuf,
}

impl RealStore {
    fn versitygw() -> RealStore {
        RealStore::start(|folder, address| {
            let mut command = Command::new("versitygw");
            command
                .env("ROOT_ACCESS_KEY", ACCESS_KEY)
                .env("ROOT_SECRET_KEY", SECRET_KEY);
            // In files of its own: not every file system has extended attributes.
            let sidecar = folder.join("attributes");
            fs::create_dir(&sidecar).unwrap();
            command
                .args(["--port", address, "posix", "--sidecar"])
                .arg(sidecar)
                .arg(folder.join("root"));
            command
        })
    }

    fn rclone() -> RealStore {
        RealStore::start(|folder, address| {
            let mut command = Command::new("rclone");
            let key = format!("{ACCESS_KEY},{SECRET_KEY}");
            command
                .args(["serve", "s3", "--addr", address, "--auth-key", &key])
                .arg(folder.join("root"));
            command
        })
    }

    fn start(command: impl FnOnce(&std::path::Path, &str) -> Command) -> RealStore {
        let folder = tempfile::tempdir_in(tmp()).unwrap();
        let objects = folder.path().join("root").join(BUCKET);
        fs::create_dir_all(&objects).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut command = command(folder.path(), &format!("127.0.0.1:{port}"));
        let output = fs::File::create(folder.path().join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("`make stores` puts versitygw and rclone on PATH");
        eventually("the store listens", TIMEOUT, || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        RealStore {
            child,
            folder,
            port,
            objects,
        }
    }

    fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("GOX_STORE", format!("s3://{BUCKET}/a/b")),
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }

    /// The keys of all objects below `kind`.
    fn keys(&self, kind: &str) -> Vec<String> {
        let root = self.objects.join("a/b");
        let files = walk(&root.join(kind)).into_iter().filter(|path| path.is_file());
        files
            .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
            .collect()
    }
}

impl Drop for RealStore {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        if std::thread::panicking() {
            eprintln!(
                "{}",
                fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
        }
    }
}

#[test]
fn doctor_describes_each_store() {
    for store in [RealStore::versitygw(), RealStore::rclone()] {
        let first = machine(store.settings());
        let doctor = first.command().arg("doctor").output().unwrap();
        let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
        println!(
            "{}",
            found
                .lines()
                .find(|line| line.contains("store "))
                .unwrap_or_default()
        );
        assert!(
            found.contains("✓ store") && found.contains("create-only is kept"),
            "{found}"
        );
        assert!(found.contains("interrupted uploads leave nothing"), "{found}");
        let denied = first
            .command()
            .arg("doctor")
            .env("AWS_SECRET_ACCESS_KEY", "wrong")
            .output()
            .unwrap();
        assert!(
            String::from_utf8_lossy(&denied.stdout).contains("answers 403 SignatureDoesNotMatch"),
            "{denied:?}"
        );
        fs::remove_dir_all(first.dir.join("object-store")).unwrap();
        assert_hello(&first);
        let second = machine(store.settings());
        assert_hello(&second);
        assert_eq!(
            ["builds", "store_fetches", "store_fetched_resolutions"].map(|counter| count(&second, counter)),
            [0, 1, 1],
            "{}",
            log(&second)
        );
        // rclone removes what an interrupted upload has left after it has answered.
        eventually("no probe and no claim is left", TIMEOUT, || {
            ["probe", "claim"].iter().all(|kind| store.keys(kind).is_empty())
        });
    }
}

const PROGRAMS: usize = 40;
const REQUESTS: usize = 200;

/// Build tags make programs with the same bytes but different keys and build information.
fn program(number: usize) -> Request {
    Request::get(&format!("/tester/hello@v1.0.0?tags=t{number}"))
}

fn nginx(fronts: &[Front]) -> WebServer {
    let servers: String = fronts
        .iter()
        .map(|front| format!("server {};", front.address))
        .collect();
    let config = format!(
        "USER error_log stderr; pid DIR/pid; events {{}} http {{ access_log off; client_body_temp_path DIR/body; proxy_temp_path DIR/proxy;
         fastcgi_temp_path DIR/fastcgi; scgi_temp_path DIR/scgi; uwsgi_temp_path DIR/uwsgi; upstream machines {{ {servers} }}
         server {{ listen HOST:PORT; location / {{ proxy_pass http://machines; proxy_read_timeout 600s; }} }} }}"
    );
    let command = [
        "/usr/sbin/nginx",
        "-p",
        "DIR",
        "-c",
        "CONFIG",
        "-g",
        "daemon off;",
    ];
    WebServer::configured("nginx", &command, &config, "")
}

#[test]
fn three_machines_build_each_program_once() {
    let store = RealStore::versitygw();
    let machines = [0; 3].map(|_| machine(store.settings()));
    let fronts = machines.each_ref().map(TestStore::front);
    let nginx = nginx(&fronts);
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= REQUESTS {
                        return;
                    }
                    let response = nginx.mounts[0].ask(&program(number % PROGRAMS)).unwrap();
                    response.program();
                }
            });
        }
    });
    println!(
        "{REQUESTS} requests for {PROGRAMS} programs: {:?}",
        started.elapsed()
    );
    machines.iter().for_each(|machine| {
        eventually("no builder", TIMEOUT, || {
            !processes::find(&machine.dir).iter().any(|p| p.is("builder"))
        });
    });
    let total = |counter| {
        machines
            .iter()
            .map(|machine| count(machine, counter))
            .sum::<u64>()
    };
    println!("builds {}, fetches {}", total("builds"), total("store_fetches"));
    assert_eq!(total("builds"), PROGRAMS as u64);
    assert_eq!(
        total("store_conflicts") + total("store_rejections") + total("store_errors"),
        0
    );
    assert_eq!(store.keys("claim"), [] as [String; 0]);
    // A program of another machine, and one on the own disk: the first and the second request to a new machine.
    let fourth = machine(store.settings());
    let front = fourth.front();
    let mut times = [Duration::ZERO; 2];
    for number in 0..PROGRAMS {
        for time in &mut times {
            let started = Instant::now();
            front.ask(&program(number)).program();
            *time += started.elapsed() / u32::try_from(PROGRAMS).unwrap();
        }
    }
    println!(
        "of another machine {:?}, of the own disk {:?}",
        times[0], times[1]
    );
    drop((front, fronts));
}

/// Builders are killed at random while clients ask; the bucket is emptied in the middle.
#[test]
fn killed_machines_break_nothing() {
    const KILLS: usize = 100;
    let store = RealStore::versitygw();
    let machines = [0; 3].map(|_| machine(store.settings()));
    let (over, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let right = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for machine in &machines {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    // Every other program was built before, by any machine.
                    let number = if number.is_multiple_of(2) {
                        number
                    } else {
                        number / 4
                    };
                    // The claim of a killed builder of another machine may have to expire.
                    let response = machine.start(&program(number)).response_within(TIMEOUT * 2);
                    if response.status == 200 {
                        let sha256 = sha256(response.program());
                        let mut right = right.lock().unwrap();
                        // Each build of a program, on any machine, has the same bytes.
                        assert_eq!(*right.entry(number).or_insert_with(|| sha256.clone()), sha256);
                    }
                }
            });
        }
        let mut random = Random::new(1);
        for kill in 0..KILLS {
            let machine = &machines[random.below(3)];
            let mut victim = None;
            eventually("a builder", TIMEOUT, || {
                victim = processes::find(&machine.dir)
                    .into_iter()
                    .find(|process| process.is("builder"));
                victim.is_some()
            });
            std::thread::sleep(Duration::from_millis(random.below(800) as u64));
            victim.unwrap().kill();
            if kill == KILLS / 2 {
                // The machines write meanwhile.
                eventually("an empty bucket", TIMEOUT, || {
                    fs::remove_dir_all(store.objects.join("a")).is_ok()
                });
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    machines.iter().for_each(TestStore::wait_until_idle);
    println!(
        "{KILLS} kills: {} programs, {} claims left",
        right.into_inner().unwrap().len(),
        store.keys("claim").len()
    );
    let total = |counter| {
        machines
            .iter()
            .map(|machine| count(machine, counter))
            .sum::<u64>()
    };
    assert_eq!(total("store_conflicts") + total("store_rejections"), 0);
    // Each object has the bytes of its name.
    for (kind, key) in ["bytes", "out"]
        .into_iter()
        .flat_map(|kind| store.keys(kind).into_iter().map(move |key| (kind, key)))
    {
        let bytes = fs::read(store.objects.join("a/b").join(&key)).unwrap();
        assert_eq!(key, format!("{kind}/{}", sha256(&bytes)));
    }
    for machine in machines {
        // A killed builder leaves its working directory to the next one.
        machine
            .command()
            .arg("build")
            .args(["tester/hello@v1.0.0", "-o", "/dev/null"])
            .output()
            .unwrap();
    }
}
