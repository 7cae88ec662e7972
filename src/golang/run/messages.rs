//! Parses the errors that `go` itself prints, by the exact shape of their lines (cmd/go of Go 1.21 to 1.27).
//!
//! The output of tools is not among them: it goes to other files (`tool_runs.rs`). A module author can write only parts of a
//! line, as a file name or a quoted literal. Text of several lines occurs only in a literal, after a line that matches none of
//! the shapes below. So lines are trusted from the first one on, until one is unknown.

use crate::error::Reason;
use crate::golang::run::shape::{starts_with_line, strip_position, strip_shape};

/// The class of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// The build fails for this reason.
    Fails(Reason),
    /// The module proxy does not have a module, or refuses it.
    MissingModule,
    /// The checksum database does not have a module.
    UnverifiedModule,
    /// Go cannot create or unpack the zip of a module.
    InvalidZip,
    /// Build constraints exclude all files of a package.
    Excluded,
    /// A tool failed. The reason is in its output.
    ToolFailed,
    /// A signal killed a tool.
    ToolKilled,
    /// A source file is invalid. The text quotes it.
    InvalidSource,
}

/// One error that `go` printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GoError<'a> {
    pub(super) class: ErrorClass,
    /// The module or package that precedes the error.
    pub(super) subject: &'a str,
    /// The error, without what precedes it.
    pub(super) text: &'a str,
}

use ErrorClass::{
    Excluded, Fails, InvalidSource, InvalidZip, MissingModule, ToolFailed, ToolKilled, UnverifiedModule,
};

/// The beginnings of lines that are progress or warnings.
const PROGRESS: &[&str] = &[
    // The flag -work.
    "WORK=",
    "go: downloading ",
    FINDING,
    "go: found ",
    "go: module * is deprecated: ",
    "go: warning: ",
    // Warnings of gox-server on kernels without a system call (main.rs).
    "gox-server: cannot hide from other processes: ",
    "gox-server: cannot listen to signals: ",
];

/// `go` looks for the newest version of a module that no go.mod requires.
const FINDING: &str = "go: finding module for package ";

/// Prefixes of an error: its place, the import chain (load.PackageError, modload.ImportStack), or the requirement chain
/// (mvs.BuildListError).
const PREFIXES: &[&str] = &[
    "go: ",
    "-> ",
    "package ",
    "module ",
    "* from *\n\timports ",
    "* from *: ",
    "*\n\timports ",
    "* imports\n\t",
    "* tested by\n\t",
    "* requires\n\t",
    "* (in *): ",
    "* (replaced by *): ",
    "cannot find module providing package *: ",
    "loading deprecation for *: ",
    "loading module retractions for *: ",
    "verifying *: ",
    "invalid version: ",
    "*\n\t",
    "*: ",
];

/// The shape of an error's line without its prefixes, and the class of the error. `…` at the end matches any rest of the line.
/// The first row that matches counts.
const ERRORS: &[(&str, ErrorClass)] = &[
    // gox-server, instead of a `go` or a tool that it did not start.
    ("gox-server: cannot enter the cell: ~", Fails(Reason::NoSandbox)),
    (
        "gox-server: cannot write ~: No space left on device (os error 28)",
        Fails(Reason::DiskFull),
    ),
    (
        "gox-server: *: an #include is outside of ~",
        Fails(Reason::DoesNotCompile),
    ),
    (
        "gox-server: ~: the build ID does not match the content",
        Fails(Reason::DoesNotCompile),
    ),
    (
        "gox-server: *: '#' must be first item on line",
        Fails(Reason::DoesNotCompile),
    ),
    // work/exec.go: the program that `-toolexec` names, normalized (`tool_runs::TOOL`).
    ("tool: exit status *", ToolFailed),
    // Limits of memory and CPU time send SIGKILL.
    ("tool: signal: killed", ToolKilled),
    // seccomp: either gox-server has a bug, or a package has taken over the tool.
    ("tool: signal: bad system call", Fails(Reason::Internal)),
    (
        "tool: signal: bad system call (core dumped)",
        Fails(Reason::Internal),
    ),
    // modfetch/fetch.go, x/mod/sumdb.
    ("SECURITY ERROR", Fails(Reason::ChecksumMismatch)),
    ("verifying *: checksum mismatch", Fails(Reason::ChecksumMismatch)),
    ("verifying *: *: reading *: 404 ~", UnverifiedModule),
    ("verifying *: *: reading *: 410 ~", UnverifiedModule),
    ("verifying *: *: reading *: ~", Fails(Reason::ProxyFailed)),
    (
        "verifying *: checksum missing from sumdb response",
        Fails(Reason::ProxyFailed),
    ),
    // load/pkg.go, PackagesAndErrorsOutsideModule.
    (
        "* (in *):\n\tThe go.mod file for the module providing named packages contains one or\n\
         \tmore * directives. It must not contain directives that would cause",
        Fails(Reason::ReplaceDirectives),
    ),
    // modload/import.go, and modload/modfile.go where the directory's go.mod is read.
    (
        "replacement directory ~ does not exist",
        Fails(Reason::MissingReplacement),
    ),
    ("replacement directory ~: ~", Fails(Reason::MissingReplacement)),
    (
        "* (replaced by ~): reading ~: open ~: no such file or directory",
        Fails(Reason::MissingReplacement),
    ),
    // modload/modfile.go. It is a conflict only for the requested module.
    (
        "version constraints conflict:\n\t*: parsing go.mod:\n\tmodule declares its path as: *",
        Fails(Reason::DeclaresAnotherPath),
    ),
    (
        "parsing go.mod:\n\tmodule declares its path as: *",
        Fails(Reason::DoesNotCompile),
    ),
    // gover/toolchain.go, TooNewError.
    (
        "* requires go >= * (running go *; ~)",
        Fails(Reason::NeedsNewerGo),
    ),
    (
        "module * requires go >= * (running go *; ~)",
        Fails(Reason::NeedsNewerGo),
    ),
    ("package * is not a main package", Fails(Reason::NoCommand)),
    // load/pkg.go.
    ("build constraints exclude all Go files in ~", Excluded),
    (
        "~ requires external (cgo) linking, but cgo is not enabled",
        Fails(Reason::NeedsCgo),
    ),
    ("found packages ~ in ~", Fails(Reason::NotForThisPlatform)),
    ("pattern *: no matching files found", Fails(Reason::MissingEmbed)),
    (
        "pattern *: cannot embed directory *: contains no embeddable files",
        Fails(Reason::MissingEmbed),
    ),
    ("no Go files in ~", Fails(Reason::DoesNotCompile)),
    ("no non-test Go files in ~", Fails(Reason::DoesNotCompile)),
    ("import cycle not allowed", Fails(Reason::DoesNotCompile)),
    (
        "use of internal package * not allowed",
        Fails(Reason::DoesNotCompile),
    ),
    (
        "import * is a program, not an importable package",
        Fails(Reason::DoesNotCompile),
    ),
    ("package * is not in std (~)", Fails(Reason::DoesNotCompile)),
    ("package * is not in GOROOT (~)", Fails(Reason::DoesNotCompile)),
    // modload/import.go.
    (
        "no required module provides package *; to add it:",
        Fails(Reason::DoesNotCompile),
    ),
    (
        "cannot find module providing package *",
        Fails(Reason::DoesNotCompile),
    ),
    (
        "ambiguous import: found package * in multiple modules:",
        Fails(Reason::DoesNotCompile),
    ),
    (
        "module * found (*), but does not contain package *",
        Fails(Reason::DoesNotCompile),
    ),
    (
        "module * found, but does not contain package *",
        Fails(Reason::DoesNotCompile),
    ),
    // x/mod/modfile.
    ("go.mod:*: …", Fails(Reason::DoesNotCompile)),
    ("parsing go.mod: …", Fails(Reason::DoesNotCompile)),
    ("errors parsing ~:", Fails(Reason::DoesNotCompile)),
    (
        "error reading ~: missing module declaration. To specify the module path:",
        Fails(Reason::DoesNotCompile),
    ),
    ("malformed module path ~", Fails(Reason::DoesNotCompile)),
    // modfetch/fetch.go, x/mod/zip.
    ("unzip ~", InvalidZip),
    ("zip for * has unexpected file ~", InvalidZip),
    ("downloaded zip file too large", InvalidZip),
    // web/api.go, HTTPError. Some proxies answer 403 for a missing module.
    (
        "reading *: 4~\n\tserver response: not found: create zip: …",
        InvalidZip,
    ),
    (
        "reading *: 4~\n\tserver response:\n\tnot found: create zip: …",
        InvalidZip,
    ),
    ("reading *: 403 ~", MissingModule),
    ("reading *: 404 ~", MissingModule),
    ("reading *: 410 ~", MissingModule),
    ("reading *: no such file or directory", MissingModule),
    ("unknown revision *", MissingModule),
    ("no matching versions for query ~", MissingModule),
    ("reading *: ~", Fails(Reason::ProxyFailed)),
    // net/http, net. `~` does not match an address, which ends like a position: each error has a row.
    ("Get \"*\": dial tcp *: connect: ~", Fails(Reason::ProxyFailed)),
    ("Get \"*\": dial tcp *: i/o timeout", Fails(Reason::ProxyFailed)),
    (
        "Get \"*\": dial tcp *: operation was canceled",
        Fails(Reason::ProxyFailed),
    ),
    ("Get \"*\": dial tcp *: socket: ~", Fails(Reason::ProxyFailed)),
    (
        "Get \"*\": dial tcp: lookup * on *: no such host",
        Fails(Reason::ProxyFailed),
    ),
    (
        "Get \"*\": dial tcp: lookup * on *: server misbehaving",
        Fails(Reason::ProxyFailed),
    ),
    (
        "Get \"*\": dial tcp: lookup * on *: read udp *: i/o timeout",
        Fails(Reason::ProxyFailed),
    ),
    (
        "Get \"*\": dial tcp: lookup * on *: read udp *: read: ~",
        Fails(Reason::ProxyFailed),
    ),
    (
        "Get \"*\": dial tcp: lookup * on *: dial udp *: connect: ~",
        Fails(Reason::ProxyFailed),
    ),
    ("Get \"*\": read tcp *: read: ~", Fails(Reason::ProxyFailed)),
    ("Get \"*\": read tcp *: i/o timeout", Fails(Reason::ProxyFailed)),
    ("Get \"*\": write tcp *: write: ~", Fails(Reason::ProxyFailed)),
    ("Get \"*\": ~", Fails(Reason::ProxyFailed)),
    // Other network errors. A module author can write such a line too, so the reason is one that is not cached.
    ("Get \"…", Fails(Reason::Internal)),
    // A response body that ends early.
    ("read tcp *: read: ~", Fails(Reason::ProxyFailed)),
    ("unexpected EOF", Fails(Reason::ProxyFailed)),
    // modfetch/proxy.go, modfetch/repo.go.
    ("invalid response from proxy *: ~", Fails(Reason::ProxyFailed)),
    (
        "proxy returned info for version * instead of requested version",
        Fails(Reason::ProxyFailed),
    ),
    (
        "invalid character ~ looking for beginning of value",
        Fails(Reason::ProxyFailed),
    ),
    ("unexpected end of JSON input", Fails(Reason::ProxyFailed)),
    ("module lookup disabled by ~", Fails(Reason::ProxyFailed)),
    ("unrecognized import path ~", Fails(Reason::ProxyFailed)),
];

/// The beginnings of errors of package os.
const OPERATIONS: &[&str] = &[
    "open ",
    "write ",
    "mkdir ",
    "rename ",
    "close ",
    "sync ",
    "chmod ",
    "unzip ",
    "mmap ",
    "fork/exec ",
    "creating ",
    "go: ",
];

/// The endings of errors of package os when a limit is reached or the disk is full.
const EXHAUSTED: &[(&str, Reason)] = &[
    (": no space left on device", Reason::DiskFull),
    (": disk quota exceeded", Reason::DiskFull),
    (": cannot allocate memory", Reason::OutOfMemory),
    (": file too large", Reason::TooLarge),
];

/// Whether `go` looked for modules that no go.mod requires. It takes their newest versions.
pub fn looked_for_modules(stderr: &str) -> bool {
    stderr
        .lines()
        .take_while(|line| is_progress(line))
        .any(|line| line.starts_with(FINDING))
}

/// Whether the line is progress or a warning.
pub(super) fn is_progress(line: &str) -> bool {
    PROGRESS.iter().any(|shape| strip_shape(shape, line).is_some())
}

/// Parses the errors that `go` printed. Stops where a line could be the text of a module author.
pub(super) fn parse(stderr: &str) -> Vec<GoError<'_>> {
    let mut errors = Vec::new();
    let mut rest = stderr;
    while let Some(line) = rest.lines().next() {
        // An indented line belongs to the error before it. `# PACKAGE` precedes the output of a tool.
        let is_continuation = line.is_empty() || line.starts_with(['\t', ' ', '#']);
        if !is_continuation && !is_progress(line) {
            let Some(error) = parse_one(rest) else {
                break;
            };
            // The text after a position may quote a module author, and continue on the next lines.
            let is_trusted = error.class != InvalidSource && strip_position(error.text).is_none();
            errors.push(error);
            if !is_trusted {
                break;
            }
        }
        rest = rest.split_once('\n').map_or("", |(_, next)| next);
    }
    errors
}

/// Parses the error at the start of `text`, if its shape is known.
pub(super) fn parse_one(text: &str) -> Option<GoError<'_>> {
    let (mut subject, mut rest) = ("", text);
    // The file name before a position may contain spaces.
    let mut after_position = strip_position(text).filter(|_| !text.starts_with("go: "));
    let has_position = after_position.is_some();
    loop {
        if let Some(class) = classify(rest) {
            return Some(GoError {
                class,
                subject,
                text: rest,
            });
        }
        if let Some(after) = PREFIXES.iter().find_map(|shape| strip_shape(shape, rest)) {
            let prefix = rest[..rest.len() - after.len()].trim_end_matches([':', ' ', '\n', '\t']);
            subject = prefix.rsplit(char::is_whitespace).next().unwrap_or(prefix);
            rest = after;
        } else if let Some(after) = after_position.take() {
            rest = after;
        } else {
            return has_position.then_some(GoError {
                class: InvalidSource,
                subject: "",
                text,
            });
        }
    }
}

/// The class of an error without its prefixes, if its shape is known.
fn classify(text: &str) -> Option<ErrorClass> {
    let line = text.lines().next().unwrap_or_default();
    let exhausted = EXHAUSTED.iter().find(|(ending, _)| line.ends_with(ending));
    if let Some((_, reason)) = exhausted
        && OPERATIONS.iter().any(|operation| line.starts_with(operation))
        && strip_position(line).is_none()
    {
        return Some(Fails(*reason));
    }
    let row = ERRORS.iter().find(|(shape, _)| matches(shape, text));
    row.map(|(_, class)| *class)
}

fn matches(shape: &str, text: &str) -> bool {
    match shape.strip_suffix('…') {
        Some(beginning) => strip_shape(beginning, text).is_some(),
        None => starts_with_line(shape, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Real lines, or lines that the source of cmd/go prints. Each row of the table has an example.
    const EXAMPLES: &[(&str, ErrorClass)] = &[
        (
            "gox-server: cannot enter the cell: Landlock: files, TCP ports, signals: no",
            Fails(Reason::NoSandbox),
        ),
        (
            "# a.b/c\ngox-server: cannot write /d/work/k/output/b001: No space left on device (os error 28)",
            Fails(Reason::DiskFull),
        ),
        (
            "# a.b/c\ngox-server: x.s: an #include is outside of its package",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "# a.b/c\ngox-server: x.s: '#' must be first item on line",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "# a.b/c\ngox-server: /c/ab/cd-d: the build ID does not match the content",
            Fails(Reason::DoesNotCompile),
        ),
        ("a.b/c: tool: exit status 2", ToolFailed),
        ("a.b/c: tool: signal: killed", ToolKilled),
        ("a.b/c: tool: signal: bad system call", Fails(Reason::Internal)),
        (
            "a.b/c: tool: signal: bad system call (core dumped)",
            Fails(Reason::Internal),
        ),
        (
            "go: SECURITY ERROR\ngo.sum database server misbehavior detected!",
            Fails(Reason::ChecksumMismatch),
        ),
        (
            "go: a.b/c@v1.0.0: verifying module: checksum mismatch\n\tdownloaded: h1:x=\n\tsum.example: h1:y=",
            Fails(Reason::ChecksumMismatch),
        ),
        (
            "verifying a.b/c@v1.0.0: checksum mismatch",
            Fails(Reason::ChecksumMismatch),
        ),
        (
            "x.go:3:8: a.b/c@v1.0.0: verifying module: a.b/c@v1.0.0: reading https://s/lookup/a.b/c@v1.0.0: 404 Not Found",
            UnverifiedModule,
        ),
        (
            "go: a.b/c@v1.0.0: verifying go.mod: a.b/c@v1.0.0/go.mod: reading https://s/lookup/a.b/c@v1.0.0: 410 Gone",
            UnverifiedModule,
        ),
        (
            "go: a.b/c@v1.0.0: verifying go.mod: a.b/c@v1.0.0/go.mod: reading https://s/lookup/a.b/c@v1.0.0: 500 Internal Server Error",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: verifying go.mod: checksum missing from sumdb response",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0 (in a.b/c@v1.0.0):\n\tThe go.mod file for the module providing named packages contains one or\n\
             \tmore replace directives. It must not contain directives that would cause\n\tit to be interpreted",
            Fails(Reason::ReplaceDirectives),
        ),
        (
            "go: a.b/c@v0.0.0: replacement directory ./c does not exist",
            Fails(Reason::MissingReplacement),
        ),
        (
            "x.go:3:8: a.b/c@v0.0.0: replacement directory ./c does not exist",
            Fails(Reason::MissingReplacement),
        ),
        (
            "go: replacement directory ./c: stat ./c: not a directory",
            Fails(Reason::MissingReplacement),
        ),
        (
            "go: a.b/c@v0.0.0 (replaced by ./c): reading c/go.mod: open /w/module/c/go.mod: no such file or directory",
            Fails(Reason::MissingReplacement),
        ),
        (
            "go: a.b/c@v1.0.0: version constraints conflict:\n\ta.b/c@v1.0.0: parsing go.mod:\n\tmodule declares its path as: d.e/f\n\t        but was required as: a.b/c",
            Fails(Reason::DeclaresAnotherPath),
        ),
        (
            "go: a.b/e@v1.0.0: parsing go.mod:\n\tmodule declares its path as: a.b/E\n\t        but was required as: a.b/e",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "go: a.b/c@v1.0.0: a.b/c@v1.0.0 requires go >= 1.99 (running go 1.26.8; GOTOOLCHAIN=local)",
            Fails(Reason::NeedsNewerGo),
        ),
        (
            "go: a.b/c@v1.0.0 requires\n\ta.b/d@v1.0.0 requires go >= 1.99 (running go 1.26.8; GOTOOLCHAIN=local)",
            Fails(Reason::NeedsNewerGo),
        ),
        (
            "go: module a.b/c@v1.0.0 requires go >= 1.99 (running go 1.26.8; x)",
            Fails(Reason::NeedsNewerGo),
        ),
        ("package a.b/c is not a main package", Fails(Reason::NoCommand)),
        (
            "package a.b/c\n\timports a.b/c/d: build constraints exclude all Go files in /m/a.b/c@v1.0.0/d",
            Excluded,
        ),
        (
            "android/386 requires external (cgo) linking, but cgo is not enabled",
            Fails(Reason::NeedsCgo),
        ),
        (
            "package a.b/c: found packages a (a.go) and b (b.go) in /m/a.b/c@v1.0.0",
            Fails(Reason::NotForThisPlatform),
        ),
        (
            "../m/x.go:5:12: pattern all:dist: no matching files found",
            Fails(Reason::MissingEmbed),
        ),
        (
            "../m/x.go:5:12: pattern dist/*: cannot embed directory dist: contains no embeddable files",
            Fails(Reason::MissingEmbed),
        ),
        (
            "package a.b/c: no Go files in /m/a.b/c@v1.0.0",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "package a.b/c: no non-test Go files in /m/a.b/c@v1.0.0",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "package a.b/c\n\timports a.b/d from a.go\n\timports a.b/c from d.go: import cycle not allowed",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "package a.b/c\n\tx.go:3:8: use of internal package a.b/d/internal not allowed",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "x.go:3:8: import \"a.b/c\" is a program, not an importable package",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "x.go:3:8: package foo is not in std (/go/src/foo)",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "x.go:3:8: package foo is not in GOROOT (/go/src/foo)",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "x.go:3:8: no required module provides package a.b/c; to add it:\n\tgo get a.b/c",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "a.b/c imports\n\ta.b/d: cannot find module providing package a.b/d",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "x.go:3:8: ambiguous import: found package a.b/c in multiple modules:\n\ta.b v1.0.0 (/m/a.b)",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "x.go:3:8: module a.b/d@latest found (v2.0.0), but does not contain package a.b/d/x",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "x.go:3:8: module a.b/d@v1.0.0 found, but does not contain package a.b/d/x",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "go: a.b/c@v1.0.0 (in a.b/c@v1.0.0): go.mod:7: unknown directive: x",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "go: a.b/c@v1.0.0: loading deprecation for a.b/c: a.b/c@v1.0.0: parsing go.mod: go.mod:3: invalid go version '\"1.21\"'",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "go: errors parsing go.mod:\n/w/module/go.mod:7: unknown directive: x",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "go: error reading go.mod: missing module declaration. To specify the module path:\n\tgo mod edit -module=example.com/mod",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "clx@v1.0.0: malformed module path \"clx\": missing dot in first path element",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "-> unzip /m/v1.0.0.zip: a.b/c@v1.0.0/README: case-insensitive file name collision: \"readme\" and \"README\"",
            InvalidZip,
        ),
        (
            "go: a.b/c@v1.0.0: zip for a.b/c@v1.0.0 has unexpected file /tmp/x",
            InvalidZip,
        ),
        ("go: a.b/c@v1.0.0: downloaded zip file too large", InvalidZip),
        (
            "a.b/c@v1.0.0: reading https://p/a.zip: 404 Not Found\n\tserver response: not found: create zip: readme.md: case-insensitive file name collision",
            InvalidZip,
        ),
        (
            "a.b/c@v1.0.0: reading https://p/a.zip: 404 Not Found\n\tserver response:\n\tnot found: create zip: con/x.go: malformed\n\tmore",
            InvalidZip,
        ),
        (
            "x.go:3:8: a.b/c@v1.0.0: reading https://p/a.b/c/@v/v1.0.0.zip: 403 Forbidden",
            MissingModule,
        ),
        (
            "go: a.b/c@v1.0.0 requires\n\ta.b/d@v1.0.0: reading https://p/d.mod: 404 Not Found\n\tserver response: no",
            MissingModule,
        ),
        ("a.b/c@v1: reading https://p/x.info: 410 Gone", MissingModule),
        (
            "module a.b/c: reading file:///p/a.b/c/@v/list: no such file or directory",
            MissingModule,
        ),
        ("a.b/c@abc: unknown revision abc", MissingModule),
        ("a.b/c@abc: invalid version: unknown revision abc", MissingModule),
        ("a.b/c@v9: no matching versions for query \"v9\"", MissingModule),
        (
            "a.b/c@v1.0.0: reading https://p/x.zip: 500 Internal Server Error",
            Fails(Reason::ProxyFailed),
        ),
        (
            "module a.b/c: Get \"http://127.0.0.1:1/x\": dial tcp 127.0.0.1:1: connect: connection refused",
            Fails(Reason::ProxyFailed),
        ),
        (
            "x.go:3:8: a.b/c@v1.0.0: Get \"https://p/x\": dial tcp 192.0.2.1:443: i/o timeout",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": dial tcp 192.0.2.1:443: operation was canceled",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": dial tcp 192.0.2.1:443: socket: permission denied",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": dial tcp: lookup p on 192.0.2.1:53: no such host",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": dial tcp: lookup p on 192.0.2.1:53: server misbehaving",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": dial tcp: lookup p on 192.0.2.1:53: read udp 192.0.2.2:5->192.0.2.1:53: i/o timeout",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": dial tcp: lookup p on 192.0.2.1:53: read udp 192.0.2.2:5->192.0.2.1:53: read: connection refused",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": dial tcp: lookup p on 192.0.2.1:53: dial udp 192.0.2.1:53: connect: network is unreachable",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": read tcp 192.0.2.2:5->192.0.2.1:443: read: connection reset by peer",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": read tcp 192.0.2.2:5->192.0.2.1:443: i/o timeout",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": write tcp 192.0.2.2:5->192.0.2.1:443: write: broken pipe",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: Get \"https://p/x\": net/http: TLS handshake timeout",
            Fails(Reason::ProxyFailed),
        ),
        (
            "x.go:3:8: a.b/c@v1.0.0: Get \"https://p/x\": odd 192.0.2.1:443: odd",
            Fails(Reason::Internal),
        ),
        (
            "a.b/c@v1.0.0: read tcp 192.0.2.2:5->192.0.2.1:443: read: connection reset by peer",
            Fails(Reason::ProxyFailed),
        ),
        ("a.b/c@v1.0.0: unexpected EOF", Fails(Reason::ProxyFailed)),
        (
            "a.b/c@latest: invalid response from proxy \"https://p\": invalid character",
            Fails(Reason::ProxyFailed),
        ),
        (
            "a.b/c@v1.0.0: proxy returned info for version v2.0.0 instead of requested version",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/d: invalid character '<' looking for beginning of value",
            Fails(Reason::ProxyFailed),
        ),
        (
            "a.b/d@v1.0.0: unexpected end of JSON input",
            Fails(Reason::ProxyFailed),
        ),
        (
            "module a.b/d: module lookup disabled by GOPROXY=off",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/d@v1.0.0: unrecognized import path \"a.b/d\"",
            Fails(Reason::ProxyFailed),
        ),
        (
            "a.b/c: open /w/tmp/b001/importcfg: no space left on device",
            Fails(Reason::DiskFull),
        ),
        (
            "go: creating work dir: mkdir /w/tmp/go-build1: disk quota exceeded",
            Fails(Reason::DiskFull),
        ),
        (
            "go: a.b/c@v1.0.0: unzip /m/x.zip: write /m/x: no space left on device",
            Fails(Reason::DiskFull),
        ),
        (
            "a.b/c: fork/exec /g/gox-server: cannot allocate memory",
            Fails(Reason::OutOfMemory),
        ),
        (
            "a.b/c: write /w/tmp/b001/_pkg_.a: file too large",
            Fails(Reason::TooLarge),
        ),
        ("x.go:1:1: expected 'package', found x", InvalidSource),
        ("odd name.go:1: expected 'package', found x", InvalidSource),
    ];

    #[test]
    fn every_shape_has_an_example_of_its_class() {
        let mut unseen: Vec<&str> = ERRORS.iter().map(|(shape, _)| *shape).collect();
        for (example, class) in EXAMPLES {
            for stderr in [
                format!("{example}\n"),
                format!("go: downloading a.b/c v1.0.0\n{example}\n"),
            ] {
                let errors = parse(&stderr);
                assert_eq!(errors.first().map(|error| &error.class), Some(class), "{stderr}");
                unseen.retain(|shape| !errors.iter().any(|error| matches(shape, error.text)));
            }
        }
        assert_eq!(unseen, Vec::<&str>::new());
    }

    #[test]
    fn text_of_an_author_is_not_taken_for_an_error_of_go() {
        // A module author can write an unknown network error too: its reason is `Internal`, which is not cached.
        let other_class = |example: &str| match example.contains("Get \"") {
            true => Fails(Reason::Internal),
            false => Fails(Reason::DoesNotCompile),
        };
        for (example, class) in EXAMPLES.iter().filter(|(_, class)| *class != InvalidSource) {
            let line = example.lines().next().unwrap_or_default();
            for text in [
                // A literal, also of several lines.
                format!("x.go:3:8: expected ';', found \"{line}\"\n"),
                format!("x.go:3:8: invalid import path: `{line}`\n"),
                format!("x.go:3:8: expected ';', found `\n{example}\n`\n"),
                // A file name in a //line directive, with a column and without.
                format!("../m/{line}:7:3: expected 'package', found x\n"),
                format!("../m/{line}:7: expected 'package', found x\n"),
                format!("x.go:1:1: {line}:7:3: expected 'package', found `x: {line}\n{example}\n`\n"),
                format!("x.go:1:1: {line}:7: expected 'package', found `x: {line}\n{example}\n`\n"),
                // A pattern of //go:embed.
                format!("x.go:5:12: pattern a {line}: invalid pattern syntax\n"),
                format!("x.go:5:12: pattern a\n{example}: invalid pattern syntax\n"),
            ] {
                let classes: Vec<_> = parse(&text).iter().map(|error| error.class).collect();
                let allowed = [InvalidSource, other_class(example)];
                assert!(
                    classes.len() == 1 && allowed.contains(&classes[0]),
                    "{text}: {class:?}: {classes:?}"
                );
            }
            let deprecated = format!("go: module a.b/c is deprecated: {line}\n");
            assert_eq!(parse(&deprecated), []);
        }
    }
}
