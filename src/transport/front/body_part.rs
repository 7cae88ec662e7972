//! A part of a response body for hyper: bytes, or a part of a file. hyper knows no files: it writes slices of memory. For a part of a
//! file it gets slices of a placeholder, and `ClientStream` sends the file instead of each such slice (sendfile(2)).

use std::io::IoSlice;
use std::sync::LazyLock;

use hyper::body::{Buf, Bytes};

/// Maximum length of a part of a file in bytes.
pub(super) const MAX_FILE_PART: usize = 1024 * 1024;

/// Memory that is never read or written. The kernel therefore allocates no page for it.
static PLACEHOLDER: LazyLock<Vec<u8>> = LazyLock::new(|| vec![0; MAX_FILE_PART]);

/// A part of a response body.
pub(super) enum BodyPart {
    /// Bytes in memory.
    Bytes(Bytes),
    /// The remaining length of a part of a file; at most `MAX_FILE_PART`.
    File(usize),
}

/// Whether this slice stands for a part of a file.
pub(super) fn is_placeholder(slice: &[u8]) -> bool {
    PLACEHOLDER.as_ptr_range().contains(&slice.as_ptr())
}

impl Buf for BodyPart {
    fn remaining(&self) -> usize {
        match self {
            BodyPart::Bytes(bytes) => bytes.len(),
            BodyPart::File(length) => *length,
        }
    }

    /// hyper uses this method only to copy bytes. The placeholder is never copied: a client that got a copy of it could not detect
    /// that it is not the file. Without it, the response ends early, which the client detects.
    fn chunk(&self) -> &[u8] {
        match self {
            BodyPart::Bytes(bytes) => bytes,
            BodyPart::File(_) => &[],
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        match (self, slices.first_mut()) {
            (BodyPart::File(length @ 1..), Some(first)) => {
                *first = IoSlice::new(&PLACEHOLDER[..*length]);
                1
            }
            (BodyPart::File(_), _) => 0,
            (BodyPart::Bytes(bytes), _) => bytes.chunks_vectored(slices),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            BodyPart::Bytes(bytes) => bytes.advance(count),
            BodyPart::File(length) => *length -= count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If hyper copied the placeholder, the client would get wrong bytes.
    #[test]
    fn placeholder_cannot_be_copied() {
        let mut part = BodyPart::File(MAX_FILE_PART);
        assert_eq!((part.remaining(), part.chunk()), (MAX_FILE_PART, &[][..]));
        part.advance(1);
        let mut slices = [IoSlice::new(&[]); 2];
        assert_eq!(part.chunks_vectored(&mut slices), 1);
        assert!(slices[0].len() == MAX_FILE_PART - 1 && is_placeholder(&slices[0]));
        assert_eq!(BodyPart::File(0).chunks_vectored(&mut slices), 0);
        assert!(!is_placeholder(&[]) && !is_placeholder(&[0]));
    }
}
