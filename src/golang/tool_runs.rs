//! What the tools of one build did: compile, asm and link, each in its cell. What a tool prints goes to a file that `go` never reads, so
//! that an author's text, which it quotes, cannot pass for `go`'s own words.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::shape::{begins_with_line, position};
use crate::answer::Reason;
use crate::sandbox::tool::source_directory;

/// The first line of what a tool prints that fails without a fault of a source file.
const ERRORS: &[(&str, Reason)] = &[
    // cmd/link: symbols, not lines.
    (
        "*: function main is undeclared in the main package",
        Reason::NoCommand,
    ),
    ("*: relocation target * not defined", Reason::DoesNotCompile),
    ("*: relocation target * not defined for ~", Reason::DoesNotCompile),
    ("link: ~: invalid reference to ~", Reason::DoesNotCompile),
    ("link: duplicated definition of symbol ~", Reason::DoesNotCompile),
    // It wants the host's linker.
    ("~: cannot find runtime/cgo", Reason::NeedsCgo),
    ("~: cannot find package runtime/cgo ~", Reason::NeedsCgo),
    // The kernel's limits.
    ("~: no space left on device", Reason::DiskFull),
    ("~: disk quota exceeded", Reason::DiskFull),
    ("~: file too large", Reason::TooLarge),
    ("~: cannot allocate memory", Reason::OutOfMemory),
    // Go's runtime without memory ends in many ways.
    ("fatal error: ~", Reason::OutOfMemory),
    ("runtime: ~", Reason::OutOfMemory),
    ("SIGSEGV: segmentation violation", Reason::OutOfMemory),
    ("unexpected fault address ~", Reason::OutOfMemory),
    // A compiler that finds a fault in itself.
    ("~: internal compiler error: ~", Reason::DoesNotCompile),
];

/// A person reads no more of one package's errors.
const MAX_OUTPUT: u64 = 16 << 10;

/// The tools of one build.
#[derive(Default)]
pub struct ToolRuns {
    actions: Vec<Action>,
    output: PathBuf,
    program: String,
}

/// What messages call each tool, which `go` starts by gox-server's path.
pub(super) const TOOL: &str = ": tool: ";

/// An action in `go`'s plan (cmd/go/internal/work, actionJSON).
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Action {
    package: String,
    objdir: PathBuf,
    cmd: Option<Vec<String>>,
    /// Nanoseconds.
    cmd_user: u64,
    cmd_sys: u64,
}

impl ToolRuns {
    /// Reads `go`'s plan. `output` is the directory of the tools' output, `program` what `-toolexec` names.
    pub fn read(plan: &Path, output: &Path, program: &Path) -> ToolRuns {
        // A `go` that failed before it had a plan started no tool.
        let actions: Option<Vec<Action>> = fs::read(plan)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        ToolRuns {
            actions: actions.unwrap_or_default(),
            output: output.to_owned(),
            program: format!(": {}: ", program.display()),
        }
    }

    /// What `go` printed, with one name for every tool.
    pub(super) fn name_in(&self, words: &str) -> String {
        match self.program.as_str() {
            "" => words.to_owned(),
            program => words.replace(program, TOOL),
        }
    }

    /// Processor time of this package's tools. `go` runs one at a time.
    pub(super) fn processor_time(&self, package: &str) -> Duration {
        let nanoseconds = self.of(package).map(|action| action.cmd_user + action.cmd_sys);
        Duration::from_nanos(nanoseconds.sum())
    }

    /// The beginning of what this package's tools printed.
    pub(super) fn output(&self, package: &str) -> String {
        let file = self.of(package).find_map(|action| action.objdir.file_name());
        // A tool that was not started has none.
        let file = file.and_then(|file| File::open(self.output.join(file)).ok());
        let mut bytes = Vec::new();
        // What cannot be read says nothing.
        file.map(|file| file.take(MAX_OUTPUT).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The directory of this package's sources.
    pub(super) fn sources(&self, package: &str) -> Option<PathBuf> {
        self.of(package).find_map(|action| {
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

    fn of(&self, package: &str) -> impl Iterator<Item = &Action> {
        self.actions
            .iter()
            .filter(move |action| action.package == package && action.cmd.is_some())
    }
}

/// Why a tool failed that printed this. Only the first line counts: an author's text makes up whole lines behind it.
pub(super) fn reason(output: &str) -> Option<Reason> {
    // A tool says why it fails. Its file is on the disk that may be full.
    if output.is_empty() {
        return Some(Reason::DiskFull);
    }
    let output = output.trim_start_matches('\n');
    // The position may be behind a long name of an author's.
    let is_cut = output.len() as u64 >= MAX_OUTPUT && !output.contains('\n');
    if is_cut || position(output).is_some() {
        return Some(Reason::DoesNotCompile);
    }
    let fits = |(shape, _): &&(&str, Reason)| begins_with_line(shape, output);
    ERRORS.iter().find(fits).map(|(_, reason)| *reason)
}

/// Whether a name is missing, as where the file that declares it needs cgo.
pub(super) fn lacks_a_name(output: &str) -> bool {
    position(output).is_some_and(|error| begins_with_line("undefined: *", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_of_a_tools_output_says_why_it_failed() {
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
            assert_eq!(reason(output), expected, "{output}");
        }
    }

    #[test]
    fn a_long_name_hides_no_position() {
        let cut = format!("fatal error: {}", "x".repeat(MAX_OUTPUT as usize));
        assert_eq!(reason(&cut), Some(Reason::DoesNotCompile));
    }

    #[test]
    fn text_of_an_author_is_no_error_of_the_system() {
        for (shape, _) in ERRORS {
            let words = shape.replace(['*', '~'], "x");
            for output in [
                format!("{words}:3: undefined: y\n"),
                format!("{words}:3:4: undefined: y\n"),
                format!("/m/x.go:3:4: cannot use \"{words}\" as int\n"),
                format!("/m/x.go:3:4: cannot use `\n{words}\n` as int\n"),
            ] {
                assert_eq!(reason(&output), Some(Reason::DoesNotCompile), "{output}");
            }
        }
    }
}
