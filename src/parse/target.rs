//! Parses the path of a URL into a target: `/[HOST/]OWNER/REPO[/SUB...][@VERSION]`.
//!
//! The path is parsed once. It contains no `%`: no import path needs one, and different decodings cannot differ if there are none. The grammar is at least as strict as `CheckPath` of golang.org/x/mod/module. This module does
//! not know whether the program exists, or where in the path its module ends.

use super::host::{is_file_name, is_host};
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
pub(super) const OWNER_REPO_HOSTS: [&str; 4] = [GITHUB, "bitbucket.org", "codeberg.org", "git.sr.ht"];

/// The end of the path that `git clone` requests first.
const GIT_DISCOVERY: &str = "/info/refs";

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
        let (path, tag) = text.split_once('@').unwrap_or((text, "latest"));
        if let Some((directory, version)) = tag.rsplit_once('/') {
            return Target::from_tag(path, directory, version);
        }
        let version = Version::parse(tag)?;
        let elements = elements(path)?;
        Ok(Target { elements, version })
    }

    /// Returns this target at another version.
    pub fn at(&self, version: Version) -> Target {
        Target {
            elements: self.elements.clone(),
            version,
        }
    }

    /// Parses the tag of a nested module, as GitHub spells it: `OWNER/REPO@DIRECTORY/v1.2.3`.
    fn from_tag(path: &str, directory: &str, version: &str) -> Result<Target, BadTarget> {
        if !is_release(version) || directory.is_empty() {
            return Err(BadTarget::VersionInside);
        }
        let typed = elements(path)?;
        let below = typed.get(3..).unwrap_or_default().join("/");
        let path = typed.join("/");
        let is_complete = below == directory || below.starts_with(&format!("{directory}/"));
        let path = match below.as_str() {
            _ if is_complete => path,
            "" => format!("{path}/{directory}"),
            _ => return Err(BadTarget::VersionInside),
        };
        Ok(Target {
            elements: elements(&format!("/{path}"))?,
            version: Version::parse(version)?,
        })
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

    /// Returns the same path at an exact version; `None` for text that is not one.
    pub fn at_version(&self, version: &str) -> Option<Target> {
        let version = Version::parse(version).ok().filter(Version::is_exact)?;
        Some(Target {
            elements: self.elements.clone(),
            version,
        })
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
    if str::from_utf8(path).is_ok_and(is_url) {
        return Err(BadTarget::PastedUrl);
    }
    if path.contains(&b'%') {
        return Err(BadTarget::PercentSign);
    }
    if let Some(byte) = path.iter().find(|byte| !is_plain(**byte)) {
        return Err(BadTarget::BadByte(Printable::new([*byte])));
    }
    str::from_utf8(path).map_err(|_| BadTarget::BadByte(Printable::new(path)))
}

/// Whether a path may contain this byte.
pub(super) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/@.-_~+".contains(&byte)
}

/// Whether the path is a URL: `/https://github.com/o/r`, also with one slash, since some web servers merge slashes.
fn is_url(path: &str) -> bool {
    let starts = ["/https:/", "/http:/", "/www.github.com/"];
    starts.iter().any(|start| path.starts_with(start))
}

/// Parses the elements of a path without its version, and adds the default host.
fn elements(path: &str) -> Result<Vec<String>, BadTarget> {
    if matches!(path, "" | "/") {
        return Err(BadTarget::Empty);
    }
    let relative = path.strip_prefix('/').ok_or(BadTarget::Relative)?;
    if path.contains("//") {
        return Err(BadTarget::EmptyElement);
    }
    if let Some(path) = path.strip_suffix('/') {
        // Any other error is more important.
        return elements(path).and(Err(BadTarget::TrailingSlash));
    }
    if let Some(repository) = path.strip_suffix(GIT_DISCOVERY) {
        let repository = elements(repository.trim_end_matches(".git"))?;
        return Err(BadTarget::GitClone(repository.join("/")));
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
        return Err(BadTarget::BadHost(Printable::new(host)));
    }
    for element in elements {
        check_element(element)?;
    }
    if let [_, _, below @ ..] = rest
        && let Some(element) = find_release(below)
    {
        return Err(BadTarget::ReleaseInside(Printable::new(element)));
    }
    let is_owner_repo = OWNER_REPO_HOSTS.contains(&host.as_str());
    match rest {
        [owner, repo, ..] if is_owner_repo => {
            if host == GITHUB && !is_github_owner(owner) {
                return Err(BadTarget::BadOwner(Printable::new(owner)));
            }
            if repo.ends_with(".git") {
                return Err(BadTarget::GitSuffix);
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

/// The element that shows that the path is a page of a release: `releases/tag/v1.2.3`, `releases/download/…`, `v1.2.3` at the end.
fn find_release(below: &[String]) -> Option<&str> {
    let below: Vec<&str> = below.iter().map(String::as_str).collect();
    match below.as_slice() {
        ["releases", "tag" | "download", tag, ..] => Some(tag),
        [.., last] if is_release(last) => Some(last),
        [..] => None,
    }
}

/// Whether this is an exact version with its `v`.
fn is_release(text: &str) -> bool {
    text.starts_with('v') && Version::parse(text).is_ok_and(|version| version.is_exact())
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
    /// `/`, or nothing.
    #[error("OWNER/REPO is missing")]
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
    PastedUrl,
    /// The first request of `git clone`.
    #[error("no git repository: git clone https://{0}")]
    GitClone(String),
    /// A page of a release.
    #[error("\"{0}\" is an element of the path; a version follows an @")]
    ReleaseInside(Printable),
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
    TrailingSlash,
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
    #[error("\"{0}\" is not a valid host name")]
    BadHost(Printable),
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
    GitSuffix,
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
    /// Returns what to type instead, as an instruction, if there is more than the general advice for paths.
    pub fn hint(&self) -> Option<String> {
        match self {
            BadTarget::VersionInside => Some(
                "put the version last, as in /OWNER/REPO/cmd/NAME@v1.2.3; for a branch with a slash, use a commit"
                    .to_owned(),
            ),
            BadTarget::BadHost(_) => {
                Some("type /OWNER/REPO for github.com, or /HOST/PATH, as in /codeberg.org/OWNER/REPO".to_owned())
            }
            BadTarget::Wildcard(_) => Some("name one program, as in /OWNER/REPO/cmd/NAME".to_owned()),
            BadTarget::BadVersion(bad) => Some(bad.hint()),
            BadTarget::Empty
            | BadTarget::Relative
            | BadTarget::PastedUrl
            | BadTarget::GitClone(_)
            | BadTarget::TrailingSlash
            | BadTarget::GitSuffix
            | BadTarget::ReleaseInside(_)
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
