//! The socket on which web servers connect: the one that they start a responder with (FastCGI specification 1.0, section
//! 2.2), or one of the responder's own.

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

use super::stream::Stream;

/// Where a responder listens by itself: `unix:/PATH` or `ADDRESS:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A path. Who may connect is the file's mode.
    Unix(PathBuf),
    /// An address. Everybody who can reach it may connect.
    Tcp(SocketAddr),
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Address, &'static str> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Address::Unix(path.into())),
            Some(_) => Err("unix: wants an absolute path behind it"),
            None => text
                .parse()
                .map(Address::Tcp)
                .map_err(|_| "unix:/PATH or ADDRESS:PORT is wanted"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp(address) => write!(f, "{address}"),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    family: Family,
    /// The file that it made, if it did.
    file: Option<PathBuf>,
}

#[derive(Debug)]
enum Family {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// FCGI_LISTENSOCK_FILENO: standard input, if that is a listening socket. It is taken away from there, so that it is
    /// closed when this is.
    pub fn inherited() -> io::Result<Option<Listener>> {
        let stdin = io::stdin();
        if !getsockopt(&stdin, sockopt::AcceptConn).unwrap_or(false) {
            return Ok(None);
        }
        let socket = stdin.as_fd().try_clone_to_owned()?;
        nix::unistd::dup2_stdin(fs::File::open("/dev/null")?)?;
        Listener::of(socket, None).map(Some)
    }

    /// A socket at this address; at a path, with this mode.
    pub fn bind(address: &Address, mode: u32) -> io::Result<Listener> {
        match address {
            Address::Unix(path) => {
                remove_abandoned(path)?;
                // By the umask, since it has to have its mode before anybody can connect.
                let before = umask(Mode::from_bits_truncate(!mode & 0o777));
                let bound = UnixListener::bind(path);
                umask(before);
                Listener::of(bound?.into(), Some(path.clone()))
            }
            Address::Tcp(address) => Listener::of(TcpListener::bind(address)?.into(), None),
        }
    }

    /// Whether other machines may reach it.
    pub(super) fn is_exposed(&self) -> bool {
        match &self.family {
            Family::Unix(_) => false,
            Family::Tcp(listener) => listener
                .local_addr()
                .is_ok_and(|address| !address.ip().to_canonical().is_loopback()),
        }
    }

    fn of(socket: OwnedFd, file: Option<PathBuf>) -> io::Result<Listener> {
        use std::os::fd::AsRawFd;
        let address: SockaddrStorage = getsockname(socket.as_raw_fd())?;
        // Between poll and accept a client may leave, or another responder on the same socket may take it.
        let family = if address.family() == Some(AddressFamily::Unix) {
            let listener = UnixListener::from(socket);
            listener.set_nonblocking(true)?;
            Family::Unix(listener)
        } else {
            let listener = TcpListener::from(socket);
            listener.set_nonblocking(true)?;
            Family::Tcp(listener)
        };
        Ok(Listener { family, file })
    }

    /// The next connection, with the address of who made it where it has one; `None` if there is none after all.
    pub(super) fn accept(&self) -> io::Result<Option<(Stream, Option<IpAddr>)>> {
        let accepted = match &self.family {
            Family::Unix(listener) => listener
                .accept()
                .and_then(|(socket, _)| Ok((Stream::new(socket)?, None))),
            Family::Tcp(listener) => listener.accept().and_then(|(socket, peer)| {
                // A record goes out as soon as it is whole.
                socket.set_nodelay(true)?;
                Ok((Stream::new(socket)?, Some(peer.ip().to_canonical())))
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

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.family {
            Family::Unix(listener) => {
                let address = listener.local_addr().map_err(|_| fmt::Error)?;
                write!(
                    f,
                    "unix:{}",
                    address.as_pathname().unwrap_or(Path::new("")).display()
                )
            }
            Family::Tcp(listener) => write!(f, "{}", listener.local_addr().map_err(|_| fmt::Error)?),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.family {
            Family::Unix(listener) => listener.as_fd(),
            Family::Tcp(listener) => listener.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Before the socket is closed, so that it is not the next responder's. What is gone already is as good.
            fs::remove_file(file).ok();
        }
    }
}

/// Removes the socket of a responder that was killed. One that is listened on, and what is no socket, is left.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    let refused =
        || UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    if is_socket && refused() {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_or_a_port() {
        let address = |text: &str| text.parse::<Address>();
        assert_eq!(
            address("unix:/run/gox.sock"),
            Ok(Address::Unix("/run/gox.sock".into()))
        );
        assert_eq!(
            address("127.0.0.1:9000"),
            Ok(Address::Tcp(([127, 0, 0, 1], 9000).into()))
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
