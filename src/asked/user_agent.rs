//! What a User-Agent says about the platform: `uname` behind `curl -A`, a browser, PowerShell.
//!
//! Never guesses. A platform is told only if a program for it runs on every machine that sends this User-Agent; where
//! several machines send the same, the person is asked, and the answers are offered. What nothing shows is not considered:
//! a 32-bit user land on a 64-bit kernel.

use super::Shown;
use super::machine::Machine;
use super::platform::{Platform, UnknownPlatform, archs_of, machine_named, os_named, systems_with};

/// `uname -a` has some 150 bytes and a browser some 120; what is longer is not looked at.
const MAX_BYTES: usize = 512;

/// Systems whose `uname` we know, and for which Go does not compile.
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
/// Machines that `uname` names, and for which Go does not compile.
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

/// The platform that a User-Agent tells.
pub fn platform(user_agent: &str) -> Result<Platform, Untold> {
    Reading::of(user_agent).platform()
}

/// What is possible: none if nothing was said, several if not enough was.
type Possible<T> = Result<Vec<T>, UnknownPlatform>;

/// What a User-Agent leaves possible.
pub(super) struct Reading {
    systems: Possible<&'static str>,
    machines: Possible<Machine>,
}

impl Reading {
    pub(super) fn of(user_agent: &str) -> Reading {
        let seen = seen(user_agent);
        if let Ok(platform) = seen.trim().parse::<Platform>() {
            // What we print ourselves, and what a person would make up: `curl -A linux/arm64`.
            return Reading {
                systems: Ok(vec![platform.os()]),
                machines: Ok(vec![platform.machine()]),
            };
        }
        // A `uname` may follow other words, `curl/8.5.0` say. From the first bracket on it is a comment.
        let words: Vec<_> = seen.split_whitespace().collect();
        let mut words = words.as_slice();
        while let [word, rest @ ..] = words
            && !word.contains('(')
        {
            if let Some(systems) = kernel(word) {
                return from_uname(word, systems, rest);
            }
            words = rest;
        }
        from_comment(seen.split_once('(').map_or("", |(_, comment)| comment))
    }

    /// The same machine, but the system is said elsewhere. If the system runs on one architecture only, that one is meant.
    pub(super) fn on_system(self, os: &'static str) -> Reading {
        let machines = match archs_of(os) {
            [only] => called(&[only]),
            [..] => self.machines,
        };
        Reading {
            systems: Ok(vec![os]),
            machines,
        }
    }

    /// The same system, but the machine is said elsewhere. If only one system runs on it, that one is meant.
    pub(super) fn on_machine(self, machine: Machine) -> Reading {
        let with_it: Vec<_> = systems_with(machine.arch).collect();
        let systems = if with_it.len() == 1 {
            Ok(with_it)
        } else {
            self.systems
        };
        Reading {
            systems,
            machines: Ok(vec![machine]),
        }
    }

    /// The one platform that is left.
    pub(super) fn platform(self) -> Result<Platform, Untold> {
        let systems = self.systems?;
        let machines = self.machines?;
        let Some(os) = systems.first() else {
            return Err(Untold::NoPlatform);
        };
        let Some(machine) = machines.first() else {
            return Err(Untold::UnknownMachine { os });
        };

        let pairs = systems
            .iter()
            .flat_map(|os| machines.iter().map(|machine| Platform::of(os, *machine)));
        let candidates: Vec<_> = pairs.flatten().collect();
        match candidates.as_slice() {
            [] => Ok(Platform::of(os, *machine)?),
            [told] => Ok(told.clone()),
            [..] => Err(Untold::Ambiguous { os, candidates }),
        }
    }
}

/// As much as is looked at, in whole words: half of `x86_64` is another machine.
fn seen(user_agent: &str) -> &str {
    if user_agent.len() <= MAX_BYTES {
        return user_agent;
    }
    let start = user_agent.split_at(user_agent.floor_char_boundary(MAX_BYTES)).0;
    start
        .rsplit_once(char::is_whitespace)
        .map_or("", |(whole, _)| whole)
}

/// Whether a word is what `uname -s` prints somewhere (or a name of a system that a person may put in its place), and of
/// which systems.
fn kernel(word: &str) -> Option<Possible<&'static str>> {
    let lower = word.to_ascii_lowercase();
    if SYSTEMS_WITHOUT_GO.contains(&lower.as_str()) {
        return Some(Err(UnknownPlatform::Os(Shown::new(word))));
    }
    if lower == "sunos" {
        return Some(Ok(vec!["illumos", "solaris"]));
    }
    // `MS $env:PROCESSOR_ARCHITECTURE`, which webi made known; MINGW64_NT-10.0-19045, MSYS_NT, CYGWIN_NT.
    if lower == "ms" || lower.contains("_nt-") {
        return Some(Ok(vec!["windows"]));
    }
    os_named(word).ok().map(|os| Ok(vec![os]))
}

/// `uname` prints, whatever the order of its options: system, node, release, version, machine, processor, hardware, OS.
fn from_uname(kernel_name: &str, systems: Possible<&'static str>, rest: &[&str]) -> Reading {
    // A host may be called "arm64". Where a release follows, the name is known for what it is, and left out.
    let rest = match rest {
        [node, others @ ..] if !is_release(node) && others.first().is_some_and(|word| is_release(word)) => {
            others
        }
        [..] => rest,
    };
    let systems = systems.map(|systems| narrow(systems, rest));
    let machines = match first(&systems) {
        // The third word of AIX is the serial number of the machine, and only 64-bit POWER runs an AIX that Go supports.
        "aix" => called(&["ppc64"]),
        "windows" => windows_shell(kernel_name, rest),
        os => agreed(rest.iter().filter_map(|word| machines_called(os, word))),
    };
    Reading { systems, machines }
}

/// The system by whose habits the words are read: where two are possible, they share them.
fn first(systems: &Possible<&'static str>) -> &'static str {
    systems
        .as_ref()
        .ok()
        .and_then(|systems| systems.first())
        .copied()
        .unwrap_or_default()
}

fn called(names: &[&str]) -> Possible<Machine> {
    names.iter().map(|name| machine_named(name)).collect()
}

/// `6.1.0-13-amd64`, `5.11`, `23.1.0`.
fn is_release(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.')
}

/// What the words after the kernel's name add about the system.
fn narrow(systems: Vec<&'static str>, rest: &[&str]) -> Vec<&'static str> {
    let says = |prefix: &str| {
        rest.iter()
            .any(|word| word.to_ascii_lowercase().starts_with(prefix))
    };
    let last = rest.last().copied().unwrap_or_default();
    match systems.as_slice() {
        // `uname -o` and `uname -a` of Termux.
        ["linux"] if last.eq_ignore_ascii_case("android") => vec!["android"],
        // The distributions of illumos say who they are in the version: illumos-bea0c2b, omnios-r151046, joyent_20191029T142723Z.
        // SmartOS once called itself Solaris at the end as well, so this is asked first.
        ["illumos", "solaris"]
            if ["illumos", "omnios", "joyent_", "oi_", "tribblix", "helios"]
                .into_iter()
                .any(says) =>
        {
            vec!["illumos"]
        }
        // Oracle's version is the release: 11.4.42.111.0.
        ["illumos", "solaris"] if says("11.") => vec!["solaris"],
        _ => systems,
    }
}

/// The machines that a word may mean in the `uname` of a system; `None` if it means none.
fn machines_called(os: &str, word: &str) -> Option<Possible<Machine>> {
    let lower = word.to_ascii_lowercase();
    let names: &[&str] = match (os, lower.as_str()) {
        // `uname -p` of macOS. Intel's says i386 on 64-bit processors, and so does Rosetta's on ARM, which runs amd64 too.
        ("darwin", "arm") => &["arm64"],
        ("darwin", "i386") => &["amd64"],
        // Both systems left 32-bit processors behind, and kept the names.
        ("illumos" | "solaris", "i86pc" | "i386") => &["amd64"],
        // `uname -p` on OpenBSD/armv7, its only 32-bit ARM.
        ("openbsd", "arm") => &["armv7"],
        ("freebsd", "arm") => &["armv6", "armv7"],
        (_, "arm") => &["armv5", "armv6", "armv7"],
        // Linux says neither which end comes first nor whether there is a floating point unit.
        ("linux", "mips") => &["mips", "mipsle", "mips_softfloat", "mipsle_softfloat"],
        ("linux", "mips64") => &["mips64", "mips64le"],
        (_, name) if MACHINES_WITHOUT_GO.contains(&name) => {
            return Some(Err(UnknownPlatform::Arch(Shown::new(word))));
        }
        (_, name) => return Machine::named(name).map(|machine| Ok(vec![machine])),
    };
    Some(called(names))
}

/// The machines that all words allow (`arm armv7` is ARMv7), or all of them where the words contradict each other.
fn agreed(words: impl Iterator<Item = Possible<Machine>>) -> Possible<Machine> {
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

/// MSYS2, Cygwin and Git for Windows name the machine that they were compiled for, and since 2024 the host where it differs
/// (msys2-runtime#245).
fn windows_shell(kernel_name: &str, rest: &[&str]) -> Possible<Machine> {
    let lower = kernel_name.to_ascii_lowercase();
    if lower.ends_with("-arm64") || lower.starts_with("clangarm64") {
        return called(&["arm64"]);
    }
    let told = agreed(rest.iter().filter_map(|word| machines_called("windows", word)))?;
    // `uname -p` is "unknown" there; these environments are 64-bit by name.
    let is_amd64 = ["mingw64", "ucrt64", "clang64"]
        .iter()
        .any(|environment| lower.starts_with(environment));
    match told.as_slice() {
        [] if is_amd64 => called(&["amd64"]),
        [..] => Ok(told),
    }
}

/// The first comment of a browser, PowerShell or Homebrew: `X11; Linux x86_64; rv:128.0`.
fn from_comment(comment: &str) -> Reading {
    let comment = comment.split(')').next().unwrap_or_default();
    let words: Vec<_> = comment
        .split(|c: char| c.is_whitespace() || ";,(".contains(c))
        .collect();
    let says = |word: &str| words.iter().any(|said| said.eq_ignore_ascii_case(word));

    // An iPhone is "like Mac OS X", and Android is on Linux.
    let systems = if says("iPhone") || says("iPad") || says("iPod") {
        Ok(vec!["ios"])
    } else if says("Android") {
        Ok(vec!["android"])
    } else if says("Windows") {
        Ok(vec!["windows"])
    } else if says("Macintosh") {
        Ok(vec!["darwin"])
    } else {
        words.iter().find_map(|word| kernel(word)).unwrap_or(Ok(vec![]))
    };
    let machines = match first(&systems) {
        "windows" if says("ARM64") => called(&["arm64"]),
        // Browsers on ARM say this as well; Windows 11 runs amd64 there.
        "windows" if says("x64") || says("Win64") || says("WOW64") => called(&["amd64"]),
        "windows" => called(&["amd64", "arm64", "386"]),
        "darwin" if says("PPC") => Err(UnknownPlatform::Arch(Shown::new("PPC"))),
        // Homebrew says so; browsers say Intel on every Mac.
        "darwin" if says("arm64") => called(&["arm64"]),
        "darwin" => called(&["arm64", "amd64"]),
        // Chrome and Firefox say so on every Linux, a Raspberry Pi's included (chromium.org/updates/ua-reduction,
        // bugzilla.mozilla.org 1861847).
        "linux" if says("x86_64") => called(&["amd64", "arm64"]),
        os => agreed(words.iter().filter_map(|word| machines_called(os, word))),
    };
    Reading { systems, machines }
}

/// Why a User-Agent tells no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// It says nothing of a system, as plain `curl/8.5.0` does.
    #[error("nothing says which platform the program is for")]
    NoPlatform,
    /// It names a system but no machine: `Linux unknown`.
    #[error("nothing says which processor the {os} machine has")]
    UnknownMachine {
        /// The system.
        os: &'static str,
    },
    /// Different machines send the same.
    #[error("several kinds of {os} machine send the same User-Agent")]
    Ambiguous {
        /// The system.
        os: &'static str,
        /// What it may be, the likeliest first.
        candidates: Vec<Platform>,
    },
    /// It tells a platform for which Go does not compile.
    #[error(transparent)]
    NotSupported(#[from] UnknownPlatform),
}

impl Untold {
    /// The options of a `uname` that tells it; `None` where none does.
    pub fn options(&self) -> Option<&'static str> {
        match self {
            // NetBSD says the port with -m, and the processor with -p alone; FreeBSD says arm with -m.
            Untold::UnknownMachine { os: "netbsd" } | Untold::Ambiguous { os: "freebsd", .. } => Some("-smp"),
            // illumos and Solaris differ in the version alone.
            Untold::Ambiguous {
                os: "illumos" | "solaris",
                ..
            } => Some("-smv"),
            // Both ends of MIPS are called the same.
            Untold::Ambiguous { candidates, .. }
                if candidates.iter().all(|p| p.arch().starts_with("mips")) =>
            {
                None
            }
            Untold::NoPlatform
            | Untold::UnknownMachine { .. }
            | Untold::Ambiguous { .. }
            | Untold::NotSupported(_) => Some("-sm"),
        }
    }
}

#[cfg(test)]
mod tests;
