//! The results of the tools of one build: compile, asm and link. A tool's output goes to a file that `go` never reads, so that
//! text of a module author that the tool quotes cannot pass for a message of `go`.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::error::Reason;
use crate::golang::run::shape::{starts_with_line, strip_position};
use crate::golang::run::tool::source_directory;

/// First lines of the output of tools that fail without a position in a source file.
const ERRORS: &[(&str, Reason)] = &[
    // cmd/link: it names symbols, not positions.
    (
        "*: function main is undeclared in the main package",
        Reason::NoCommand,
    ),
    ("*: relocation target * not defined", Reason::DoesNotCompile),
    ("*: relocation target * not defined for ~", Reason::DoesNotCompile),
    ("link: ~: invalid reference to ~", Reason::DoesNotCompile),
    ("link: duplicated definition of symbol ~", Reason::DoesNotCompile),
    // cmd/link, where it needs the host's linker.
    ("~: cannot find runtime/cgo", Reason::NeedsCgo),
    ("~: cannot find package runtime/cgo ~", Reason::NeedsCgo),
    // The kernel's limits.
    ("~: no space left on device", Reason::DiskFull),
    ("~: disk quota exceeded", Reason::DiskFull),
    ("~: file too large", Reason::TooLarge),
    ("~: cannot allocate memory", Reason::OutOfMemory),
    // Go's runtime, out of memory.
    ("fatal error: ~", Reason::OutOfMemory),
    ("runtime: ~", Reason::OutOfMemory),
    ("SIGSEGV: segmentation violation", Reason::OutOfMemory),
    ("unexpected fault address ~", Reason::OutOfMemory),
    // A bug of the compiler.
    ("~: internal compiler error: ~", Reason::DoesNotCompile),
];

/// Number of bytes of a package's tool output that are used.
const MAX_OUTPUT: u64 = 16 << 10;

/// The tools that `go` ran in one build.
#[derive(Default)]
pub struct ToolRuns {
    actions: Vec<ToolAction>,
    output: PathBuf,
    /// The name of every tool in messages of `go`: the path of gox-server.
    name: String,
}

/// The name of every tool in normalized messages.
pub(super) const TOOL: &str = ": tool: ";

/// An action in `go`'s action graph (cmd/go/internal/work, actionJSON).
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ToolAction {
    package: String,
    objdir: PathBuf,
    cmd: Option<Vec<String>>,
    /// Nanoseconds.
    cmd_user: u64,
    cmd_sys: u64,
}

impl ToolRuns {
    /// Reads `go`'s action graph. `output` is the directory of the tools' output, `program` the one that `-toolexec` names.
    pub fn read(graph: &Path, output: &Path, program: &Path) -> ToolRuns {
        // A `go` that failed before it wrote the graph started no tool.
        let actions: Option<Vec<ToolAction>> = fs::read(graph)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        ToolRuns {
            actions: actions.unwrap_or_default(),
            output: output.to_owned(),
            name: format!(": {}: ", program.display()),
        }
    }

    /// Replaces the path of gox-server in `go`'s messages by [`TOOL`].
    pub(super) fn normalize(&self, messages: &str) -> String {
        match self.name.as_str() {
            "" => messages.to_owned(),
            name => messages.replace(name, TOOL),
        }
    }

    /// CPU time of this package's tools. `go` runs them one after the other.
    pub(super) fn cpu_time(&self, package: &str) -> Duration {
        let nanoseconds = self
            .actions_of(package)
            .map(|action| action.cmd_user + action.cmd_sys);
        Duration::from_nanos(nanoseconds.sum())
    }

    /// The first 16 KiB of the output of this package's tools.
    pub(super) fn output(&self, package: &str) -> String {
        let mut actions = self.actions_of(package);
        let file = actions.find_map(|action| action.objdir.file_name());
        // A tool that was not started has no file.
        let file = file.and_then(|file| File::open(self.output.join(file)).ok());
        let mut bytes = Vec::new();
        // An output that cannot be read counts as empty.
        file.map(|file| file.take(MAX_OUTPUT).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The directory of this package's sources.
    pub(super) fn source_directory(&self, package: &str) -> Option<PathBuf> {
        self.actions_of(package).find_map(|action| {
            let mut commands = action.cmd.iter().flatten();
            let rules = commands.find_map(|command| command.split_once(" -trimpath "))?.1;
            // cmd/go/internal/work, joinUnambiguously.
            let rules = match rules.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next()?,
                None => rules.split(' ').next()?,
            };
            source_directory(rules, &action.objdir)
        })
    }

    fn actions_of(&self, package: &str) -> impl Iterator<Item = &ToolAction> {
        self.actions
            .iter()
            .filter(move |action| action.package == package && action.cmd.is_some())
    }
}

/// Classifies the output of a tool that failed. Only the first line counts: the lines after it can be text of a module author.
pub(super) fn classify_output(output: &str) -> Option<Reason> {
    // A tool that fails prints why, unless the disk with its output file is full.
    if output.is_empty() {
        return Some(Reason::DiskFull);
    }
    let output = output.trim_start_matches('\n');
    // The position may follow a long file name that the author chose.
    let is_cut = output.len() as u64 >= MAX_OUTPUT && !output.contains('\n');
    if is_cut || strip_position(output).is_some() {
        return Some(Reason::DoesNotCompile);
    }
    let matches = |(shape, _): &&(&str, Reason)| starts_with_line(shape, output);
    ERRORS.iter().find(matches).map(|(_, reason)| *reason)
}

/// Whether the compiler reports an undefined name. The file that declares it may need cgo.
pub(super) fn has_undefined_name(output: &str) -> bool {
    strip_position(output).is_some_and(|error| starts_with_line("undefined: *", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_of_output_determines_the_reason() {
        for (output, expected) in [
            (
                "/m/a.b/c@v1.0.0/x.go:3:2: invalid character U+201C '“'\n",
                Some(Reason::DoesNotCompile),
            ),
            ("parser.y:35:2: undefined: x\n", Some(Reason::DoesNotCompile)),
            ("parser.y:35: undefined: x\n", Some(Reason::DoesNotCompile)),
            (
                "x.go:1:2: internal compiler error: panic: runtime error\n\ngoroutine 1\n",
                Some(Reason::DoesNotCompile),
            ),
            (
                "<unknown line number>: internal compiler error: panic: runtime error: invalid memory address\n[signal SIGSEGV: segmentation violation code=0x1]",
                Some(Reason::DoesNotCompile),
            ),
            (
                "runtime.main_main·f: function main is undeclared in the main package\n",
                Some(Reason::NoCommand),
            ),
            (
                "main.main: relocation target main.f not defined\n",
                Some(Reason::DoesNotCompile),
            ),
            (
                "link: main: invalid reference to syscall.x\n",
                Some(Reason::DoesNotCompile),
            ),
            (
                "link: duplicated definition of symbol main.x, from a and b\n",
                Some(Reason::DoesNotCompile),
            ),
            (
                "/go/pkg/tool/linux_amd64/link: mapping output file failed: no space left on device\n",
                Some(Reason::DiskFull),
            ),
            ("write /w/b001/_pkg_.a: file too large\n", Some(Reason::TooLarge)),
            ("fatal error: runtime: out of memory\n", Some(Reason::OutOfMemory)),
            (
                "runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\n",
                Some(Reason::OutOfMemory),
            ),
            (
                "runtime: failed to create new OS thread (have 5 already; errno=11)\n",
                Some(Reason::OutOfMemory),
            ),
            (
                "SIGSEGV: segmentation violation\nPC=0x43cefd m=0 sigcode=1 addr=0x0\n",
                Some(Reason::OutOfMemory),
            ),
            ("\n", None),
            ("what is this\n", None),
        ] {
            assert_eq!(classify_output(output), expected, "{output}");
        }
    }

    #[test]
    fn long_file_name_does_not_hide_a_position() {
        let cut = format!("fatal error: {}", "x".repeat(MAX_OUTPUT as usize));
        assert_eq!(classify_output(&cut), Some(Reason::DoesNotCompile));
    }

    #[test]
    fn text_of_an_author_is_not_taken_for_a_system_error() {
        for (shape, _) in ERRORS {
            let text = shape.replace(['*', '~'], "x");
            for output in [
                format!("{text}:3: undefined: y\n"),
                format!("{text}:3:4: undefined: y\n"),
                format!("/m/x.go:3:4: cannot use \"{text}\" as int\n"),
                format!("/m/x.go:3:4: cannot use `\n{text}\n` as int\n"),
            ] {
                assert_eq!(classify_output(&output), Some(Reason::DoesNotCompile), "{output}");
            }
        }
    }
}
