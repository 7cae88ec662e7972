//! Finds the build information in a program (debug/buildinfo): a header of 32 bytes, aligned to 16 bytes, that begins with a magic
//! number; two strings follow. It is in a section of its own or in the first data segment.
//!
//! The program is untrusted. All reads are bounded by its size and by the limits below.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::memmem;
use object::read::{Object, ObjectSection, ObjectSegment, ReadCache, ReadCacheOps};

const MAGIC: &[u8] = b"\xff Go buildinf:";

/// The header: the magic number, the pointer size, flags, and two pointers that are obsolete.
const HEADER_BYTES: usize = 32;
const FLAGS_OFFSET: usize = 15;

/// The flag for strings that follow the header. Go before 1.18 wrote pointers to them instead.
const INLINE_STRINGS: u8 = 2;

const ALIGNMENT: u64 = 16;

/// How much is searched at a time, in bytes: a multiple of the alignment.
const CHUNK: usize = 1 << 20;

/// The longest Go version. Most have about ten bytes, those with experiments about a hundred.
const MAX_GO_BYTES: u64 = 4 << 10;

/// The longest module text. Programs with a thousand modules have 100 KiB.
const MAX_MODULES_BYTES: u64 = 4 << 20;

/// How much the `object` crate may read. The tables of the largest programs, with their symbols, have about 30 MiB.
const MAX_TABLE_BYTES: u64 = 128 << 20;

/// Sentinels that cmd/go writes around the module text (cmd/go/internal/modload, `infoStart` and `infoEnd`).
const BEGIN: &[u8] = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
const END: &[u8] = b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";

/// The raw build information.
pub(super) struct Blob {
    /// The Go version.
    pub(super) go: String,
    /// The module text, without its sentinels.
    pub(super) modules: String,
    /// Whether the program has DWARF debugging information; `None` if its format does not show it.
    pub(super) has_dwarf: Option<bool>,
}

/// A part of the file that may contain the header.
struct SearchRange {
    start: u64,
    end: u64,
    /// The alignment of the header relative to `start`: 1 for formats that do not align data in the file.
    alignment: u64,
}

/// Finds the build information; `None` if the program has none that can be read.
pub(super) fn find(program: &File) -> io::Result<Option<Blob>> {
    let size = program.metadata()?.len();
    let mut head = [0; 4];
    if size < HEADER_BYTES as u64 {
        return Ok(None);
    }
    program.read_exact_at(&mut head, 0)?;
    let (range, has_dwarf) = match head {
        [0, b'a', b's', b'm'] => return find_in_wasm(program, size),
        // a.out of Plan 9 for 386, amd64 and arm (debug/plan9obj): data is not aligned in the file.
        [0, 0, 0x01, 0xeb] | [0, 0, 0x8a, 0x97] | [0, 0, 0x06, 0x47] => {
            let whole = SearchRange {
                start: 0,
                end: size,
                alignment: 1,
            };
            (Some(whole), None)
        }
        _ => {
            let cache = ReadCache::new(BoundedReader {
                program,
                at: 0,
                left: MAX_TABLE_BYTES,
            });
            match object::File::parse(&cache) {
                Ok(file) => {
                    // Compressed sections have other names in some formats: `.zdebug_info`, `__zdebug_info`.
                    let is_dwarf = |name: &str| name.ends_with("debug_info");
                    let has_dwarf = file.sections().any(|section| section.name().is_ok_and(is_dwarf));
                    (data_range(&file, size), Some(has_dwarf))
                }
                Err(_) => (None, None),
            }
        }
    };
    let found = range.map(|range| search(program, &range)).transpose()?.flatten();
    Ok(found.map(|(go, modules)| Blob {
        go,
        modules,
        has_dwarf,
    }))
}

/// Finds the module text of a WebAssembly program by its sentinels. Such a program has no header, and `go version` cannot read it.
fn find_in_wasm(program: &File, size: u64) -> io::Result<Option<Blob>> {
    let (begin, end) = (memmem::Finder::new(BEGIN), memmem::Finder::new(END));
    let mut chunk = vec![0; 2 * CHUNK];
    let mut start = 0;
    while start < size {
        let length = (size - start).min(chunk.len() as u64) as usize;
        let bytes = &mut chunk[..length];
        program.read_exact_at(bytes, start)?;
        let text = begin.find(bytes).map(|at| &bytes[at + BEGIN.len()..]);
        let text = text.and_then(|text| Some(&text[..end.find(text)?]));
        if let Some(Ok(modules)) = text.map(|text| String::from_utf8(text.to_vec())) {
            let go = String::new();
            return Ok(Some(Blob {
                go,
                modules,
                has_dwarf: None,
            }));
        }
        start += CHUNK as u64;
    }
    Ok(None)
}

/// Where the linker writes the header: a section with its name, or else the first writable data segment.
fn data_range<'data>(
    file: &object::File<'data, &'data ReadCache<BoundedReader<'_>>>,
    size: u64,
) -> Option<SearchRange> {
    let section = |name: &str| {
        let section = file.section_by_name(name)?;
        Some((section.address(), section.file_range()?))
    };
    let data_segment = || {
        let mut segments = file.segments();
        segments.find_map(|segment| {
            let permissions = segment.permissions();
            let is_data = permissions.writable() && !permissions.executable() && segment.file_range().1 > 0;
            is_data.then(|| (segment.address(), segment.file_range()))
        })
    };
    let found = section(".go.buildinfo").or_else(|| section("__go_buildinfo"));
    // XCOFF, the format of AIX, has no segments.
    let (address, (offset, length)) = found.or_else(data_segment).or_else(|| section(".data"))?;
    let padding = address.wrapping_neg() % ALIGNMENT;
    Some(SearchRange {
        start: offset.checked_add(padding)?,
        end: offset.checked_add(length)?.min(size),
        alignment: ALIGNMENT,
    })
}

/// Searches the range for the first valid header, and reads the Go version and the module text after it.
fn search(program: &File, range: &SearchRange) -> io::Result<Option<(String, String)>> {
    let finder = memmem::Finder::new(MAGIC);
    let mut chunk = vec![0; CHUNK + HEADER_BYTES];
    let mut start = range.start;
    while start < range.end {
        let length = (range.end - start).min(chunk.len() as u64) as usize;
        let bytes = &mut chunk[..length];
        program.read_exact_at(bytes, start)?;
        for at in finder.find_iter(bytes) {
            if at < CHUNK
                && (at as u64).is_multiple_of(range.alignment)
                && bytes
                    .get(at + FLAGS_OFFSET)
                    .is_some_and(|flags| flags & INLINE_STRINGS != 0)
            {
                let strings = start + (at + HEADER_BYTES) as u64;
                if let Some(found) = read_strings(program, strings, range.end)? {
                    return Ok(Some(found));
                }
            }
        }
        start += CHUNK as u64;
    }
    Ok(None)
}

/// Reads the two strings at `at`: the Go version, and the module text without its sentinels.
fn read_strings(program: &File, at: u64, end: u64) -> io::Result<Option<(String, String)>> {
    let Some((go, at)) = read_string(program, at, end, MAX_GO_BYTES)? else {
        return Ok(None);
    };
    let Some((modules, _)) = read_string(program, at, end, MAX_MODULES_BYTES)? else {
        return Ok(None);
    };
    let text = modules
        .strip_prefix(BEGIN)
        .and_then(|text| text.strip_suffix(END));
    let text = text.unwrap_or_default();
    let (Ok(go), Ok(text)) = (String::from_utf8(go), String::from_utf8(text.to_vec())) else {
        return Ok(None);
    };
    Ok((!go.is_empty()).then_some((go, text)))
}

/// Reads a string of at most `max` bytes that its length precedes (encoding/binary, `Uvarint`). Also returns the offset of its end.
fn read_string(program: &File, at: u64, end: u64, max: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut head = [0; 10];
    let readable = end.saturating_sub(at).min(head.len() as u64) as usize;
    program.read_exact_at(&mut head[..readable], at)?;
    let mut length = 0u64;
    for (index, byte) in head[..readable].iter().enumerate() {
        length |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
        if byte & 0x80 == 0 {
            let start = at + index as u64 + 1;
            if length > max.min(end.saturating_sub(start)) {
                return Ok(None);
            }
            let mut bytes = vec![0; length as usize];
            program.read_exact_at(&mut bytes, start)?;
            return Ok(Some((bytes, start + length)));
        }
    }
    Ok(None)
}

/// Reads the program for the `object` crate, up to `left` bytes in total. `object` caches all reads, and a malformed file makes it read
/// the same part repeatedly.
struct BoundedReader<'a> {
    program: &'a File,
    at: u64,
    left: u64,
}

impl ReadCacheOps for BoundedReader<'_> {
    fn len(&mut self) -> Result<u64, ()> {
        self.program
            .metadata()
            .map(|metadata| metadata.len())
            .map_err(drop)
    }

    fn seek(&mut self, at: u64) -> Result<u64, ()> {
        self.at = at;
        Ok(at)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ()> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(())?;
        let read = self.program.read_at(bytes, self.at).map_err(drop)?;
        self.at += read as u64;
        Ok(read)
    }

    fn read_exact(&mut self, bytes: &mut [u8]) -> Result<(), ()> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(())?;
        self.program.read_exact_at(bytes, self.at).map_err(drop)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}
