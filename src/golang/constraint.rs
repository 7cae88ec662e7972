//! Build constraints (go/build/constraint): what a file needs of who builds it. What needs a tag of its author's own, such as
//! `generate`, is no program for others.

use super::header::Header;

/// Longer than any that a person writes; a parser that calls itself stays shallow.
const LONGEST: usize = 1000;

/// internal/syslist of Go 1.26, KnownOS and KnownArch.
const PLATFORMS: &str = "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris \
    wasip1 windows zos 386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le \
    ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm";

/// internal/buildcfg, ParseGOEXPERIMENT: on by default in some Go from 1.21 to 1.27, on some platform.
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

/// What a file needs to be built on some platform: what stands lower needs less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing that `go install` alone lacks.
    Nothing,
    /// An experiment that is on by default in some Go, but not in every one.
    Experiment,
    /// A C compiler.
    Cgo,
    /// Tags that are its author's own.
    Tags,
    /// The tag `ignore`, by convention nobody's.
    Ignored,
}

impl Needs {
    /// What its beginning says.
    pub(super) fn of_file(header: &Header<'_>) -> Self {
        let grades = [Needs::Nothing, Needs::Experiment, Needs::Cgo, Needs::Tags];
        let enough = |needs: &Needs| needs.truth_of(header).can_hold;
        grades.into_iter().find(enough).unwrap_or(Needs::Ignored)
    }

    fn truth_of(self, header: &Header<'_>) -> Truth {
        match header.go_build.as_slice() {
            [] => header
                .plus_build
                .iter()
                .map(|words| self.plus_build(words))
                .fold(Truth::ALWAYS, Truth::and),
            [expression] => Parser::parse(self, expression),
            // Two are left to `go`, which says what is wrong.
            _ => Truth::DEPENDS,
        }
    }

    /// A line from before Go 1.17: words of which one, commas between what all, has to hold.
    fn plus_build(self, line: &str) -> Truth {
        let tag = |tag: &str| match tag.strip_prefix('!') {
            Some(tag) => self.tag(tag).not(),
            None => self.tag(tag),
        };
        let all = |word: &str| word.split(',').map(tag).fold(Truth::ALWAYS, Truth::and);
        line.split_whitespace().map(all).fold(Truth::NEVER, Truth::or)
    }

    /// What is known of a tag where this is to be had.
    fn tag(self, tag: &str) -> Truth {
        // `amd64.v3` is an architecture's feature. Experiments, `goexperiment.arenas`, are never set here, but for those that a
        // Go has switched on by itself.
        let name = tag.split('.').next().unwrap_or(tag);
        let is_platform = PLATFORMS.split_whitespace().any(|known| known == name);
        let is_baseline = tag
            .strip_prefix("goexperiment.")
            .is_some_and(|experiment| BASELINE.contains(&experiment));
        match tag {
            "gc" => Truth::ALWAYS,
            "ignore" => Truth::NEVER,
            "cgo" if self >= Needs::Cgo => Truth::DEPENDS,
            "cgo" => Truth::NEVER,
            _ if is_baseline && self == Needs::Nothing => Truth::NEVER,
            _ if is_baseline || is_platform || tag == "unix" || tag.starts_with("go1.") => Truth::DEPENDS,
            _ if self >= Needs::Tags => Truth::DEPENDS,
            _ => Truth::NEVER,
        }
    }
}

/// What is known of an expression over all platforms. Two tags are taken to have nothing to do with each other.
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

/// The rest of a `//go:build` expression, and what is to be had.
struct Parser<'a>(Needs, &'a str);

impl Parser<'_> {
    /// What cannot be read is left to `go`, which says what is wrong.
    fn parse(has: Needs, expression: &str) -> Truth {
        let mut parser = Parser(has, expression);
        let read = Some(()).filter(|()| expression.len() <= LONGEST);
        read.and_then(|()| parser.any_of())
            .filter(|_| parser.1.trim().is_empty())
            .unwrap_or(Truth::DEPENDS)
    }

    fn any_of(&mut self) -> Option<Truth> {
        let mut truth = self.all_of()?;
        while self.takes("||") {
            truth = truth.or(self.all_of()?);
        }
        Some(truth)
    }

    fn all_of(&mut self) -> Option<Truth> {
        let mut truth = self.one()?;
        while self.takes("&&") {
            truth = truth.and(self.one()?);
        }
        Some(truth)
    }

    fn one(&mut self) -> Option<Truth> {
        if self.takes("!") {
            return self.one().map(Truth::not);
        }
        if self.takes("(") {
            let truth = self.any_of()?;
            return self.takes(")").then_some(truth);
        }
        let rest = self.1.trim_start();
        let is_tag = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let end = rest.find(|c| !is_tag(c)).unwrap_or(rest.len());
        let (tag, rest) = rest.split_at(end);
        self.1 = rest;
        (!tag.is_empty()).then(|| self.0.tag(tag))
    }

    fn takes(&mut self, word: &str) -> bool {
        let rest = self.1.trim_start().strip_prefix(word);
        self.1 = rest.unwrap_or(self.1);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Needs::{Cgo, Experiment, Ignored, Nothing, Tags};

    #[test]
    fn what_a_file_needs() {
        let deep = format!("//go:build {}linux{}", "(".repeat(400), ")".repeat(400));
        let deeper = format!("//go:build {}", "!(".repeat(100_000));
        for (head, needs) in [
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
            // Go 1.27 has it on.
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
            assert_eq!(Needs::of_file(&Header::read(&text)), needs, "{head:.60}");
        }
    }
}
