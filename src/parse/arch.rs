//! The machine of a platform: an architecture, and its level (GOAMD64, GOARM, ...).
//!
//! Parses the names that people, packages, Docker and `uname` use. This module does not know operating systems or compiler flags.

use std::fmt;

/// A group of architectures that have the same levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArchFamily {
    /// x86, 64 bits: `v1` to `v4` (System V ABI).
    Amd64,
    /// x86, 32 bits: `sse2`, or `softfloat` for CPUs without SSE2.
    I386,
    /// ARM, 32 bits: `5`, `6` or `7`.
    Arm,
    /// ARM, 64 bits: `v8.0` to `v9.5`.
    Arm64,
    /// MIPS, 32 bits: `hardfloat` or `softfloat`.
    Mips,
    /// MIPS, 64 bits: `hardfloat` or `softfloat`.
    Mips64,
    /// POWER, 64 bits: `power8` to `power10`.
    Ppc64,
    /// RISC-V, 64 bits: `rva20u64` to `rva23u64`.
    Riscv64,
}

/// A level of an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level {
    family: ArchFamily,
    value: &'static str,
}

impl Level {
    /// Returns the architectures that have this level.
    pub fn family(&self) -> ArchFamily {
        self.family
    }

    /// Returns the level in Go's spelling: `v3`, `softfloat`, `6`.
    pub fn value(&self) -> &'static str {
        self.value
    }
}

/// An architecture that Go supports, with a level if it has levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Machine {
    pub(super) arch: &'static str,
    pub(super) level: Option<Level>,
}

/// An architecture, with its levels if it has any.
struct Arch {
    name: &'static str,
    levels: Option<Levels>,
}

/// The levels of an architecture, and Go's default.
struct Levels {
    family: ArchFamily,
    default: &'static str,
    all: &'static [&'static str],
}

const fn plain(name: &'static str) -> Arch {
    Arch { name, levels: None }
}

const fn leveled(
    name: &'static str,
    family: ArchFamily,
    default: &'static str,
    all: &'static [&'static str],
) -> Arch {
    Arch {
        name,
        levels: Some(Levels { family, default, all }),
    }
}

const FLOATS: &[&str] = &["hardfloat", "softfloat"];
const POWERS: &[&str] = &["power8", "power9", "power10"];
const ARM64_LEVELS: &[&str] = &[
    "v8.0", "v8.1", "v8.2", "v8.3", "v8.4", "v8.5", "v8.6", "v8.7", "v8.8", "v8.9", "v9.0", "v9.1", "v9.2",
    "v9.3", "v9.4", "v9.5",
];

/// From internal/buildcfg of Go 1.26.
const ARCHS: &[Arch] = &[
    leveled("386", ArchFamily::I386, "sse2", &["sse2", "softfloat"]),
    leveled("amd64", ArchFamily::Amd64, "v1", &["v1", "v2", "v3", "v4"]),
    leveled("arm", ArchFamily::Arm, "7", &["5", "6", "7"]),
    leveled("arm64", ArchFamily::Arm64, "v8.0", ARM64_LEVELS),
    plain("loong64"),
    leveled("mips", ArchFamily::Mips, "hardfloat", FLOATS),
    leveled("mips64", ArchFamily::Mips64, "hardfloat", FLOATS),
    leveled("mips64le", ArchFamily::Mips64, "hardfloat", FLOATS),
    leveled("mipsle", ArchFamily::Mips, "hardfloat", FLOATS),
    leveled("ppc64", ArchFamily::Ppc64, "power8", POWERS),
    leveled("ppc64le", ArchFamily::Ppc64, "power8", POWERS),
    leveled(
        "riscv64",
        ArchFamily::Riscv64,
        "rva20u64",
        &["rva20u64", "rva22u64", "rva23u64"],
    ),
    plain("s390x"),
    plain("wasm"),
];

/// Other names, in lower case and with `_` for `-`: the architecture, and the level if the name implies one.
const NAMES: &[(&str, &str, Option<&str>)] = &[
    ("x86_64", "amd64", None),
    ("x64", "amd64", None),
    ("x86", "386", None),
    ("ia32", "386", None),
    ("i386", "386", None),
    ("i686", "386", None),
    // The 486 and the Pentium have no SSE2.
    ("i486", "386", Some("softfloat")),
    ("i586", "386", Some("softfloat")),
    ("aarch64", "arm64", None),
    ("armv8", "arm64", None),
    // 32-bit programs on a 64-bit CPU.
    ("armv8l", "arm", Some("7")),
    ("armv7", "arm", Some("7")),
    ("armv7l", "arm", Some("7")),
    ("armv7a", "arm", Some("7")),
    ("armv7hl", "arm", Some("7")),
    ("armv7hf", "arm", Some("7")),
    ("earmv7", "arm", Some("7")),
    ("earmv7hf", "arm", Some("7")),
    ("armv6", "arm", Some("6")),
    ("armv6l", "arm", Some("6")),
    ("armv6hf", "arm", Some("6")),
    ("earmv6", "arm", Some("6")),
    ("earmv6hf", "arm", Some("6")),
    // ARMv7 for Debian, ARMv6 for Raspbian. ARMv6 runs on both.
    ("armhf", "arm", Some("6")),
    ("armv5", "arm", Some("5")),
    ("armv5l", "arm", Some("5")),
    ("armv5tl", "arm", Some("5")),
    ("armv5te", "arm", Some("5")),
    ("armv5tel", "arm", Some("5")),
    ("armv5tejl", "arm", Some("5")),
    ("earm", "arm", Some("5")),
    ("earmv5", "arm", Some("5")),
    // Debian's name for ARM without a floating point unit.
    ("armel", "arm", Some("5")),
    ("loongarch64", "loong64", None),
    ("mipsel", "mipsle", None),
    ("mips64el", "mips64le", None),
    ("powerpc64", "ppc64", None),
    ("powerpc64le", "ppc64le", None),
    ("ppc64el", "ppc64le", None),
    ("rva20u64", "riscv64", Some("rva20u64")),
    ("rva22u64", "riscv64", Some("rva22u64")),
    ("rva23u64", "riscv64", Some("rva23u64")),
];

impl Machine {
    /// Parses a name (`aarch64`, `armv6l`), or a name followed by a level (`amd64v3`, `x86_64-v3`, `mips_softfloat`, Docker's
    /// `arm/v7`), in any case.
    pub(super) fn parse(typed: &str) -> Option<Machine> {
        let typed = typed.to_ascii_lowercase().replace(['-', '/'], "_");
        ARCHS
            .iter()
            .map(|arch| (arch.name, arch.name, None))
            .chain(NAMES.iter().copied())
            .find_map(|(name, arch, implied)| Machine::with_suffix(typed.strip_prefix(name)?, arch, implied))
    }

    /// Returns the machine if `suffix` is valid after a name of this architecture: empty, or a level. `implied` is the level that
    /// the name implies.
    fn with_suffix(suffix: &str, arch: &str, implied: Option<&str>) -> Option<Machine> {
        let arch = ARCHS.iter().find(|known| known.name == arch)?;
        let value = match (&arch.levels, implied, suffix) {
            (None, _, "") => None,
            (Some(levels), None, "") => Some(levels.default),
            (Some(levels), Some(implied), "") => Some(levels.find(implied)?),
            (Some(levels), None, suffix) => Some(levels.find(suffix.strip_prefix('_').unwrap_or(suffix))?),
            (None, _, _) | (Some(_), Some(_), _) => return None,
        };
        let level = arch.levels.as_ref().zip(value).map(|(levels, value)| Level {
            family: levels.family,
            value,
        });
        Some(Machine {
            arch: arch.name,
            level,
        })
    }

    /// Returns this architecture at each of its levels, the default first.
    pub(super) fn all_levels(&self) -> Vec<Machine> {
        let known = ARCHS.iter().find(|known| known.name == self.arch);
        let values = known
            .and_then(|known| known.levels.as_ref())
            .map_or(&[][..], |levels| levels.all);
        let others = values
            .iter()
            .filter_map(|value| Machine::parse(&format!("{}_{value}", self.arch)));
        let others = others.filter(|machine| !machine.is_default_level());
        Machine::parse(self.arch).into_iter().chain(others).collect()
    }

    /// Whether the level is Go's default.
    pub(super) fn is_default_level(&self) -> bool {
        Machine::parse(self.arch) == Some(*self)
    }
}

impl Levels {
    /// Finds a level: `v7` and `7` are the same, and Docker's `v8` is `v8.0`.
    fn find(&self, typed: &str) -> Option<&'static str> {
        let bare = typed.strip_prefix('v').unwrap_or(typed);
        self.all.iter().copied().find(|value| {
            let value = value.strip_prefix('v').unwrap_or(value);
            value == bare || value.strip_suffix(".0") == Some(bare)
        })
    }
}

/// Prints one word that parses to the same machine: `arm64`, `armv6`, `amd64v3`.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.arch)?;
        match self.level.filter(|_| !self.is_default_level()) {
            None => Ok(()),
            Some(Level {
                family: ArchFamily::Arm,
                value,
            }) => write!(f, "v{value}"),
            Some(level) => f.write_str(level.value),
        }
    }
}

/// Returns the names of all architectures, for hints.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ARCHS.iter().map(|arch| arch.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_name_is_parsed() {
        // Typed names, the printed name, the level.
        for (typed, word, level) in [
            (
                "amd64 x64 X64 x86_64 x86-64 AMD64 amd64v1 x86_64_v1",
                "amd64",
                Some("v1"),
            ),
            (
                "amd64v3 amd64_v3 amd64-v3 x86_64_v3 x86-64-v3 x64v3",
                "amd64v3",
                Some("v3"),
            ),
            ("386 x86 i386 i686 ia32 IA32 386sse2", "386", Some("sse2")),
            (
                "386softfloat 386_softfloat i486 i586 i386-softfloat",
                "386softfloat",
                Some("softfloat"),
            ),
            (
                "arm64 aarch64 ARM64 armv8 arm64v8 arm64_v8.0 aarch64-v8",
                "arm64",
                Some("v8.0"),
            ),
            ("arm64v8.1 aarch64_v8.1", "arm64v8.1", Some("v8.1")),
            (
                "arm armv7 armv7l armv7a armv8l armv7hl arm_7 arm-v7 arm7 earmv7hf",
                "arm",
                Some("7"),
            ),
            (
                "armv6 armv6l armhf arm6 arm_6 armv6hf earmv6hf",
                "armv6",
                Some("6"),
            ),
            (
                "armv5 armv5l armv5tel armv5tejl armel arm5 arm-v5 earm",
                "armv5",
                Some("5"),
            ),
            ("mips mips-hardfloat", "mips", Some("hardfloat")),
            ("mipsle mipsel MIPSEL", "mipsle", Some("hardfloat")),
            (
                "mipsle_softfloat mipselsoftfloat",
                "mipslesoftfloat",
                Some("softfloat"),
            ),
            ("mips64le mips64el", "mips64le", Some("hardfloat")),
            ("ppc64 powerpc64", "ppc64", Some("power8")),
            ("ppc64le powerpc64le ppc64el", "ppc64le", Some("power8")),
            ("ppc64le_power10", "ppc64lepower10", Some("power10")),
            ("riscv64 rva20u64", "riscv64", Some("rva20u64")),
            ("rva22u64 riscv64-rva22u64", "riscv64rva22u64", Some("rva22u64")),
            ("loong64 loongarch64", "loong64", None),
            ("s390x", "s390x", None),
            ("wasm", "wasm", None),
        ] {
            for typed in typed.split(' ') {
                let machine = Machine::parse(typed).unwrap_or_else(|| panic!("{typed} is not parsed"));
                assert_eq!(machine.to_string(), word, "{typed}");
                assert_eq!(machine.level.map(|level| level.value), level, "{typed}");
            }
        }
    }

    #[test]
    fn unknown_machines_are_refused() {
        for typed in [
            "",
            "unknown",
            "amd",
            "amd64v5",
            "amd64v",
            "amd64v33",
            "x86_64v3v3",
            "arm4",
            "armv4tl",
            "armv7b",
            "armv8b",
            "aarch64_be",
            "armv6l7",
            "sparc64",
            "ppc",
            "riscv32",
            "wasm32",
            "mips64x",
            "arm__7",
            "arm_",
            "s390",
            "é",
        ] {
            assert_eq!(Machine::parse(typed), None, "{typed}");
        }
    }

    #[test]
    fn every_implied_level_exists() {
        for (name, arch, implied) in NAMES {
            let machine = Machine::parse(name).unwrap_or_else(|| panic!("{name} is not parsed"));
            assert_eq!(machine.arch, *arch, "{name}");
            assert!(
                implied.is_none() || machine.level.map(|level| level.value) == *implied,
                "{name}"
            );
        }
    }

    #[test]
    fn printed_machine_parses_to_the_same_machine() {
        for arch in ARCHS {
            for value in arch.levels.iter().flat_map(|levels| levels.all) {
                let machine =
                    Machine::parse(&format!("{}_{value}", arch.name)).expect("a level of the table");
                assert_eq!(machine.level.map(|level| level.value), Some(*value));
                assert_eq!(Machine::parse(&machine.to_string()), Some(machine));
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(typed: String) {
            Machine::parse(&typed);
        }
    }
}
