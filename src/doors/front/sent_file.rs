//! A body that is a file which the program named (X-Sendfile). The file is opened once and read by offset, so
//! that who evicts or replaces it meanwhile changes nothing. It knows not what the file is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::body::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use super::fault::Fault;
use super::pieces::Source;

/// One read.
const CHUNK_BYTES: u64 = 256 * 1024;

/// An open file on its way to a client.
pub(super) struct SentFile {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    offset: u64,
    /// Read while the client takes the piece before. Between pieces no thread waits for a slow client.
    ahead: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl SentFile {
    pub(super) async fn open(path: PathBuf) -> Result<Self, Fault> {
        let opened = spawn_blocking({
            let path = path.clone();
            move || {
                let file = File::open(path)?;
                let metadata = file.metadata()?;
                if metadata.is_file() {
                    Ok((file, metadata.len()))
                } else {
                    Err(io::Error::other("it is no regular file"))
                }
            }
        });
        match opened.await.map_err(io::Error::other).flatten() {
            Ok((file, length)) => Ok(Self {
                path,
                file: Arc::new(file),
                length,
                offset: 0,
                ahead: None,
            }),
            Err(source) => Err(Fault::SentFile { path, source }),
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    fn read(&mut self) -> Option<JoinHandle<io::Result<Vec<u8>>>> {
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

impl Source for SentFile {
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(reading) = self.ahead.take().or_else(|| self.read()) else {
            return Ok(None);
        };
        self.ahead = self.read();
        match reading.await.map_err(io::Error::other).flatten() {
            Ok(chunk) => Ok(Some(chunk.into())),
            Err(source) => Err(Fault::SentFile {
                path: self.path.clone(),
                source,
            }),
        }
    }
}
