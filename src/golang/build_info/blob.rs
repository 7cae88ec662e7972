//! Finds the build information in a program (debug/buildinfo): a header of 32 bytes that begins with a magic number, on a
//! boundary of 16 bytes, in a section of its own or in the first segment of data; two strings follow.
//!
//! The program may be a stranger's. What is read of it is bounded by its own size and by the limits here.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::memmem;
use object::read::{Object, ObjectSection, ObjectSegment, ReadCache, ReadCacheOps};

const MAGIC: &[u8] = b"\xff Go buildinf:";

/// The magic number, the size of a pointer, flags, and two pointers that have no meaning any more.
const HEADER_BYTES: usize = 32;
const FLAGS: usize = 15;

/// The strings follow the header. Go before 1.18 wrote pointers to them.
const INLINE: u8 = 2;

const ALIGNMENT: u64 = 16;

/// The search goes by pieces of this size, a multiple of the alignment.
const CHUNK: usize = 1 << 20;

/// A version of Go has some ten bytes, with experiments some hundred.
const MOST_GO_BYTES: u64 = 4 << 10;

/// Programs of a thousand modules have 100 KiB.
const MOST_MODULES_BYTES: u64 = 4 << 20;

/// What `object` may read: the tables of the largest programs, with their symbols, have some 30 MiB.
const MOST_TABLE_BYTES: u64 = 128 << 20;

/// cmd/go puts sentinels around the text (cmd/go/internal/modload, `infoStart` and `infoEnd`).
const BEGIN: &[u8] = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
const END: &[u8] = b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";

/// The build information as it is written.
pub(super) struct Blob {
    pub(super) go: String,
    pub(super) modules: String,
    pub(super) has_dwarf: Option<bool>,
}

/// A part of the file in which it may be.
struct Place {
    start: u64,
    end: u64,
    /// The distance of two boundaries on which it may begin: 1 where the format keeps none in the file.
    step: u64,
}

/// The build information, if the program has any that can be read.
pub(super) fn find(program: &File) -> io::Result<Option<Blob>> {
    let size = program.metadata()?.len();
    let mut head = [0; 4];
    if size < HEADER_BYTES as u64 {
        return Ok(None);
    }
    program.read_exact_at(&mut head, 0)?;
    let (place, has_dwarf) = match head {
        [0, b'a', b's', b'm'] => return text_alone(program, size),
        // a.out of Plan 9 for 386, amd64 and arm (debug/plan9obj): its data has no boundaries in the file.
        [0, 0, 0x01, 0xeb] | [0, 0, 0x8a, 0x97] | [0, 0, 0x06, 0x47] => {
            let whole = Place {
                start: 0,
                end: size,
                step: 1,
            };
            (Some(whole), None)
        }
        _ => {
            let cache = ReadCache::new(Bounded {
                program,
                at: 0,
                left: MOST_TABLE_BYTES,
            });
            match object::File::parse(&cache) {
                Ok(file) => {
                    // Go compresses it under other names in some formats: `.zdebug_info`, `__zdebug_info`.
                    let is_dwarf = |name: &str| name.ends_with("debug_info");
                    let has_dwarf = file.sections().any(|section| section.name().is_ok_and(is_dwarf));
                    (data(&file, size), Some(has_dwarf))
                }
                Err(_) => (None, None),
            }
        }
    };
    let found = place.map(|place| search(program, &place)).transpose()?.flatten();
    Ok(found.map(|(go, modules)| Blob {
        go,
        modules,
        has_dwarf,
    }))
}

/// WebAssembly has no header, and Go's own tools read nothing of it: but the text is there, between its sentinels.
fn text_alone(program: &File, size: u64) -> io::Result<Option<Blob>> {
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

/// Where the linker puts it: a section that is named for it, or else the first segment that may be written to.
fn data<'data>(file: &object::File<'data, &'data ReadCache<Bounded<'_>>>, size: u64) -> Option<Place> {
    let of_section = |name: &str| {
        let section = file.section_by_name(name)?;
        Some((section.address(), section.file_range()?))
    };
    let of_segment = || {
        let mut segments = file.segments();
        segments.find_map(|segment| {
            let permissions = segment.permissions();
            let is_data = permissions.writable() && !permissions.executable() && segment.file_range().1 > 0;
            is_data.then(|| (segment.address(), segment.file_range()))
        })
    };
    let found = of_section(".go.buildinfo").or_else(|| of_section("__go_buildinfo"));
    // AIX has no segments.
    let (address, (offset, length)) = found.or_else(of_segment).or_else(|| of_section(".data"))?;
    let to_boundary = address.wrapping_neg() % ALIGNMENT;
    Some(Place {
        start: offset.checked_add(to_boundary)?,
        end: offset.checked_add(length)?.min(size),
        step: ALIGNMENT,
    })
}

/// The version of Go and the text behind the first header of the place.
fn search(program: &File, place: &Place) -> io::Result<Option<(String, String)>> {
    let finder = memmem::Finder::new(MAGIC);
    let mut chunk = vec![0; CHUNK + HEADER_BYTES];
    let mut start = place.start;
    while start < place.end {
        let length = (place.end - start).min(chunk.len() as u64) as usize;
        let bytes = &mut chunk[..length];
        program.read_exact_at(bytes, start)?;
        for at in finder.find_iter(bytes) {
            if at < CHUNK
                && (at as u64).is_multiple_of(place.step)
                && bytes.get(at + FLAGS).is_some_and(|flags| flags & INLINE != 0)
            {
                let strings = start + (at + HEADER_BYTES) as u64;
                if let Some(found) = strings_at(program, strings, place.end)? {
                    return Ok(Some(found));
                }
            }
        }
        start += CHUNK as u64;
    }
    Ok(None)
}

/// The two strings: the version of Go, and the text without its sentinels.
fn strings_at(program: &File, at: u64, end: u64) -> io::Result<Option<(String, String)>> {
    let Some((go, at)) = string(program, at, end, MOST_GO_BYTES)? else {
        return Ok(None);
    };
    let Some((modules, _)) = string(program, at, end, MOST_MODULES_BYTES)? else {
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

/// The bytes of a string behind its length (encoding/binary, `Uvarint`), and where it ends.
fn string(program: &File, at: u64, end: u64, most: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut head = [0; 10];
    let readable = end.saturating_sub(at).min(head.len() as u64) as usize;
    program.read_exact_at(&mut head[..readable], at)?;
    let mut length = 0u64;
    for (index, byte) in head[..readable].iter().enumerate() {
        length |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
        if byte & 0x80 == 0 {
            let start = at + index as u64 + 1;
            if length > most.min(end.saturating_sub(start)) {
                return Ok(None);
            }
            let mut bytes = vec![0; length as usize];
            program.read_exact_at(&mut bytes, start)?;
            return Ok(Some((bytes, start + length)));
        }
    }
    Ok(None)
}

/// The program for `object`, which keeps what it reads: a malformed file has it read the same again and again.
struct Bounded<'a> {
    program: &'a File,
    at: u64,
    left: u64,
}

impl ReadCacheOps for Bounded<'_> {
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
