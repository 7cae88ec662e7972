//! The build ID of a linked program: LINK/PACKAGE/CONTENT/PROGRAM, each 120 bits in base64 (cmd/go/internal/work/buildid.go). LINK is a
//! hash of the linker's input and flags, PACKAGE and CONTENT are those of the compiled main package, PROGRAM is a hash of the program.
//!
//! It is a claim of the program, as its build information is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is searched, in bytes: as much as `go` reads (cmd/internal/buildid, `readSize`).
const SEARCHED: usize = 32 << 10;

const HASHES: usize = 4;
const HASH_LEN: usize = 20;

/// A build ID with all four hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkId(String);

impl LinkId {
    /// Reads the build ID of a program; `None` if it has none, for example because of `-ldflags=-buildid=`.
    pub fn read(program: &File) -> io::Result<Option<LinkId>> {
        let mut bytes = vec![0; SEARCHED];
        let read = program.read_at(&mut bytes, 0)?;
        Ok(find(&bytes[..read]))
    }

    /// Whether both programs contain the same compiled main package.
    pub fn has_package_of(&self, other: &LinkId) -> bool {
        self.package() == other.package()
    }

    fn package(&self) -> &str {
        &self.0[HASH_LEN..=self.0.len() - 1 - HASH_LEN]
    }
}

/// Finds the first word in the form of a build ID.
fn find(bytes: &[u8]) -> Option<LinkId> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_/".contains(byte);
    let is_hash = |part: &str| part.len() == HASH_LEN;
    let words = bytes.split(|byte| !is_letter(byte));
    let mut words = words.filter_map(|word| str::from_utf8(word).ok());
    let id = words.find(|word| word.split('/').count() == HASHES && word.split('/').all(is_hash))?;
    Some(LinkId(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_id_is_found_among_other_bytes() {
        let [a, b, c, d] = ["a", "b", "c", "_"].map(|letter| letter.repeat(HASH_LEN));
        let id = format!("{a}/{b}/{c}/{d}");
        for (bytes, found) in [
            (format!("\x7fELF\0Go\0\0{id}\0\0"), Some(id.as_str())),
            (format!("MZ\0 Go build ID: \"{id}\"\n"), Some(&id)),
            (format!("Go\0\0{a}/{b}\0"), None),
            (format!("Go\0\0{id}/{a}\0"), None),
            (String::new(), None),
        ] {
            let expected = found.map(|id| LinkId(id.to_owned()));
            assert_eq!(find(bytes.as_bytes()), expected, "{bytes:?}");
        }
        let id = |link: &str, package: &str| LinkId(format!("{link}/{package}/{c}/{d}"));
        assert!(id(&a, &b).has_package_of(&id(&d, &b)));
        assert!(!id(&a, &b).has_package_of(&id(&a, &d)));
    }
}
