//! Parses the query of a URL into build options.
//!
//! Each key may occur once. Unknown keys are errors: a person who types `?version=v2` must not get another version. Keys in any letter
//! case and the names of Go's and Docker's variables are other spellings. This module does not know the flags of `go`.

use super::platform::{UnknownPlatform, parse_machine, parse_os};
use super::user_agent::{self, PlatformClues, UndetectedPlatform};
use super::{BadGoVersion, BadMinAge, FileName, GoVersion, MinAge, Platform, Printable, RecipeName, Sidecar};
use std::collections::BTreeSet;
use std::{fmt, slice};

/// Maximum length of a query: enough for all keys and a dozen tags.
const MAX_BYTES: usize = 1024;

/// The options of a build, from the query of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BuildOptions {
    /// The operating system, in Go's spelling.
    pub os: Option<String>,
    /// The architecture and its level, in one word: `arm64`, `armv6`, `amd64v3`.
    pub arch: Option<String>,
    /// The version of Go to compile with.
    pub go: Option<GoVersion>,
    /// Build tags, sorted, without duplicates.
    pub tags: Vec<String>,
    /// Whether to omit symbols and debugging information.
    pub strip: bool,
    /// Whether the client accepts a program with stubs in place of code that needs cgo.
    pub accepts_stubs: bool,
    /// The file name of the program.
    pub name: Option<FileName>,
    /// The recipe that builds the program.
    pub recipe: Option<RecipeName>,
    /// The minimum age of the version.
    pub min_age: Option<MinAge>,
    /// Whether a sidecar waits for the build.
    pub wait: bool,
    /// Whether a browser gets the program instead of its page.
    pub download: bool,
}

impl BuildOptions {
    /// Parses the query of a URL, the text after the `?`, exactly as received.
    pub fn parse(query: &str) -> Result<BuildOptions, BadBuildOptions> {
        if query.len() > MAX_BYTES {
            return Err(BadBuildOptions::TooLong(query.len()));
        }
        let mut options = BuildOptions::default();
        let mut level = None;
        let mut seen = BTreeSet::new();
        for pair in query.split('&') {
            let Some((typed_key, value)) = url::form_urlencoded::parse(pair.as_bytes()).next() else {
                continue;
            };
            if value
                .split(',')
                .any(|word| Sidecar::split(word.as_bytes()).1.is_some())
            {
                return Err(BadBuildOptions::SuffixBehindQuery);
            }
            let key = QueryKey::parse(&typed_key)?;
            // A variable that is not set, as in `arm=$TARGETVARIANT`.
            if value.is_empty() && pair.contains('=') {
                continue;
            }
            let parts = match key == QueryKey::Platform {
                true => &[QueryKey::Os, QueryKey::Arch],
                false => slice::from_ref(&key),
            };
            if let Some(part) = parts.iter().find(|part| !seen.insert(**part)) {
                return Err(BadBuildOptions::Repeated(part.name()));
            }
            match key {
                QueryKey::Os => options.os = Some(parse_os(&value)?.to_owned()),
                QueryKey::Arch => options.arch = Some(parse_machine(&value)?.to_string()),
                QueryKey::Platform => {
                    let (os, arch) = value.split_once(['/', '-', '_']).unwrap_or((&value, ""));
                    options.os = Some(parse_os(os)?.to_owned());
                    if !arch.is_empty() {
                        options.arch = Some(parse_machine(arch)?.to_string());
                    }
                }
                QueryKey::Level => level = Some(value),
                QueryKey::Go => options.go = Some(value.parse()?),
                QueryKey::Tags => options.tags = parse_tags(&value)?,
                QueryKey::Strip => options.strip = parse_bool(key, &value)?,
                QueryKey::Cgo => options.accepts_stubs = parse_cgo(&value)?,
                QueryKey::Name => options.name = Some(parse_file_name(&value)?),
                QueryKey::Recipe => options.recipe = Some(parse_recipe(&value)?),
                QueryKey::MinAge => options.min_age = Some(value.parse()?),
                QueryKey::Wait => options.wait = parse_bool(key, &value)?,
                QueryKey::Download => options.download = parse_bool(key, &value)?,
            }
        }
        if let Some(level) = level {
            options.arch = Some(parse_level(options.arch, &level)?);
        }
        Ok(options)
    }

    /// Parses the pairs of a query that are valid together, in their order, and ignores the others.
    pub fn parse_valid_pairs(query: &str) -> BuildOptions {
        let valid = query
            .split('&')
            .take(MAX_BYTES / 16)
            .fold(String::new(), |valid, pair| {
                let longer = format!("{valid}&{pair}");
                if BuildOptions::parse(&longer).is_ok() {
                    longer
                } else {
                    valid
                }
            });
        BuildOptions::parse(&valid).unwrap_or_default()
    }

    /// Determines the platform. If the query has no `os` or no `arch`, that part is detected from the User-Agent: `?os=windows` on an
    /// x86-64 Linux means windows/amd64.
    pub fn platform(&self, user_agent: &str) -> Result<Platform, UndetectedPlatform> {
        match (&self.os, &self.arch) {
            (Some(os), Some(arch)) => Ok(Platform::new(os, arch)?),
            (Some(os), None) => PlatformClues::parse(user_agent).with_os(parse_os(os)?).platform(),
            (None, Some(arch)) => PlatformClues::parse(user_agent)
                .with_machine(parse_machine(arch)?)
                .platform(),
            (None, None) => user_agent::detect_platform(user_agent),
        }
    }

    /// Returns these options for the platform that the path of the URL names. Fails if they name one themselves.
    pub fn with_platform(self, platform: &Platform) -> Result<BuildOptions, BadBuildOptions> {
        if self.os.is_some() || self.arch.is_some() {
            return Err(BadBuildOptions::PlatformInPath(platform.to_string()));
        }
        Ok(BuildOptions {
            os: Some(platform.os().to_owned()),
            arch: Some(platform.machine().to_string()),
            ..self
        })
    }

    /// Returns these options without the platform.
    pub fn without_platform(&self) -> BuildOptions {
        BuildOptions {
            os: None,
            arch: None,
            ..self.clone()
        }
    }

    /// Returns the URL of this path with these options as its query.
    pub fn url(&self, path: &str) -> String {
        match self.to_string() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }

    /// Returns these options with each possible platform, the most likely first, for a request without a detected platform. `ARCH`
    /// is a placeholder.
    pub fn suggestions(&self, undetected: &UndetectedPlatform) -> Vec<BuildOptions> {
        let platforms = match undetected {
            UndetectedPlatform::NoPlatform => vec![("linux", "amd64".to_owned())],
            UndetectedPlatform::UnknownMachine { os } => vec![(*os, "ARCH".to_owned())],
            UndetectedPlatform::Ambiguous { candidates, .. } => candidates
                .iter()
                .map(|platform| (platform.os(), platform.machine().to_string()))
                .collect(),
            UndetectedPlatform::NotSupported(_) => Vec::new(),
        };
        let with_platform = |(os, arch): (&str, String)| BuildOptions {
            os: self.os.clone().or(Some(os.to_owned())),
            arch: self.arch.clone().or(Some(arch)),
            ..self.clone()
        };
        platforms.into_iter().map(with_platform).collect()
    }
}

/// Prints the canonical query: keys in fixed order, no defaults. No value needs percent-encoding.
impl fmt::Display for BuildOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = [
            ("os", self.os.clone()),
            ("arch", self.arch.clone()),
            ("go", self.go.as_ref().map(GoVersion::to_string)),
            ("tags", Some(self.tags.join(",")).filter(|tags| !tags.is_empty())),
            ("strip", self.strip.then(|| "1".to_owned())),
            ("cgo", self.accepts_stubs.then(|| "0".to_owned())),
            ("name", self.name.as_ref().map(FileName::to_string)),
            ("recipe", self.recipe.map(|recipe| recipe.to_string())),
            ("min-age", self.min_age.map(|age| age.to_string())),
            ("wait", self.wait.then(|| "1".to_owned())),
            ("download", self.download.then(|| "1".to_owned())),
        ];
        let pairs: Vec<_> = pairs
            .into_iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", value?)))
            .collect();
        f.write_str(&pairs.join("&"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum QueryKey {
    Os,
    Arch,
    /// `os` and `arch` in one.
    Platform,
    /// A level of the architecture, which is usually part of `arch`.
    Level,
    Go,
    Tags,
    Strip,
    Cgo,
    Name,
    Recipe,
    MinAge,
    Wait,
    Download,
}

/// The spellings of each key. The first is its name.
const KEYS: [(QueryKey, &[&str]); 13] = [
    (QueryKey::Os, &["os", "goos", "targetos"]),
    (QueryKey::Arch, &["arch", "goarch", "targetarch"]),
    (QueryKey::Platform, &["platform", "targetplatform"]),
    (
        QueryKey::Level,
        &["arm", "goarm", "goamd64", "variant", "targetvariant"],
    ),
    (QueryKey::Go, &["go"]),
    (QueryKey::Tags, &["tags"]),
    (QueryKey::Strip, &["strip"]),
    (QueryKey::Cgo, &["cgo"]),
    (QueryKey::Name, &["name"]),
    (QueryKey::Recipe, &["recipe"]),
    (QueryKey::MinAge, &["min-age"]),
    (QueryKey::Wait, &["wait"]),
    (QueryKey::Download, &["download"]),
];

impl QueryKey {
    fn parse(typed: &str) -> Result<QueryKey, BadBuildOptions> {
        let lower = typed.to_ascii_lowercase();
        let found = KEYS
            .iter()
            .find(|(_, spellings)| spellings.contains(&lower.as_str()));
        found
            .map(|(key, _)| *key)
            .ok_or_else(|| BadBuildOptions::UnknownKey(Printable::new(typed)))
    }

    fn name(self) -> &'static str {
        let found = KEYS.iter().find(|(key, _)| *key == self);
        found.map_or("", |(_, spellings)| spellings[0])
    }
}

/// Parses the level of an architecture, 32-bit ARM by default: `6`, or Docker's `v6`.
fn parse_level(arch: Option<String>, typed: &str) -> Result<String, BadBuildOptions> {
    let arch = arch.as_deref().unwrap_or("arm");
    let machine = parse_machine(&format!("{arch}_{typed}"));
    // `arch=armv6` has a level already, which `arm` could contradict.
    machine
        .map(|machine| machine.to_string())
        .map_err(|_| match arch {
            "arm" => BadBuildOptions::BadArm(Printable::new(typed)),
            other => BadBuildOptions::ArmOnOther(other.to_owned()),
        })
}

fn parse_bool(key: QueryKey, typed: &str) -> Result<bool, BadBuildOptions> {
    match typed {
        "1" => Ok(true),
        "0" => Ok(false),
        other => Err(BadBuildOptions::BadBool(key.name(), Printable::new(other))),
    }
}

fn parse_cgo(typed: &str) -> Result<bool, BadBuildOptions> {
    match typed {
        "0" => Ok(true),
        other => Err(BadBuildOptions::BadCgo(Printable::new(other))),
    }
}

fn parse_file_name(typed: &str) -> Result<FileName, BadBuildOptions> {
    FileName::parse(typed).ok_or_else(|| BadBuildOptions::BadName(Printable::new(typed)))
}

fn parse_recipe(typed: &str) -> Result<RecipeName, BadBuildOptions> {
    match typed {
        "install" => Ok(RecipeName::Install),
        "release" => Ok(RecipeName::Release),
        other => Err(BadBuildOptions::BadRecipe(Printable::new(other))),
    }
}

fn parse_tags(typed: &str) -> Result<Vec<String>, BadBuildOptions> {
    let is_tag = |tag: &str| {
        !tag.is_empty()
            && tag
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
    };
    match typed.split(',').find(|tag| !is_tag(tag)) {
        Some(bad) => Err(BadBuildOptions::BadTag(Printable::new(bad))),
        None => Ok(typed
            .split(',')
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()),
    }
}

/// Why a query is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBuildOptions {
    /// Too many bytes.
    #[error("the query is too long ({0} bytes)")]
    TooLong(usize),
    /// `?arch=amd64.sha256`: a template appended the suffix to the whole URL. Refused at any place, since the canonical query has another
    /// order.
    #[error("the query has the suffix of a file beside the program, which belongs to the path")]
    SuffixBehindQuery,
    /// An unknown key.
    #[error("the query has an unknown key \"{0}\"")]
    UnknownKey(Printable),
    /// The same key twice, or both of its names.
    #[error("the query has \"{0}\" more than once")]
    Repeated(&'static str),
    /// An operating system or architecture that Go does not support.
    #[error(transparent)]
    Platform(#[from] UnknownPlatform),
    /// An ARM version that Go does not support.
    #[error("\"{0}\" is not a supported version of ARM")]
    BadArm(Printable),
    /// `arm` with another architecture, or with one that includes a level.
    #[error("arm cannot be combined with arch={0}")]
    ArmOnOther(String),
    /// A platform in the query of a URL that names one in its path.
    #[error("the path names the platform {0} already")]
    PlatformInPath(String),
    /// An invalid Go version.
    #[error(transparent)]
    Go(#[from] BadGoVersion),
    /// An invalid build tag.
    #[error("\"{0}\" is not a valid build tag")]
    BadTag(Printable),
    /// A value other than 0 and 1.
    #[error("\"{1}\" is not a valid value of {0}")]
    BadBool(&'static str, Printable),
    /// An invalid age.
    #[error(transparent)]
    MinAge(#[from] BadMinAge),
    /// A value other than 0: this service has no C compiler.
    #[error("\"{0}\" is not a valid value of cgo")]
    BadCgo(Printable),
    /// A name that is not a valid file name on every system.
    #[error("\"{0}\" is not a valid file name")]
    BadName(Printable),
    /// An unknown recipe.
    #[error("\"{0}\" is not a recipe")]
    BadRecipe(Printable),
}

impl BadBuildOptions {
    /// Whether the query is valid without some of its keys.
    pub(super) fn is_about_keys(&self) -> bool {
        use BadBuildOptions::{ArmOnOther, Repeated, TooLong, UnknownKey};
        matches!(self, UnknownKey(_) | Repeated(_) | ArmOnOther(_) | TooLong(_))
    }

    /// Returns what to type instead, if that does not depend on the rest of the URL.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            BadBuildOptions::UnknownKey(_)
            | BadBuildOptions::TooLong(_)
            | BadBuildOptions::SuffixBehindQuery => return None,
            BadBuildOptions::Repeated(key) => return Some(format!("type {key} once")),
            BadBuildOptions::Platform(unknown) => return Some(unknown.hint()),
            BadBuildOptions::BadArm(_) => "type arm=5, arm=6 or arm=7",
            BadBuildOptions::ArmOnOther(_) => "leave out arm, or type arch=arm",
            BadBuildOptions::Go(_) => "type a version of Go, as in go=1.26.8",
            BadBuildOptions::BadTag(_) => "type tags of letters, digits, _ and ., separated by commas",
            BadBuildOptions::PlatformInPath(_) => "leave out os, arch and arm",
            BadBuildOptions::BadBool(key, _) => return Some(format!("type {key}=1 or {key}=0")),
            BadBuildOptions::BadCgo(_) => "leave out cgo, or type cgo=0",
            BadBuildOptions::MinAge(_) => "type hours, days or weeks, as in min-age=36h, 7d or 2w",
            BadBuildOptions::BadName(_) => "type up to 64 letters, digits, ., _ and -, as in name=fzf",
            BadBuildOptions::BadRecipe(_) => "type recipe=install or recipe=release",
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(query: &str) -> BuildOptions {
        BuildOptions::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    #[test]
    fn empty_query_has_default_options() {
        assert_eq!(parsed(""), BuildOptions::default());
        assert_eq!(parsed("&&"), BuildOptions::default());
        assert_eq!(BuildOptions::default().to_string(), "");
    }

    #[test]
    fn suggestions_add_the_missing_platform() {
        for (query, user_agent, suggestions) in [
            ("strip=1", "curl/8.5.0", vec!["os=linux&arch=amd64&strip=1"]),
            ("arch=arm64", "curl/8.5.0", vec!["os=linux&arch=arm64"]),
            ("", "Linux unknown", vec!["os=linux&arch=ARCH"]),
            ("os=windows", "Linux unknown", vec!["os=windows&arch=ARCH"]),
            (
                "tags=a",
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15",
                vec!["os=darwin&arch=arm64&tags=a", "os=darwin&arch=amd64&tags=a"],
            ),
            ("", "FreeBSD riscv64", vec![]),
        ] {
            let options = parsed(query);
            let undetected = options.platform(user_agent).expect_err(user_agent);
            let queries: Vec<_> = options
                .suggestions(&undetected)
                .iter()
                .map(BuildOptions::to_string)
                .collect();
            assert_eq!(queries, suggestions, "{query} {user_agent}");
        }
    }

    #[test]
    fn every_key_is_parsed_and_printed_in_fixed_order() {
        for (query, canonical) in [
            (
                "strip=1&tags=b,a,b&go=go1.26.8&arch=aarch64&os=macOS",
                "os=darwin&arch=arm64&go=1.26.8&tags=a,b&strip=1",
            ),
            ("goos=linux&goarch=armv6l", "os=linux&arch=armv6"),
            ("arm=6", "arch=armv6"),
            ("arch=arm&arm=5", "arch=armv5"),
            ("arm=7&arch=ARM", "arch=arm"),
            ("arch=x86-64-v3", "arch=amd64v3"),
            ("arch=x86%5F64", "arch=amd64"),
            ("go=1.27rc2", "go=1.27rc2"),
            ("tags=netgo,osusergo", "tags=netgo,osusergo"),
            ("tags=netgo%2Cgo1.20", "tags=go1.20,netgo"),
            ("strip=0", ""),
            // Go's and Docker's variables, and any letter case.
            ("GOOS=windows&GOARCH=amd64", "os=windows&arch=amd64"),
            ("OS=Linux&Arch=x86_64&STRIP=1", "os=linux&arch=amd64&strip=1"),
            ("arch=arm&arm=v7", "arch=arm"),
            ("arch=arm&arm=v6", "arch=armv6"),
            ("GOARCH=arm&GOARM=5", "arch=armv5"),
            ("GOARCH=amd64&GOAMD64=v3", "arch=amd64v3"),
            (
                "TARGETOS=linux&TARGETARCH=arm&TARGETVARIANT=v6",
                "os=linux&arch=armv6",
            ),
            (
                "TARGETOS=linux&TARGETARCH=amd64&TARGETVARIANT=",
                "os=linux&arch=amd64",
            ),
            ("os=linux&arch=arm64&variant=v8", "os=linux&arch=arm64"),
            ("platform=linux/arm/v7", "os=linux&arch=arm"),
            ("platform=linux%2Farm%2Fv6&strip=1", "os=linux&arch=armv6&strip=1"),
            ("TARGETPLATFORM=windows/amd64&os=&arch=", "os=windows&arch=amd64"),
            ("os=&arch=&arm=&platform=&go=&tags=&strip=&name=&recipe=", ""),
            ("os=&os=linux", "os=linux"),
            ("platform=linux", "os=linux"),
            ("platform=linux-x86_64", "os=linux&arch=amd64"),
            ("cgo=0&strip=1", "strip=1&cgo=0"),
            ("recipe=release&name=fzf", "name=fzf&recipe=release"),
            ("recipe=install", "recipe=install"),
            ("wait=1&min-age=07d", "min-age=7d&wait=1"),
            ("wait=0", ""),
        ] {
            assert_eq!(parsed(query).to_string(), canonical, "{query}");
        }
    }

    /// R4, R15 and R16 of SECURITY.md.
    #[test]
    fn everything_else_is_refused() {
        let printable = |text: &str| Printable::new(text);
        for (query, reason) in [
            ("go-get=1", BadBuildOptions::UnknownKey(printable("go-get"))),
            ("ldflags=-X", BadBuildOptions::UnknownKey(printable("ldflags"))),
            ("GO_OS=linux", BadBuildOptions::UnknownKey(printable("GO_OS"))),
            ("go-get=", BadBuildOptions::UnknownKey(printable("go-get"))),
            ("OS=linux&os=linux", BadBuildOptions::Repeated("os")),
            ("platform=linux/amd64&os=linux", BadBuildOptions::Repeated("os")),
            ("arm=6&GOARM=6", BadBuildOptions::Repeated("arm")),
            (
                "platform=linux/vax",
                BadBuildOptions::Platform(UnknownPlatform::Arch(printable("vax"))),
            ),
            ("arch=amd64.sha256", BadBuildOptions::SuffixBehindQuery),
            ("name=fzf.cdx.json", BadBuildOptions::SuffixBehindQuery),
            ("tags=z.log,a", BadBuildOptions::SuffixBehindQuery),
            ("name=words.json&os=linux", BadBuildOptions::SuffixBehindQuery),
            ("arm=v99", BadBuildOptions::BadArm(printable("v99"))),
            ("variant=v3", BadBuildOptions::BadArm(printable("v3"))),
            ("version=v1", BadBuildOptions::UnknownKey(printable("version"))),
            ("=", BadBuildOptions::UnknownKey(printable(""))),
            (
                "%0d%0aSet-Cookie:x=1",
                BadBuildOptions::UnknownKey(printable("\r\nSet-Cookie:x")),
            ),
            ("os=linux&os=linux", BadBuildOptions::Repeated("os")),
            ("os=linux&goos=linux", BadBuildOptions::Repeated("os")),
            (
                "os=../x",
                BadBuildOptions::Platform(UnknownPlatform::Os(printable("../x"))),
            ),
            (
                "os",
                BadBuildOptions::Platform(UnknownPlatform::Os(printable(""))),
            ),
            (
                "os=linux%00",
                BadBuildOptions::Platform(UnknownPlatform::Os(printable("linux\0"))),
            ),
            (
                "arch=vax",
                BadBuildOptions::Platform(UnknownPlatform::Arch(printable("vax"))),
            ),
            ("arm=99", BadBuildOptions::BadArm(printable("99"))),
            ("arm=4", BadBuildOptions::BadArm(printable("4"))),
            (
                "arch=arm64&arm=6",
                BadBuildOptions::ArmOnOther("arm64".to_owned()),
            ),
            (
                "arch=armv6&arm=5",
                BadBuildOptions::ArmOnOther("armv6".to_owned()),
            ),
            (
                "go=latest",
                BadBuildOptions::Go(BadGoVersion(printable("latest"))),
            ),
            (
                "go=1.26.8%20",
                BadBuildOptions::Go(BadGoVersion(printable("1.26.8 "))),
            ),
            ("tags=a,,b", BadBuildOptions::BadTag(printable(""))),
            ("tags=a+b", BadBuildOptions::BadTag(printable("a b"))),
            ("tags=-x", BadBuildOptions::BadTag(printable("-x"))),
            ("tags=a%27", BadBuildOptions::BadTag(printable("a'"))),
            ("tags=%ff", BadBuildOptions::BadTag(printable("\u{fffd}"))),
            ("strip=yes", BadBuildOptions::BadBool("strip", printable("yes"))),
            ("strip", BadBuildOptions::BadBool("strip", printable(""))),
            ("cgo=1", BadBuildOptions::BadCgo(printable("1"))),
            ("name=a/b", BadBuildOptions::BadName(printable("a/b"))),
            ("name=a%22b", BadBuildOptions::BadName(printable("a\"b"))),
            ("name=NUL", BadBuildOptions::BadName(printable("NUL"))),
            ("recipe=Release", BadBuildOptions::BadRecipe(printable("Release"))),
        ] {
            assert_eq!(BuildOptions::parse(query), Err(reason), "{query}");
        }
        assert_eq!(
            BuildOptions::parse(&"a".repeat(1025)),
            Err(BadBuildOptions::TooLong(1025))
        );
    }

    #[test]
    fn valid_pairs_are_kept() {
        for (query, valid) in [
            (
                "ldflags=-X&os=linux&arch=arm64&tags=a",
                "os=linux&arch=arm64&tags=a",
            ),
            ("os=linux&os=windows&strip=1", "os=linux&strip=1"),
            ("arch=arm64&arm=6", "arch=arm64"),
            ("os=hurd&arch=amd64&tab=readme", "arch=amd64"),
            ("os", ""),
            (&"x&".repeat(5000), ""),
        ] {
            assert_eq!(
                BuildOptions::parse_valid_pairs(query).to_string(),
                valid,
                "{query}"
            );
        }
    }

    #[test]
    fn user_agent_completes_the_query() {
        const CURL: &str = "curl/8.5.0";
        const MAC_BROWSER: &str =
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:128.0) Gecko/20100101 Firefox/128.0";
        for (query, user_agent, platform) in [
            ("", "Linux x86_64", "linux/amd64"),
            ("os=windows", "Linux x86_64", "windows/amd64"),
            ("os=linux", "Darwin arm", "linux/arm64"),
            ("os=linux", "Darwin i386", "linux/amd64"),
            ("os=freebsd", "Linux armv6l", "freebsd/arm/6"),
            ("arch=arm64", "Linux unknown", "linux/arm64"),
            ("arch=arm64", MAC_BROWSER, "darwin/arm64"),
            (
                "arch=x64",
                "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1",
                "windows/amd64",
            ),
            ("os=illumos", "SunOS i86pc", "illumos/amd64"),
            ("arm=6", "Linux aarch64", "linux/arm/6"),
            ("os=linux&arch=riscv64", CURL, "linux/riscv64"),
            ("os=darwin&arch=arm64", "Linux x86_64", "darwin/arm64"),
            // Only one platform is possible.
            ("os=illumos", CURL, "illumos/amd64"),
            ("os=aix", "Linux x86_64", "aix/ppc64"),
            ("arch=s390x", "Darwin arm64", "linux/s390x"),
            ("arch=mips64le", CURL, "linux/mips64le"),
        ] {
            let detected = parsed(query)
                .platform(user_agent)
                .map(|platform| platform.to_string());
            assert_eq!(detected.as_deref(), Ok(platform), "?{query} {user_agent}");
        }
        let pair = |os, arch| UndetectedPlatform::NotSupported(UnknownPlatform::Pair { os, arch });
        for (query, user_agent, reason) in [
            (
                "os=linux",
                CURL,
                UndetectedPlatform::UnknownMachine { os: "linux" },
            ),
            (
                "os=linux",
                "Linux unknown",
                UndetectedPlatform::UnknownMachine { os: "linux" },
            ),
            ("arch=amd64", CURL, UndetectedPlatform::NoPlatform),
            ("os=windows", "Linux armv7l", pair("windows", "arm")),
            ("os=windows&arch=arm", CURL, pair("windows", "arm")),
            ("arch=386", "Darwin arm64", pair("darwin", "386")),
        ] {
            assert_eq!(
                parsed(query).platform(user_agent),
                Err(reason),
                "?{query} {user_agent}"
            );
        }
        let Err(UndetectedPlatform::Ambiguous { candidates, .. }) = parsed("os=linux").platform(MAC_BROWSER)
        else {
            panic!("a browser on a Mac does not say which CPU it has");
        };
        assert_eq!(
            candidates.iter().map(Platform::to_string).collect::<Vec<_>>(),
            ["linux/arm64", "linux/amd64"]
        );
    }

    fn nearly_valid() -> impl Strategy<Value = String> {
        let pair = "(os=(linux|macos)|arch=(arm|x64|armv6|amd64v3)|arm=[5-8]|go=(go)?1\\.2[0-9](\\.[0-9]|rc1)?|tags=[a-z_.,]{1,9}|strip=[01]\
                    |name=[a-z]\\.(exe|json)|cgo=0|recipe=release|min-age=2d|wait=1)";
        proptest::string::string_regex(&format!("{pair}(&{pair}){{0,4}}")).expect("a pattern")
    }

    proptest! {
        #[test]
        fn printed_query_parses_to_the_same_options(query in nearly_valid()) {
            if let Ok(options) = BuildOptions::parse(&query) {
                prop_assert_eq!(BuildOptions::parse(&options.to_string()), Ok(options));
            }
        }

        #[test]
        fn output_for_any_text_is_printable(query: String, user_agent: String) {
            let text = match BuildOptions::parse(&query) {
                Ok(options) => options.to_string(),
                Err(bad) => format!("{bad} {}", bad.hint().unwrap_or_default()),
            };
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", text);
            if let Ok(platform) = BuildOptions::default().platform(&user_agent) {
                prop_assert_eq!(parsed(&platform.query()).platform(""), Ok(platform));
            }
        }
    }
}
