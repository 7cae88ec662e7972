//! Looks at a program before anybody can be served it: that it is one regular file, of the right kind, not too large.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::Platform;
use crate::store::key::hex;

/// A program that may be published.
#[derive(Debug)]
pub struct Checked {
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// Finds the one program that a build left in `bin`, and checks it.
pub fn check(bin: &Path, platform: &Platform, max_bytes: u64) -> Result<Checked, Refusal> {
    let path = only_file(bin)?;
    let mut file = File::open(&path).map_err(|e| trouble("open the program", &e))?;
    let size = file
        .metadata()
        .map_err(|e| trouble("look at the program", &e))?
        .len();
    if size > max_bytes {
        return Err(Refusal::new(Reason::TooLarge).detail(format!("{size} bytes; {max_bytes} are served")));
    }
    let mut head = [0; 20];
    file.read_exact(&mut head)
        .map_err(|e| trouble("read the program", &e))?;
    if !is_for(&head, platform) {
        return Err(
            Refusal::new(Reason::Internal).log(format!("not a program for {platform}: {}", hex(&head)))
        );
    }
    let mut hash = Sha256::new();
    hash.update(head);
    let mut chunk = vec![0; 1 << 17];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => hash.update(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(trouble("read the program", &error)),
        }
    }
    Ok(Checked {
        path,
        size,
        sha256: hex(&hash.finalize()),
    })
}

/// The program lies in `bin`, or in a directory of its platform below that. A link or a second file is not ours.
fn only_file(bin: &Path) -> Result<PathBuf, Refusal> {
    let mut files = Vec::new();
    let mut open = vec![bin.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).map_err(|e| trouble("look for the program", &e))? {
            let entry = entry.map_err(|e| trouble("look for the program", &e))?;
            let kind = entry
                .file_type()
                .map_err(|e| trouble("look at the program", &e))?;
            if kind.is_dir() {
                open.push(entry.path())
            } else {
                files.push((entry.path(), kind))
            }
        }
    }
    match files.as_slice() {
        [(path, kind)] if kind.is_file() => Ok(path.clone()),
        found => Err(Refusal::new(Reason::Internal).log(format!("one program was expected: {found:?}"))),
    }
}

/// The first bytes of an executable: ELF with its machine (gABI, "ELF Header"), PE, Mach-O, XCOFF, WebAssembly, Plan 9.
fn is_for(head: &[u8; 20], platform: &Platform) -> bool {
    match platform.os() {
        "windows" => head.starts_with(b"MZ"),
        "darwin" | "ios" => {
            head.starts_with(&[0xcf, 0xfa, 0xed, 0xfe]) || head.starts_with(&[0xce, 0xfa, 0xed, 0xfe])
        }
        "js" | "wasip1" => head.starts_with(b"\0asm"),
        "aix" => head.starts_with(&[0x01, 0xf7]),
        "plan9" => true,
        _ => head.starts_with(b"\x7fELF") && elf_machine(head) == machine_of(platform.arch()),
    }
}

fn elf_machine(head: &[u8; 20]) -> Option<u16> {
    let bytes = [head[18], head[19]];
    Some(if head[5] == 2 {
        u16::from_be_bytes(bytes)
    } else {
        u16::from_le_bytes(bytes)
    })
}

fn machine_of(arch: &str) -> Option<u16> {
    Some(match arch {
        "386" => 3,
        "mips" | "mipsle" | "mips64" | "mips64le" => 8,
        "ppc64" | "ppc64le" => 21,
        "s390x" => 22,
        "arm" => 40,
        "amd64" => 62,
        "arm64" => 183,
        "riscv64" => 243,
        "loong64" => 258,
        _ => return None,
    })
}
