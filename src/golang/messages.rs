//! The errors that `go` itself prints, by the exact shape of their lines (cmd/go of Go 1.21 to 1.27).
//!
//! A tool's output is never among them: it goes to a file of its own (`tool_runs.rs`). What an author can write is within a line, as a file
//! name or a quoted literal; of several lines only in a literal, behind a line that no row below has. So lines are believed from
//! the first one down, as far as each is known.

use super::shape::{after, begins_with_line, position};
use crate::answer::Reason;

/// What one error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The build fails for this reason.
    Fails(Reason),
    /// The module proxy does not have a module.
    Absent,
    /// Go cannot make or unpack the zip of a module.
    Unpackable,
    /// All files of a package are left out.
    Excluded,
    /// A tool failed. Its output says why.
    ToolFailed,
    /// A signal ended a tool.
    ToolKilled,
    /// A source file is invalid, in words that quote it.
    Source,
}

/// One error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) meaning: Meaning,
    /// The module or package before the error.
    pub(super) subject: &'a str,
    /// The error without it.
    pub(super) text: &'a str,
}

use Meaning::{Absent, Excluded, Fails, Source, ToolFailed, ToolKilled, Unpackable};

/// Progress and warnings, by their beginnings. The build goes on.
const PROGRESS: &[&str] = &[
    "go: downloading ",
    FINDING,
    "go: found ",
    "go: module * is deprecated: ",
    "go: warning: ",
    // main.rs, where the kernel lacks a call.
    "gox-server: cannot hide from other processes: ",
    "gox-server: cannot listen to signals: ",
];

/// Go takes the newest version of a module that no go.mod requires.
const FINDING: &str = "go: finding module for package ";

/// What precedes an error: the place, the import chain (load.PackageError, modload.ImportStack) or the requirement chain (mvs.BuildListError).
const PLACES: &[&str] = &[
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

/// An error's line without its place, and what it says. `…` stands for any rest of it. The first row that fits counts.
const ERRORS: &[(&str, Meaning)] = &[
    // gox-server itself, in place of a `go` or a tool.
    ("gox-server: cannot enter the cell: ~", Fails(Reason::NoSandbox)),
    (
        "gox-server: cannot write ~: No space left on device (os error 28)",
        Fails(Reason::DiskFull),
    ),
    (
        "gox-server: *: an #include leaves ~",
        Fails(Reason::DoesNotCompile),
    ),
    (
        "gox-server: ~: its build ID is not that of its content",
        Fails(Reason::DoesNotCompile),
    ),
    (
        "gox-server: *: '#' must be first item on line",
        Fails(Reason::DoesNotCompile),
    ),
    // work/exec.go: the tool is `-toolexec`, by a name of its own.
    ("tool: exit status *", ToolFailed),
    // The limits of memory and of processor time end in SIGKILL.
    ("tool: signal: killed", ToolKilled),
    // seccomp's. A tool that makes a forbidden system call has met a bug of gox-server or is taken over.
    ("tool: signal: bad system call", Fails(Reason::Internal)),
    (
        "tool: signal: bad system call (core dumped)",
        Fails(Reason::Internal),
    ),
    // modfetch/fetch.go, x/mod/sumdb.
    ("SECURITY ERROR", Fails(Reason::ChecksumMismatch)),
    ("verifying *: checksum mismatch", Fails(Reason::ChecksumMismatch)),
    ("verifying *: *: reading *: ~", Fails(Reason::ProxyFailed)),
    (
        "verifying *: checksum missing from sumdb response",
        Fails(Reason::ProxyFailed),
    ),
    // load/pkg.go, PackagesAndErrorsOutsideModule.
    (
        "* (in *):\n\tThe go.mod file for the module providing named packages contains one or\n\
         \tmore * directives. It must not contain directives that would cause",
        Fails(Reason::OwnDirectives),
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
    // modload/modfile.go. Of a module that was not asked for it is no conflict.
    (
        "version constraints conflict:\n\t*: parsing go.mod:\n\tmodule declares its path as: *",
        Fails(Reason::OtherPath),
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
    ("unzip ~", Unpackable),
    ("zip for * has unexpected file ~", Unpackable),
    ("downloaded zip file too large", Unpackable),
    // web/api.go, HTTPError. Some proxies answer 403.
    (
        "reading *: 4~\n\tserver response: not found: create zip: …",
        Unpackable,
    ),
    (
        "reading *: 4~\n\tserver response:\n\tnot found: create zip: …",
        Unpackable,
    ),
    ("reading *: 403 ~", Absent),
    ("reading *: 404 ~", Absent),
    ("reading *: 410 ~", Absent),
    ("reading *: no such file or directory", Absent),
    ("unknown revision *", Absent),
    ("no matching versions for query ~", Absent),
    ("reading *: ~", Fails(Reason::ProxyFailed)),
    // net/http, net. An address ends as a position does, so each has its row.
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
    // Others pass, and an author may have written some.
    ("Get \"…", Fails(Reason::Internal)),
    // A body that breaks off.
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

/// How an operation of the kernel's begins in an error of os, and how it ends where a limit or the disk is reached.
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
const EXHAUSTED: &[(&str, Reason)] = &[
    (": no space left on device", Reason::DiskFull),
    (": disk quota exceeded", Reason::DiskFull),
    (": cannot allocate memory", Reason::OutOfMemory),
    (": file too large", Reason::TooLarge),
];

/// Whether `go` looked for modules that no go.mod requires.
pub(super) fn looked_for_modules(words: &str) -> bool {
    words
        .lines()
        .take_while(|line| is_progress(line))
        .any(|line| line.starts_with(FINDING))
}

/// Whether the line tells of progress or warns.
pub(super) fn is_progress(line: &str) -> bool {
    PROGRESS.iter().any(|beginning| after(beginning, line).is_some())
}

/// The errors in what `go` printed, as far as each is known to be `go`'s own.
pub(super) fn read(words: &str) -> Vec<Message<'_>> {
    let mut messages = Vec::new();
    let mut rest = words;
    while let Some(line) = rest.lines().next() {
        // An indented line belongs to the error before it. A package's name precedes what its tool says.
        let is_part = line.is_empty() || line.starts_with(['\t', ' ', '#']);
        if !is_part && !is_progress(line) {
            let Some(message) = read_one(rest) else {
                break;
            };
            // Behind a position a line may quote an author.
            let is_trusted = message.meaning != Source && position(message.text).is_none();
            messages.push(message);
            if !is_trusted {
                break;
            }
        }
        rest = rest.split_once('\n').map_or("", |(_, next)| next);
    }
    messages
}

/// The error with which `text` begins, if its shape is known.
pub(super) fn read_one(text: &str) -> Option<Message<'_>> {
    let (mut subject, mut rest) = ("", text);
    // A file's name may have spaces.
    let mut behind_position = position(text).filter(|_| !text.starts_with("go: "));
    let is_source = behind_position.is_some();
    loop {
        if let Some(meaning) = known(rest) {
            return Some(Message {
                meaning,
                subject,
                text: rest,
            });
        }
        if let Some(behind) = PLACES.iter().find_map(|place| after(place, rest)) {
            let place = rest[..rest.len() - behind.len()].trim_end_matches([':', ' ', '\n', '\t']);
            subject = place.rsplit(char::is_whitespace).next().unwrap_or(place);
            rest = behind;
        } else if let Some(behind) = behind_position.take() {
            rest = behind;
        } else {
            return is_source.then_some(Message {
                meaning: Source,
                subject: "",
                text,
            });
        }
    }
}

fn known(text: &str) -> Option<Meaning> {
    let line = text.lines().next().unwrap_or_default();
    let exhausted = EXHAUSTED.iter().find(|(ending, _)| line.ends_with(ending));
    if let Some((_, reason)) = exhausted
        && OPERATIONS.iter().any(|operation| line.starts_with(operation))
        && position(line).is_none()
    {
        return Some(Fails(*reason));
    }
    let row = ERRORS.iter().find(|(shape, _)| has_shape(shape, text));
    row.map(|(_, meaning)| *meaning)
}

fn has_shape(shape: &str, text: &str) -> bool {
    match shape.strip_suffix('…') {
        Some(beginning) => after(beginning, text).is_some(),
        None => begins_with_line(shape, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Real lines, or lines as cmd/go's source prints them: each row of the table has one.
    const EXAMPLES: &[(&str, Meaning)] = &[
        (
            "gox-server: cannot enter the cell: Landlock: files, TCP ports, signals: no",
            Fails(Reason::NoSandbox),
        ),
        (
            "# a.b/c\ngox-server: cannot write /d/work/k/output/b001: No space left on device (os error 28)",
            Fails(Reason::DiskFull),
        ),
        (
            "# a.b/c\ngox-server: x.s: an #include leaves its package",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "# a.b/c\ngox-server: x.s: '#' must be first item on line",
            Fails(Reason::DoesNotCompile),
        ),
        (
            "# a.b/c\ngox-server: /c/ab/cd-d: its build ID is not that of its content",
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
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0: verifying go.mod: checksum missing from sumdb response",
            Fails(Reason::ProxyFailed),
        ),
        (
            "go: a.b/c@v1.0.0 (in a.b/c@v1.0.0):\n\tThe go.mod file for the module providing named packages contains one or\n\
             \tmore replace directives. It must not contain directives that would cause\n\tit to be interpreted",
            Fails(Reason::OwnDirectives),
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
            Fails(Reason::OtherPath),
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
            Unpackable,
        ),
        (
            "go: a.b/c@v1.0.0: zip for a.b/c@v1.0.0 has unexpected file /tmp/x",
            Unpackable,
        ),
        ("go: a.b/c@v1.0.0: downloaded zip file too large", Unpackable),
        (
            "a.b/c@v1.0.0: reading https://p/a.zip: 404 Not Found\n\tserver response: not found: create zip: readme.md: case-insensitive file name collision",
            Unpackable,
        ),
        (
            "a.b/c@v1.0.0: reading https://p/a.zip: 404 Not Found\n\tserver response:\n\tnot found: create zip: con/x.go: malformed\n\tmore",
            Unpackable,
        ),
        (
            "x.go:3:8: a.b/c@v1.0.0: reading https://p/a.b/c/@v/v1.0.0.zip: 403 Forbidden",
            Absent,
        ),
        (
            "go: a.b/c@v1.0.0 requires\n\ta.b/d@v1.0.0: reading https://p/d.mod: 404 Not Found\n\tserver response: no",
            Absent,
        ),
        ("a.b/c@v1: reading https://p/x.info: 410 Gone", Absent),
        (
            "module a.b/c: reading file:///p/a.b/c/@v/list: no such file or directory",
            Absent,
        ),
        ("a.b/c@abc: unknown revision abc", Absent),
        ("a.b/c@abc: invalid version: unknown revision abc", Absent),
        ("a.b/c@v9: no matching versions for query \"v9\"", Absent),
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
        ("x.go:1:1: expected 'package', found x", Source),
        ("odd name.go:1: expected 'package', found x", Source),
    ];

    #[test]
    fn every_shape_has_an_example_that_means_what_it_says() {
        let mut unseen: Vec<&str> = ERRORS.iter().map(|(shape, _)| *shape).collect();
        for (words, meaning) in EXAMPLES {
            for words in [
                format!("{words}\n"),
                format!("go: downloading a.b/c v1.0.0\n{words}\n"),
            ] {
                let messages = read(&words);
                let meanings: Vec<_> = messages.iter().map(|message| message.meaning).collect();
                assert_eq!(meanings.first(), Some(meaning), "{words}");
                unseen.retain(|shape| !messages.iter().any(|message| has_shape(shape, message.text)));
            }
        }
        assert_eq!(unseen, Vec::<&str>::new());
    }

    #[test]
    fn text_of_an_author_is_no_error_of_gos() {
        // An unknown error of the network's can be written by an author too: it is `Internal`, which nothing keeps.
        let fault_of = |words: &str| match words.contains("Get \"") {
            true => Fails(Reason::Internal),
            false => Fails(Reason::DoesNotCompile),
        };
        for (words, meaning) in EXAMPLES.iter().filter(|(_, meaning)| *meaning != Source) {
            let line = words.lines().next().unwrap_or_default();
            for text in [
                // A literal, also of several lines.
                format!("x.go:3:8: expected ';', found \"{line}\"\n"),
                format!("x.go:3:8: invalid import path: `{line}`\n"),
                format!("x.go:3:8: expected ';', found `\n{words}\n`\n"),
                // A file's name by a //line directive, with a column and without.
                format!("../m/{line}:7:3: expected 'package', found x\n"),
                format!("../m/{line}:7: expected 'package', found x\n"),
                format!("x.go:1:1: {line}:7:3: expected 'package', found `x: {line}\n{words}\n`\n"),
                format!("x.go:1:1: {line}:7: expected 'package', found `x: {line}\n{words}\n`\n"),
                // A pattern of //go:embed.
                format!("x.go:5:12: pattern a {line}: invalid pattern syntax\n"),
                format!("x.go:5:12: pattern a\n{words}: invalid pattern syntax\n"),
            ] {
                let meanings: Vec<_> = read(&text).iter().map(|message| message.meaning).collect();
                let faults = [Source, fault_of(words)];
                assert!(
                    meanings.len() == 1 && faults.contains(&meanings[0]),
                    "{text}: {meaning:?}: {meanings:?}"
                );
            }
            let deprecated = format!("go: module a.b/c is deprecated: {line}\n");
            assert_eq!(read(&deprecated), []);
        }
    }
}
