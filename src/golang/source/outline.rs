//! `gox-server outline`: unpacks the files of a module zip that decide which commands the module has. Unpacking all of them takes `go`
//! seconds for a large module.
//!
//! It runs in a cell: the zip's hash is verified, but its author is not trusted.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use memchr::memmem;
use zip::ZipArchive;

use crate::golang::release::release_config::FILES;
use crate::golang::resolve::candidate::without_major;
use crate::golang::source::commands::{MAX_FILE_BYTES, is_source};
use crate::golang::source::header::FileHeader;
use crate::golang::source::zip_names::check_names;

/// Extensions of files that name nested modules: instructions, scripts, CI configuration, `go.work` and go.mod. Includes the author's
/// release configuration.
const TEXT_EXTENSIONS: &[&str] = &["md", "sh", "yml", "yaml", "work", "mod"];

/// The depth of directories in which such files count: `.github/workflows/` is two levels.
pub const MAX_TEXT_DEPTH: usize = 3;

/// How much of a file is read to find its package clause, in bytes. Longer comments precede few of them.
const HEADER_BYTES: u64 = 4 << 10;

/// How much of a text is unpacked, in bytes.
const MAX_TEXT_BYTES: u64 = 8 << 20;

/// Limits of an outline. A module beyond them is unpacked by `go`, within the limits that the operator sets.
const MAX_FILES: usize = 50_000;
const MAX_BYTES: u64 = 256 << 20;

type Zip = ZipArchive<BufReader<File>>;

/// Unpacks from the zip of `module`, MODULE@VERSION, to the new directory `tree`: the texts that may name a nested module, and the sources
/// of commands. Prints the bytes and the number of all unpacked files in a line, and then all directories, one a line: to create and
/// remove thousands of them takes seconds on a busy disk. Fails if Go may reject the zip.
pub fn run(zip: &Path, module: &str, tree: &Path) -> io::Result<()> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(zip)?)).map_err(io::Error::other)?;
    if archive.len() > MAX_FILES {
        return Err(io::Error::other("too many files"));
    }
    let files = check_names(&archive, module)?;
    let mut unpacked_bytes = 0_u64;
    for (index, _) in &files {
        let entry = archive.by_index_raw(*index).map_err(io::Error::other)?;
        // Go rejects an entry with more bytes than it declares.
        unpacked_bytes = unpacked_bytes.saturating_add(entry.size());
    }
    let has_go_mod = files.iter().any(|(_, path)| path == "go.mod");
    let commands = find_command_directories(&mut archive, &files)?;
    let root = without_major(module.split('@').next().unwrap_or(module));
    fs::create_dir_all(tree)?;
    let mut bytes_left = MAX_BYTES;
    for (index, path) in &files {
        let is_at_root = parent(path).is_empty();
        let limit = match Path::new(path) {
            // Without go.mod, every import counts.
            _ if is_source(path) && (is_at_root || !has_go_mod || commands.contains(parent(path))) => {
                MAX_FILE_BYTES
            }
            file if is_text(file) => MAX_TEXT_BYTES,
            _ if is_at_root => MAX_FILE_BYTES,
            _ => continue,
        };
        let entry = archive.by_index(*index).map_err(io::Error::other)?;
        let mut content = Vec::new();
        bytes_left = bytes_left
            .checked_sub(entry.take(limit).read_to_end(&mut content)? as u64)
            .ok_or_else(|| io::Error::other("too many bytes"))?;
        let is_needed = is_at_root || is_source(path) || FILES.contains(&path.as_str());
        if is_needed || names_directory(&content, root) {
            let file = tree.join(path);
            fs::create_dir_all(file.parent().unwrap_or(tree))?;
            File::create_new(file)?.write_all(&content)?;
        }
    }
    let ancestors = files
        .iter()
        .flat_map(|(_, path)| path.match_indices('/').map(|(at, _)| &path[..at]));
    let directories: BTreeSet<&str> = ancestors.collect();
    let mut output = BufWriter::new(io::stdout());
    writeln!(output, "{unpacked_bytes} {}", files.len())?;
    for directory in directories {
        writeln!(output, "{directory}")?;
    }
    output.flush()
}

/// Whether this file may name nested modules.
pub fn is_text(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    let is_text = TEXT_EXTENSIONS.contains(&&*extension) || file.ends_with("Makefile");
    is_text && file.components().count() <= MAX_TEXT_DEPTH + 1
}

/// Whether a text has one of the forms in which a file below the root names a directory of the module: `cmd/…` and `ROOT/…`.
pub fn names_directory(text: &[u8], root: &str) -> bool {
    let is_in_text = |start: &&str| memmem::find(text, format!("{start}/").as_bytes()).is_some();
    ["cmd", root].iter().any(is_in_text)
}

/// Finds the directories with a file of package main, or with one that has its package clause late.
fn find_command_directories<'a>(
    archive: &mut Zip,
    files: &'a [(usize, String)],
) -> io::Result<HashSet<&'a str>> {
    let mut found = HashSet::new();
    for (index, path) in files.iter().filter(|(_, path)| is_source(path)) {
        if found.contains(parent(path)) {
            continue;
        }
        let entry = archive.by_index(*index).map_err(io::Error::other)?;
        let mut head = Vec::new();
        entry.take(HEADER_BYTES).read_to_end(&mut head)?;
        if head.len() as u64 == HEADER_BYTES {
            // The last line is incomplete.
            head.truncate(memchr::memrchr(b'\n', &head).unwrap_or(0));
        }
        let text = String::from_utf8_lossy(&head);
        if matches!(FileHeader::parse(&text).package, None | Some("main")) {
            found.insert(parent(path));
        }
    }
    Ok(found)
}

/// The directory of a path; empty for the module's root.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
