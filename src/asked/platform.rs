//! What a program is to run on: a system and a machine, out of the closed list of pairs that Go compiles for.
//!
//! Understands the names that people use and prints Go's. Whether this server can build for a platform (some need a C
//! compiler) is not known here.

use super::Shown;
use super::machine::{self, Level, Machine};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What `go tool dist list` of Go 1.26 prints.
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

/// Other names of systems, in lower case.
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

/// A system and a machine that Go compiles for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Platform {
    os: &'static str,
    machine: Machine,
}

impl Platform {
    /// Understands the names that people use, in any case: `macOS` and `aarch64`, `linux` and `armv6l`.
    pub fn new(os: &str, arch: &str) -> Result<Platform, UnknownPlatform> {
        let os = os_named(os)?;
        Platform::of(os, machine_named(arch)?)
    }

    pub(super) fn of(os: &'static str, machine: Machine) -> Result<Platform, UnknownPlatform> {
        match archs_of(os).contains(&machine.arch) {
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

    /// The system, as Go calls it.
    pub fn os(&self) -> &'static str {
        self.os
    }

    /// The architecture, as Go calls it.
    pub fn arch(&self) -> &'static str {
        self.machine.arch
    }

    /// What of the architecture the program may rely on: Go's default where nothing was said, and `None` only where
    /// the architecture has no levels.
    pub fn level(&self) -> Option<Level> {
        self.machine.level
    }

    /// The same system and architecture at each level, the one that goes without saying first.
    pub fn at_each_level(&self) -> Vec<Platform> {
        let machines = self.machine.at_each_level().into_iter();
        machines
            .map(|machine| Platform { os: self.os, machine })
            .collect()
    }

    /// Whether the level goes without saying.
    pub fn is_default_level(&self) -> bool {
        self.machine.is_default_level()
    }

    /// The part of a query string that asks for this platform: `os=linux&arch=armv6`.
    pub fn query(&self) -> String {
        format!("os={}&arch={}", self.os, self.machine)
    }

    /// What a program of this name is called as a file.
    pub fn executable(&self, name: &str) -> String {
        Platform::executable_on(self.os, name)
    }

    /// The same where only the system is known, by Go's name for it.
    pub fn executable_on(os: &str, name: &str) -> String {
        match os {
            "windows" if name.to_ascii_lowercase().ends_with(".exe") => name.to_owned(),
            "windows" => format!("{name}.exe"),
            "js" | "wasip1" => format!("{name}.wasm"),
            _ => name.to_owned(),
        }
    }
}

/// `linux/arm64`, `linux/arm/6`, `linux/amd64/v3`: the level only where it does not go without saying.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.machine.arch)?;
        match self.level().filter(|_| !self.is_default_level()) {
            Some(level) => write!(f, "/{}", level.value()),
            None => Ok(()),
        }
    }
}

/// Reads what `Display` prints, and Docker's `linux/arm/v7`.
impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Platform, UnknownPlatform> {
        match text.split_once('/') {
            Some((os, arch)) => Platform::new(os, &arch.replacen('/', "_", 1)),
            None => Err(UnknownPlatform::NotAPair(Shown::new(text))),
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

/// The system that goes by this name.
pub(super) fn os_named(typed: &str) -> Result<&'static str, UnknownPlatform> {
    let lower = typed.to_ascii_lowercase();
    let is_it = |name: &&'static str| *name == lower;
    let alias = OS_NAMES.iter().find(|(name, _)| is_it(name)).map(|(_, os)| *os);
    PAIRS
        .iter()
        .map(|(os, _)| *os)
        .find(is_it)
        .or(alias)
        .ok_or_else(|| UnknownPlatform::Os(Shown::new(typed)))
}

/// The machine that goes by this name.
pub(super) fn machine_named(typed: &str) -> Result<Machine, UnknownPlatform> {
    Machine::named(typed).ok_or_else(|| UnknownPlatform::Arch(Shown::new(typed)))
}

/// The architectures that come with a system.
pub(super) fn archs_of(os: &str) -> &'static [&'static str] {
    PAIRS
        .iter()
        .find(|(name, _)| *name == os)
        .map_or(&[], |(_, archs)| archs)
}

/// The systems that come with an architecture.
pub(super) fn systems_with(arch: &str) -> impl Iterator<Item = &'static str> {
    PAIRS
        .iter()
        .filter(move |(_, archs)| archs.contains(&arch))
        .map(|(os, _)| *os)
}

/// Why something is no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownPlatform {
    /// No system is called so.
    #[error("Go compiles for no system called \"{0}\"")]
    Os(Shown),
    /// No architecture is called so.
    #[error("Go compiles for no architecture called \"{0}\"")]
    Arch(Shown),
    /// The two do not come together.
    #[error("Go does not compile for {os} on {arch}")]
    Pair {
        /// The system.
        os: &'static str,
        /// The architecture.
        arch: &'static str,
    },
    /// Not a system and an architecture with a slash between.
    #[error("\"{0}\" is not a platform")]
    NotAPair(Shown),
}

impl UnknownPlatform {
    /// What may be typed instead.
    pub fn hint(&self) -> String {
        let list = |names: Vec<&str>| names.join(", ");
        match self {
            UnknownPlatform::Os(_) => {
                format!("os is one of {}", list(PAIRS.iter().map(|(os, _)| *os).collect()))
            }
            UnknownPlatform::Arch(_) => format!("arch is one of {}", list(machine::names().collect())),
            UnknownPlatform::Pair { os, .. } => {
                format!("on {os}, arch is one of {}", list(archs_of(os).to_vec()))
            }
            UnknownPlatform::NotAPair(_) => "type OS/ARCH, as in linux/arm64".to_owned(),
        }
    }
}

// By hand: a derive would tie the input's lifetime to that of the names, which are static.
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
    fn the_pairs_are_those_of_go_tool_dist_list() {
        let ours = PAIRS
            .iter()
            .flat_map(|(os, archs)| archs.iter().map(move |arch| format!("{os}/{arch}")));
        let go = include_str!("../../tests/data/dist_list.txt")
            .lines()
            .map(str::to_owned);
        assert_eq!(ours.collect::<Vec<_>>(), go.collect::<Vec<_>>());
    }

    #[test]
    fn people_name_systems_in_many_ways() {
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
    fn a_level_is_printed_where_it_does_not_go_without_saying() {
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
    fn the_level_is_always_known() {
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
    fn each_level_is_there_once_the_usual_one_first() {
        for (pair, levels) in [
            (
                "linux/arm/6",
                vec!["os=linux&arch=arm", "os=linux&arch=armv5", "os=linux&arch=armv6"],
            ),
            ("linux/s390x", vec!["os=linux&arch=s390x"]),
        ] {
            let all = pair.parse::<Platform>().unwrap().at_each_level();
            let queries: Vec<_> = all.iter().map(Platform::query).collect();
            assert_eq!(queries, levels, "{pair}");
        }
        assert_eq!(platform("linux", "arm64").at_each_level().len(), 16);
    }

    #[test]
    fn docker_spells_levels_with_a_v() {
        for (text, printed) in [
            ("linux/arm/v7", "linux/arm"),
            ("linux/arm/v6", "linux/arm/6"),
            ("linux/arm64/v8", "linux/arm64"),
        ] {
            assert_eq!(text.parse::<Platform>().expect(text).to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_platform_is_refused_with_a_list() {
        for (os, arch, text, hint) in [
            (
                "hurd",
                "386",
                "Go compiles for no system called \"hurd\"",
                "os is one of aix, android",
            ),
            (
                "../x",
                "386",
                "Go compiles for no system called \"../x\"",
                "os is one of",
            ),
            (
                "linux",
                "sparc",
                "Go compiles for no architecture called \"sparc\"",
                "arch is one of 386, amd64",
            ),
            (
                "windows",
                "arm",
                "Go does not compile for windows on arm",
                "on windows, arch is one of 386, amd64, arm64",
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
    fn a_file_is_named_as_its_system_wants_it() {
        assert_eq!(platform("windows", "amd64").executable("fzf"), "fzf.exe");
        assert_eq!(platform("wasip1", "wasm").executable("fzf"), "fzf.wasm");
        assert_eq!(platform("linux", "amd64").executable("fzf"), "fzf");
    }

    #[test]
    fn json_has_it_as_one_string() {
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
        fn what_is_printed_means_the_same(platform in any_platform()) {
            prop_assert_eq!(platform.to_string().parse::<Platform>(), Ok(platform));
        }

        #[test]
        fn any_text_is_answered(text: String) {
            if let Ok(platform) = text.parse::<Platform>() {
                prop_assert_eq!(platform.to_string().parse::<Platform>(), Ok(platform));
            }
        }
    }
}
