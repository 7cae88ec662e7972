//! Parses the path of a URL into a target: `/[HOST/]OWNER/REPO[/SUB...][@VERSION]`.
//!
//! The path is parsed once, exactly as received. It is not percent-decoded: no import path needs a `%`, and different decodings
//! cannot differ if there are none. The grammar is at least as strict as `CheckPath` of golang.org/x/mod/module. This module does
//! not know whether the program exists, or where in the path its module ends.

use super::windows;
use super::{BadVersion, Printable, Version, version};
use std::fmt;

/// Maximum length of a path with its version. Such a path fits into the limits of web servers, log lines and file names.
const MAX_BYTES: usize = 256;
/// Maximum length of a path without its version, so that a target does not exceed `MAX_BYTES` with any version.
const MAX_BYTES_WITHOUT_VERSION: usize = MAX_BYTES - version::MAX_BYTES - 1;
/// Maximum number of elements: HOST, OWNER, REPO and eight more.
const MAX_ELEMENTS: usize = 11;

/// The default host.
const GITHUB: &str = "github.com";
/// Hosts where OWNER/REPO is always a repository. On other hosts groups may be nested (GitLab), or paths may be vanity names.
const OWNER_REPO_HOSTS: [&str; 4] = [GITHUB, "bitbucket.org", "codeberg.org", "git.sr.ht"];

/// The requested program: its import path, and a version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// HOST, OWNER, REPO, ... A host alone can be a module too (tailscale.com).
    elements: Vec<String>,
    version: Version,
}

impl Target {
    /// Parses the path of a URL, exactly as received.
    pub fn parse(path: &[u8]) -> Result<Target, BadTarget> {
        let text = plain(path)?;
        let (path, version) = match text.split_once('@') {
            None => (text, Version::Latest),
            Some((_, typed)) if typed.contains('/') => return Err(BadTarget::VersionInside),
            Some((path, typed)) => (path, Version::parse(typed)?),
        };
        let mut elements = elements(path);
        // The hint includes the version.
        if let Err(BadTarget::TrailingSlash { instead }) = &mut elements
            && version != Version::Latest
        {
            *instead += &format!("@{version}");
        }
        let elements = elements?;
        Ok(Target { elements, version })
    }

    /// Returns this target at another version.
    pub fn at(&self, version: Version) -> Target {
        Target {
            elements: self.elements.clone(),
            version,
        }
    }

    /// Returns the import path: `github.com/junegunn/fzf`.
    pub fn import_path(&self) -> String {
        self.elements.join("/")
    }

    /// Returns the host.
    pub fn host(&self) -> &str {
        self.elements.first().map_or(GITHUB, String::as_str)
    }

    /// Returns the last element. It is the name of the program, unless it is a major version.
    pub fn name(&self) -> &str {
        self.elements.last().map_or("", String::as_str)
    }

    /// Returns the elements of the import path, the host first.
    pub fn elements(&self) -> &[String] {
        &self.elements
    }

    /// Returns how many elements name the repository, on hosts where the path shows that.
    pub fn repository_len(&self) -> Option<usize> {
        OWNER_REPO_HOSTS.contains(&self.host()).then_some(3)
    }

    /// Returns the requested version.
    pub fn version(&self) -> &Version {
        &self.version
    }
}

/// Prints the canonical path of the URL, without `github.com` and `@latest`.
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

/// Returns the path as text, if all bytes are allowed.
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
        return Err(BadTarget::BadByte(Printable::new([*byte])));
    }
    str::from_utf8(path).map_err(|_| BadTarget::BadByte(Printable::new(path)))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/@.-_~+".contains(&byte)
}

/// Returns `/github.com/o/r` for `/https://github.com/o/r`, and for `/https:/github.com/o/r`: some web servers merge slashes.
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

/// Parses the elements of a path without its version, and adds the default host.
fn elements(path: &str) -> Result<Vec<String>, BadTarget> {
    let relative = path.strip_prefix('/').ok_or(BadTarget::Relative)?;
    if relative.is_empty() {
        return Err(BadTarget::Empty);
    }
    if path.contains("//") {
        return Err(BadTarget::EmptyElement);
    }
    if let Some(instead) = path.strip_suffix('/') {
        // The suggested path must be valid itself.
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

/// Checks the rules of Go for every element, and those of the host.
fn check(elements: &[String]) -> Result<(), BadTarget> {
    let [host, rest @ ..] = elements else {
        return Err(BadTarget::Empty);
    };
    if !is_host(host) {
        let lower = Some(host.to_ascii_lowercase()).filter(|lower| is_host(lower));
        return Err(BadTarget::BadHost {
            host: Printable::new(host),
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
                return Err(BadTarget::BadOwner(Printable::new(owner)));
            }
            if let Some(name) = repo.strip_suffix(".git") {
                return Err(BadTarget::GitSuffix {
                    name: name.to_owned(),
                });
            }
            if host == GITHUB && !is_github_repo(repo) {
                return Err(BadTarget::BadRepo(Printable::new(repo)));
            }
            Ok(())
        }
        [] if is_owner_repo || is_file_name(host) => Err(BadTarget::MissingRepo(Printable::new(host))),
        [owner] if is_owner_repo => Err(BadTarget::MissingRepo(Printable::new(owner))),
        [..] => Ok(()),
    }
}

fn check_element(element: &str) -> Result<(), BadTarget> {
    let printable = || Printable::new(element);
    if element.contains("...") {
        return Err(BadTarget::Wildcard(printable()));
    }
    if element.starts_with(['-', '.']) || element.ends_with('.') || element.contains("..") {
        return Err(BadTarget::BadElement(printable()));
    }
    if windows::is_device(element) {
        return Err(BadTarget::WindowsName(printable()));
    }
    // Windows short names: `PROGRA~1`. Go checks the part before the first dot.
    let stem = element.split('.').next().unwrap_or(element);
    match stem.rsplit_once('~') {
        Some((_, digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(BadTarget::ShortName(printable()))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether this can be a public host name: labels of RFC 1123 and a top-level domain that is not numeric. IP addresses, ports and
/// `localhost` are not allowed.
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

/// Extensions of files that browsers and scanners request from every server. None is a top-level domain.
const FILE_EXTENSIONS: [&str; 16] = [
    "asp", "aspx", "cfg", "cgi", "conf", "css", "gif", "html", "ico", "jpg", "js", "json", "php", "png",
    "txt", "xml",
];

/// Whether an element that looks like a host is rather a file of a web site. A host alone can be a module: tailscale.com.
fn is_file_name(host: &str) -> bool {
    host.rsplit_once('.')
        .is_some_and(|(_, extension)| FILE_EXTENSIONS.contains(&extension))
}

/// Whether GitHub allows this name for a user or an organization.
fn is_github_owner(owner: &str) -> bool {
    owner.len() <= 39
        && !owner.starts_with('-')
        && owner
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether GitHub allows this name for a repository.
fn is_github_repo(repo: &str) -> bool {
    repo.len() <= 100
        && repo
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Why a path is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// `/`.
    #[error("the path is empty")]
    Empty,
    /// No slash at the start.
    #[error("the path does not start with a slash")]
    Relative,
    /// Too many bytes.
    #[error("the path is too long ({0} bytes)")]
    TooLong(usize),
    /// Too many elements.
    #[error("the path has too many elements ({0})")]
    TooDeep(usize),
    /// A URL in place of a path.
    #[error("the path is a complete URL")]
    PastedUrl {
        /// The path of the same program.
        instead: Option<String>,
    },
    /// Percent-encoding.
    #[error("the path contains a percent sign, which is not allowed")]
    PercentSign,
    /// A byte that is not allowed.
    #[error("the path contains \"{0}\", which is not allowed")]
    BadByte(Printable),
    /// `//`.
    #[error("the path contains two consecutive slashes")]
    EmptyElement,
    /// A slash at the end.
    #[error("the path ends with a slash")]
    TrailingSlash {
        /// The path without it.
        instead: String,
    },
    /// `.` or `..`.
    #[error("the path contains a \".\" or \"..\" element")]
    DotElement,
    /// `...`, which makes Go build everything that matches.
    #[error("\"{0}\" is a pattern, not a program")]
    Wildcard(Printable),
    /// An `@` before the last element.
    #[error("the version is not at the end of the path")]
    VersionInside,
    /// A first element with a dot that is not a public host name.
    #[error("\"{host}\" is not a valid host name")]
    BadHost {
        /// The host as typed.
        host: Printable,
        /// The host in lower case, if that is valid.
        lower: Option<String>,
    },
    /// A name that GitHub does not allow.
    #[error("\"{0}\" is not a valid owner name on github.com")]
    BadOwner(Printable),
    /// A name that GitHub does not allow.
    #[error("\"{0}\" is not a valid repository name on github.com")]
    BadRepo(Printable),
    /// Only an owner or a host.
    #[error("the repository after \"{0}\" is missing")]
    MissingRepo(Printable),
    /// The URL of `git clone`.
    #[error("the repository name ends with .git")]
    GitSuffix {
        /// The repository without it.
        name: String,
    },
    /// An element with dots or dashes where Go does not allow them.
    #[error("\"{0}\" is not a valid element of a Go import path")]
    BadElement(Printable),
    /// `con`, `nul.txt`.
    #[error("\"{0}\" is a reserved name on Windows, which Go does not allow")]
    WindowsName(Printable),
    /// `progra~1`.
    #[error("\"{0}\" looks like a Windows short name, which Go does not allow")]
    ShortName(Printable),
    /// An invalid version after the `@`.
    #[error(transparent)]
    BadVersion(#[from] BadVersion),
}

impl BadTarget {
    /// Returns what to type instead, as a path or an instruction. `None` if there is only the general advice for paths.
    pub fn hint(&self) -> Option<String> {
        match self {
            BadTarget::PastedUrl { instead } => instead.clone(),
            BadTarget::TrailingSlash { instead } => Some(instead.clone()),
            BadTarget::VersionInside => Some(
                "put the version last, as in /OWNER/REPO/cmd/NAME@v1.2.3; for a branch with a slash, use a commit"
                    .to_owned(),
            ),
            BadTarget::BadHost { lower: Some(lower), .. } => Some(format!("write the host in lower case: {lower}")),
            BadTarget::BadHost { lower: None, .. } => {
                Some("type /OWNER/REPO for github.com, or /HOST/PATH, as in /codeberg.org/OWNER/REPO".to_owned())
            }
            BadTarget::GitSuffix { name } => Some(format!("leave out .git: {name}")),
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
