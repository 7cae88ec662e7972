//! Derives from a program's build information the `go install` command that rebuilds it.

use std::fmt;

use super::build_info::{BuildInfo, LEVEL_VARIABLES, LinkedModule};
use super::release::release_flags::ReleaseFlags;
use super::resolve::candidate::last_name;
use super::resolve::downloaded::DownloadedModule;
use super::resolve::resolved::Resolved;
use super::run::flags::{format_flags, format_variables};
use crate::parse::{GoVersion, Platform, Version};

/// Build settings that a rebuild reproduces, or that follow from others. A program with any other setting cannot be rebuilt here.
const SUPPORTED: [&str; 9] = [
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

/// The usual values of -ldflags that omit debugging information. -trimpath removes -ldflags from the build information
/// (go.dev/issue/52372), so all are tried.
const WITHOUT_DWARF: [&str; 4] = ["-s -w", "-w", "-s", "-w -s"];

/// A `go install -trimpath PACKAGE@VERSION` that may have built a program.
#[derive(Debug)]
pub struct Rebuild {
    module: LinkedModule,
    package: String,
    go: String,
    platform: Platform,
    flags: Vec<String>,
    has_dwarf: Option<bool>,
}

impl Rebuild {
    /// Derives it from the build information. The error is a sentence that says why the program cannot be rebuilt.
    pub fn from_build_info(info: &BuildInfo) -> Result<Rebuild, String> {
        let is = |name, value| info.setting(name) == Some(value);
        let module = installed_module(info)?;
        let relative = info.package.strip_prefix(&module.path);
        if !relative.is_some_and(|relative| relative.is_empty() || relative.starts_with('/')) {
            return Err(format!("{} is not a package of {}.", info.package, module.path));
        }
        if !is("-trimpath", "true") {
            return Err(
                "It was built without -trimpath, so it contains paths of the machine that built it."
                    .to_owned(),
            );
        }
        if !is("CGO_ENABLED", "0") {
            return Err(
                "It was built with CGO_ENABLED=1, so it may contain code from a C compiler.".to_owned(),
            );
        }
        let unknown = info.settings.iter().find(|(name, value)| {
            let is_supported = SUPPORTED
                .iter()
                .chain(&LEVEL_VARIABLES)
                .any(|known| known == name);
            !is_supported || (name == "-compiler" && value != "gc")
        });
        if let Some((name, value)) = unknown {
            return Err(format!(
                "It was built with {name}={value}, which is not supported here."
            ));
        }
        if info.go.is_empty() {
            return Err("Its Go version is unknown: programs for WebAssembly do not contain it.".to_owned());
        }
        let version: Result<GoVersion, _> = info.go.parse();
        let version = version
            .ok()
            .filter(|version| !version.is_series() && info.go.starts_with("go"));
        let Some(version) = version else {
            return Err(format!(
                "It was compiled by {}, which is not a release that can be downloaded.",
                info.go
            ));
        };
        let platform = info
            .platform()
            .ok_or("It was compiled for a platform or architecture level that is not supported here.")?;
        Ok(Rebuild {
            module: module.clone(),
            package: info.package.clone(),
            go: format!("go{version}"),
            platform,
            flags: build_flags(info)?,
            has_dwarf: info.has_dwarf,
        })
    }

    /// The module of the command.
    pub fn module(&self) -> &LinkedModule {
        &self.module
    }

    /// The version of Go that compiled it: `go1.26.8`.
    pub fn go(&self) -> &str {
        &self.go
    }

    /// The platform it was compiled for.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// The values of -ldflags that may have been used, the likeliest first. An empty string stands for no -ldflags. `release` has the
    /// flags of the author's release configuration.
    pub fn linker_flag_candidates(&self, release: &ReleaseFlags) -> Vec<String> {
        let plain: Vec<&str> = match self.has_dwarf {
            Some(false) => WITHOUT_DWARF.into_iter().chain([""]).collect(),
            Some(true) | None => [""].into_iter().chain(WITHOUT_DWARF).collect(),
        };
        let plain = plain
            .into_iter()
            .map(|flags| flags.split_whitespace().map(str::to_owned).collect());
        let all = plain.chain([release.ldflags.clone(), release.stripped_ldflags()]);
        let is_possible = |flags: &Vec<String>| {
            let omits_dwarf = flags.iter().any(|flag| flag == "-s" || flag == "-w");
            !(omits_dwarf && self.has_dwarf == Some(true))
        };
        let mut candidates: Vec<String> = Vec::new();
        for flags in all.filter(is_possible) {
            let flags = flags.join(" ");
            if !candidates.contains(&flags) {
                candidates.push(flags);
            }
        }
        candidates
    }

    /// The linker flags and tags of the author's release configuration in the downloaded module. Empty if it has none, or one that
    /// cannot be evaluated.
    pub fn release_flags(&self, downloaded: &DownloadedModule) -> ReleaseFlags {
        let (module, package) = (&self.module.path, &self.package);
        let dir = package.strip_prefix(module.as_str()).unwrap_or_default();
        // The third element is the name of the repository, as in github.com/OWNER/REPO.
        let project = module.split('/').nth(2).unwrap_or_else(|| last_name(module));
        let resolved = Resolved::from_downloaded(module, dir.trim_start_matches('/'), downloaded, project);
        ReleaseFlags::from_config(&resolved, &self.platform).unwrap_or_default()
    }

    /// The arguments of `go`, including the flags of this run.
    pub fn arguments(&self, linker: &str, run_flags: &[String]) -> Vec<String> {
        let mut arguments = vec!["install".to_owned()];
        arguments.extend(self.flags_with(linker));
        arguments.extend_from_slice(run_flags);
        arguments.extend(["--".to_owned(), self.package_at_version()]);
        arguments
    }

    /// The shell command that rebuilds it on any machine.
    pub fn verify_command(&self, linker: &str) -> String {
        format!(
            "{} go install {} {}",
            format_variables(&self.go, &self.platform),
            format_flags(&self.flags_with(linker)),
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

/// The module of the command, if it is a released version, which the checksum database knows.
fn installed_module(info: &BuildInfo) -> Result<&LinkedModule, String> {
    let Some(module) = info.installed_module() else {
        return Err(
            "It was built from a directory, not from a module version, so its source is unknown. \
                    If gox-server built it, the verify command in its .json reproduces it."
                .to_owned(),
        );
    };
    if info
        .dependencies
        .iter()
        .any(|module| module.replacement.is_some())
    {
        return Err("It was built with replace directives, which go install does not support.".to_owned());
    }
    match Version::parse(&module.version) {
        Ok(Version::Exact(exact)) if exact == module.version => Ok(module),
        Ok(_) | Err(_) => Err(format!(
            "{} is not an exact version of {}.",
            module.version, module.path
        )),
    }
}

/// The flags of `go install` that give these build settings.
fn build_flags(info: &BuildInfo) -> Result<Vec<String>, String> {
    if let Some(profile) = info.setting("-pgo") {
        return Err(format!(
            "It was built with the profile {profile}, which is not supported here."
        ));
    }
    let mut flags = vec!["-trimpath".to_owned(), "-pgo=off".to_owned()];
    match info.setting("-buildmode") {
        None | Some("exe") => {}
        Some("pie") => flags.push("-buildmode=pie".to_owned()),
        Some(other) => {
            return Err(format!(
                "It was built with -buildmode={other}, which is not supported here."
            ));
        }
    }
    if let Some(tags) = info.setting("-tags") {
        let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b',');
        if !tags.bytes().all(is_tag) {
            return Err(format!("It has malformed build tags: {tags}."));
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

    fn parse_rebuild(go: &str, text: &str) -> Result<Rebuild, String> {
        Rebuild::from_build_info(&BuildInfo::parse(go, text).unwrap())
    }

    #[test]
    fn verify_command_has_the_settings_of_the_build() {
        let plain = parse_rebuild("go1.26.8", INSTALLED).unwrap();
        assert_eq!(
            plain.verify_command("-s -w"),
            "CGO_ENABLED=0 GOOS=linux GOARCH=amd64 GOAMD64=v3 GOTOOLCHAIN=go1.26.8 go install -trimpath -pgo=off '-ldflags=-s -w' \
             a.b/c/cmd/d@v1.2.3"
        );
        let more = format!("{INSTALLED}build\t-tags=b,a\n").replace("buildmode=exe", "buildmode=pie");
        let more = parse_rebuild("go1.26.8", &more).unwrap();
        assert_eq!(
            more.flags,
            ["-trimpath", "-pgo=off", "-buildmode=pie", "-tags=b,a"]
        );
    }

    #[test]
    fn release_flags_are_tried_after_usual_ones() {
        let release = |ldflags: &[&str]| ReleaseFlags {
            ldflags: ldflags.iter().map(|flag| (*flag).to_owned()).collect(),
            ..ReleaseFlags::default()
        };
        let usual = ["-s -w", "-w", "-s", "-w -s", ""];
        for (has_dwarf, flags, expected) in [
            (Some(true), vec![], vec![""]),
            (Some(true), vec!["-s", "-X", "a.b=c"], vec![""]),
            (Some(true), vec!["-X", "a.b=c"], vec!["", "-X a.b=c"]),
            (Some(false), vec!["-s", "-w"], usual.to_vec()),
            (
                Some(false),
                vec!["-X", "'a.b=c -s'"],
                [&usual[..], &["-X 'a.b=c -s'", "-X 'a.b=c -s' -s -w"]].concat(),
            ),
            (None, vec![], vec!["", "-s -w", "-w", "-s", "-w -s"]),
        ] {
            let rebuild = Rebuild {
                has_dwarf,
                ..parse_rebuild("go1.26.8", INSTALLED).unwrap()
            };
            let candidates = rebuild.linker_flag_candidates(&release(&flags));
            assert_eq!(candidates, expected, "{has_dwarf:?} {flags:?}");
        }
    }

    #[test]
    fn unsupported_builds_are_rejected_with_a_reason() {
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
            (
                "go1.26.8",
                instead("GOAMD64=v3", "GOAMD64=v9"),
                "architecture level",
            ),
            ("go1.26.8", instead("gc\n", "gccgo\n"), "-compiler=gccgo"),
            ("go1.26.8", instead("=exe", "=plugin"), "-buildmode=plugin"),
            ("go1.26.8", with("build\tGOEXPERIMENT=x"), "GOEXPERIMENT=x"),
            ("go1.26.8", with("build\t-race=true"), "-race=true"),
            ("go1.26.8", with("build\t-tags=a -x"), "malformed"),
            (
                "go1.26.8",
                with("build\t-pgo=default.pgo"),
                "the profile default.pgo",
            ),
            (
                "go1.26.8",
                with("dep\te.f/g\tv1.0.0\n=>\te.f/h\tv1.0.0\th1:y="),
                "replace directives",
            ),
            ("devel go1.27-abc", INSTALLED.to_owned(), "which is not a release"),
            ("1.26.8", INSTALLED.to_owned(), "which is not a release"),
            ("go1.26", INSTALLED.to_owned(), "which is not a release"),
            ("", INSTALLED.to_owned(), "Go version is unknown"),
        ] {
            let error = parse_rebuild(go, &text).expect_err(why);
            assert!(error.contains(why), "expected {why:?} in {error:?}");
        }
    }
}
