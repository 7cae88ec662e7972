//! Build constraints (go/build/constraint): whether a file can be part of a build for which nobody names tags. What needs one of its
//! author's own, such as `generate`, is no program for others.

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

/// Whether this Go file, whose beginning is `text`, is built on any platform without tags.
pub(super) fn builds_without_tags(text: &str) -> bool {
    let head = || {
        text.lines()
            .map(str::trim)
            .take_while(|line| !line.starts_with("package "))
    };
    let constraint = match head().find_map(|line| line.strip_prefix("//go:build ")) {
        Some(expression) => Parser::parse(expression),
        None => head()
            .filter_map(|line| line.strip_prefix("//")?.trim_start().strip_prefix("+build "))
            .map(plus_build)
            .fold(Truth::ALWAYS, Truth::and),
    };
    constraint.can_hold
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

    fn of_tag(tag: &str) -> Truth {
        // `amd64.v3` is an architecture's feature. Experiments, `goexperiment.arenas`, are never set here, but for those that a
        // Go has switched on by itself.
        let name = tag.split('.').next().unwrap_or(tag);
        let is_platform = PLATFORMS.split_whitespace().any(|known| known == name);
        let is_baseline = tag
            .strip_prefix("goexperiment.")
            .is_some_and(|experiment| BASELINE.contains(&experiment));
        match tag {
            "gc" => Truth::ALWAYS,
            _ if is_baseline || is_platform || tag == "unix" || tag.starts_with("go1.") => Truth::DEPENDS,
            _ => Truth::NEVER,
        }
    }

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

/// A line from before Go 1.17: words of which one, commas between what all, has to hold.
fn plus_build(line: &str) -> Truth {
    let tag = |tag: &str| match tag.strip_prefix('!') {
        Some(tag) => Truth::of_tag(tag).not(),
        None => Truth::of_tag(tag),
    };
    let all = |word: &str| word.split(',').map(tag).fold(Truth::ALWAYS, Truth::and);
    line.split_whitespace().map(all).fold(Truth::NEVER, Truth::or)
}

/// The rest of a `//go:build` expression.
struct Parser<'a>(&'a str);

impl Parser<'_> {
    /// What cannot be read is left to `go`, which says what is wrong.
    fn parse(expression: &str) -> Truth {
        let mut parser = Parser(expression);
        let read = Some(()).filter(|()| expression.len() <= LONGEST);
        read.and_then(|()| parser.any_of())
            .filter(|_| parser.0.trim().is_empty())
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
        let rest = self.0.trim_start();
        let is_tag = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let end = rest.find(|c| !is_tag(c)).unwrap_or(rest.len());
        let (tag, rest) = rest.split_at(end);
        self.0 = rest;
        (!tag.is_empty()).then(|| Truth::of_tag(tag))
    }

    fn takes(&mut self, word: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(word);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_its_author_builds() {
        let deep = format!("//go:build {}linux{}", "(".repeat(400), ")".repeat(400));
        let deeper = format!("//go:build {}", "!(".repeat(100_000));
        for (head, builds) in [
            ("", true),
            ("//go:build linux", true),
            ("//go:build !windows && (amd64 || arm64)", true),
            ("//go:build ignore", false),
            ("//go:build generate", false),
            ("//go:build !cgo && upgrade && ignore", false),
            ("//go:build !generate", true),
            ("//go:build linux || tools", true),
            ("//go:build linux && cgo", false),
            ("//go:build go1.21 && amd64.v3", true),
            ("//go:build goexperiment.arenas", false),
            // Go 1.27 has it on.
            ("//go:build goexperiment.jsonv2", true),
            ("//go:build !(unix || windows) && mage", false),
            ("//go:build gc && !purego", true),
            ("//go:build linux &&", true),
            ("//go:build linux windows", true),
            (&deep, true),
            (&deeper, true),
            ("// +build ignore", false),
            ("//+build linux darwin\n// +build !tools", true),
            ("// +build linux,tools", false),
            ("// +build linux tools", true),
            ("// +build linux\n// +build tools", false),
            ("//go:build linux\n// +build tools", true),
        ] {
            let text = format!("// (c)\n\n{head}\n\npackage main\n//go:build ignore\n");
            assert_eq!(builds_without_tags(&text), builds, "{head:.60}");
        }
    }
}
