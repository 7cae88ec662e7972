//! How a program is built again, as far as its build information says it.

use std::fmt;

use super::build_info::{BuildInfo, LEVELS, Module};
use super::command::{verify_flags, verify_variables};
use crate::asked::{GoVersion, Platform, Version};

/// Settings that are followed, or that follow from others. A program that has any other cannot be built again here.
const FOLLOWED: [&str; 9] = [
    "-buildmode",
    "-compiler",
    "-pgo",
    "-tags",
    "-trimpath",
    "CGO_ENABLED",
    "DefaultGODEBUG",
    "GOARCH",
    "GOOS",
];

/// What -trimpath leaves out of the build information (go.dev/issue/52372): the ways that are usual to leave out debugging
/// information.
const WITHOUT_DWARF: [&str; 4] = ["-s -w", "-w", "-s", "-w -s"];

/// A `go install -trimpath PACKAGE@VERSION` that may have made a program.
#[derive(Debug)]
pub struct Rebuild {
    module: Module,
    package: String,
    go: String,
    platform: Platform,
    flags: Vec<String>,
    has_dwarf: Option<bool>,
}

impl Rebuild {
    /// Reads the build information; else says why it does not suffice.
    pub fn of(info: &BuildInfo) -> Result<Rebuild, String> {
        let is = |name, value| info.setting(name) == Some(value);
        let module = installed(info)?;
        let below = info.package.strip_prefix(&module.path);
        if !below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
            return Err(format!("{} is not a package of {}.", info.package, module.path));
        }
        if !is("-trimpath", "true") {
            return Err("It was built without -trimpath: the paths of the machine are in it.".to_owned());
        }
        if !is("CGO_ENABLED", "0") {
            return Err(
                "It was built with CGO_ENABLED=1: a C compiler may have had its part in it.".to_owned(),
            );
        }
        let unknown = info.settings.iter().find(|(name, value)| {
            let followed = FOLLOWED.iter().chain(&LEVELS).any(|known| known == name);
            !followed || (name == "-compiler" && value != "gc")
        });
        if let Some((name, value)) = unknown {
            return Err(format!(
                "It was built with {name}={value}, which is not done here."
            ));
        }
        if info.go.is_empty() {
            return Err("It does not say which Go compiled it: no program for WebAssembly does.".to_owned());
        }
        let version: Result<GoVersion, _> = info.go.parse();
        let version = version
            .ok()
            .filter(|version| !version.is_series() && info.go.starts_with("go"));
        let Some(version) = version else {
            return Err(format!(
                "It was compiled by {}, which is not a release of Go.",
                info.go
            ));
        };
        let platform = info
            .platform()
            .ok_or("It was compiled for a platform, or a level of one, that is not built for here.")?;
        Ok(Rebuild {
            module: module.clone(),
            package: info.package.clone(),
            go: format!("go{version}"),
            platform,
            flags: flags(info)?,
            has_dwarf: info.has_dwarf,
        })
    }

    /// The module of the command.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The Go that compiled it: `go1.26.8`.
    pub fn go(&self) -> &str {
        &self.go
    }

    /// For which platform.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// The values of -ldflags that may have been given, the likeliest first; empty: none.
    pub fn linker_flags(&self) -> Vec<&'static str> {
        match self.has_dwarf {
            Some(true) => vec![""],
            Some(false) => WITHOUT_DWARF.into_iter().chain([""]).collect(),
            None => [""].into_iter().chain(WITHOUT_DWARF).collect(),
        }
    }

    /// What follows `go`, with the flags of a run besides.
    pub fn arguments(&self, linker: &str, of_run: &[String]) -> Vec<String> {
        let mut arguments = vec!["install".to_owned()];
        arguments.extend(self.flags_with(linker));
        arguments.extend_from_slice(of_run);
        arguments.extend(["--".to_owned(), self.package_at_version()]);
        arguments
    }

    /// The line that builds it anywhere.
    pub fn line(&self, linker: &str) -> String {
        format!(
            "{} go install {} {}",
            verify_variables(&self.go, &self.platform),
            verify_flags(&self.flags_with(linker)),
            self.package_at_version()
        )
    }

    fn flags_with(&self, linker: &str) -> Vec<String> {
        let linker = (!linker.is_empty()).then(|| format!("-ldflags={linker}"));
        self.flags.iter().cloned().chain(linker).collect()
    }

    fn package_at_version(&self) -> String {
        format!("{}@{}", self.package, self.module.version)
    }
}

/// `github.com/junegunn/fzf@v0.65.0, go1.26.8, linux/amd64, -trimpath -pgo=off`.
impl fmt::Display for Rebuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (package, flags) = (self.package_at_version(), self.flags.join(" "));
        write!(f, "{package}, {}, {}, {flags}", self.go, self.platform)
    }
}

/// The module of the command, where it is a version that the checksum database knows.
fn installed(info: &BuildInfo) -> Result<&Module, String> {
    let Some(module) = info.installed() else {
        return Err("It was built from a directory, and not from a version of a module: nothing public says what was in it. \
                    If gox-server built it, the line in its .json makes it again."
            .to_owned());
    };
    if info
        .dependencies
        .iter()
        .any(|module| module.replacement.is_some())
    {
        return Err("It was built with replace directives, which go install does not follow.".to_owned());
    }
    match Version::parse(&module.version) {
        Ok(Version::Exact(exact)) if exact == module.version => Ok(module),
        Ok(_) | Err(_) => Err(format!(
            "{} is not an exact version of {}.",
            module.version, module.path
        )),
    }
}

fn flags(info: &BuildInfo) -> Result<Vec<String>, String> {
    let mut flags = vec!["-trimpath".to_owned()];
    flags.push(match info.setting("-pgo") {
        None => "-pgo=off".to_owned(),
        // The profile beside the command's own code, which -trimpath records without its directory.
        Some("default.pgo") => "-pgo=auto".to_owned(),
        Some(other) => {
            return Err(format!(
                "It was built with the profile {other}, which is not recorded."
            ));
        }
    });
    match info.setting("-buildmode") {
        None | Some("exe") => {}
        Some("pie") => flags.push("-buildmode=pie".to_owned()),
        Some(other) => {
            return Err(format!(
                "It was built with -buildmode={other}, which is not done here."
            ));
        }
    }
    if let Some(tags) = info.setting("-tags") {
        let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b',');
        if !tags.bytes().all(is_tag) {
            return Err(format!("Its tags are malformed: {tags}."));
        }
        flags.push(format!("-tags={tags}"));
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTALLED: &str = "path\ta.b/c/cmd/d\nmod\ta.b/c\tv1.2.3\th1:x=\nbuild\t-buildmode=exe\nbuild\t-compiler=gc\n\
                             build\t-trimpath=true\nbuild\tCGO_ENABLED=0\nbuild\tGOARCH=amd64\nbuild\tGOOS=linux\nbuild\tGOAMD64=v3\n";

    fn of(go: &str, text: &str) -> Result<Rebuild, String> {
        Rebuild::of(&BuildInfo::parse(go, text).unwrap())
    }

    #[test]
    fn settings_become_the_line_that_was_typed() {
        let plain = of("go1.26.8", INSTALLED).unwrap();
        assert_eq!(
            plain.line("-s -w"),
            "CGO_ENABLED=0 GOOS=linux GOARCH=amd64 GOAMD64=v3 GOTOOLCHAIN=go1.26.8 go install -trimpath -pgo=off '-ldflags=-s -w' \
             a.b/c/cmd/d@v1.2.3"
        );
        let more = format!("{INSTALLED}build\t-tags=b,a\nbuild\t-pgo=default.pgo\n")
            .replace("buildmode=exe", "buildmode=pie");
        let more = of("go1.26.8", &more).unwrap();
        assert_eq!(
            more.flags,
            ["-trimpath", "-pgo=auto", "-buildmode=pie", "-tags=b,a"]
        );
    }

    #[test]
    fn what_cannot_be_built_again_says_why() {
        let with = |line: &str| format!("{INSTALLED}{line}\n");
        let instead = |from: &str, to: &str| INSTALLED.replace(from, to);
        for (go, text, why) in [
            (
                "go1.26.8",
                instead("CGO_ENABLED=0", "CGO_ENABLED=1"),
                "CGO_ENABLED=1",
            ),
            (
                "go1.26.8",
                instead("-trimpath=true", "-trimpath=false"),
                "without -trimpath",
            ),
            ("go1.26.8", instead("v1.2.3", "(devel)"), "from a directory"),
            ("go1.26.8", instead("\th1:x=", ""), "from a directory"),
            ("go1.26.8", instead("v1.2.3", "v1"), "not an exact version"),
            ("go1.26.8", instead("v1.2.3", "v1.2.3 -x"), "not an exact version"),
            ("go1.26.8", instead("a.b/c/cmd/d", "--help"), "not a package of"),
            ("go1.26.8", instead("a.b/c/cmd/d", "a.b/cmd"), "not a package of"),
            ("go1.26.8", instead("GOAMD64=v3", "GOAMD64=v9"), "a level of one"),
            ("go1.26.8", instead("gc\n", "gccgo\n"), "-compiler=gccgo"),
            ("go1.26.8", instead("=exe", "=plugin"), "-buildmode=plugin"),
            ("go1.26.8", with("build\tGOEXPERIMENT=x"), "GOEXPERIMENT=x"),
            ("go1.26.8", with("build\t-race=true"), "-race=true"),
            ("go1.26.8", with("build\t-tags=a -x"), "malformed"),
            ("go1.26.8", with("build\t-pgo=mine.pgo"), "the profile mine.pgo"),
            (
                "go1.26.8",
                with("dep\te.f/g\tv1.0.0\n=>\te.f/h\tv1.0.0\th1:y="),
                "replace directives",
            ),
            ("devel go1.27-abc", INSTALLED.to_owned(), "not a release of Go"),
            ("1.26.8", INSTALLED.to_owned(), "not a release of Go"),
            ("go1.26", INSTALLED.to_owned(), "not a release of Go"),
            ("", INSTALLED.to_owned(), "which Go"),
        ] {
            let said = of(go, &text).expect_err(why);
            assert!(said.contains(why), "{said}, and not {why}");
        }
    }
}
