//! Tests of the front with real sockets and processes. `program.sh` is the CGI program.
//!
//! The tests do not sleep: they wait for a byte or for the end of a connection, with a deadline. They do not send signals, because
//! all tests share one process, and call the function that a signal triggers instead.

mod responses;
mod stored_heads;
mod environment;
mod head;
mod disconnects;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, channel, unbounded_channel};

use super::{Front, FrontLimits};

const DEADLINE: Duration = Duration::from_secs(10);

/// Length of a file that does not fit into the buffers of a socket.
const LARGE_BYTES: u64 = 64 << 20;

/// A running front for one test.
struct TestFront {
    address: SocketAddr,
    stop: UnboundedSender<()>,
    thread: Option<JoinHandle<()>>,
    directory: TempDir,
}

/// How a connection ended for the client.
#[derive(Debug, PartialEq, Clone, Copy)]
enum End {
    Closed,
    Reset,
}

impl TestFront {
    fn new() -> Self {
        Self::with_limits(FrontLimits::default(), DEADLINE)
    }

    fn with_limits(limits: FrontLimits, drain: Duration) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/transport/front/tests/program.sh");
        Self::start(program, limits, drain)
    }

    fn start(program: PathBuf, limits: FrontLimits, drain: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&directory.path().join("pipe"), Mode::S_IRWXU).unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, file_content()).unwrap();
        let large = directory.path().join("large");
        File::create(&large).unwrap().set_len(LARGE_BYTES).unwrap();
        let inherited = vec![
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("PIPE".into(), directory.path().join("pipe").into()),
            ("FILE".into(), file.into()),
            ("LARGE".into(), large.into()),
            ("SERVER_NAME".into(), "forged".into()),
        ];
        let front = Front {
            listen: ([127, 0, 0, 1], 0).into(),
            program,
            inherited,
            limits,
            trusted_proxies: vec!["127.0.0.9".parse().unwrap()],
            drain,
            reports: channel(1).0,
        };
        let listener = std::net::TcpListener::bind(front.listen).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = unbounded_channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                drop(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child()).unwrap());
                let listener = TcpListener::from_std(listener).unwrap();
                front
                    .serve(listener, async || assert!(stopped.recv().await.is_some()))
                    .await;
            });
        });
        Self {
            address,
            stop,
            thread: Some(thread),
            directory,
        }
    }

    /// Opens a connection and sends `request`.
    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Sends `request` on a new connection and reads until the connection ends.
    fn fetch(&self, request: &str) -> (String, End) {
        read_to_end(self.send(request))
    }

    fn pipe(&self) -> PathBuf {
        self.directory.path().join("pipe")
    }

    /// Waits for a program that writes its process ID to the pipe. The pipe is closed when the program exits.
    fn wait_for_program(&self) -> (u32, BufReader<File>) {
        let mut pipe = BufReader::new(File::open(self.pipe()).unwrap());
        let mut pid = String::new();
        pipe.read_line(&mut pid).unwrap();
        (pid.trim().parse().unwrap(), pipe)
    }

    fn stop(&mut self) {
        // Fails if the test has already stopped the front.
        self.stop.send(()).ok();
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for TestFront {
    fn drop(&mut self) {
        if self.thread.is_some() && !thread::panicking() {
            self.stop();
        }
    }
}

/// A GET request with `Connection: close`.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

fn read_to_end(mut stream: TcpStream) -> (String, End) {
    let mut bytes = Vec::new();
    let end = match stream.read_to_end(&mut bytes) {
        Ok(_) => End::Closed,
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => End::Reset,
        Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&bytes)),
    };
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

/// The content of the file that `program.sh` sends: more than two parts, and not a multiple of a part.
fn file_content() -> String {
    "0123456789".repeat(250_001)
}

/// Waits until a process has exited and has been reaped: a zombie still has an entry in /proc.
fn assert_exited((pid, mut pipe): (u32, BufReader<File>)) {
    let start = Instant::now();
    pipe.read_to_end(&mut Vec::new()).unwrap();
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(start.elapsed() < DEADLINE, "process {pid} still exists");
        thread::yield_now();
    }
    assert!(start.elapsed() < DEADLINE, "process {pid} exited too late");
}
