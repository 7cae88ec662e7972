//! A file as parts of a response body (X-Sendfile). The file is opened once and read by offset, so that eviction or replacement of
//! the file does not affect a running response.

use std::fs::{File, Metadata};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use nix::libc::O_NONBLOCK;
use rustix::fs::sendfile;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

use super::body_part::{BodyPart, MAX_FILE_PART};
use super::program_error::ProgramError;
use super::streamed_body::PartSource;

/// A part of an open file.
#[derive(Debug, Clone)]
pub(super) struct FilePart {
    file: Arc<File>,
    offset: u64,
    length: usize,
}

/// Identifies the content of a file: its inode, and when that was changed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// An open file as a source of parts.
pub(super) struct FileParts {
    path: PathBuf,
    file: Arc<File>,
    id: FileId,
    length: u64,
    offset: u64,
    /// To the `ClientStream`, which sends the parts in this order.
    stream: Sender<FilePart>,
}

impl FilePart {
    /// Sends as many bytes as the socket takes, and returns their number. It does not copy them.
    pub(super) fn send(&mut self, stream: &TcpStream) -> io::Result<usize> {
        match sendfile(stream, &self.file, Some(&mut self.offset), self.length)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            sent => {
                self.length -= sent;
                Ok(sent)
            }
        }
    }

    pub(super) fn is_sent(&self) -> bool {
        self.length == 0
    }

    /// Reads the part into the page cache, unless it is there: sendfile(2) would block the event loop while it waits for the disk.
    async fn load(&self) -> io::Result<()> {
        // Files are read in order, so if the last byte is cached, the others most likely are too.
        let last = self.offset + self.length as u64 - 1;
        match preadv2(
            &self.file,
            &mut [IoSliceMut::new(&mut [0])],
            last,
            ReadWriteFlags::NOWAIT,
        ) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            // Some file systems cannot tell (overlayfs, NFS).
            Ok(_) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(Errno::AGAIN) => {
                let part = self.clone();
                let read = move || part.file.read_exact_at(&mut vec![0; part.length], part.offset);
                spawn_blocking(read).await.map_err(io::Error::other).flatten()
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl FileParts {
    /// Opens the file. The program has opened it some seconds ago at most, so its path is cached and this waits for no disk.
    pub(super) fn open(path: &Path, stream: Sender<FilePart>) -> Result<Self, ProgramError> {
        let path = path.to_owned();
        match open_regular(&path) {
            Ok((file, metadata)) => Ok(Self {
                path,
                file: Arc::new(file),
                id: FileId {
                    device: metadata.dev(),
                    inode: metadata.ino(),
                    changed: (metadata.ctime(), metadata.ctime_nsec()),
                },
                length: metadata.len(),
                offset: 0,
                stream,
            }),
            Err(source) => Err(ProgramError::File { path, source }),
        }
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The next part; `None` at the end of the file.
    fn next_part(&mut self) -> Option<FilePart> {
        let left = usize::try_from(self.length - self.offset).unwrap_or(usize::MAX);
        let part = FilePart {
            file: Arc::clone(&self.file),
            offset: self.offset,
            length: left.min(MAX_FILE_PART),
        };
        self.offset += part.length as u64;
        (!part.is_sent()).then_some(part)
    }
}

/// Opens a regular file.
fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    // Without O_NONBLOCK, the open of a FIFO would wait for a writer.
    let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok((file, metadata))
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

impl PartSource for FileParts {
    async fn next(&mut self) -> Result<Option<BodyPart>, ProgramError> {
        let Some(part) = self.next_part() else {
            return Ok(None);
        };
        part.load().await.map_err(|source| ProgramError::File {
            path: self.path.clone(),
            source,
        })?;
        let length = part.length;
        // Fails only if the connection has ended, and then the response ends too.
        self.stream.send(part).ok();
        Ok(Some(BodyPart::File(length)))
    }
}
