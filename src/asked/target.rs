//! Which program was asked for: the path of the URL, `/[HOST/]OWNER/REPO[/SUB...][@VERSION]`.
//!
//! Read once, byte for byte as it came, and never decoded: no program's name needs a `%`, so there is nothing to decode,
//! and no second reading can differ from the first. The grammar is at least as strict as `CheckPath` of
//! golang.org/x/mod/module. Whether such a program exists, and where in the path its module ends, is not known here.

use super::windows;
use super::{BadVersion, Shown, Version, version};
use std::fmt;

/// The longest path, version and all, so that paths fit every web server, log line and file name on the way.
const MAX_BYTES: usize = 256;
/// What a version, and its `@`, always leave for the rest; so a target keeps to `MAX_BYTES` whatever version it is given.
const MAX_BYTES_WITHOUT_VERSION: usize = MAX_BYTES - version::MAX_BYTES - 1;
/// HOST, OWNER, REPO and eight more.
const MAX_ELEMENTS: usize = 11;

/// The host that is meant when none is said.
const GITHUB: &str = "github.com";
/// Hosts where OWNER/REPO is always a repository. Elsewhere groups nest (GitLab), or a path is a name that leads anywhere.
const OWNER_REPO_HOSTS: [&str; 4] = [GITHUB, "bitbucket.org", "codeberg.org", "git.sr.ht"];

/// A program, by the path that Go imports it by, and the version of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// HOST, OWNER, REPO, ...: two at least.
    elements: Vec<String>,
    version: Version,
}

impl Target {
    /// Reads the path of a URL, exactly as received.
    pub fn parse(path: &[u8]) -> Result<Target, BadTarget> {
        let text = plain(path)?;
        let (path, version) = match text.split_once('@') {
            None => (text, Version::Latest),
            Some((_, behind)) if behind.contains('/') => return Err(BadTarget::VersionInside),
            Some((path, typed)) => (path, Version::parse(typed)?),
        };
        let mut elements = elements(path);
        // The hint keeps the version.
        if let Err(BadTarget::TrailingSlash { instead }) = &mut elements
            && version != Version::Latest
        {
            *instead += &format!("@{version}");
        }
        let elements = elements?;
        Ok(Target { elements, version })
    }

    /// The path that Go imports the program by: `github.com/junegunn/fzf`.
    pub fn import_path(&self) -> String {
        self.elements.join("/")
    }

    /// The host: `github.com` when none was said.
    pub fn host(&self) -> &str {
        self.elements.first().map_or(GITHUB, String::as_str)
    }

    /// The last element: what the program is called, unless a major version hides its name.
    pub fn name(&self) -> &str {
        self.elements.last().map_or("", String::as_str)
    }

    /// The elements of the import path, the host first.
    pub fn elements(&self) -> &[String] {
        &self.elements
    }

    /// How many elements name the repository, on hosts where that can be told from the path.
    pub fn root_len(&self) -> Option<usize> {
        OWNER_REPO_HOSTS.contains(&self.host()).then_some(3)
    }

    /// The version, as far as it was said.
    pub fn version(&self) -> &Version {
        &self.version
    }
}

/// The canonical path of the URL. `github.com` and `@latest` go without saying.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for element in self.elements.iter().skip_while(|element| *element == GITHUB) {
            write!(f, "/{element}")?;
        }
        match &self.version {
            Version::Latest => Ok(()),
            version @ (Version::Exact(_) | Version::Prefix(_) | Version::Revision(_)) => {
                write!(f, "@{version}")
            }
        }
    }
}

/// The path as text, when all of its bytes are such as a path may have.
fn plain(path: &[u8]) -> Result<&str, BadTarget> {
    if path.len() > MAX_BYTES {
        return Err(BadTarget::TooLong(path.len()));
    }
    if let Some(address) = pasted_address(path) {
        let instead = Target::parse(address.as_bytes())
            .ok()
            .map(|target| target.to_string());
        return Err(BadTarget::PastedUrl { instead });
    }
    if path.contains(&b'%') {
        return Err(BadTarget::PercentSign);
    }
    if let Some(byte) = path.iter().find(|byte| !is_plain(**byte)) {
        return Err(BadTarget::BadByte(Shown::new([*byte])));
    }
    str::from_utf8(path).map_err(|_| BadTarget::BadByte(Shown::new(path)))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/@.-_~+".contains(&byte)
}

/// `/github.com/o/r` of `/https://github.com/o/r`, which some web servers make `/https:/github.com/o/r`.
fn pasted_address(path: &[u8]) -> Option<String> {
    let text = str::from_utf8(path).ok()?.strip_prefix('/')?;
    let without_scheme = text
        .strip_prefix("https:/")
        .or_else(|| text.strip_prefix("http:/"));
    let address = without_scheme.unwrap_or(text).trim_matches('/');
    let without_www = address
        .strip_prefix("www.")
        .filter(|rest| rest.split('/').next() == Some(GITHUB));
    (without_scheme.is_some() || without_www.is_some())
        .then(|| format!("/{}", without_www.unwrap_or(address)))
}

/// The elements of a path without its version, each checked, the host put in front where it was left out.
fn elements(path: &str) -> Result<Vec<String>, BadTarget> {
    let relative = path.strip_prefix('/').ok_or(BadTarget::Relative)?;
    if relative.is_empty() {
        return Err(BadTarget::Empty);
    }
    if path.contains("//") {
        return Err(BadTarget::EmptyElement);
    }
    if let Some(instead) = path.strip_suffix('/') {
        // The hint must not lead to the next refusal.
        return elements(instead).and(Err(BadTarget::TrailingSlash {
            instead: instead.to_owned(),
        }));
    }
    if relative.split('/').any(|element| matches!(element, "." | "..")) {
        return Err(BadTarget::DotElement);
    }
    let has_host = relative
        .split('/')
        .next()
        .is_some_and(|first| first.contains('.'));
    let host = if has_host { None } else { Some(GITHUB) };
    let elements: Vec<String> = host
        .into_iter()
        .chain(relative.split('/'))
        .map(str::to_owned)
        .collect();

    if elements.len() > MAX_ELEMENTS {
        return Err(BadTarget::TooDeep(elements.len()));
    }
    let length = 1 + elements.join("/").len();
    if length > MAX_BYTES_WITHOUT_VERSION {
        return Err(BadTarget::TooLong(length));
    }
    check(&elements)?;
    Ok(elements)
}

/// What Go demands of every element, and each host of its own.
fn check(elements: &[String]) -> Result<(), BadTarget> {
    let [host, rest @ ..] = elements else {
        return Err(BadTarget::Empty);
    };
    if !is_host(host) {
        let lower = Some(host.to_ascii_lowercase()).filter(|lower| is_host(lower));
        return Err(BadTarget::BadHost {
            host: Shown::new(host),
            lower,
        });
    }
    for element in elements {
        check_element(element)?;
    }
    let is_owner_repo = OWNER_REPO_HOSTS.contains(&host.as_str());
    match rest {
        [owner, repo, ..] if is_owner_repo => {
            if host == GITHUB && !is_github_owner(owner) {
                return Err(BadTarget::BadOwner(Shown::new(owner)));
            }
            if let Some(name) = repo.strip_suffix(".git") {
                return Err(BadTarget::GitSuffix {
                    name: name.to_owned(),
                });
            }
            if host == GITHUB && !is_github_repo(repo) {
                return Err(BadTarget::BadRepo(Shown::new(repo)));
            }
            Ok(())
        }
        [] if is_owner_repo || is_file_name(host) => Err(BadTarget::MissingRepo(Shown::new(host))),
        [owner] if is_owner_repo => Err(BadTarget::MissingRepo(Shown::new(owner))),
        [..] => Ok(()),
    }
}

fn check_element(element: &str) -> Result<(), BadTarget> {
    let shown = || Shown::new(element);
    if element.contains("...") {
        return Err(BadTarget::Wildcard(shown()));
    }
    if element.starts_with(['-', '.']) || element.ends_with('.') || element.contains("..") {
        return Err(BadTarget::BadElement(shown()));
    }
    if windows::is_device(element) {
        return Err(BadTarget::WindowsName(shown()));
    }
    // What Windows calls a file whose name is too long for DOS: `PROGRA~1`. Go looks at what precedes the first dot.
    let stem = element.split('.').next().unwrap_or(element);
    match stem.rsplit_once('~') {
        Some((_, digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(BadTarget::ShortName(shown()))
        }
        Some(_) | None => Ok(()),
    }
}

/// A name that a public name server could know: labels of RFC 1123, a top level that is no number. Neither an IP
/// address nor a port nor `localhost` is one.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_top_level = |label: &str| {
        label.len() >= 2
            && label != "localhost"
            && (label.starts_with("xn--") || label.bytes().all(|byte| byte.is_ascii_lowercase()))
    };
    host.split('.').all(is_label) && host.rsplit_once('.').is_some_and(|(_, top)| is_top_level(top))
}

/// Endings of files that browsers and scanners ask every server for, and that are no top-level domains.
const FILE_ENDINGS: [&str; 16] = [
    "asp", "aspx", "cfg", "cgi", "conf", "css", "gif", "html", "ico", "jpg", "js", "json", "php", "png",
    "txt", "xml",
];

/// Whether what looks like a host is a file of a web site rather than a module of that name (tailscale.com is one).
fn is_file_name(host: &str) -> bool {
    host.rsplit_once('.')
        .is_some_and(|(_, ending)| FILE_ENDINGS.contains(&ending))
}

/// GitHub's rule for names of users and organisations.
fn is_github_owner(owner: &str) -> bool {
    owner.len() <= 39
        && !owner.starts_with('-')
        && owner
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// GitHub's rule for names of repositories.
fn is_github_repo(repo: &str) -> bool {
    repo.len() <= 100
        && repo
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Why a path names no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// `/`.
    #[error("the path names no program")]
    Empty,
    /// No slash at the beginning.
    #[error("the path does not begin with a slash")]
    Relative,
    /// More bytes than a path may have.
    #[error("the path is too long ({0} bytes)")]
    TooLong(usize),
    /// More elements than a path may have.
    #[error("the path is too deep ({0} elements)")]
    TooDeep(usize),
    /// A whole address where a path belongs.
    #[error("the path is a whole web address")]
    PastedUrl {
        /// The path that means what was pasted.
        instead: Option<String>,
    },
    /// Percent-encoding.
    #[error("the path has a percent sign, and no program's name needs one")]
    PercentSign,
    /// A byte that no path has.
    #[error("the path has a \"{0}\", and no program's name has one")]
    BadByte(Shown),
    /// `//`.
    #[error("two slashes follow each other")]
    EmptyElement,
    /// A slash at the end.
    #[error("the path ends in a slash")]
    TrailingSlash {
        /// The path without it.
        instead: String,
    },
    /// `.` or `..`.
    #[error("the path has a \".\" or \"..\" in it")]
    DotElement,
    /// `...`, which makes Go build everything that matches.
    #[error("\"{0}\" is a pattern, not one program")]
    Wildcard(Shown),
    /// An `@` before the last element.
    #[error("a slash follows the version")]
    VersionInside,
    /// A first element with a dot that is no public host.
    #[error("\"{host}\" is not a host")]
    BadHost {
        /// What was typed.
        host: Shown,
        /// The same in lower case, when that is a host.
        lower: Option<String>,
    },
    /// Not a name on GitHub.
    #[error("\"{0}\" is not the name of an owner on github.com")]
    BadOwner(Shown),
    /// Not a name on GitHub.
    #[error("\"{0}\" is not the name of a repository on github.com")]
    BadRepo(Shown),
    /// An owner or a host, and nothing more.
    #[error("no repository follows \"{0}\"")]
    MissingRepo(Shown),
    /// An address to clone from.
    #[error("the repository ends in .git")]
    GitSuffix {
        /// The repository without it.
        name: String,
    },
    /// An element with dots or dashes where Go takes none.
    #[error("\"{0}\" is not a name in a path of Go")]
    BadElement(Shown),
    /// `con`, `nul.txt`.
    #[error("\"{0}\" is a name that Windows reserves, and Go refuses")]
    WindowsName(Shown),
    /// `progra~1`.
    #[error("\"{0}\" looks like a short name of Windows, and Go refuses those")]
    ShortName(Shown),
    /// What stands behind the `@`.
    #[error(transparent)]
    BadVersion(#[from] BadVersion),
}

impl BadTarget {
    /// What to type instead, when something better is known than what every path looks like: an address, or how to change it.
    pub fn hint(&self) -> Option<String> {
        match self {
            BadTarget::PastedUrl { instead } => instead.clone(),
            BadTarget::TrailingSlash { instead } => Some(instead.clone()),
            BadTarget::VersionInside => Some(
                "put the version last, as in /OWNER/REPO/cmd/NAME@v1.2.3; name a branch that has a slash by its commit"
                    .to_owned(),
            ),
            BadTarget::BadHost { lower: Some(lower), .. } => Some(format!("write the host in lower case, {lower}")),
            BadTarget::BadHost { lower: None, .. } => {
                Some("type /OWNER/REPO for github.com, or /HOST/PATH, as in /codeberg.org/OWNER/REPO".to_owned())
            }
            BadTarget::GitSuffix { name } => Some(format!("leave .git out: {name}")),
            BadTarget::Wildcard(_) => Some("name one program, as in /OWNER/REPO/cmd/NAME".to_owned()),
            BadTarget::BadVersion(bad) => Some(bad.hint()),
            BadTarget::Empty
            | BadTarget::Relative
            | BadTarget::MissingRepo(_)
            | BadTarget::EmptyElement
            | BadTarget::PercentSign
            | BadTarget::BadByte(_)
            | BadTarget::DotElement
            | BadTarget::TooLong(_)
            | BadTarget::TooDeep(_)
            | BadTarget::BadOwner(_)
            | BadTarget::BadRepo(_)
            | BadTarget::BadElement(_)
            | BadTarget::WindowsName(_)
            | BadTarget::ShortName(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
