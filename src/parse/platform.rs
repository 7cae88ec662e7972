//! Platforms: an operating system and a machine, one of the pairs that Go supports.
//!
//! Parses the names that people use, and prints Go's. This module does not know whether this server can build for a platform: some
//! need a C compiler.

use super::Printable;
use super::arch::{self, Level, Machine};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The output of `go tool dist list` of Go 1.26.
const PAIRS: &[(&str, &[&str])] = &[
    ("aix", &["ppc64"]),
    ("android", &["386", "amd64", "arm", "arm64"]),
    ("darwin", &["amd64", "arm64"]),
    ("dragonfly", &["amd64"]),
    ("freebsd", &["386", "amd64", "arm", "arm64"]),
    ("illumos", &["amd64"]),
    ("ios", &["amd64", "arm64"]),
    ("js", &["wasm"]),
    (
        "linux",
        &[
            "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
            "ppc64le", "riscv64", "s390x",
        ],
    ),
    ("netbsd", &["386", "amd64", "arm", "arm64"]),
    ("openbsd", &["386", "amd64", "arm", "arm64", "ppc64", "riscv64"]),
    ("plan9", &["386", "amd64", "arm"]),
    ("solaris", &["amd64"]),
    ("wasip1", &["wasm"]),
    ("windows", &["386", "amd64", "arm64"]),
];

/// Other names of operating systems, in lower case.
const OS_NAMES: &[(&str, &str)] = &[
    ("macos", "darwin"),
    ("mac", "darwin"),
    ("osx", "darwin"),
    ("macosx", "darwin"),
    ("win", "windows"),
    ("win32", "windows"),
    ("win64", "windows"),
    ("windows_nt", "windows"),
    ("sunos", "solaris"),
    ("omnios", "illumos"),
    ("openindiana", "illumos"),
    ("smartos", "illumos"),
    ("dragonflybsd", "dragonfly"),
    ("wasi", "wasip1"),
];

/// An operating system and a machine that Go supports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Platform {
    os: &'static str,
    machine: Machine,
}

impl Platform {
    /// Parses the names that people use, in any case: `macOS` and `aarch64`, `linux` and `armv6l`.
    pub fn new(os: &str, arch: &str) -> Result<Platform, UnknownPlatform> {
        let os = parse_os(os)?;
        Platform::from_machine(os, parse_machine(arch)?)
    }

    pub(super) fn from_machine(os: &'static str, machine: Machine) -> Result<Platform, UnknownPlatform> {
        match archs_of_os(os).contains(&machine.arch) {
            true => Ok(Platform { os, machine }),
            false => Err(UnknownPlatform::Pair {
                os,
                arch: machine.arch,
            }),
        }
    }

    pub(super) fn machine(&self) -> Machine {
        self.machine
    }

    /// Whether a text is the name of an operating system.
    pub fn is_os(typed: &str) -> bool {
        parse_os(typed).is_ok()
    }

    /// Returns GOOS.
    pub fn os(&self) -> &'static str {
        self.os
    }

    /// Returns GOARCH.
    pub fn arch(&self) -> &'static str {
        self.machine.arch
    }

    /// Returns the architecture level, such as GOAMD64; `None` if the architecture has no levels.
    pub fn level(&self) -> Option<Level> {
        self.machine.level
    }

    /// Returns this platform at each level of its architecture, the default first.
    pub fn all_levels(&self) -> Vec<Platform> {
        let machines = self.machine.all_levels().into_iter();
        machines
            .map(|machine| Platform { os: self.os, machine })
            .collect()
    }

    /// Whether the level is Go's default.
    pub fn is_default_level(&self) -> bool {
        self.machine.is_default_level()
    }

    /// Returns the value of `?arch=`: the architecture with its level.
    pub fn arch_with_level(&self) -> String {
        self.machine.to_string()
    }

    /// Returns the query that requests this platform: `os=linux&arch=armv6`.
    pub fn query(&self) -> String {
        format!("os={}&arch={}", self.os, self.machine)
    }

    /// Parses an element of a path: `linux-arm64`, `linux-arm-6`, `macos-x64`.
    pub fn parse_path_element(element: &str) -> Result<Platform, UnknownPlatform> {
        match element.split_once('-') {
            Some((os, arch)) => Platform::new(os, arch),
            None => Err(UnknownPlatform::NotAPathElement(Printable::new(element))),
        }
    }

    /// Returns this platform as an element of a path: `linux-arm64`, `linux-arm-6`, `linux-amd64-v3`.
    pub fn path_element(&self) -> String {
        self.to_string().replace('/', "-")
    }

    /// Returns the file name of a program of this name: `.exe` is added for Windows, `.wasm` for WebAssembly.
    pub fn executable_name(&self, name: &str) -> String {
        Platform::executable_name_on(self.os, name)
    }

    /// Like [`Platform::executable_name`], for a GOOS.
    pub fn executable_name_on(os: &str, name: &str) -> String {
        match os {
            "windows" if name.to_ascii_lowercase().ends_with(".exe") => name.to_owned(),
            "windows" => format!("{name}.exe"),
            "js" | "wasip1" => format!("{name}.wasm"),
            _ => name.to_owned(),
        }
    }
}

/// Prints `linux/arm64`, `linux/arm/6`, `linux/amd64/v3`: the level only if it is not the default.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.machine.arch)?;
        match self.level().filter(|_| !self.is_default_level()) {
            Some(level) => write!(f, "/{}", level.value()),
            None => Ok(()),
        }
    }
}

/// Parses the output of `Display`, and Docker's `linux/arm/v7`.
impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Platform, UnknownPlatform> {
        match text.split_once('/') {
            Some((os, arch)) => Platform::new(os, &arch.replacen('/', "_", 1)),
            None => Err(UnknownPlatform::NotAPair(Printable::new(text))),
        }
    }
}

impl TryFrom<String> for Platform {
    type Error = UnknownPlatform;

    fn try_from(text: String) -> Result<Platform, UnknownPlatform> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> String {
        platform.to_string()
    }
}

/// Parses the name of an operating system, and returns its GOOS.
pub(super) fn parse_os(typed: &str) -> Result<&'static str, UnknownPlatform> {
    let lower = typed.to_ascii_lowercase();
    let is_it = |name: &&'static str| *name == lower;
    let alias = OS_NAMES.iter().find(|(name, _)| is_it(name)).map(|(_, os)| *os);
    PAIRS
        .iter()
        .map(|(os, _)| *os)
        .find(is_it)
        .or(alias)
        .ok_or_else(|| UnknownPlatform::Os(Printable::new(typed)))
}

/// Parses the name of a machine.
pub(super) fn parse_machine(typed: &str) -> Result<Machine, UnknownPlatform> {
    Machine::parse(typed).ok_or_else(|| UnknownPlatform::Arch(Printable::new(typed)))
}

/// Returns the architectures that Go supports on an operating system.
pub(super) fn archs_of_os(os: &str) -> &'static [&'static str] {
    PAIRS
        .iter()
        .find(|(name, _)| *name == os)
        .map_or(&[], |(_, archs)| archs)
}

/// Returns the operating systems that Go supports on an architecture.
pub(super) fn systems_with_arch(arch: &str) -> impl Iterator<Item = &'static str> {
    PAIRS
        .iter()
        .filter(move |(_, archs)| archs.contains(&arch))
        .map(|(os, _)| *os)
}

/// Why a platform is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownPlatform {
    /// Not the name of an operating system.
    #[error("Go does not support an operating system \"{0}\"")]
    Os(Printable),
    /// Not the name of an architecture.
    #[error("Go does not support an architecture \"{0}\"")]
    Arch(Printable),
    /// A pair that Go does not support.
    #[error("Go does not support {os} on {arch}")]
    Pair {
        /// GOOS.
        os: &'static str,
        /// GOARCH.
        arch: &'static str,
    },
    /// Not an operating system and an architecture, separated by a slash.
    #[error("\"{0}\" is not a platform")]
    NotAPair(Printable),
    /// Not an operating system and an architecture, separated by a dash.
    #[error("\"{0}\" is not a platform")]
    NotAPathElement(Printable),
}

impl UnknownPlatform {
    /// Returns what to type instead.
    pub fn hint(&self) -> String {
        let list = |names: Vec<&str>| names.join(", ");
        match self {
            UnknownPlatform::Os(_) => {
                // Programs for iOS need cgo.
                let systems = PAIRS.iter().map(|(os, _)| *os).filter(|os| *os != "ios");
                format!("os must be one of {}", list(systems.collect()))
            }
            UnknownPlatform::Arch(_) => format!("arch must be one of {}", list(arch::names().collect())),
            UnknownPlatform::Pair { os, .. } => {
                format!("on {os}, arch must be one of {}", list(archs_of_os(os).to_vec()))
            }
            UnknownPlatform::NotAPair(_) => "type OS/ARCH, as in linux/arm64".to_owned(),
            UnknownPlatform::NotAPathElement(_) => {
                "type OS-ARCH, as in /-/bin/linux-arm64/OWNER/REPO@VERSION/NAME".to_owned()
            }
        }
    }
}

// Not derived: a derived implementation would require a `'static` input, because the names are static.
impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Platform, D::Error> {
        let text = String::deserialize(deserializer)?;
        Platform::try_from(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn platform(os: &str, arch: &str) -> Platform {
        Platform::new(os, arch).unwrap_or_else(|unknown| panic!("{os} {arch}: {unknown}"))
    }

    #[test]
    fn pairs_equal_go_tool_dist_list() {
        let pairs = PAIRS
            .iter()
            .flat_map(|(os, archs)| archs.iter().map(move |arch| format!("{os}/{arch}")));
        let go = include_str!("../../tests/data/dist_list.txt")
            .lines()
            .map(str::to_owned);
        assert_eq!(pairs.collect::<Vec<_>>(), go.collect::<Vec<_>>());
    }

    #[test]
    fn operating_systems_have_aliases() {
        for (typed, os) in [
            ("linux Linux LINUX", "linux"),
            ("macos macOS mac Darwin osx OSX MacOSX", "darwin"),
            ("windows win Win32 win64 Windows_NT", "windows"),
            ("FreeBSD freebsd", "freebsd"),
        ] {
            for typed in typed.split(' ') {
                assert_eq!(platform(typed, "x86_64").os(), os, "{typed}");
            }
        }
        assert_eq!(platform("SunOS", "amd64").os(), "solaris");
        assert_eq!(platform("omnios", "amd64").os(), "illumos");
        assert_eq!(platform("wasi", "wasm").to_string(), "wasip1/wasm");
    }

    #[test]
    fn only_other_levels_than_the_default_are_printed() {
        for (arch, printed, query) in [
            ("arm64", "linux/arm64", "os=linux&arch=arm64"),
            ("armv7l", "linux/arm", "os=linux&arch=arm"),
            ("armv6l", "linux/arm/6", "os=linux&arch=armv6"),
            ("x86-64-v3", "linux/amd64/v3", "os=linux&arch=amd64v3"),
            (
                "mipsel_softfloat",
                "linux/mipsle/softfloat",
                "os=linux&arch=mipslesoftfloat",
            ),
        ] {
            let platform = platform("linux", arch);
            assert_eq!(platform.to_string(), printed);
            assert_eq!(platform.query(), query);
            assert_eq!(platform.is_default_level(), printed.matches('/').count() == 1);
        }
    }

    #[test]
    fn default_level_is_that_of_go() {
        for (arch, level) in [
            ("amd64", Some("v1")),
            ("386", Some("sse2")),
            ("arm", Some("7")),
            ("arm64", Some("v8.0")),
            ("mips", Some("hardfloat")),
            ("mips64le", Some("hardfloat")),
            ("ppc64", Some("power8")),
            ("riscv64", Some("rva20u64")),
            ("s390x", None),
            ("loong64", None),
        ] {
            assert_eq!(
                platform("linux", arch).level().map(|level| level.value()),
                level,
                "{arch}"
            );
        }
    }

    #[test]
    fn all_levels_start_with_the_default() {
        for (pair, levels) in [
            (
                "linux/arm/6",
                vec!["os=linux&arch=arm", "os=linux&arch=armv5", "os=linux&arch=armv6"],
            ),
            ("linux/s390x", vec!["os=linux&arch=s390x"]),
        ] {
            let all = pair.parse::<Platform>().unwrap().all_levels();
            let queries: Vec<_> = all.iter().map(Platform::query).collect();
            assert_eq!(queries, levels, "{pair}");
        }
        assert_eq!(platform("linux", "arm64").all_levels().len(), 16);
    }

    #[test]
    fn docker_levels_are_parsed() {
        for (text, printed) in [
            ("linux/arm/v7", "linux/arm"),
            ("linux/arm/v6", "linux/arm/6"),
            ("linux/arm64/v8", "linux/arm64"),
        ] {
            assert_eq!(text.parse::<Platform>().expect(text).to_string(), printed);
        }
    }

    #[test]
    fn unknown_platform_is_refused_with_a_list() {
        for (os, arch, text, hint) in [
            (
                "hurd",
                "386",
                "Go does not support an operating system \"hurd\"",
                "os must be one of aix, android",
            ),
            (
                "../x",
                "386",
                "Go does not support an operating system \"../x\"",
                "os must be one of",
            ),
            (
                "linux",
                "sparc",
                "Go does not support an architecture \"sparc\"",
                "arch must be one of 386, amd64",
            ),
            (
                "windows",
                "arm",
                "Go does not support windows on arm",
                "on windows, arch must be one of 386, amd64, arm64",
            ),
        ] {
            let unknown = Platform::new(os, arch).expect_err(os);
            assert_eq!(unknown.to_string(), text);
            assert!(unknown.hint().starts_with(hint), "{}", unknown.hint());
        }
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/amd64/",
            "linux/amd64/v5",
            "linux/arm/6/7",
            "linux/../amd64",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn executable_has_the_extension_of_its_system() {
        assert_eq!(platform("windows", "amd64").executable_name("fzf"), "fzf.exe");
        assert_eq!(platform("wasip1", "wasm").executable_name("fzf"), "fzf.wasm");
        assert_eq!(platform("linux", "amd64").executable_name("fzf"), "fzf");
    }

    #[test]
    fn platform_is_one_string_in_json() {
        let armv6 = platform("linux", "armv6");
        assert_eq!(
            serde_json::to_string(&armv6).expect("a string"),
            "\"linux/arm/6\""
        );
        assert_eq!(
            serde_json::from_str::<Platform>("\"linux/arm/6\"").expect("a platform"),
            armv6
        );
        assert!(serde_json::from_str::<Platform>("\"linux/vax\"").is_err());
    }

    fn any_platform() -> impl Strategy<Value = Platform> {
        const LEVELS: &[&str] = &[
            "",
            "v1",
            "v3",
            "v4",
            "5",
            "6",
            "7",
            "softfloat",
            "power9",
            "rva22u64",
            "v8.1",
            "v9.5",
        ];
        (
            proptest::sample::select(PAIRS),
            proptest::sample::select(LEVELS),
            0..13_usize,
        )
            .prop_filter_map("no such level", |((os, archs), level, nth)| {
                let arch = archs.iter().cycle().nth(nth)?;
                Platform::new(os, &format!("{arch}{level}")).ok()
            })
    }

    proptest! {
        #[test]
        fn printed_platform_parses_to_the_same_platform(platform in any_platform()) {
            prop_assert_eq!(platform.to_string().parse::<Platform>(), Ok(platform));
        }

        #[test]
        fn any_text_that_parses_prints_the_same_platform(text: String) {
            if let Ok(platform) = text.parse::<Platform>() {
                prop_assert_eq!(platform.to_string().parse::<Platform>(), Ok(platform));
            }
        }
    }
}
