//! Evaluates build constraints (go/build/constraint): what a file requires to be built. A program that requires a custom tag, such as
//! `generate`, is not for users.

use crate::golang::source::header::FileHeader;
use crate::parse::Platform;

/// The longest expression that is parsed, in bytes. It bounds the depth of the recursive parser.
const MAX_LENGTH: usize = 1000;

/// Tags of operating systems (internal/syslist of Go 1.26, KnownOS).
const SYSTEMS: &str = "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 \
    windows zos";

/// Tags of architectures (internal/syslist, KnownArch).
const ARCHITECTURES: &str = "386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 \
    mips64p32le ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm";

/// The systems on which the tag `unix` is set (internal/syslist, UnixOS).
const UNIX_SYSTEMS: &str =
    "aix android darwin dragonfly freebsd hurd illumos ios linux netbsd openbsd solaris";

/// Experiments that are on by default in some Go from 1.21 to 1.27 on some platform (internal/buildcfg, ParseGOEXPERIMENT).
const BASELINE: &[&str] = &[
    "regabiwrappers",
    "regabiargs",
    "coverageredesign",
    "allocheaders",
    "exectracer2",
    "aliastypeparams",
    "swissmap",
    "spinbitmutex",
    "synchashtriemap",
    "dwarf5",
    "randomizedheapbase64",
    "greenteagc",
    "jsonv2",
    "sizespecializedmalloc",
];

/// What a file requires to be built on some platform, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuildRequirement {
    /// Nothing: plain `go install` builds it.
    Nothing,
    /// An experiment that is on by default in some versions of Go only.
    Experiment,
    /// A C compiler.
    Cgo,
    /// Custom build tags.
    Tags,
    /// The tag `ignore`, which is never set by convention.
    Ignored,
}

impl BuildRequirement {
    /// Evaluates the constraints in a file's header.
    pub(super) fn from_header(header: &FileHeader<'_>) -> Self {
        let levels = [
            BuildRequirement::Nothing,
            BuildRequirement::Experiment,
            BuildRequirement::Cgo,
            BuildRequirement::Tags,
        ];
        let suffices = |level: &BuildRequirement| level.evaluate(header).can_hold;
        levels
            .into_iter()
            .find(suffices)
            .unwrap_or(BuildRequirement::Ignored)
    }

    /// Evaluates the constraints of a file if this requirement is met.
    fn evaluate(self, header: &FileHeader<'_>) -> Truth {
        evaluate(header, &|tag| self.tag(tag))
    }

    /// Evaluates a tag if this requirement is met.
    fn tag(self, tag: &str) -> Truth {
        // `amd64.v3` is a feature of an architecture. Experiments (`goexperiment.arenas`) are not set here, except those that are on by
        // default.
        let name = tag.split('.').next().unwrap_or(tag);
        let is_platform = has_word(SYSTEMS, name) || has_word(ARCHITECTURES, name);
        let is_baseline = tag
            .strip_prefix("goexperiment.")
            .is_some_and(|experiment| BASELINE.contains(&experiment));
        match tag {
            "gc" => Truth::ALWAYS,
            "ignore" => Truth::NEVER,
            "cgo" if self >= BuildRequirement::Cgo => Truth::DEPENDS,
            "cgo" => Truth::NEVER,
            _ if is_baseline && self == BuildRequirement::Nothing => Truth::NEVER,
            _ if is_baseline || is_platform || tag == "unix" || tag.starts_with("go1.") => Truth::DEPENDS,
            _ if self >= BuildRequirement::Tags => Truth::DEPENDS,
            _ => Truth::NEVER,
        }
    }
}

/// A build with cgo for one platform.
pub struct CgoBuild<'a> {
    /// The platform.
    pub platform: &'a Platform,
    /// Custom build tags.
    pub tags: &'a [String],
}

impl CgoBuild<'_> {
    /// Whether the constraints of a file can hold in this build. It contains the file if its name matches too (go/build, matchFile).
    pub(super) fn matches_header(&self, header: &FileHeader<'_>) -> bool {
        evaluate(header, &|tag| self.tag(tag)).can_hold
    }

    /// Whether the platform in a file name, such as `x_linux_amd64.go`, is this one (go/build, goodOSArchFile).
    pub(super) fn matches_name(&self, name: &str) -> bool {
        let stem = name.split('.').next().unwrap_or_default();
        // What precedes the first underscore is never a platform.
        let mut words = stem.split('_').skip(1).collect::<Vec<_>>().into_iter().rev();
        let last = words.next().unwrap_or_default();
        let before = words.next().filter(|word| has_word(SYSTEMS, word));
        if has_word(ARCHITECTURES, last) {
            self.tag(last).can_hold && before.is_none_or(|os| self.tag(os).can_hold)
        } else {
            !has_word(SYSTEMS, last) || self.tag(last).can_hold
        }
    }

    /// Evaluates a tag (go/build, matchTag). Features of an architecture, releases of Go and experiments may be set or not.
    fn tag(&self, tag: &str) -> Truth {
        let (os, arch) = (self.platform.os(), self.platform.arch());
        let is_set = match tag {
            "cgo" | "gc" => true,
            "linux" => os == "linux" || os == "android",
            "darwin" => os == "darwin" || os == "ios",
            "solaris" => os == "solaris" || os == "illumos",
            "unix" => has_word(UNIX_SYSTEMS, os),
            _ if tag.contains('.') => return Truth::DEPENDS,
            _ => tag == os || tag == arch || self.tags.iter().any(|other| other == tag),
        };
        if is_set { Truth::ALWAYS } else { Truth::NEVER }
    }
}

fn has_word(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|known| known == word)
}

/// Evaluates the constraints of a file, with these values of tags.
fn evaluate(header: &FileHeader<'_>, tag: &dyn Fn(&str) -> Truth) -> Truth {
    match header.go_build.as_slice() {
        [] => header
            .plus_build
            .iter()
            .map(|words| plus_build(words, tag))
            .fold(Truth::ALWAYS, Truth::and),
        [expression] => Parser::parse(tag, expression),
        // `go` rejects a file with two, and its message explains why.
        _ => Truth::DEPENDS,
    }
}

/// Evaluates a `// +build` line, from before Go 1.17: spaces separate alternatives, commas separate terms that must all hold.
fn plus_build(line: &str, tag: &dyn Fn(&str) -> Truth) -> Truth {
    let term = |term: &str| match term.strip_prefix('!') {
        Some(name) => tag(name).not(),
        None => tag(term),
    };
    let all = |word: &str| word.split(',').map(term).fold(Truth::ALWAYS, Truth::and);
    line.split_whitespace().map(all).fold(Truth::NEVER, Truth::or)
}

/// The possible values of an expression over all platforms. Tags are assumed to be independent of each other.
#[derive(Clone, Copy)]
struct Truth {
    can_hold: bool,
    can_fail: bool,
}

impl Truth {
    const ALWAYS: Truth = Truth {
        can_hold: true,
        can_fail: false,
    };
    const NEVER: Truth = Truth {
        can_hold: false,
        can_fail: true,
    };
    const DEPENDS: Truth = Truth {
        can_hold: true,
        can_fail: true,
    };

    fn and(self, other: Truth) -> Truth {
        Truth {
            can_hold: self.can_hold && other.can_hold,
            can_fail: self.can_fail || other.can_fail,
        }
    }

    fn or(self, other: Truth) -> Truth {
        self.not().and(other.not()).not()
    }

    fn not(self) -> Truth {
        Truth {
            can_hold: self.can_fail,
            can_fail: self.can_hold,
        }
    }
}

/// A recursive descent parser: the values of tags, and the rest of the `//go:build` expression.
struct Parser<'a>(&'a dyn Fn(&str) -> Truth, &'a str);

impl<'a> Parser<'a> {
    /// Evaluates an expression. `DEPENDS` for a malformed one: `go` rejects it, and its message explains why.
    fn parse(tag: &'a dyn Fn(&str) -> Truth, expression: &'a str) -> Truth {
        let mut parser = Parser(tag, expression);
        (expression.len() <= MAX_LENGTH)
            .then(|| parser.or())
            .flatten()
            .filter(|_| parser.1.trim().is_empty())
            .unwrap_or(Truth::DEPENDS)
    }

    fn or(&mut self) -> Option<Truth> {
        let mut truth = self.and()?;
        while self.consume("||") {
            truth = truth.or(self.and()?);
        }
        Some(truth)
    }

    fn and(&mut self) -> Option<Truth> {
        let mut truth = self.not()?;
        while self.consume("&&") {
            truth = truth.and(self.not()?);
        }
        Some(truth)
    }

    fn not(&mut self) -> Option<Truth> {
        if self.consume("!") {
            return self.not().map(Truth::not);
        }
        if self.consume("(") {
            let truth = self.or()?;
            return self.consume(")").then_some(truth);
        }
        let rest = self.1.trim_start();
        let is_tag = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let end = rest.find(|c| !is_tag(c)).unwrap_or(rest.len());
        let (tag, rest) = rest.split_at(end);
        self.1 = rest;
        (!tag.is_empty()).then(|| (self.0)(tag))
    }

    /// Skips `word` if the rest begins with it.
    fn consume(&mut self, word: &str) -> bool {
        let rest = self.1.trim_start().strip_prefix(word);
        self.1 = rest.unwrap_or(self.1);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BuildRequirement::{Cgo, Experiment, Ignored, Nothing, Tags};

    /// The expected values are those of `go list -f '{{.CgoFiles}}'` of Go 1.26, with CGO_ENABLED=1.
    #[test]
    fn file_belongs_to_a_cgo_build_as_in_go() {
        let tags = ["x".to_owned()];
        let contains = |platform: &str, name: &str, head: &str| {
            let platform: Platform = platform.parse().unwrap();
            let build = CgoBuild {
                platform: &platform,
                tags: &tags,
            };
            let text = format!("{head}\n\npackage main\n");
            build.matches_name(name) && build.matches_header(&FileHeader::parse(&text))
        };
        for (platform, name, head, expected) in [
            ("linux/amd64", "a.go", "", true),
            ("linux/amd64", "a_linux.go", "", true),
            ("linux/amd64", "a_windows.go", "", false),
            ("linux/amd64", "a_windows_amd64.go", "", false),
            ("linux/amd64", "a_linux_arm64.go", "", false),
            ("linux/amd64", "a_linux_x.go", "", true),
            ("linux/amd64", "windows.go", "", true),
            ("android/arm64", "a_linux.go", "", true),
            ("ios/arm64", "a_darwin.go", "", true),
            ("linux/amd64", "a.go", "//go:build cgo", true),
            ("linux/amd64", "a.go", "//go:build cgo && x && !y", true),
            ("linux/amd64", "a.go", "//go:build cgo && y", false),
            ("linux/amd64", "a.go", "//go:build ignore", false),
            ("linux/amd64", "a.go", "//go:build unix && go1.18 && amd64", true),
            ("windows/amd64", "a.go", "//go:build unix", false),
            ("windows/amd64", "a.go", "// +build darwin windows,cgo", true),
        ] {
            assert_eq!(
                contains(platform, name, head),
                expected,
                "{platform} {name} {head}"
            );
        }
    }

    #[test]
    fn constraints_give_the_least_requirement() {
        let deep = format!("//go:build {}linux{}", "(".repeat(400), ")".repeat(400));
        let deeper = format!("//go:build {}", "!(".repeat(100_000));
        for (head, requirement) in [
            ("", Nothing),
            ("//go:build linux", Nothing),
            ("//go:build !windows && (amd64 || arm64)", Nothing),
            ("//go:build ignore", Ignored),
            ("//go:build generate", Tags),
            ("//go:build !cgo && upgrade && ignore", Ignored),
            ("//go:build !generate", Nothing),
            ("//go:build linux || tools", Nothing),
            ("//go:build linux && cgo", Cgo),
            ("//go:build cgo && mage", Tags),
            ("//go:build !cgo", Nothing),
            ("//go:build go1.21 && amd64.v3", Nothing),
            ("//go:build goexperiment.arenas", Tags),
            // On by default in Go 1.27.
            ("//go:build goexperiment.jsonv2", Experiment),
            ("//go:build !(unix || windows) && mage", Tags),
            ("//go:build gc && !purego", Nothing),
            ("//go:build linux &&", Nothing),
            ("//go:build linux windows", Nothing),
            (&deep, Nothing),
            (&deeper, Nothing),
            ("// +build ignore", Ignored),
            ("// +build cgo", Cgo),
            ("//+build linux darwin\n// +build !tools", Nothing),
            ("// +build linux,tools", Tags),
            ("// +build linux tools", Nothing),
            ("// +build linux\n// +build tools", Tags),
            ("//go:build linux\n// +build tools", Nothing),
        ] {
            let text = format!("// (c)\n\n{head}\n\npackage main\n");
            assert_eq!(
                BuildRequirement::from_header(&FileHeader::parse(&text)),
                requirement,
                "{head:.60}"
            );
        }
    }
}
