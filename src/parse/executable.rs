//! Executable headers: the first bytes of every program for a platform, known before it is built.

use super::Platform;

/// Returns the first bytes of Go's executables for a platform, up to the first that depends on the program.
pub fn expected_header(platform: &Platform) -> Vec<u8> {
    match (platform.os(), platform.arch()) {
        ("windows", arch) => pe(arch),
        ("darwin" | "ios", arch) => mach_o(arch),
        (_, "wasm") => b"\0asm\x01\0\0\0".to_vec(),
        // Followed by the number of sections.
        ("aix", _) => vec![0x01, 0xf7],
        ("plan9", arch) => plan9(arch),
        (os, arch) => elf(os, arch),
    }
}

/// Whether a program begins like those for a platform. A position-independent ELF file differs in e_type; only
/// `verify` builds such a file, to compare it with another one.
pub fn is_program_of(platform: &Platform, head: &[u8]) -> bool {
    const E_TYPE: std::ops::Range<usize> = 16..18;
    let mut expected = expected_header(platform);
    if head == expected {
        return true;
    }
    let is_big_endian = expected.get(5) == Some(&2);
    let dynamic: [u8; 2] = if is_big_endian { [0, 3] } else { [3, 0] };
    match expected.get_mut(E_TYPE) {
        Some(kind) if head.starts_with(b"\x7fELF") => kind.copy_from_slice(&dynamic),
        Some(_) | None => return false,
    }
    head == expected
}

/// e_ident, e_type, e_machine and e_version (System V gABI, "ELF Header"). Followed by the entry point.
fn elf(os: &str, arch: &str) -> Vec<u8> {
    let (class, data, machine): (u8, u8, u16) = match arch {
        "386" => (1, 1, 3),
        "amd64" => (2, 1, 62),
        "arm" => (1, 1, 40),
        "arm64" => (2, 1, 183),
        "loong64" => (2, 1, 258),
        "mips" => (1, 2, 8),
        "mipsle" => (1, 1, 8),
        "mips64" => (2, 2, 8),
        "mips64le" => (2, 1, 8),
        "ppc64" => (2, 2, 21),
        "ppc64le" => (2, 1, 21),
        "riscv64" => (2, 1, 243),
        "s390x" => (2, 2, 22),
        _ => return b"\x7fELF".to_vec(),
    };
    let abi = match os {
        "netbsd" => 2,
        "freebsd" => 9,
        "openbsd" => 12,
        _ => 0,
    };
    // ET_EXEC, or ET_DYN on Android, which runs position-independent programs only.
    let kind: u16 = if os == "android" { 3 } else { 2 };
    let mut head = vec![0x7f, b'E', b'L', b'F', class, data, 1, abi];
    head.extend([0; 8]);
    let (halves, version) = ([kind, machine], 1u32);
    if data == 2 {
        head.extend(halves.iter().flat_map(|half| half.to_be_bytes()));
        head.extend(version.to_be_bytes());
    } else {
        head.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
        head.extend(version.to_le_bytes());
    }
    head
}

/// The MS-DOS stub of Go's linker (cmd/link/internal/ld/pe.go, dosstub), `PE\0\0` and the machine. Followed by the number of
/// sections.
fn pe(arch: &str) -> Vec<u8> {
    let machine: u16 = match arch {
        "386" => 0x14c,
        "amd64" => 0x8664,
        "arm64" => 0xaa64,
        _ => return b"MZ".to_vec(),
    };
    let mut head = DOS_STUB.to_vec();
    head.extend(b"PE\0\0");
    head.extend(machine.to_le_bytes());
    head
}

const DOS_STUB: &[u8; 128] =
    b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\x8b\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\x0e\x1f\xba\x0e\0\xb4\x09\xcd\x21\xb8\x01\x4c\xcd\x21\
This program cannot be run in DOS mode.\r\r\n$\0\0\0\0\0\0\0";

/// Magic, CPU type and subtype, MH_EXECUTE (mach-o/loader.h). Followed by the number of load commands.
fn mach_o(arch: &str) -> Vec<u8> {
    let (cpu, subtype): (u32, u32) = match arch {
        "amd64" => (0x0100_0007, 3),
        "arm64" => (0x0100_000c, 0),
        _ => return 0xfeed_facf_u32.to_le_bytes().to_vec(),
    };
    [0xfeed_facf, cpu, subtype, 2]
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .collect()
}

/// The magic number of a.out(6). Followed by the size of the text.
fn plan9(arch: &str) -> Vec<u8> {
    let magic: u32 = match arch {
        "386" => 0x1eb,
        "amd64" => 0x8a97,
        "arm" => 0x647,
        _ => return vec![],
    };
    magic.to_be_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_independent_programs_are_accepted() {
        for (platform, at) in [("linux/amd64", 16), ("linux/s390x", 17)] {
            let platform: Platform = platform.parse().unwrap();
            let mut head = expected_header(&platform);
            assert!(is_program_of(&platform, &head));
            head[at] = 3;
            assert!(is_program_of(&platform, &head), "{platform}");
            head[at] = 1;
            assert!(!is_program_of(&platform, &head), "{platform}");
            head[18] ^= 1;
            assert!(!is_program_of(&platform, &head), "{platform}");
        }
        let windows: Platform = "windows/amd64".parse().unwrap();
        assert!(!is_program_of(&windows, b"MZ"));
    }

    /// Headers written by Go's linker, for every platform that needs no C compiler.
    const REAL: &str = include_str!("../../tests/data/executable_heads.tsv");

    #[test]
    fn expected_headers_equal_those_of_the_linker() {
        let rows = REAL.lines().filter(|line| !line.starts_with('#'));
        for row in rows.clone() {
            let (platform, real) = row.split_once('\t').unwrap();
            let head = expected_header(&platform.parse().unwrap());
            let expected: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(
                real.starts_with(&expected) && head.len() >= 2,
                "{platform}: {expected} is not a prefix of {real}"
            );
        }
        assert_eq!(rows.count(), 42);
    }
}
