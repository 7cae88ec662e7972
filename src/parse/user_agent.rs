//! Detects the platform from a User-Agent: the output of `uname` after `curl -A`, a browser, PowerShell.
//!
//! The detection does not guess. It returns a platform only if a program for it runs on every machine that sends this User-Agent. If
//! different machines send the same one, it returns all candidates. It does not consider what no User-Agent shows, such as a 32-bit
//! userland on a 64-bit kernel.

use super::Printable;
use super::arch::Machine;
use super::platform::{Platform, UnknownPlatform, archs_of_os, parse_machine, parse_os, systems_with_arch};

/// How much of a User-Agent is parsed. `uname -a` has about 150 bytes, a browser about 120.
const MAX_BYTES: usize = 512;

/// Operating systems with a known `uname` that Go does not support.
const SYSTEMS_WITHOUT_GO: [&str; 11] = [
    "beos",
    "gnu",
    "gnu/kfreebsd",
    "haiku",
    "hp-ux",
    "irix64",
    "minix",
    "os/390",
    "os400",
    "qnx",
    "serenityos",
];
/// Machines in the output of `uname` that Go does not support.
const MACHINES_WITHOUT_GO: [&str; 25] = [
    "aarch64_be",
    "alpha",
    "armeb",
    "armv4l",
    "armv4tl",
    "armv7b",
    "armv8b",
    "hppa",
    "ia64",
    "m68k",
    "macppc",
    "mipsn32",
    "parisc",
    "parisc64",
    "powerpc",
    "ppc",
    "riscv32",
    "s390",
    "sh4",
    "sparc",
    "sparc64",
    "sun4u",
    "sun4v",
    "vax",
    "xtensa",
];

/// Detects the platform from a User-Agent.
pub fn detect_platform(user_agent: &str) -> Result<Platform, UndetectedPlatform> {
    PlatformClues::parse(user_agent).platform()
}

/// Possible values: empty if nothing is known, several if not enough is known.
type Possible<T> = Result<Vec<T>, UnknownPlatform>;

/// The operating systems and machines that a User-Agent may mean.
pub(super) struct PlatformClues {
    systems: Possible<&'static str>,
    machines: Possible<Machine>,
}

impl PlatformClues {
    pub(super) fn parse(user_agent: &str) -> PlatformClues {
        let text = truncate(user_agent);
        if let Ok(platform) = text.trim().parse::<Platform>() {
            // The format of our own output, which people may try: `curl -A linux/arm64`.
            return PlatformClues {
                systems: Ok(vec![platform.os()]),
                machines: Ok(vec![platform.machine()]),
            };
        }
        // The output of `uname` may follow other words, such as `curl/8.5.0`. A comment starts at the first parenthesis.
        let words: Vec<_> = text.split_whitespace().collect();
        let mut words = words.as_slice();
        while let [word, rest @ ..] = words
            && !word.contains('(')
        {
            if let Some(systems) = parse_kernel_name(word) {
                return parse_uname(word, systems, rest);
            }
            words = rest;
        }
        parse_comment(text.split_once('(').map_or("", |(_, comment)| comment))
    }

    /// Replaces the operating system. If Go supports only one architecture on it, that one is meant.
    pub(super) fn with_os(self, os: &'static str) -> PlatformClues {
        let machines = match archs_of_os(os) {
            [only] => parse_machines(&[only]),
            [..] => self.machines,
        };
        PlatformClues {
            systems: Ok(vec![os]),
            machines,
        }
    }

    /// Replaces the machine. If Go supports only one operating system on it, that one is meant.
    pub(super) fn with_machine(self, machine: Machine) -> PlatformClues {
        let with_it: Vec<_> = systems_with_arch(machine.arch).collect();
        let systems = if with_it.len() == 1 {
            Ok(with_it)
        } else {
            self.systems
        };
        PlatformClues {
            systems,
            machines: Ok(vec![machine]),
        }
    }

    /// Returns the only possible platform.
    pub(super) fn platform(self) -> Result<Platform, UndetectedPlatform> {
        let systems = self.systems?;
        let machines = self.machines?;
        let Some(os) = systems.first() else {
            return Err(UndetectedPlatform::NoPlatform);
        };
        let Some(machine) = machines.first() else {
            return Err(UndetectedPlatform::UnknownMachine { os });
        };

        let pairs = systems.iter().flat_map(|os| {
            machines
                .iter()
                .map(|machine| Platform::from_machine(os, *machine))
        });
        let candidates: Vec<_> = pairs.flatten().collect();
        match candidates.as_slice() {
            [] => Ok(Platform::from_machine(os, *machine)?),
            [platform] => Ok(platform.clone()),
            [..] => Err(UndetectedPlatform::Ambiguous { os, candidates }),
        }
    }
}

/// Truncates a User-Agent to whole words: half of `x86_64` is another machine.
fn truncate(user_agent: &str) -> &str {
    if user_agent.len() <= MAX_BYTES {
        return user_agent;
    }
    let start = user_agent.split_at(user_agent.floor_char_boundary(MAX_BYTES)).0;
    start
        .rsplit_once(char::is_whitespace)
        .map_or("", |(whole, _)| whole)
}

/// Parses the output of `uname -s`, or another name of an operating system that a person may type in its place. Returns the possible
/// systems, or `None` if the word is neither.
fn parse_kernel_name(word: &str) -> Option<Possible<&'static str>> {
    let lower = word.to_ascii_lowercase();
    if SYSTEMS_WITHOUT_GO.contains(&lower.as_str()) {
        return Some(Err(UnknownPlatform::Os(Printable::new(word))));
    }
    if lower == "sunos" {
        return Some(Ok(vec!["illumos", "solaris"]));
    }
    // `MS $env:PROCESSOR_ARCHITECTURE` is the convention of webi; MINGW64_NT-10.0-19045, MSYS_NT and CYGWIN_NT are from `uname`.
    if lower == "ms" || lower.contains("_nt-") {
        return Some(Ok(vec!["windows"]));
    }
    parse_os(word).ok().map(|os| Ok(vec![os]))
}

/// Parses the words of `uname` after the system. Their order does not depend on that of the options: node, release, version, machine,
/// processor, hardware platform, operating system.
fn parse_uname(kernel_name: &str, systems: Possible<&'static str>, rest: &[&str]) -> PlatformClues {
    // A host may have the name "arm64". A word followed by a release is the host name, and is skipped.
    let rest = match rest {
        [node, others @ ..] if !is_release(node) && others.first().is_some_and(|word| is_release(word)) => {
            others
        }
        [..] => rest,
    };
    let systems = systems.map(|systems| narrow_systems(systems, rest));
    let machines = match first_os(&systems) {
        // The third word of AIX is a serial number. Go supports AIX on 64-bit POWER only.
        "aix" => parse_machines(&["ppc64"]),
        "windows" => parse_windows_shell(kernel_name, rest),
        // Under Rosetta the machine is x86_64, but the version names the kernel.
        "darwin" if rest.iter().any(|word| word.contains("/RELEASE_ARM64")) => parse_machines(&["arm64"]),
        os => intersect(rest.iter().filter_map(|word| parse_machine_word(os, word))),
    };
    PlatformClues { systems, machines }
}

/// Returns the first possible system, which determines how the other words are parsed. Systems that are possible together share
/// their conventions.
fn first_os(systems: &Possible<&'static str>) -> &'static str {
    systems
        .as_ref()
        .ok()
        .and_then(|systems| systems.first())
        .copied()
        .unwrap_or_default()
}

fn parse_machines(names: &[&str]) -> Possible<Machine> {
    names.iter().map(|name| parse_machine(name)).collect()
}

/// Whether this is a kernel release: `6.1.0-13-amd64`, `5.11`, `23.1.0`.
fn is_release(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.')
}

/// Narrows the possible systems by the words after the kernel's name.
fn narrow_systems(systems: Vec<&'static str>, rest: &[&str]) -> Vec<&'static str> {
    let has_prefix = |prefix: &str| {
        rest.iter()
            .any(|word| word.to_ascii_lowercase().starts_with(prefix))
    };
    let last = rest.last().copied().unwrap_or_default();
    match systems.as_slice() {
        // `uname -o` and `uname -a` of Termux.
        ["linux"] if last.eq_ignore_ascii_case("android") => vec!["android"],
        // The version of illumos names the distribution: illumos-bea0c2b, omnios-r151046, joyent_20191029T142723Z. Old releases of
        // SmartOS have Solaris as operating system, so this is checked first.
        ["illumos", "solaris"]
            if ["illumos", "omnios", "joyent_", "oi_", "tribblix", "helios"]
                .into_iter()
                .any(has_prefix) =>
        {
            vec!["illumos"]
        }
        // The version of Oracle Solaris is its release: 11.4.42.111.0.
        ["illumos", "solaris"] if has_prefix("11.") => vec!["solaris"],
        _ => systems,
    }
}

/// Returns the machines that a word may mean in the `uname` output of a system; `None` if it is not a machine.
fn parse_machine_word(os: &str, word: &str) -> Option<Possible<Machine>> {
    let lower = word.to_ascii_lowercase();
    let names: &[&str] = match (os, lower.as_str()) {
        // `uname -p` of macOS. It is i386 on 64-bit Intel CPUs, and under Rosetta on ARM, which runs amd64 too.
        ("darwin", "arm") => &["arm64"],
        ("darwin", "i386") => &["amd64"],
        // Both systems have dropped 32-bit CPUs and kept the names.
        ("illumos" | "solaris", "i86pc" | "i386") => &["amd64"],
        // `uname -p` of OpenBSD/armv7, its only 32-bit ARM port.
        ("openbsd", "arm") => &["armv7"],
        ("freebsd", "arm") => &["armv6", "armv7"],
        (_, "arm") => &["armv5", "armv6", "armv7"],
        // Linux shows neither the byte order nor whether there is an FPU.
        ("linux", "mips") => &["mips", "mipsle", "mips_softfloat", "mipsle_softfloat"],
        ("linux", "mips64") => &["mips64", "mips64le"],
        (_, name) if MACHINES_WITHOUT_GO.contains(&name) => {
            return Some(Err(UnknownPlatform::Arch(Printable::new(word))));
        }
        (_, name) => return Machine::parse(name).map(|machine| Ok(vec![machine])),
    };
    Some(parse_machines(names))
}

/// Intersects the machines of all words (`arm armv7` is ARMv7). If the words contradict each other, all their machines are possible.
fn intersect(words: impl Iterator<Item = Possible<Machine>>) -> Possible<Machine> {
    words
        .reduce(|left, right| {
            let (left, right) = (left?, right?);
            let (both, rest): (Vec<_>, Vec<_>) =
                right.into_iter().partition(|machine| left.contains(machine));
            Ok(if both.is_empty() {
                left.into_iter().chain(rest).collect()
            } else {
                both
            })
        })
        .unwrap_or(Ok(vec![]))
}

/// Returns the possible machines for MSYS2, Cygwin and Git for Windows. Their `uname` names the machine for which they were compiled,
/// and since 2024 also the host if it differs (msys2-runtime#245).
fn parse_windows_shell(kernel_name: &str, rest: &[&str]) -> Possible<Machine> {
    let lower = kernel_name.to_ascii_lowercase();
    if lower.ends_with("-arm64") || lower.starts_with("clangarm64") {
        return parse_machines(&["arm64"]);
    }
    let machines = intersect(rest.iter().filter_map(|word| parse_machine_word("windows", word)))?;
    // `uname -p` is "unknown" there, but the names of these environments imply 64 bits.
    let is_amd64 = ["mingw64", "ucrt64", "clang64"]
        .iter()
        .any(|environment| lower.starts_with(environment));
    match machines.as_slice() {
        [] if is_amd64 => parse_machines(&["amd64"]),
        [..] => Ok(machines),
    }
}

/// Parses the first comment of a browser, PowerShell or Homebrew: `X11; Linux x86_64; rv:128.0`.
fn parse_comment(comment: &str) -> PlatformClues {
    let comment = comment.split(')').next().unwrap_or_default();
    let words: Vec<_> = comment
        .split(|c: char| c.is_whitespace() || ";,(".contains(c))
        .collect();
    let has_word = |word: &str| words.iter().any(|other| other.eq_ignore_ascii_case(word));

    // The order matters: an iPhone is "like Mac OS X", and Android also contains Linux.
    let systems = if has_word("iPhone") || has_word("iPad") || has_word("iPod") {
        Ok(vec!["ios"])
    } else if has_word("Android") {
        Ok(vec!["android"])
    } else if has_word("Windows") {
        Ok(vec!["windows"])
    } else if has_word("Macintosh") {
        Ok(vec!["darwin"])
    } else {
        words
            .iter()
            .find_map(|word| parse_kernel_name(word))
            .unwrap_or(Ok(vec![]))
    };
    let machines = match first_os(&systems) {
        "windows" if has_word("ARM64") => parse_machines(&["arm64"]),
        // Browsers on ARM send this as well. Windows 11 runs amd64 programs there.
        "windows" if has_word("x64") || has_word("Win64") || has_word("WOW64") => parse_machines(&["amd64"]),
        "windows" => parse_machines(&["amd64", "arm64", "386"]),
        "darwin" if has_word("PPC") => Err(UnknownPlatform::Arch(Printable::new("PPC"))),
        // Sent by Homebrew. Browsers send Intel on every Mac.
        "darwin" if has_word("arm64") => parse_machines(&["arm64"]),
        "darwin" => parse_machines(&["arm64", "amd64"]),
        // Chrome and Firefox send this on every Linux, including a Raspberry Pi (chromium.org/updates/ua-reduction,
        // bugzilla.mozilla.org 1861847).
        "linux" if has_word("x86_64") => parse_machines(&["amd64", "arm64"]),
        os => intersect(words.iter().filter_map(|word| parse_machine_word(os, word))),
    };
    PlatformClues { systems, machines }
}

/// Why no platform was detected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndetectedPlatform {
    /// The User-Agent names no operating system: `curl/8.5.0`.
    #[error("the request does not say which platform the program is for")]
    NoPlatform,
    /// The User-Agent names an operating system but no machine: `Linux unknown`.
    #[error("the request does not say which CPU the {os} machine has")]
    UnknownMachine {
        /// GOOS.
        os: &'static str,
    },
    /// Different machines send the same User-Agent.
    #[error("{os} machines with different CPUs send the same User-Agent")]
    Ambiguous {
        /// GOOS of the most likely candidate.
        os: &'static str,
        /// The possible platforms, the most likely first.
        candidates: Vec<Platform>,
    },
    /// Go does not support the platform.
    #[error(transparent)]
    NotSupported(#[from] UnknownPlatform),
}

impl UndetectedPlatform {
    /// Returns the options with which `uname` shows the platform; `None` if no options do.
    pub fn uname_options(&self) -> Option<&'static str> {
        match self {
            // On NetBSD, -m prints the port, and only -p the CPU. On FreeBSD, -m prints arm.
            UndetectedPlatform::UnknownMachine { os: "netbsd" }
            | UndetectedPlatform::Ambiguous { os: "freebsd", .. } => Some("-smp"),
            // illumos and Solaris differ only in the version.
            UndetectedPlatform::Ambiguous {
                os: "illumos" | "solaris",
                ..
            } => Some("-smv"),
            // Both byte orders of MIPS have the same name.
            UndetectedPlatform::Ambiguous { candidates, .. }
                if candidates.iter().all(|p| p.arch().starts_with("mips")) =>
            {
                None
            }
            UndetectedPlatform::NoPlatform
            | UndetectedPlatform::UnknownMachine { .. }
            | UndetectedPlatform::Ambiguous { .. }
            | UndetectedPlatform::NotSupported(_) => Some("-sm"),
        }
    }
}

#[cfg(test)]
mod tests;
