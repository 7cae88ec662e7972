//! Turns Go's own words into a reason. The words, with real examples of each, are Go 1.26's; what is not known is `Internal`
//! or `DoesNotCompile`, never a guessed 404.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::constraint::Needs;
use super::mains;
use crate::answer::{Reason, Refusal};
use crate::asked::GoVersion;
use crate::sandbox::process::{Ended, Outcome};

/// What a module proxy answers for a module or version that it has not got; some say 403.
const ABSENT: &[&str] = &[
    ": 403 ",
    ": 404 ",
    ": 410 ",
    "no such file or directory",
    "unknown revision",
    "no matching versions",
];

/// What says that nobody knows whether a module is there: no answer, or none of the checksum database's
/// (`a.b/c@v1.0.0: verifying module: a.b/c@v1.0.0: reading https://sum.golang.org/lookup/…: 404 Not Found`).
const TROUBLE: &[&str] = &[UNVERIFIED, "Get \"http", "dial tcp", "i/o timeout"];

/// The checksum database's part.
const UNVERIFIED: &str = ": verifying ";

/// What Go says of its progress; not why it ended.
const PROGRESS: &[&str] = &[
    "go: downloading ",
    "go: finding module for package ",
    "go: found ",
];

/// Words, and what they mean, the first that fits.
const WORDS: &[(&str, Reason)] = &[
    // gox-server's own words, in place of a `go` or a tool that it did not start.
    ("cannot enter the cell", Reason::NoSandbox),
    ("no space left on device", Reason::DiskFull),
    ("disk quota exceeded", Reason::DiskFull),
    ("SECURITY ERROR", Reason::ChecksumMismatch),
    ("checksum mismatch", Reason::ChecksumMismatch),
    ("replace directives", Reason::OwnDirectives),
    ("exclude directives", Reason::OwnDirectives),
    ("replacement directory", Reason::OwnDirectives),
    ("(replaced by ./", Reason::OwnDirectives),
    ("declares its path as", Reason::OtherPath),
    ("requires go >=", Reason::NeedsNewerGo),
    ("is not a main package", Reason::NoCommand),
    (
        "function main is undeclared in the main package",
        Reason::NoCommand,
    ),
    ("but does not contain package", Reason::NoSuchPackage),
    (
        "build constraints exclude all Go files",
        Reason::NotForThisPlatform,
    ),
    ("found packages ", Reason::NotForThisPlatform),
    ("out of memory", Reason::OutOfMemory),
    ("cannot allocate memory", Reason::OutOfMemory),
    // A compiler that finds a fault in itself says so, and prints a trace.
    ("internal compiler error", Reason::DoesNotCompile),
    // Without memory Go's runtime ends, or breaks down, in many words; a trace follows them all.
    ("fatal error: ", Reason::OutOfMemory),
    ("\nruntime stack:", Reason::OutOfMemory),
    ("\ngoroutine ", Reason::OutOfMemory),
    // The linker wants the host's, which is never there.
    ("cannot find runtime/cgo", Reason::NeedsCgo),
    ("requires external (cgo) linking", Reason::NeedsCgo),
    ("file too large", Reason::TooLarge),
    // Of a dependency: what is lacking today may be there tomorrow.
    (": reading http", Reason::ProxyFailed),
    (": reading file:", Reason::ProxyFailed),
    ("Get \"http", Reason::ProxyFailed),
    ("server response:", Reason::ProxyFailed),
    ("dial tcp", Reason::ProxyFailed),
    ("connection refused", Reason::ProxyFailed),
    ("i/o timeout", Reason::ProxyFailed),
    // Of JSON; the compiler has other words behind these.
    ("looking for beginning of value", Reason::ProxyFailed),
    ("module lookup disabled", Reason::ProxyFailed),
    // The linker names symbols, not lines.
    ("relocation target", Reason::DoesNotCompile),
    ("invalid reference to", Reason::DoesNotCompile),
    ("duplicated definition of symbol", Reason::DoesNotCompile),
    (": an #include leaves its ", Reason::DoesNotCompile),
    (": '#' must be first item on line", Reason::DoesNotCompile),
    ("import cycle not allowed", Reason::DoesNotCompile),
];

/// Why a build in `work` failed. `hidden` are directories of this machine, which no client gets to see.
pub fn build(outcome: &Outcome, cpu_limit: Duration, work: &Path, hidden: &[PathBuf]) -> Refusal {
    let words = String::from_utf8_lossy(&outcome.stderr);
    let reason = match outcome.ended {
        Ended::TimedOut => Reason::OutOfTime,
        Ended::Stopped => Reason::TooMuchDisk,
        Ended::TooMuchOutput | Ended::Signalled(_) => Reason::Internal,
        // Two limits of the kernel's end in SIGKILL: processor time (Go ignores SIGXCPU), and memory.
        Ended::Exited(_) if words.contains("signal: killed") && reached(outcome.cpu, cpu_limit) => {
            Reason::OutOfTime
        }
        Ended::Exited(_) if words.contains("signal: killed") => Reason::OutOfMemory,
        Ended::Exited(_) => reason(&words).unwrap_or(if names_a_line(&words) {
            Reason::DoesNotCompile
        } else {
            Reason::Internal
        }),
    };
    let reason = match excluded(&words, hidden) {
        Some(dir) if reason == Reason::NotForThisPlatform => why_excluded(&work.join(dir)),
        Some(_) | None => reason,
    };
    // The program itself was found where it was looked for: that is said of what it imports. Of the module that `go` was asked for
    // it is a conflict.
    let is_of_another = reason == Reason::NoSuchPackage
        || reason == Reason::OtherPath && !words.contains("version constraints conflict");
    let reason = if is_of_another {
        Reason::DoesNotCompile
    } else {
        reason
    };
    match missing(&words) {
        Some(modules) if reason == Reason::ProxyFailed => Refusal::new(Reason::MissingDependency)
            .detail(modules.join("\n"))
            .log(words.into_owned()),
        Some(_) | None => refusal(reason, &words, hidden),
    }
}

/// Whether `go` looked for modules that no go.mod names: it takes the newest of the day.
pub fn looked_for_modules(words: &str) -> bool {
    words.contains("go: finding module for package ")
}

/// The modules that the proxy has not got, each with what it says, unless it is in trouble with one of them, or the checksum
/// database is: `main.go:3:8: a.b/c@v1.0.0: reading https://proxy/a.b/c/@v/v1.0.0.zip: 404 Not Found`.
fn missing(words: &str) -> Option<Vec<String>> {
    let in_trouble = |line: &str| TROUBLE.iter().any(|word| line.contains(word));
    if words.lines().any(in_trouble) {
        return None;
    }
    let mut modules = Vec::new();
    let read = words.lines().filter_map(|line| line.split_once(": reading "));
    for (before, said) in read {
        if !is_absent(said) {
            return None;
        }
        let module = before.rsplit(' ').next().unwrap_or(before);
        let said = said.rsplit(": ").next().unwrap_or(said);
        modules.push(format!("{module}: {said}"));
    }
    modules.sort();
    modules.dedup();
    (!modules.is_empty()).then_some(modules)
}

/// Whether a line of a program is complained of, `FILE:LINE`, or, of a file that others were made from, `FILE:LINE:COLUMN:` below
/// the name of its package. Only that is the program's own fault, and so for ever.
fn names_a_line(words: &str) -> bool {
    let is_number = |text: Option<&str>| text.is_some_and(|text| text.parse::<u32>().is_ok());
    let is_position = |line: &str| {
        let mut parts = line.split(':').skip(1);
        is_number(parts.next()) && is_number(parts.next())
    };
    let mut packages = words.split("\n# ").flat_map(|package| package.lines().skip(1));
    if words.starts_with("# ") && packages.any(is_position) {
        return true;
    }
    let digit_follows = |ending: &str| {
        words
            .split(ending)
            .skip(1)
            .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    digit_follows(".go:") || digit_follows(".s:")
}

/// Why none of a package's files is built.
fn why_excluded(package: &Path) -> Reason {
    if mains::imports_c(package) {
        return Reason::NeedsCgo;
    }
    match mains::needs(package) {
        Some(Needs::Cgo) => Reason::NeedsCgo,
        Some(Needs::Tags | Needs::Ignored) => Reason::NeedsTags,
        Some(Needs::Nothing) | None => Reason::NotForThisPlatform,
    }
}

/// The directory, as seen from where `go` ran, of a package all of whose files are left out: below that, or one of `known`.
/// What else these words may name is not looked at.
fn excluded<'a>(words: &'a str, known: &[PathBuf]) -> Option<&'a Path> {
    let (_, rest) = words.split_once("build constraints exclude all Go files in ")?;
    let dir = Path::new(rest.lines().next()?);
    let below = known.iter().find_map(|known| dir.strip_prefix(known).ok());
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    below.unwrap_or(dir).components().all(is_plain).then_some(dir)
}

/// Why a module could not be had: the words of `go list` or `go mod download`.
pub fn module(words: &str, exact: bool, hidden: &[PathBuf]) -> Refusal {
    let absent = if exact {
        Reason::NoSuchVersion
    } else {
        Reason::NoSuchModule
    };
    let known = reason(words).filter(|r| *r != Reason::ProxyFailed);
    let reason = known.unwrap_or(if is_absent(words) {
        absent
    } else {
        Reason::ProxyFailed
    });
    refusal(reason, words, hidden)
}

/// Whether these words of `go list -e` say that the module proxy is in trouble, and not that it lacks a module.
pub fn is_trouble(words: &str) -> bool {
    reason(words) == Some(Reason::ProxyFailed) && !is_absent(words)
}

fn is_absent(words: &str) -> bool {
    // What the checksum database has not got, the module proxy may have.
    ABSENT.iter().any(|word| words.contains(word)) && !words.contains(UNVERIFIED)
}

/// The Go that these words ask for: `requires go >= 1.27.2 (running go 1.26.8; GOTOOLCHAIN=local)`.
pub fn needed_go(words: &str) -> Option<GoVersion> {
    let (_, rest) = words.split_once("requires go >= ")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What the kernel enforces by ticks and what it reports differ by some percent (2.00 s and 1.89 s were seen).
fn reached(cpu: Duration, limit: Duration) -> bool {
    cpu >= limit.mul_f64(0.8)
}

fn reason(words: &str) -> Option<Reason> {
    WORDS
        .iter()
        .find(|(word, _)| words.contains(word))
        .map(|(_, reason)| *reason)
}

fn refusal(reason: Reason, words: &str, hidden: &[PathBuf]) -> Refusal {
    let mut text = words.to_owned();
    for path in hidden {
        text = text
            .replace(&format!("file://{}", path.display()), "the module proxy")
            .replace(&format!("{}/", path.display()), "")
            .replace(&path.display().to_string(), "");
    }
    if matches!(
        reason,
        Reason::OutOfMemory | Reason::OutOfTime | Reason::NoSandbox
    ) {
        // A trace of the compiler's, or what a kernel lacks, tells a client nothing.
        return Refusal::new(reason).log(words.to_owned());
    }
    let shown: Vec<_> = text
        .lines()
        .filter(|line| !PROGRESS.iter().any(|words| line.starts_with(words)))
        .collect();
    Refusal::new(reason)
        .detail(shown.join("\n"))
        .log(words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_go_that_is_needed_is_named() {
        let words = "go: a.b/c@v1: a.b/c@v1 requires go >= 1.27.2 (running go 1.26.8; GOTOOLCHAIN=local)";
        assert_eq!(
            needed_go(words).map(|go| go.to_string()).as_deref(),
            Some("1.27.2")
        );
        assert_eq!(needed_go("requires go >= 1.27-/x (running"), None);
    }

    #[test]
    fn modules_that_the_proxy_has_not_got_are_named_once() {
        let lacks = "../m/a.go:2:1: a.b/c@v1.0.0: reading https://p/a.b/c/@v/v1.0.0.zip: 403 Forbidden\n\tserver response: no\n";
        let finds = "go: finding module for package a.b/d\na/b imports\n\ta.b/d: module a.b/d: reading https://p/a.b/d/@v/list: 404 Not Found\n";
        let named = ["a.b/c@v1.0.0: 403 Forbidden", "a.b/d: 404 Not Found"].map(str::to_owned);
        assert_eq!(missing(&[lacks, lacks, finds].concat()), Some(named.to_vec()));
        let trouble =
            "a.go:1:1: a.b/e@v1.0.0: reading https://p/a.b/e/@v/v1.0.0.zip: 500 Internal Server Error\n";
        assert_eq!(missing(&[lacks, trouble].concat()), None);
        let unverified = "a.go:1:1: a.b/e@v1.0.0: verifying module: a.b/e@v1.0.0: reading https://s/lookup/a.b/e@v1.0.0: 404 Not Found\n";
        assert_eq!(missing(&[lacks, unverified].concat()), None);
        let silent = "a.go:1:1: a.b/e@v1.0.0: Get \"https://p/a.b/e/@v/v1.0.0.zip\": dial tcp: i/o timeout\n";
        assert_eq!(missing(&[lacks, silent].concat()), None);
        assert_eq!(missing("a.go:1:1: undefined: x"), None);
    }

    #[test]
    fn what_the_checksum_database_lacks_is_no_missing_module() {
        let words = |said: &str| format!("go: a.b/c@v1.0.0: {said}https://s/x: 404 Not Found");
        let known = |said: &str| module(&words(said), true, &[]).reason;
        assert_eq!(known("reading "), Reason::NoSuchVersion);
        assert_eq!(
            known("verifying module: a.b/c@v1.0.0: reading "),
            Reason::ProxyFailed
        );
        assert!(is_trouble(&words("verifying go.mod: a.b/c@v1.0.0: reading ")));
    }

    #[test]
    fn a_fault_of_the_program_is_for_ever() {
        let ended = |words: &str| Outcome {
            ended: Ended::Exited(1),
            stdout: Vec::new(),
            stderr: words.as_bytes().to_vec(),
            cpu: Duration::ZERO,
        };
        for (words, reason) in [
            (
                "# a.b/c\nx.go:3:2: invalid character U+201C '“'\n",
                Reason::DoesNotCompile,
            ),
            (
                "go: a.b/d: invalid character '<' looking for beginning of value\n",
                Reason::ProxyFailed,
            ),
            ("# a.b/c\nparser.y:35:2: undefined: x\n", Reason::DoesNotCompile),
            ("go: x: 35:2: what\n", Reason::Internal),
            (
                "package a.b/c\n\timports a.b/d from a.go\n\timports a.b/c: import cycle not allowed\n",
                Reason::DoesNotCompile,
            ),
            (
                "go: a.b/e@v1.0.0: parsing go.mod:\n\tmodule declares its path as: a.b/E\n\t        but was required as: a.b/e\n",
                Reason::DoesNotCompile,
            ),
            (
                "x.go:3:8: module a.b/d@latest found (v2.0.0), but does not contain package a.b/d/x\n",
                Reason::DoesNotCompile,
            ),
        ] {
            let refusal = build(&ended(words), Duration::from_secs(9), Path::new("/w"), &[]);
            assert_eq!(refusal.reason, reason, "{words}");
        }
    }

    #[test]
    fn only_a_directory_of_a_build_is_looked_into() {
        let known = ["../../cache/modules", "/go"].map(PathBuf::from);
        for (dir, looked_into) in [
            ("copy/a", true),
            ("../../cache/modules/a.b/c@v1.0.0", true),
            ("/go/src/runtime/cgo", true),
            ("../../cache/modules/../../../etc", false),
            ("../secret", false),
            ("/etc", false),
        ] {
            let words = format!("package a: build constraints exclude all Go files in {dir}\n");
            assert_eq!(excluded(&words, &known).is_some(), looked_into, "{dir}");
        }
    }

    #[test]
    fn words_of_a_runtime_without_memory_are_no_compile_error() {
        for words in [
            "fatal error: runtime: out of memory\n",
            "runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\n",
            "runtime: failed to create new OS thread (have 5 already; errno=11)\nfatal error: newosproc\n",
            "# a.b/c\nSIGSEGV: segmentation violation\nPC=0x43cefd m=0 sigcode=1 addr=0x0\n\ngoroutine 0 gp=0x1\n",
        ] {
            assert_eq!(reason(words), Some(Reason::OutOfMemory), "{words}");
        }
        let panic = "internal compiler error: panic: runtime error: invalid memory address\n[signal SIGSEGV: segmentation violation code=0x1]";
        assert_eq!(reason(panic), Some(Reason::DoesNotCompile));
    }
}
