//! Turns what `go` printed into a reason. An error of an unknown shape is `Internal` or `DoesNotCompile`, never a guessed 404.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::constraint::Needs;
use super::mains;
use super::messages::{self, Meaning, Message};
use super::shape::after;
use super::tool_runs::{self, ToolRuns};
use crate::answer::{Reason, Refusal};
use crate::asked::GoVersion;
use crate::sandbox::process::{Ended, Outcome};

/// Failed packages whose errors are shown.
const MAX_PACKAGES: usize = 10;

/// Before the words of a proxy, which may be another server's: `go` follows a redirect wherever it leads.
const SERVER_RESPONSE: &str = "\tserver response:";

/// Why a module proxy has no zip (golang.org/x/mod/zip, as public proxies quote it).
const CREATE_ZIP: &str = "create zip: ";

/// Why a build in `work` failed. `hidden` are directories of this machine, which no client gets to see.
pub fn build(
    outcome: &Outcome,
    tools: &ToolRuns,
    cpu_limit: Duration,
    work: &Path,
    hidden: &[PathBuf],
) -> Refusal {
    let words = tools.name_in(&String::from_utf8_lossy(&outcome.stderr));
    // A line without an end was cut: it is not the whole of its shape.
    let words = &words[..words.rfind('\n').map_or(0, |end| end + 1)];
    let messages = messages::read(words);
    let reason_of = |message: &Message<'_>| match message.meaning {
        Meaning::Fails(reason) => reason,
        Meaning::Absent => Reason::MissingDependency,
        Meaning::Unpackable => Reason::InvalidModule,
        Meaning::Source => Reason::DoesNotCompile,
        Meaning::Excluded => why_excluded(message, work, hidden),
        Meaning::ToolFailed => why_tool_failed(tools, message.subject),
        // What the kernel enforces by ticks and what it reports differ by some percent (2.00 s and 1.89 s were seen).
        Meaning::ToolKilled if tools.processor_time(message.subject) >= cpu_limit.mul_f64(0.8) => {
            Reason::OutOfTime
        }
        Meaning::ToolKilled if outcome.out_of_memory => Reason::OutOfMemory,
        // Another process killed it.
        Meaning::ToolKilled => Reason::Internal,
    };
    let reason = match outcome.ended {
        Ended::TimedOut => Reason::OutOfTime,
        Ended::Stopped => Reason::TooMuchDisk,
        Ended::TooMuchOutput | Ended::Signalled(_) => Reason::Internal,
        Ended::Exited(_) => messages
            .iter()
            .map(reason_of)
            .min_by_key(rank)
            .unwrap_or(Reason::Internal),
    };
    let failed = messages
        .iter()
        .filter(|message| message.meaning == Meaning::ToolFailed);
    let output = failed.map(|message| format!("# {}\n{}", message.subject, tools.output(message.subject)));
    let output: String = output.take(MAX_PACKAGES).collect();
    let refusal = refusal(reason, words, &messages, &output, hidden);
    Refusal {
        of_today: looked_for_modules(words),
        ..refusal
    }
}

/// Of several reasons the lowest counts: one that passes hides what the next build would say.
fn rank(reason: &Reason) -> u8 {
    if *reason == Reason::ChecksumMismatch {
        0
    } else if *reason == Reason::Internal {
        4
    } else if reason.is_for_ever() {
        3
    } else {
        // A dependency that is missing beside a proxy in trouble may be there.
        1 + u8::from(*reason == Reason::MissingDependency)
    }
}

/// Whether `go` looked for modules that no go.mod requires: it takes the newest of the day.
pub fn looked_for_modules(words: &str) -> bool {
    messages::looked_for_modules(words)
}

/// Why a tool of this package failed.
fn why_tool_failed(tools: &ToolRuns, package: &str) -> Reason {
    let output = tools.output(package);
    let imports_c = || tools.sources(package).is_some_and(|dir| mains::imports_c(&dir));
    if tool_runs::lacks_a_name(&output) && imports_c() {
        return Reason::NeedsCgo;
    }
    tool_runs::reason(&output).unwrap_or(Reason::Internal)
}

/// Why none of a package's files is built.
fn why_excluded(message: &Message<'_>, work: &Path, known: &[PathBuf]) -> Reason {
    let Some(dir) = excluded(message.text, known) else {
        return Reason::NotForThisPlatform;
    };
    let package = work.join(dir);
    if mains::imports_c(&package) {
        return Reason::NeedsCgo;
    }
    match mains::needs(&package) {
        Some(Needs::Cgo) => Reason::NeedsCgo,
        Some(Needs::Experiment | Needs::Tags | Needs::Ignored) => Reason::NeedsTags,
        Some(Needs::Nothing) | None => Reason::NotForThisPlatform,
    }
}

/// The directory, as seen from where `go` ran, of a package all of whose files are left out: below that, or one of `known`.
/// What else these words may name is not looked at.
fn excluded<'a>(text: &'a str, known: &[PathBuf]) -> Option<&'a Path> {
    let dir = after("build constraints exclude all Go files in ", text)?;
    let dir = Path::new(dir.lines().next()?);
    let below = known.iter().find_map(|known| dir.strip_prefix(known).ok());
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    below.unwrap_or(dir).components().all(is_plain).then_some(dir)
}

/// Why a module could not be had: one error of `go list` or `go mod download`, or what it printed.
pub fn module(words: &str, exact: bool, hidden: &[PathBuf]) -> Refusal {
    let absent = if exact {
        Reason::NoSuchVersion
    } else {
        Reason::NoSuchModule
    };
    let messages: Vec<_> = messages::read(words);
    let reason_of = |message: &Message<'_>| match message.meaning {
        Meaning::Absent => absent,
        Meaning::Unpackable => Reason::InvalidModule,
        Meaning::Fails(reason) if reason != Reason::Internal => reason,
        // Nothing is compiled here.
        Meaning::Fails(_)
        | Meaning::Source
        | Meaning::Excluded
        | Meaning::ToolFailed
        | Meaning::ToolKilled => Reason::ProxyFailed,
    };
    let reason = messages.iter().map(reason_of).min_by_key(rank);
    refusal(
        reason.unwrap_or(Reason::ProxyFailed),
        words,
        &messages,
        "",
        hidden,
    )
}

/// Whether this error of `go list -e` says that the module proxy is in trouble, and not that it lacks a module.
pub fn is_trouble(words: &str) -> bool {
    let message = messages::read_one(words);
    let trouble = [Reason::ProxyFailed, Reason::Internal].map(Meaning::Fails);
    message.is_some_and(|message| trouble.contains(&message.meaning))
}

/// The Go that a module needs: `requires go >= 1.27.2 (running go 1.26.8; GOTOOLCHAIN=local)`.
pub fn needed_go(refusal: &Refusal) -> Option<GoVersion> {
    let messages = messages::read(&refusal.log);
    let is_it = |message: &&Message<'_>| message.meaning == Meaning::Fails(Reason::NeedsNewerGo);
    let (_, needed) = messages.iter().find(is_it)?.text.split_once(" requires go >= ")?;
    needed.split_whitespace().next()?.parse().ok()
}

fn refusal(
    reason: Reason,
    words: &str,
    messages: &[Message<'_>],
    output: &str,
    hidden: &[PathBuf],
) -> Refusal {
    let lines = |meaning: Meaning, line: &dyn Fn(&Message<'_>) -> String| {
        let of_meaning = messages.iter().filter(|message| message.meaning == meaning);
        let mut lines: Vec<String> = of_meaning.map(line).collect();
        lines.sort();
        lines.dedup();
        lines.join("\n")
    };
    let with_status = |message: &Message<'_>| format!("{}{}", message.subject, status(message.text));
    // A trace of the compiler's, or what a kernel lacks, tells a client nothing.
    let detail = if matches!(
        reason,
        Reason::OutOfMemory | Reason::OutOfTime | Reason::NoSandbox
    ) {
        String::new()
    } else if reason == Reason::ProxyFailed {
        // The operator's servers are not shown.
        lines(Meaning::Fails(reason), &with_status)
    } else if reason == Reason::MissingDependency {
        lines(Meaning::Absent, &with_status)
    } else if reason == Reason::InvalidModule {
        lines(Meaning::Unpackable, &why_unpackable)
    } else {
        shown(words) + output
    };
    Refusal::new(reason)
        .detail(hide(&detail, hidden).trim_end())
        .log(format!("{words}{output}"))
}

/// What a server said, as in `reading https://proxy/x: 404 Not Found`, behind a colon.
fn status(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let status = after("reading *: ", line);
    status.map_or(String::new(), |status| format!(": {status}"))
}

/// Which file Go cannot pack or unpack.
fn why_unpackable(message: &Message<'_>) -> String {
    let said = match message.text.split_once(CREATE_ZIP) {
        Some((_, said)) => said,
        None => after("unzip *: ", message.text).unwrap_or(message.text),
    };
    let said = said.lines().next().unwrap_or_default();
    match message.subject {
        "" => said.to_owned(),
        subject => format!("{subject}: {said}"),
    }
}

/// `go`'s errors, without its progress, what its tools are called and what servers say.
fn shown(words: &str) -> String {
    let mut is_of_server = false;
    let is_shown = |line: &&str| {
        is_of_server = line.starts_with(SERVER_RESPONSE) || is_of_server && line.starts_with('\t');
        !is_of_server && !messages::is_progress(line) && !line.contains(": tool: exit status ")
    };
    let lines = words.lines().filter(is_shown);
    lines.map(|line| format!("{line}\n")).collect()
}

/// The text without the names of directories of this machine.
fn hide(text: &str, hidden: &[PathBuf]) -> String {
    hidden.iter().fold(text.to_owned(), |text, path| {
        text.replace(&format!("file://{}", path.display()), "the module proxy")
            .replace(&format!("{}/", path.display()), "")
            .replace(&path.display().to_string(), "")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(stderr: &str) -> Refusal {
        let outcome = Outcome {
            ended: Ended::Exited(1),
            stdout: Vec::new(),
            stderr: stderr.as_bytes().to_vec(),
            out_of_memory: true,
        };
        let limit = Duration::from_secs(9);
        build(&outcome, &ToolRuns::default(), limit, Path::new("/w"), &[])
    }

    #[test]
    fn needed_go_is_read_from_gos_own_line() {
        let go = |words: &str| needed_go(&module(words, true, &[])).map(|go| go.to_string());
        let says = |version: &str| {
            format!("go: a.b/c@v1: a.b/c@v1 requires go >= {version} (running go 1.26.8; GOTOOLCHAIN=local)")
        };
        assert_eq!(go(&says("1.27.2")).as_deref(), Some("1.27.2"));
        assert_eq!(go(&says("1.27-/x")), None);
        assert_eq!(
            go(&format!(
                "x.go:1:1: expected 'package', found \"{}\"",
                says("1.27.2")
            )),
            None
        );
    }

    #[test]
    fn missing_dependencies_are_named_once() {
        let lacks = "../m/a.go:2:1: a.b/c@v1.0.0: reading https://p/a.b/c/@v/v1.0.0.zip: 403 Forbidden\n\tserver response: no\n";
        let finds = "a/b imports\n\ta.b/d: module a.b/d: reading https://p/a.b/d/@v/list: 404 Not Found\n";
        let all = failed(&[lacks, lacks, finds].concat());
        assert_eq!(all.reason, Reason::MissingDependency);
        assert_eq!(all.detail, "a.b/c@v1.0.0: 403 Forbidden\na.b/d: 404 Not Found");
        for trouble in [
            "a.go:1:1: a.b/e@v1.0.0: reading https://p/a.b/e/@v/v1.0.0.zip: 500 Internal Server Error\n",
            "a.go:1:1: a.b/e@v1.0.0: verifying module: a.b/e@v1.0.0: reading https://s/lookup/a.b/e@v1.0.0: 404 Not Found\n",
            "a.go:1:1: a.b/e@v1.0.0: Get \"https://p/a.b/e/@v/v1.0.0.zip\": dial tcp: i/o timeout\n",
        ] {
            assert_eq!(
                failed(&[lacks, trouble].concat()).reason,
                Reason::ProxyFailed,
                "{trouble}"
            );
        }
    }

    #[test]
    fn a_module_that_the_checksum_database_lacks_is_not_missing() {
        let words = |said: &str| format!("a.b/c@v1.0.0: {said}https://s/x: 404 Not Found");
        let known = |said: &str| module(&words(said), true, &[]).reason;
        assert_eq!(known("reading "), Reason::NoSuchVersion);
        assert_eq!(
            known("verifying module: a.b/c@v1.0.0: reading "),
            Reason::ProxyFailed
        );
        assert!(is_trouble(&words("verifying go.mod: a.b/c@v1.0.0: reading ")));
    }

    #[test]
    fn words_of_another_server_are_not_shown() {
        for said in [
            "a.b/c@v1.0.0: reading https://p/x: 404 Not Found\n\tserver response: secret",
            "a.b/c@v1.0.0: reading https://p/x: 404 Not Found\n\tserver response:\n\tsecret\n\tsecret",
            "a.b/c@v1.0.0: reading https://p/x: 500 Internal Server Error\n\tserver response: secret",
            "a.b/c@v1.0.0: Get \"http://secret/\": dial tcp 192.0.2.1:80: connect: connection refused",
        ] {
            for refusal in [module(said, true, &[]), failed(&format!("go: {said}\n"))] {
                assert!(
                    refusal.detail.starts_with("a.b/c@v1.0.0") || refusal.detail.starts_with("go: a.b/c")
                );
                assert!(!refusal.detail.contains("secret"), "{said}");
                assert!(refusal.log.contains("secret"), "{said}");
            }
        }
        let zip = "a.b/c@v1.0.0: reading https://p/x: 404 Not Found\n\tserver response: not found: create zip: con/x.go: malformed file path";
        let refusal = module(zip, true, &[]);
        assert_eq!(refusal.reason, Reason::InvalidModule);
        assert_eq!(refusal.detail, "a.b/c@v1.0.0: con/x.go: malformed file path");
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
            let words = format!("build constraints exclude all Go files in {dir}\n");
            assert_eq!(excluded(&words, &known).is_some(), looked_into, "{dir}");
        }
    }
}
