//! Determines the reason of a failed run of `go` from its output. An error of an unknown shape is `Internal` or `DoesNotCompile`,
//! never a 404.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Reason};
use crate::golang::run::messages::{self, ErrorClass, GoError, looked_for_modules};
use crate::golang::run::shape::strip_shape;
use crate::golang::run::tool_runs::{self, ToolRuns};
use crate::golang::source::commands;
use crate::golang::source::constraint::BuildRequirement;
use crate::parse::GoVersion;
use crate::sandbox::process::{Outcome, Termination};

/// The tool output of this many failed packages is shown.
const MAX_PACKAGES: usize = 10;

/// Precedes the response body of a module proxy. It can come from any server, because `go` follows redirects.
const SERVER_RESPONSE: &str = "\tserver response:";

/// Precedes the error of golang.org/x/mod/zip that public proxies quote when they cannot create a zip.
const CREATE_ZIP: &str = "create zip: ";

/// The error of a build that failed in `work`. Paths in `hidden` are removed from the text for the client.
pub fn diagnose_build(
    outcome: &Outcome,
    tools: &ToolRuns,
    cpu_limit: Duration,
    work: &Path,
    hidden: &[PathBuf],
) -> Error {
    let stderr = tools.normalize(&String::from_utf8_lossy(&outcome.stderr));
    // The last line may be incomplete, and match the shape of a shorter one.
    let stderr = &stderr[..stderr.rfind('\n').map_or(0, |end| end + 1)];
    let errors = messages::parse(stderr);
    let reason_of = |error: &GoError<'_>| match error.class {
        ErrorClass::Fails(reason) => reason,
        ErrorClass::MissingModule | ErrorClass::UnverifiedModule => Reason::MissingDependency,
        ErrorClass::InvalidZip => Reason::InvalidModule,
        ErrorClass::InvalidSource => Reason::DoesNotCompile,
        ErrorClass::Excluded => classify_excluded(error, work, hidden),
        ErrorClass::ToolFailed => classify_tool_failure(tools, error.subject),
        // The CPU time that the kernel enforces (by ticks) and the time that it reports differ by some percent: 2.00 s and 1.89 s
        // were seen.
        ErrorClass::ToolKilled if tools.cpu_time(error.subject) >= cpu_limit.mul_f64(0.8) => {
            Reason::OutOfTime
        }
        ErrorClass::ToolKilled if outcome.out_of_memory => Reason::OutOfMemory,
        // Another process killed the tool.
        ErrorClass::ToolKilled => Reason::Internal,
    };
    let reason = match outcome.termination {
        Termination::TimedOut => Reason::OutOfTime,
        Termination::Stopped => Reason::TooMuchDisk,
        Termination::TooMuchOutput | Termination::Signalled(_) => Reason::Internal,
        Termination::Exited(_) => errors
            .iter()
            .map(reason_of)
            .min_by_key(rank)
            .unwrap_or(Reason::Internal),
    };
    let failed = errors
        .iter()
        .filter(|error| error.class == ErrorClass::ToolFailed);
    let output = failed.map(|error| format!("# {}\n{}", error.subject, tools.output(error.subject)));
    let output: String = output.take(MAX_PACKAGES).collect();
    Error {
        expires_daily: looked_for_modules(stderr),
        ..to_error(reason, stderr, &errors, &output, hidden)
    }
}

/// The order of reasons: of several, the lowest counts. Transient ones come before permanent ones, because they can hide the
/// result of the next build.
fn rank(reason: &Reason) -> u8 {
    if *reason == Reason::ChecksumMismatch {
        0
    } else if *reason == Reason::Internal {
        4
    } else if reason.is_permanent() {
        3
    } else {
        // When the proxy fails, a dependency that seems to be missing may exist.
        1 + u8::from(*reason == Reason::MissingDependency)
    }
}

/// The reason why a tool of this package failed.
fn classify_tool_failure(tools: &ToolRuns, package: &str) -> Reason {
    let output = tools.output(package);
    let imports_c = || {
        tools
            .source_directory(package)
            .is_some_and(|dir| commands::imports_c(&dir))
    };
    if tool_runs::has_undefined_name(&output) && imports_c() {
        return Reason::NeedsCgo;
    }
    tool_runs::classify_output(&output).unwrap_or(Reason::Internal)
}

/// The reason why build constraints exclude all files of a package.
fn classify_excluded(error: &GoError<'_>, work: &Path, known: &[PathBuf]) -> Reason {
    let Some(dir) = excluded_directory(error.text, known) else {
        return Reason::NotForThisPlatform;
    };
    let package = work.join(dir);
    if commands::imports_c(&package) {
        return Reason::NeedsCgo;
    }
    match commands::package_requirement(&package) {
        Some(BuildRequirement::Cgo) => Reason::NeedsCgo,
        Some(BuildRequirement::Experiment | BuildRequirement::Tags | BuildRequirement::Ignored) => {
            Reason::NeedsTags
        }
        Some(BuildRequirement::Nothing) | None => Reason::NotForThisPlatform,
    }
}

/// The directory of the package in an error of class `Excluded`, relative to the working directory of `go`. Returns `None` for a
/// directory that is neither below that one nor below one of `known`: it must not be read.
fn excluded_directory<'a>(text: &'a str, known: &[PathBuf]) -> Option<&'a Path> {
    let dir = strip_shape("build constraints exclude all Go files in ", text)?;
    let dir = Path::new(dir.lines().next()?);
    let below = known.iter().find_map(|known| dir.strip_prefix(known).ok());
    let is_normal = |part: Component<'_>| matches!(part, Component::Normal(_));
    below.unwrap_or(dir).components().all(is_normal).then_some(dir)
}

/// The error of a module that cannot be downloaded, from the output of `go mod download` or one error of `go list`. `exact`:
/// whether the request names a version.
pub fn diagnose_module(stderr: &str, exact: bool, hidden: &[PathBuf]) -> Error {
    let missing = if exact {
        Reason::NoSuchVersion
    } else {
        Reason::NoSuchModule
    };
    let errors = messages::parse(stderr);
    let reason_of = |error: &GoError<'_>| match error.class {
        ErrorClass::MissingModule => missing,
        ErrorClass::InvalidZip => Reason::InvalidModule,
        ErrorClass::Fails(reason) if reason != Reason::Internal => reason,
        // Modules that are newer than the checksum database, or that it must not know. These commands compile nothing.
        ErrorClass::UnverifiedModule
        | ErrorClass::Fails(_)
        | ErrorClass::InvalidSource
        | ErrorClass::Excluded
        | ErrorClass::ToolFailed
        | ErrorClass::ToolKilled => Reason::ProxyFailed,
    };
    let reason = errors.iter().map(reason_of).min_by_key(rank);
    to_error(reason.unwrap_or(Reason::ProxyFailed), stderr, &errors, "", hidden)
}

/// Whether this error of `go list -e` is a failure of the module proxy, not a missing module.
pub fn is_proxy_failure(text: &str) -> bool {
    messages::parse_one(text).is_some_and(|error| {
        matches!(
            error.class,
            ErrorClass::Fails(Reason::ProxyFailed | Reason::Internal) | ErrorClass::UnverifiedModule
        )
    })
}

/// Parses the version of Go that a module needs: `requires go >= 1.27.2 (running go 1.26.8; GOTOOLCHAIN=local)`.
pub fn parse_needed_go(error: &Error) -> Option<GoVersion> {
    let errors = messages::parse(&error.log);
    let needs_newer_go = |error: &&GoError<'_>| error.class == ErrorClass::Fails(Reason::NeedsNewerGo);
    let text = errors.iter().find(needs_newer_go)?.text;
    let (_, needed) = text.split_once(" requires go >= ")?;
    needed.split_whitespace().next()?.parse().ok()
}

/// Creates an error with the text for the client and the log. `output` is the output of the tools.
fn to_error(reason: Reason, stderr: &str, errors: &[GoError<'_>], output: &str, hidden: &[PathBuf]) -> Error {
    let lines = |class: ErrorClass, line: &dyn Fn(&GoError<'_>) -> String| {
        let of_class = errors.iter().filter(|error| error.class == class);
        let mut lines: Vec<String> = of_class.map(line).collect();
        lines.sort();
        lines.dedup();
        lines.join("\n")
    };
    let with_status = |error: &GoError<'_>| format!("{}{}", error.subject, http_status(error.text));
    let unverified = || {
        lines(ErrorClass::UnverifiedModule, &|error| {
            format!("{}: not in the checksum database", error.subject)
        })
    };
    // A stack trace, or the features that the kernel lacks, are of no use to a client.
    let detail = if matches!(
        reason,
        Reason::OutOfMemory | Reason::OutOfTime | Reason::NoSandbox
    ) {
        String::new()
    } else if reason == Reason::ProxyFailed {
        // Clients must not see the addresses of the operator's servers.
        [lines(ErrorClass::Fails(reason), &with_status), unverified()].join("\n")
    } else if reason == Reason::MissingDependency {
        [lines(ErrorClass::MissingModule, &with_status), unverified()].join("\n")
    } else if reason == Reason::InvalidModule {
        lines(ErrorClass::InvalidZip, &describe_invalid_zip)
    } else if errors.iter().any(is_forbidden) {
        client_lines(stderr) + "403 means that the module proxy does not have it, or refuses to serve it."
    } else {
        client_lines(stderr) + output
    };
    Error::new(reason)
        .detail(remove_paths(&detail, hidden).trim())
        .log(format!("{stderr}{output}"))
}

/// The HTTP status in `reading https://proxy/x: 404 Not Found`, after a colon.
fn http_status(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let status = strip_shape("reading *: ", line);
    status.map_or(String::new(), |status| format!(": {status}"))
}

/// Whether the module proxy answered 403 for a module.
fn is_forbidden(error: &GoError<'_>) -> bool {
    error.class == ErrorClass::MissingModule && http_status(error.text).starts_with(": 403 ")
}

/// The module, and the file in its zip that Go cannot pack or unpack.
fn describe_invalid_zip(error: &GoError<'_>) -> String {
    let cause = match error.text.split_once(CREATE_ZIP) {
        Some((_, cause)) => cause,
        None => strip_shape("unzip *: ", error.text).unwrap_or(error.text),
    };
    let cause = cause.lines().next().unwrap_or_default();
    match error.subject {
        "" => cause.to_owned(),
        subject => format!("{subject}: {cause}"),
    }
}

/// The lines of `stderr` that a client may see: no progress, no exit status of a tool, no response of a server.
fn client_lines(stderr: &str) -> String {
    let mut is_response = false;
    let is_visible = |line: &&str| {
        is_response = line.starts_with(SERVER_RESPONSE) || is_response && line.starts_with('\t');
        !is_response && !messages::is_progress(line) && !line.contains(": tool: exit status ")
    };
    let lines = stderr.lines().filter(is_visible);
    lines.map(|line| format!("{line}\n")).collect()
}

/// Removes these paths from the text.
fn remove_paths(text: &str, hidden: &[PathBuf]) -> String {
    hidden.iter().fold(text.to_owned(), |text, path| {
        text.replace(&format!("file://{}", path.display()), "the module proxy")
            .replace(&format!("{}/", path.display()), "")
            .replace(&path.display().to_string(), "")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(stderr: &str) -> Error {
        let outcome = Outcome {
            termination: Termination::Exited(1),
            stdout: Vec::new(),
            stderr: stderr.as_bytes().to_vec(),
            out_of_memory: true,
        };
        let limit = Duration::from_secs(9);
        diagnose_build(&outcome, &ToolRuns::default(), limit, Path::new("/w"), &[])
    }

    #[test]
    fn needed_go_is_parsed_from_errors_of_go_only() {
        let needed =
            |stderr: &str| parse_needed_go(&diagnose_module(stderr, true, &[])).map(|go| go.to_string());
        let line = |version: &str| {
            format!("go: a.b/c@v1: a.b/c@v1 requires go >= {version} (running go 1.26.8; GOTOOLCHAIN=local)")
        };
        assert_eq!(needed(&line("1.27.2")).as_deref(), Some("1.27.2"));
        assert_eq!(needed(&line("1.27-/x")), None);
        assert_eq!(
            needed(&format!(
                "x.go:1:1: expected 'package', found \"{}\"",
                line("1.27.2")
            )),
            None
        );
    }

    #[test]
    fn missing_dependencies_are_named_once() {
        let zip = "../m/a.go:2:1: a.b/c@v1.0.0: reading https://p/a.b/c/@v/v1.0.0.zip: 403 Forbidden\n\tserver response: no\n";
        let list = "a/b imports\n\ta.b/d: module a.b/d: reading https://p/a.b/d/@v/list: 404 Not Found\n";
        let error = failed(&[zip, zip, list].concat());
        assert_eq!(error.reason, Reason::MissingDependency);
        assert_eq!(error.detail, "a.b/c@v1.0.0: 403 Forbidden\na.b/d: 404 Not Found");
        for proxy_failure in [
            "a.go:1:1: a.b/e@v1.0.0: reading https://p/a.b/e/@v/v1.0.0.zip: 500 Internal Server Error\n",
            "a.go:1:1: a.b/e@v1.0.0: verifying module: a.b/e@v1.0.0: reading https://s/lookup/a.b/e@v1.0.0: 503 Unavailable\n",
            "a.go:1:1: a.b/e@v1.0.0: Get \"https://p/a.b/e/@v/v1.0.0.zip\": dial tcp: i/o timeout\n",
        ] {
            assert_eq!(
                failed(&[zip, proxy_failure].concat()).reason,
                Reason::ProxyFailed,
                "{proxy_failure}"
            );
        }
    }

    /// The go.mod of moby v2.0.0-beta.24 requires such a module.
    #[test]
    fn dependency_missing_in_checksum_database_is_missing() {
        let line = "go: a.b/e@v1.0.0: verifying go.mod: a.b/e@v1.0.0/go.mod: reading https://s/lookup/a.b/e@v1.0.0: 404 Not Found\n";
        let error = failed(line);
        assert_eq!(error.reason, Reason::MissingDependency);
        assert_eq!(error.detail, "a.b/e@v1.0.0: not in the checksum database");
    }

    #[test]
    fn forbidden_module_is_missing_or_refused() {
        let text = "module a.b/c: reading https://p/a.b/c/@v/list: 403 Forbidden\n\tserver response: no";
        let error = diagnose_module(text, false, &[]);
        assert_eq!(error.reason, Reason::NoSuchModule);
        assert!(error.detail.contains("refuses to serve it"), "{}", error.detail);
        let text = text.replace("403 Forbidden", "404 Not Found");
        assert!(!diagnose_module(&text, false, &[]).detail.contains("refuses"));
    }

    #[test]
    fn module_missing_in_checksum_database_is_a_proxy_failure() {
        let text = |step: &str| format!("a.b/c@v1.0.0: {step}https://s/x: 404 Not Found");
        let reason = |step: &str| diagnose_module(&text(step), true, &[]).reason;
        assert_eq!(reason("reading "), Reason::NoSuchVersion);
        assert_eq!(
            reason("verifying module: a.b/c@v1.0.0: reading "),
            Reason::ProxyFailed
        );
        assert!(is_proxy_failure(&text(
            "verifying go.mod: a.b/c@v1.0.0: reading "
        )));
    }

    #[test]
    fn responses_of_servers_are_not_shown_to_clients() {
        for text in [
            "a.b/c@v1.0.0: reading https://p/x: 404 Not Found\n\tserver response: secret",
            "a.b/c@v1.0.0: reading https://p/x: 404 Not Found\n\tserver response:\n\tsecret\n\tsecret",
            "a.b/c@v1.0.0: reading https://p/x: 500 Internal Server Error\n\tserver response: secret",
            "a.b/c@v1.0.0: Get \"http://secret/\": dial tcp 192.0.2.1:80: connect: connection refused",
        ] {
            for error in [diagnose_module(text, true, &[]), failed(&format!("go: {text}\n"))] {
                assert!(error.detail.starts_with("a.b/c@v1.0.0") || error.detail.starts_with("go: a.b/c"));
                assert!(!error.detail.contains("secret"), "{text}");
                assert!(error.log.contains("secret"), "{text}");
            }
        }
        let zip = "a.b/c@v1.0.0: reading https://p/x: 404 Not Found\n\tserver response: not found: create zip: con/x.go: malformed file path";
        let error = diagnose_module(zip, true, &[]);
        assert_eq!(error.reason, Reason::InvalidModule);
        assert_eq!(error.detail, "a.b/c@v1.0.0: con/x.go: malformed file path");
    }

    #[test]
    fn excluded_package_is_read_only_in_directories_of_the_build() {
        let known = ["../../cache/modules", "/go"].map(PathBuf::from);
        for (dir, is_read) in [
            ("copy/a", true),
            ("../../cache/modules/a.b/c@v1.0.0", true),
            ("/go/src/runtime/cgo", true),
            ("../../cache/modules/../../../etc", false),
            ("../secret", false),
            ("/etc", false),
        ] {
            let text = format!("build constraints exclude all Go files in {dir}\n");
            assert_eq!(excluded_directory(&text, &known).is_some(), is_read, "{dir}");
        }
    }
}
