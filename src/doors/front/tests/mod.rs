//! The front with real sockets and real processes: `program.sh` plays the CGI program.
//! No test sleeps: each waits for a byte or for an end, with a deadline. Signals are not sent here, since the
//! test process is shared; what they do is called by its name.

mod answers;
mod environment;
mod head;
mod leaving;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Front, Limits};

const DEADLINE: Duration = Duration::from_secs(10);

/// A front of its own for one test.
struct Served {
    address: SocketAddr,
    stop: UnboundedSender<()>,
    thread: Option<JoinHandle<()>>,
    directory: TempDir,
}

/// How a connection ended, as its client sees it.
#[derive(Debug, PartialEq, Clone, Copy)]
enum End {
    Closed,
    Reset,
}

impl Served {
    fn new() -> Self {
        Self::with(Limits::default(), DEADLINE)
    }

    fn with(limits: Limits, drain: Duration) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/doors/front/tests/program.sh");
        Self::start(program, limits, drain)
    }

    fn start(program: PathBuf, limits: Limits, drain: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&directory.path().join("pipe"), Mode::S_IRWXU).unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, file_bytes()).unwrap();
        let inherited = vec![
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("PIPE".into(), directory.path().join("pipe").into()),
            ("FILE".into(), file.into()),
            ("SERVER_NAME".into(), "forged".into()),
        ];
        let front = Front {
            listen: ([127, 0, 0, 1], 0).into(),
            program,
            inherited,
            limits,
            trusted_proxies: vec!["127.0.0.9".parse().unwrap()],
            drain,
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

    /// A connection on which `request` has been sent.
    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Everything that comes back on a connection of its own.
    fn ask(&self, request: &str) -> (String, End) {
        rest(self.send(request))
    }

    fn pipe(&self) -> PathBuf {
        self.directory.path().join("pipe")
    }

    /// The program that tells its number through the pipe; its end of the pipe closes when it dies.
    fn program(&self) -> (u32, BufReader<File>) {
        let mut pipe = BufReader::new(File::open(self.pipe()).unwrap());
        let mut number = String::new();
        pipe.read_line(&mut number).unwrap();
        (number.trim().parse().unwrap(), pipe)
    }

    fn stop(&mut self) {
        // A test may have stopped it already.
        self.stop.send(()).ok();
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.thread.is_some() && !thread::panicking() {
            self.stop();
        }
    }
}

/// `GET` in HTTP/1.1 on a connection that closes after it.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

fn rest(mut stream: TcpStream) -> (String, End) {
    let mut bytes = Vec::new();
    let end = match stream.read_to_end(&mut bytes) {
        Ok(_) => End::Closed,
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => End::Reset,
        Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&bytes)),
    };
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

/// Longer than two chunks of a sent file, and no multiple of one.
fn file_bytes() -> String {
    "0123456789".repeat(60_001)
}

/// Dead and reaped: a zombie still has its entry in /proc.
fn assert_gone((number, mut pipe): (u32, BufReader<File>)) {
    let start = Instant::now();
    pipe.read_to_end(&mut Vec::new()).unwrap();
    while Path::new(&format!("/proc/{number}")).exists() {
        assert!(start.elapsed() < DEADLINE, "{number} is still there");
        thread::yield_now();
    }
    assert!(start.elapsed() < DEADLINE, "{number} lived on");
}
