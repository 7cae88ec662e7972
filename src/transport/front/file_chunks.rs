//! A file as chunks of a response body (X-Sendfile). The file is opened once and read by offset, so that eviction or replacement of
//! the file does not affect a running response.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::body::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use super::program_error::ProgramError;
use super::streamed_body::ChunkSource;

/// Length of a chunk in bytes. A connection holds two chunks in memory.
///
/// Measured with 6.6 MB files and chunks of 64, 256, 512 and 1024 KiB: 275, 300, 303 and 283 responses a second to 8 clients; 190,
/// 360, 365 and 280 to one client; 5, 14, 23 and 31 MB of memory. nginx with sendfile(2): 340 to 8 clients, 325 to one.
const CHUNK_BYTES: u64 = 256 * 1024;

/// An open file as a source of chunks.
pub(super) struct FileChunks {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    offset: u64,
    /// The next chunk, which is read while the client receives the last one. No thread waits for a slow client.
    read_ahead: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl FileChunks {
    pub(super) async fn open(path: PathBuf) -> Result<Self, ProgramError> {
        let opened = spawn_blocking({
            let path = path.clone();
            move || {
                let file = File::open(path)?;
                let metadata = file.metadata()?;
                if metadata.is_file() {
                    Ok((file, metadata.len()))
                } else {
                    Err(io::Error::other("not a regular file"))
                }
            }
        });
        match opened.await.map_err(io::Error::other).flatten() {
            Ok((file, length)) => Ok(Self {
                path,
                file: Arc::new(file),
                length,
                offset: 0,
                read_ahead: None,
            }),
            Err(source) => Err(ProgramError::File { path, source }),
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Starts to read the next chunk; `None` at the end of the file.
    fn start_read(&mut self) -> Option<JoinHandle<io::Result<Vec<u8>>>> {
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        let length = CHUNK_BYTES.min(self.length - offset);
        self.offset += length;
        (length > 0).then(|| {
            spawn_blocking(move || {
                let mut chunk = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                file.read_exact_at(&mut chunk, offset)?;
                Ok(chunk)
            })
        })
    }
}

impl ChunkSource for FileChunks {
    async fn next(&mut self) -> Result<Option<Bytes>, ProgramError> {
        let Some(reading) = self.read_ahead.take().or_else(|| self.start_read()) else {
            return Ok(None);
        };
        self.read_ahead = self.start_read();
        match reading.await.map_err(io::Error::other).flatten() {
            Ok(chunk) => Ok(Some(chunk.into())),
            Err(source) => Err(ProgramError::File {
                path: self.path.clone(),
                source,
            }),
        }
    }
}
