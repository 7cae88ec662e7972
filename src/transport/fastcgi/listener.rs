//! The listening socket: inherited from the web server (FastCGI specification 1.0, section 2.2), or created by the responder.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt};
use nix::sys::stat::{Mode, umask};

use super::stream::TimedStream;

/// The address of a socket that the responder creates: `unix:/PATH` or `ADDRESS:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// The path of a Unix socket. The mode of the file controls access.
    Unix(PathBuf),
    /// A TCP address. All hosts that reach it can connect.
    Tcp(SocketAddr),
}

impl FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ListenAddress, &'static str> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(ListenAddress::Unix(path.into())),
            Some(_) => Err("the path after unix: must be absolute"),
            None => text
                .parse()
                .map(ListenAddress::Tcp)
                .map_err(|_| "expected unix:/PATH or ADDRESS:PORT"),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
            ListenAddress::Tcp(address) => write!(f, "{address}"),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct FastCgiListener {
    socket: ListenSocket,
    /// The socket file, if the responder created it.
    file: Option<PathBuf>,
}

#[derive(Debug)]
enum ListenSocket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl FastCgiListener {
    /// Whether standard input is a listening socket (FCGI_LISTENSOCK_FILENO).
    pub fn is_stdin() -> bool {
        getsockopt(&io::stdin(), sockopt::AcceptConn).unwrap_or(false)
    }

    /// Takes the listening socket from standard input, and opens /dev/null in its place.
    pub fn from_stdin() -> io::Result<FastCgiListener> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        nix::unistd::dup2_stdin(fs::File::open("/dev/null")?)?;
        FastCgiListener::new(socket, None)
    }

    /// Creates a socket at this address. `mode` is the mode of a Unix socket.
    pub fn bind(address: &ListenAddress, mode: u32) -> io::Result<FastCgiListener> {
        match address {
            ListenAddress::Unix(path) => {
                remove_stale_socket(path)?;
                // The umask sets the mode when the file is created, before a client can connect.
                let before = umask(Mode::from_bits_truncate(!mode & 0o777));
                let bound = UnixListener::bind(path);
                umask(before);
                FastCgiListener::new(bound?.into(), Some(path.clone()))
            }
            ListenAddress::Tcp(address) => FastCgiListener::new(TcpListener::bind(address)?.into(), None),
        }
    }

    /// Whether other hosts can connect.
    pub(super) fn is_exposed(&self) -> bool {
        match &self.socket {
            ListenSocket::Unix(_) => false,
            ListenSocket::Tcp(listener) => listener
                .local_addr()
                .is_ok_and(|address| !address.ip().to_canonical().is_loopback()),
        }
    }

    fn new(socket: OwnedFd, file: Option<PathBuf>) -> io::Result<FastCgiListener> {
        use std::os::fd::AsRawFd;
        let address: SockaddrStorage = getsockname(socket.as_raw_fd())?;
        // Nonblocking: between poll and accept the client may disconnect, or another responder may accept the connection.
        let socket = if address.family() == Some(AddressFamily::Unix) {
            let listener = UnixListener::from(socket);
            listener.set_nonblocking(true)?;
            ListenSocket::Unix(listener)
        } else {
            let listener = TcpListener::from(socket);
            listener.set_nonblocking(true)?;
            ListenSocket::Tcp(listener)
        };
        Ok(FastCgiListener { socket, file })
    }

    /// Accepts a connection, with the IP address of the peer if it has one. `None` if no connection is waiting.
    pub(super) fn accept(&self) -> io::Result<Option<(TimedStream, Option<IpAddr>)>> {
        let accepted = match &self.socket {
            ListenSocket::Unix(listener) => listener
                .accept()
                .and_then(|(socket, _)| Ok((TimedStream::new(socket)?, None))),
            ListenSocket::Tcp(listener) => listener.accept().and_then(|(socket, peer)| {
                // Sends each record without delay.
                socket.set_nodelay(true)?;
                Ok((TimedStream::new(socket)?, Some(peer.ip().to_canonical())))
            }),
        };
        match accepted {
            Ok(accepted) => Ok(Some(accepted)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for FastCgiListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            ListenSocket::Unix(listener) => {
                let address = listener.local_addr().map_err(|_| fmt::Error)?;
                write!(
                    f,
                    "unix:{}",
                    address.as_pathname().unwrap_or(Path::new("")).display()
                )
            }
            ListenSocket::Tcp(listener) => write!(f, "{}", listener.local_addr().map_err(|_| fmt::Error)?),
        }
    }
}

impl AsFd for FastCgiListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            ListenSocket::Unix(listener) => listener.as_fd(),
            ListenSocket::Tcp(listener) => listener.as_fd(),
        }
    }
}

impl Drop for FastCgiListener {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Before the socket is closed, because afterwards another responder may have created a file at this path. An error is
            // ignored: the file may be removed already.
            fs::remove_file(file).ok();
        }
    }
}

/// Removes the socket file of a responder that was killed. A socket with a listener and other files are kept.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    let is_refused =
        || UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    if is_socket && is_refused() {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_address_is_a_unix_path_or_an_ip_address_with_port() {
        let address = |text: &str| text.parse::<ListenAddress>();
        assert_eq!(
            address("unix:/run/gox.sock"),
            Ok(ListenAddress::Unix("/run/gox.sock".into()))
        );
        assert_eq!(
            address("127.0.0.1:9000"),
            Ok(ListenAddress::Tcp(([127, 0, 0, 1], 9000).into()))
        );
        assert!(address("[::1]:9000").is_ok());
        for bad in [
            "",
            "unix:",
            "unix:run/gox.sock",
            "/run/gox.sock",
            "9000",
            "localhost:9000",
            "127.0.0.1",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
