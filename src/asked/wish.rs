//! What else was asked for: the query of the URL, `?os=&arch=&arm=&go=&tags=&strip=&name=&recipe=`.
//!
//! A closed list of keys, each at most once: a key that is not understood is refused, since a person who typed
//! `?version=v2` must not get another version. What Go calls these things on its command line is not known here.

use super::platform::{UnknownPlatform, machine_named, os_named};
use super::user_agent::{self, Reading, Untold};
use super::{BadGoVersion, FileName, GoVersion, Platform, Shown};
use std::collections::BTreeSet;
use std::fmt;

/// Room for all keys and a dozen tags.
const MAX_BYTES: usize = 1024;

/// What the query of a URL says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wish {
    /// The system, as Go calls it.
    pub os: Option<String>,
    /// The architecture and its level, in one word: `arm64`, `armv6`, `amd64v3`.
    pub arch: Option<String>,
    /// The version of Go to compile with.
    pub go: Option<GoVersion>,
    /// Build tags, sorted, each once.
    pub tags: Vec<String>,
    /// Whether to leave out symbols and debugging information.
    pub strip: bool,
    /// What the file is to be called.
    pub name: Option<FileName>,
    /// Which recipe builds the program, if the client says so.
    pub recipe: Option<RecipeName>,
}

/// Whose build it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecipeName {
    /// As `go install` builds it.
    Install,
    /// As the author's release configuration says.
    Release,
}

impl Wish {
    /// Reads the query of a URL: what follows the `?`, exactly as received.
    pub fn parse(query: &str) -> Result<Wish, BadWish> {
        if query.len() > MAX_BYTES {
            return Err(BadWish::TooLong(query.len()));
        }
        let mut wish = Wish::default();
        let mut arm = None;
        let mut seen = BTreeSet::new();
        for (typed_key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let key = Key::named(&typed_key)?;
            if !seen.insert(key) {
                return Err(BadWish::Repeated(key.name()));
            }
            match key {
                Key::Os => wish.os = Some(os_named(&value)?.to_owned()),
                Key::Arch => wish.arch = Some(machine_named(&value)?.to_string()),
                Key::Arm => arm = Some(arm_level(&value)?),
                Key::Go => wish.go = Some(value.parse()?),
                Key::Tags => wish.tags = tags(&value)?,
                Key::Strip => wish.strip = switch(&value)?,
                Key::Name => wish.name = Some(file_name(&value)?),
                Key::Recipe => wish.recipe = Some(recipe_name(&value)?),
            }
        }
        if let Some(arm) = arm {
            // Only "arm" leaves the level open; to say it twice is to contradict oneself sooner or later.
            if let Some(arch) = wish.arch.filter(|arch| arch != "arm") {
                return Err(BadWish::ArmOnOther(arch));
            }
            wish.arch = Some(machine_named(arm)?.to_string());
        }
        Ok(wish)
    }

    /// The platform that the query and the User-Agent tell together. Each half that the query leaves open is the
    /// User-Agent's to tell: `?os=windows` on an x86 Linux means windows/amd64.
    pub fn platform(&self, user_agent: &str) -> Result<Platform, Untold> {
        match (&self.os, &self.arch) {
            (Some(os), Some(arch)) => Ok(Platform::new(os, arch)?),
            (Some(os), None) => Reading::of(user_agent).on_system(os_named(os)?).platform(),
            (None, Some(arch)) => Reading::of(user_agent)
                .on_machine(machine_named(arch)?)
                .platform(),
            (None, None) => user_agent::platform(user_agent),
        }
    }

    /// This wish with a platform that may be meant where none is told, the likeliest first. `ARCH` is for the person to fill in.
    pub fn completed(&self, untold: &Untold) -> Vec<Wish> {
        let platforms = match untold {
            Untold::NoPlatform => vec![("linux", "amd64".to_owned())],
            Untold::UnknownMachine { os } => vec![(*os, "ARCH".to_owned())],
            Untold::Ambiguous { candidates, .. } => candidates
                .iter()
                .map(|platform| (platform.os(), platform.machine().to_string()))
                .collect(),
            Untold::NotSupported(_) => Vec::new(),
        };
        let completed = |(os, arch): (&str, String)| Wish {
            os: self.os.clone().or(Some(os.to_owned())),
            arch: self.arch.clone().or(Some(arch)),
            ..self.clone()
        };
        platforms.into_iter().map(completed).collect()
    }
}

/// The canonical query: keys in one order, nothing that goes without saying, no encoding since no value needs any.
impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = [
            ("os", self.os.clone()),
            ("arch", self.arch.clone()),
            ("go", self.go.as_ref().map(GoVersion::to_string)),
            ("tags", Some(self.tags.join(",")).filter(|tags| !tags.is_empty())),
            ("strip", self.strip.then(|| "1".to_owned())),
            ("name", self.name.as_ref().map(FileName::to_string)),
            ("recipe", self.recipe.map(|recipe| recipe.to_string())),
        ];
        let said: Vec<_> = pairs
            .into_iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", value?)))
            .collect();
        f.write_str(&said.join("&"))
    }
}

impl fmt::Display for RecipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecipeName::Install => "install",
            RecipeName::Release => "release",
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Os,
    Arch,
    Arm,
    Go,
    Tags,
    Strip,
    Name,
    Recipe,
}

impl Key {
    fn named(typed: &str) -> Result<Key, BadWish> {
        match typed {
            "os" | "goos" => Ok(Key::Os),
            "arch" | "goarch" => Ok(Key::Arch),
            "arm" => Ok(Key::Arm),
            "go" => Ok(Key::Go),
            "tags" => Ok(Key::Tags),
            "strip" => Ok(Key::Strip),
            "name" => Ok(Key::Name),
            "recipe" => Ok(Key::Recipe),
            other => Err(BadWish::UnknownKey(Shown::new(other))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Key::Os => "os",
            Key::Arch => "arch",
            Key::Arm => "arm",
            Key::Go => "go",
            Key::Tags => "tags",
            Key::Strip => "strip",
            Key::Name => "name",
            Key::Recipe => "recipe",
        }
    }
}

fn arm_level(typed: &str) -> Result<&'static str, BadWish> {
    match typed {
        "5" => Ok("armv5"),
        "6" => Ok("armv6"),
        "7" => Ok("armv7"),
        other => Err(BadWish::BadArm(Shown::new(other))),
    }
}

fn switch(typed: &str) -> Result<bool, BadWish> {
    match typed {
        "1" => Ok(true),
        "0" => Ok(false),
        other => Err(BadWish::BadStrip(Shown::new(other))),
    }
}

fn file_name(typed: &str) -> Result<FileName, BadWish> {
    FileName::parse(typed).ok_or_else(|| BadWish::BadName(Shown::new(typed)))
}

fn recipe_name(typed: &str) -> Result<RecipeName, BadWish> {
    match typed {
        "install" => Ok(RecipeName::Install),
        "release" => Ok(RecipeName::Release),
        other => Err(BadWish::BadRecipe(Shown::new(other))),
    }
}

fn tags(typed: &str) -> Result<Vec<String>, BadWish> {
    let is_tag = |tag: &str| {
        !tag.is_empty()
            && tag
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
    };
    match typed.split(',').find(|tag| !is_tag(tag)) {
        Some(bad) => Err(BadWish::BadTag(Shown::new(bad))),
        None => Ok(typed
            .split(',')
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()),
    }
}

/// Why a query says nothing that can be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWish {
    /// More bytes than a query may have.
    #[error("the query is too long ({0} bytes)")]
    TooLong(usize),
    /// A key that means nothing here.
    #[error("the query has an unknown key \"{0}\"")]
    UnknownKey(Shown),
    /// The same key twice, or both of its names.
    #[error("the query says \"{0}\" twice")]
    Repeated(&'static str),
    /// A system or an architecture that Go does not know.
    #[error(transparent)]
    Platform(#[from] UnknownPlatform),
    /// A level of ARM that Go does not know.
    #[error("\"{0}\" is not a version of ARM")]
    BadArm(Shown),
    /// A level of ARM for something else, or two of them.
    #[error("arm does not go with the architecture \"{0}\"")]
    ArmOnOther(String),
    /// Not a version of Go.
    #[error(transparent)]
    Go(#[from] BadGoVersion),
    /// Not a build tag.
    #[error("\"{0}\" is not a build tag")]
    BadTag(Shown),
    /// Neither yes nor no.
    #[error("\"{0}\" is not a value of strip")]
    BadStrip(Shown),
    /// Not the name of a file on every system.
    #[error("\"{0}\" is not the name of a program's file")]
    BadName(Shown),
    /// Not a recipe.
    #[error("\"{0}\" is not a recipe")]
    BadRecipe(Shown),
}

impl BadWish {
    /// What to type instead.
    pub fn hint(&self) -> String {
        match self {
            BadWish::UnknownKey(key)
                if ["version", "v", "ref", "tag", "branch"].contains(&&*key.to_string()) =>
            {
                "a version follows the path, as in /OWNER/REPO@v1.2.3".to_owned()
            }
            BadWish::TooLong(_) | BadWish::UnknownKey(_) => {
                "type ?os=linux&arch=arm64, ?tags=TAG, ?go=1.26 or ?strip=1".to_owned()
            }
            BadWish::Repeated(key) => format!("say {key} once"),
            BadWish::Platform(unknown) => unknown.hint(),
            BadWish::BadArm(_) => "type arm=5, arm=6 or arm=7".to_owned(),
            BadWish::ArmOnOther(_) => "leave arm out, or type arch=arm".to_owned(),
            BadWish::Go(_) => "type a version of Go, as in go=1.26.8".to_owned(),
            BadWish::BadTag(_) => "type letters, digits, _ and ., with commas between tags".to_owned(),
            BadWish::BadStrip(_) => "type strip=1 or strip=0".to_owned(),
            BadWish::BadName(_) => "type up to 64 letters, digits, ., _ and -, as in name=fzf".to_owned(),
            BadWish::BadRecipe(_) => "type recipe=install or recipe=release".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(query: &str) -> Wish {
        Wish::parse(query).unwrap_or_else(|bad| panic!("{query}: {bad}"))
    }

    #[test]
    fn nothing_asked_is_nothing_wished() {
        assert_eq!(parsed(""), Wish::default());
        assert_eq!(parsed("&&"), Wish::default());
        assert_eq!(Wish::default().to_string(), "");
    }

    #[test]
    fn what_is_missing_is_put_in_beside_what_was_asked() {
        for (query, user_agent, completed) in [
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
            let wish = parsed(query);
            let untold = wish.platform(user_agent).expect_err(user_agent);
            let queries: Vec<_> = wish.completed(&untold).iter().map(Wish::to_string).collect();
            assert_eq!(queries, completed, "{query} {user_agent}");
        }
    }

    #[test]
    fn every_key_is_read_and_printed_in_one_order() {
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
            ("recipe=release&name=fzf", "name=fzf&recipe=release"),
            ("recipe=install", "recipe=install"),
        ] {
            assert_eq!(parsed(query).to_string(), canonical, "{query}");
        }
    }

    /// R4, R15 and R16 of SECURITY.md.
    #[test]
    fn everything_else_is_refused() {
        let shown = |text: &str| Shown::new(text);
        for (query, reason) in [
            ("go-get=1", BadWish::UnknownKey(shown("go-get"))),
            ("ldflags=-X", BadWish::UnknownKey(shown("ldflags"))),
            ("OS=linux", BadWish::UnknownKey(shown("OS"))),
            ("version=v1", BadWish::UnknownKey(shown("version"))),
            ("=", BadWish::UnknownKey(shown(""))),
            (
                "%0d%0aSet-Cookie:x=1",
                BadWish::UnknownKey(shown("\r\nSet-Cookie:x")),
            ),
            ("os=linux&os=linux", BadWish::Repeated("os")),
            ("os=linux&goos=linux", BadWish::Repeated("os")),
            ("os=../x", BadWish::Platform(UnknownPlatform::Os(shown("../x")))),
            ("os", BadWish::Platform(UnknownPlatform::Os(shown("")))),
            (
                "os=linux%00",
                BadWish::Platform(UnknownPlatform::Os(shown("linux\0"))),
            ),
            ("arch=vax", BadWish::Platform(UnknownPlatform::Arch(shown("vax")))),
            ("arch=", BadWish::Platform(UnknownPlatform::Arch(shown("")))),
            ("arm=99", BadWish::BadArm(shown("99"))),
            ("arm=4", BadWish::BadArm(shown("4"))),
            ("arch=arm64&arm=6", BadWish::ArmOnOther("arm64".to_owned())),
            ("arch=armv6&arm=5", BadWish::ArmOnOther("armv6".to_owned())),
            ("go=latest", BadWish::Go(BadGoVersion(shown("latest")))),
            ("go=1.26.8%20", BadWish::Go(BadGoVersion(shown("1.26.8 ")))),
            ("tags=", BadWish::BadTag(shown(""))),
            ("tags=a,,b", BadWish::BadTag(shown(""))),
            ("tags=a+b", BadWish::BadTag(shown("a b"))),
            ("tags=-x", BadWish::BadTag(shown("-x"))),
            ("tags=a%27", BadWish::BadTag(shown("a'"))),
            ("tags=%ff", BadWish::BadTag(shown("\u{fffd}"))),
            ("strip=yes", BadWish::BadStrip(shown("yes"))),
            ("strip", BadWish::BadStrip(shown(""))),
            ("name=", BadWish::BadName(shown(""))),
            ("name=a/b", BadWish::BadName(shown("a/b"))),
            ("name=a%22b", BadWish::BadName(shown("a\"b"))),
            ("name=NUL", BadWish::BadName(shown("NUL"))),
            ("recipe=", BadWish::BadRecipe(shown(""))),
            ("recipe=Release", BadWish::BadRecipe(shown("Release"))),
        ] {
            assert_eq!(Wish::parse(query), Err(reason), "{query}");
        }
        assert_eq!(Wish::parse(&"a".repeat(1025)), Err(BadWish::TooLong(1025)));
    }

    #[test]
    fn the_user_agent_tells_what_the_query_leaves_open() {
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
            // There is only one answer.
            ("os=illumos", CURL, "illumos/amd64"),
            ("os=aix", "Linux x86_64", "aix/ppc64"),
            ("arch=s390x", "Darwin arm64", "linux/s390x"),
            ("arch=mips64le", CURL, "linux/mips64le"),
        ] {
            let told = parsed(query)
                .platform(user_agent)
                .map(|platform| platform.to_string());
            assert_eq!(told.as_deref(), Ok(platform), "?{query} {user_agent}");
        }
        let pair = |os, arch| Untold::NotSupported(UnknownPlatform::Pair { os, arch });
        for (query, user_agent, reason) in [
            ("os=linux", CURL, Untold::UnknownMachine { os: "linux" }),
            (
                "os=linux",
                "Linux unknown",
                Untold::UnknownMachine { os: "linux" },
            ),
            ("arch=amd64", CURL, Untold::NoPlatform),
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
        let Err(Untold::Ambiguous { candidates, .. }) = parsed("os=linux").platform(MAC_BROWSER) else {
            panic!("a browser on a Mac does not say which processor the Linux has");
        };
        assert_eq!(
            candidates.iter().map(Platform::to_string).collect::<Vec<_>>(),
            ["linux/arm64", "linux/amd64"]
        );
    }

    fn nearly() -> impl Strategy<Value = String> {
        let pair = "(os=(linux|macos)|arch=(arm|x64|armv6|amd64v3)|arm=[5-8]|go=(go)?1\\.2[0-9](\\.[0-9]|rc1)?|tags=[a-z_.,]{1,9}|strip=[01])";
        proptest::string::string_regex(&format!("{pair}(&{pair}){{0,4}}")).expect("a pattern")
    }

    proptest! {
        #[test]
        fn what_is_printed_means_the_same(query in nearly()) {
            if let Ok(wish) = Wish::parse(&query) {
                prop_assert_eq!(Wish::parse(&wish.to_string()), Ok(wish));
            }
        }

        #[test]
        fn any_text_is_answered_in_printable_text(query: String, user_agent: String) {
            let text = match Wish::parse(&query) {
                Ok(wish) => wish.to_string(),
                Err(bad) => format!("{bad} {}", bad.hint()),
            };
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", text);
            if let Ok(platform) = Wish::default().platform(&user_agent) {
                prop_assert_eq!(parsed(&platform.query()).platform(""), Ok(platform));
            }
        }
    }
}
