//! Corrects a URL that a client pasted or typed in another notation: a page of GitHub, an address of git, `REPO==1.2.3`, the name
//! of an archive, a platform in the path.
//!
//! A correction is printed, and the field of the first page leads to its page, but no build starts from it: each of these may also be
//! the name of a package. It is a valid URL of the same program with the platform and the options of the request.

use super::platform::{parse_machine, parse_os};
use super::target::OWNER_REPO_HOSTS;
use super::{BuildOptions, Sidecar, Target, Version};
use platform_element::{BIN, correct_platform};
use version_range::range_prefix;

mod platform_element;
mod version_range;

/// Hosts of pages about modules. The paths of these pages begin with the module's path.
const INDEX_HOSTS: [&str; 2] = ["pkg.go.dev", "godoc.org"];

/// Characters that surround a URL in a text.
const BEFORE: &[char] = &[
    '(', '[', '{', '<', '"', '\'', '`', '\u{ab}', '\u{2018}', '\u{201c}',
];
const AFTER: &[char] = &[
    ')', ']', '}', '>', '*', '|', '&', '"', '\'', '`', ',', '.', ';', ':', '!', '\\', '\u{bb}', '\u{2019}',
    '\u{201d}',
];

/// Extensions of files that other services offer, and the operating system that some imply.
const EXTENSIONS: [(&str, Option<&str>); 15] = [
    (".tar.gz", None),
    (".tar.xz", None),
    (".tar.bz2", None),
    (".tar.zst", None),
    (".tgz", None),
    (".zip", None),
    (".gz", None),
    (".xz", None),
    (".bz2", None),
    (".exe", Some("windows")),
    (".msi", Some("windows")),
    (".dmg", Some("darwin")),
    (".deb", Some("linux")),
    (".rpm", Some("linux")),
    (".apk", Some("linux")),
];

/// Pages of a repository that name no version.
const OTHER_PAGES: [&str; 10] = [
    "releases",
    "tags",
    "issues",
    "pull",
    "pulls",
    "actions",
    "wiki",
    "discussions",
    "branches",
    "security",
];

/// Maximum length of a path that is corrected.
const MAX_BYTES: usize = 1024;

/// Query keys that other services use for the version.
const VERSION_KEYS: [&str; 5] = ["version", "v", "ref", "tag", "branch"];

/// Returns the corrected URL of a request, with its platform and options; `None` if that is the same URL, or if nothing can be
/// corrected.
pub fn correct(path: &[u8], query: &str) -> Option<String> {
    let text = percent_decode(path)?;
    let (program, in_path) = split_sidecar(&text);
    // `??`, and a query that was copied from the source of a web page.
    let plain_query = query.trim_start_matches('?').replace("&amp;", "&");
    let (valid_query, in_query) = match BuildOptions::parse(&plain_query) {
        Ok(_) => (&*plain_query, ""),
        Err(_) => split_sidecar(plain_query.trim_end_matches(AFTER)),
    };
    // The program for another value of a known key is another program.
    if BuildOptions::parse(valid_query).is_err_and(|bad| !bad.is_about_keys()) {
        return None;
    }
    let mut options = BuildOptions::parse_valid_pairs(valid_query);
    if text.starts_with(BIN) {
        // A platform in the query too is another error.
        if options != options.without_platform() {
            return None;
        }
        let url = options.url(&correct_platform(&text)?);
        let is_same = url == options.url(&text) && BuildOptions::parse(query) == Ok(options);
        return (!is_same).then_some(url);
    }
    let mut url = Pasted::parse(program)?;
    url.split_page();
    url.split_version_element();
    url.split_extension();
    url.split_platform();
    url.split_range();
    options.os = options.os.or(url.os.map(str::to_owned));
    options.arch = options.arch.or(url.arch);
    let version = url.version.or_else(|| version_in_query(&plain_query));
    let version = version.map_or(String::new(), |version| format!("@{version}"));
    let corrected = format!("/{}{version}", url.elements.join("/"));
    let target = Target::parse(corrected.as_bytes()).ok()?;
    let suffix = match (in_path, in_query) {
        _ if url.is_source_file => "",
        ("", in_query) => in_query,
        (in_path, _) => in_path,
    };
    let is_same = Target::parse(split_sidecar(str::from_utf8(path).ok()?).0.as_bytes()).as_ref()
        == Ok(&target)
        && BuildOptions::parse(query).as_ref() == Ok(&options);
    let query = Some(options.to_string()).filter(|query| !query.is_empty());
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    (!is_same).then(|| format!("{target}{suffix}{query}"))
}

fn split_sidecar(text: &str) -> (&str, &str) {
    let (program, _) = Sidecar::split(text.as_bytes());
    text.split_at(program.len())
}

fn version_in_query(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let (_, version) = pairs.find(|(key, _)| VERSION_KEYS.contains(&&*key.to_ascii_lowercase()))?;
    Some(version.into_owned()).filter(|version| !version.is_empty())
}

/// The parts of a pasted URL.
#[derive(Debug, Default)]
struct Pasted {
    /// HOST, OWNER, REPO, ...
    elements: Vec<String>,
    version: Option<String>,
    os: Option<&'static str>,
    arch: Option<String>,
    /// Whether it is the page of a file. The name of a file has no suffix of a sidecar.
    is_source_file: bool,
}

impl Pasted {
    fn parse(text: &str) -> Option<Pasted> {
        let url = find_url(text.strip_prefix('/')?);
        let address = without_scheme(url.split(['?', '#']).next()?.trim_start_matches(BEFORE));
        let is_dots = |element: &str| matches!(element, "." | "..");
        if address.split('/').any(is_dots) {
            return None;
        }
        let is_pattern = address.ends_with("/...");
        let address = if is_pattern {
            &address
        } else {
            address.trim_end_matches(AFTER)
        };
        let (path, version) = split_version(address);
        let (path, version) = match version.split_once('/') {
            Some((version, below)) if is_version(version) => (format!("{path}/{below}"), version),
            // The tag of a nested module, or a branch with a slash.
            Some(_) | None => (path.to_owned(), version),
        };
        let elements = path.split('/').filter(|element| !element.is_empty());
        let mut elements: Vec<String> = elements.map(|e| e.trim_end_matches(".git").to_owned()).collect();
        if let Some(host) = elements.first_mut().filter(|first| first.contains('.')) {
            *host = host.to_ascii_lowercase().trim_start_matches("www.").to_owned();
        }
        if elements.len() > 1 && INDEX_HOSTS.contains(&elements.first()?.as_str()) {
            elements.remove(0);
        }
        if !elements.first()?.contains('.') {
            elements.insert(0, "github.com".to_owned());
        }
        if let Some(at) = elements.iter().position(|element| element == "...") {
            elements.truncate(at);
            // `cmd/...` means all programs of the repository.
            elements.pop_if(|last| last == "cmd");
        }
        Some(Pasted {
            elements,
            version: Some(version.to_owned()).filter(|version| !version.is_empty()),
            ..Pasted::default()
        })
    }

    /// Splits off a page of GitHub, GitLab or Gitea: a release, a directory, a file.
    fn split_page(&mut self) {
        let dash = self.elements.iter().position(|element| element == "-");
        let root = dash.unwrap_or(3).min(self.elements.len());
        let page: Vec<String> = self.elements[root..]
            .iter()
            .filter(|e| *e != "-")
            .cloned()
            .collect();
        let page: Vec<&str> = page.iter().map(String::as_str).collect();
        let (reference, file) = match page.as_slice() {
            ["releases", "latest", "download", file] => (&[][..], *file),
            ["releases", "latest"] => (&[][..], ""),
            ["releases", "tag", reference @ ..] => (reference, ""),
            ["releases", "download", reference @ .., file] => (reference, *file),
            ["releases" | "tags", tag] => (&[*tag][..], ""),
            ["tree" | "commit" | "commits", reference @ ..] => (reference, ""),
            ["src", "tag" | "branch" | "commit", reference @ ..] => (reference, ""),
            ["blob" | "raw", reference @ .., file] => {
                self.is_source_file = true;
                // A file that is no code, such as README.md, is about the whole repository.
                let of_tag = reference.iter().position(|element| is_version(element));
                match file.ends_with(".go") {
                    true => (reference, ""),
                    false => (of_tag.map_or(&[][..], |at| &reference[..=at]), ""),
                }
            }
            ["archive", "refs", "tags" | "heads", reference @ ..] | ["archive", reference @ ..] => {
                (reference, "")
            }
            [page, ..] if OTHER_PAGES.contains(page) => (&[][..], ""),
            _ => return,
        };
        self.elements.truncate(root);
        // A tag of a nested module: `kustomize/v5.8.1`.
        let tag = reference
            .iter()
            .position(|element| is_version(element))
            .unwrap_or(0);
        let below = reference.iter().enumerate().filter(|(at, _)| *at != tag);
        self.elements
            .extend(below.map(|(_, element)| (*element).to_owned()));
        self.version = reference
            .get(tag)
            .map(|tag| (*tag).to_owned())
            .or(self.version.take());
        if let Some((_, os, arch)) = find_platform(without_extension(file).0) {
            (self.os, self.arch) = (Some(os), arch);
        }
    }

    /// The number of elements that certainly name the repository.
    fn repository_len(&self) -> usize {
        let has_owner = self
            .elements
            .first()
            .is_some_and(|host| OWNER_REPO_HOSTS.contains(&host.as_str()));
        if has_owner { 3 } else { 2 }
    }

    /// Splits off an element that is a version: `/OWNER/REPO/v0.65.2`.
    fn split_version_element(&mut self) {
        let is_version =
            |element: &String| matches!(element.as_str(), "latest" | "v1") || is_version(element);
        let root = self.repository_len();
        if self.version.is_none()
            && let Some(at) = self.elements.iter().skip(root).position(is_version)
        {
            self.version = Some(self.elements.remove(root + at));
        }
    }

    /// Splits off the extension of an archive or an executable.
    fn split_extension(&mut self) {
        for name in self.elements.last_mut().into_iter().chain(&mut self.version) {
            let (without, os) = without_extension(name);
            self.os = self.os.or(os);
            *name = without.to_owned();
        }
    }

    /// Replaces a range of versions by the prefix that selects its newest version.
    fn split_range(&mut self) {
        let prefix = self.version.as_deref().and_then(range_prefix);
        self.version = prefix.or(self.version.take());
    }

    /// Splits a platform off the end: `/linux/amd64`, `-linux-amd64`, `@v1.2.3_linux_arm64`.
    fn split_platform(&mut self) {
        let owner_len = self.repository_len() - 1;
        let name = self.elements.get(owner_len..).unwrap_or_default().join("/");
        if let Some((name, os, arch)) = find_platform(&name) {
            self.elements.truncate(owner_len);
            self.elements.extend(name.split('/').map(str::to_owned));
            (self.os, self.arch) = (Some(os), arch);
        }
        let version = self.version.clone().unwrap_or_default();
        if let Some((version, os, arch)) = find_platform(&version) {
            self.version = Some(version.to_owned());
            (self.os, self.arch) = (Some(os), arch);
        }
    }
}

/// Splits a platform off the end of a name, from the longest that it may be. An operating system alone must be an element of its own.
fn find_platform(text: &str) -> Option<(&str, &'static str, Option<String>)> {
    const SEPARATORS: &[char] = &['/', '-', '_', '.'];
    let mut positions = text.match_indices(SEPARATORS);
    positions.find_map(|(at, separator)| {
        let (name, platform) = (&text[..at], &text[at + 1..]);
        let (os, arch) = platform.split_once(SEPARATORS).unwrap_or((platform, ""));
        let os = parse_os(os).ok()?;
        let arch = match arch {
            "" if separator == "/" => None,
            arch => Some(parse_machine(arch).ok()?.to_string()),
        };
        (!name.is_empty()).then_some((name, os, arch))
    })
}

fn without_extension(name: &str) -> (&str, Option<&'static str>) {
    let found = EXTENSIONS
        .iter()
        .find_map(|(extension, os)| Some((name.strip_suffix(extension)?, *os)));
    found.unwrap_or((name, None))
}

/// Whether this is a version of a release: `v1.2.3`, `1.2.3`, or `v1.2`.
fn is_version(text: &str) -> bool {
    match Version::parse(text) {
        Ok(Version::Exact(_)) => true,
        Ok(Version::Prefix(prefix)) => text.starts_with('v') && prefix.contains('.'),
        Ok(Version::Latest | Version::Revision(_)) | Err(_) => false,
    }
}

/// Finds the URL in a command such as `go install -v HOST/PATH@VERSION`, and the version in `PATH VERSION`.
fn find_url(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_verb = |word: &&str| matches!(*word, "install" | "get" | "run" | "clone");
    let start = words.iter().position(is_verb).map_or(0, |at| at + 1);
    let is_url = |word: &&str| word.contains('/') && !word.starts_with('-');
    match words
        .iter()
        .skip(start)
        .position(is_url)
        .map(|at| &words[start + at..])
    {
        Some([url, version, ..]) if is_version(version) && !url.contains('@') => format!("{url}@{version}"),
        Some([url, ..]) => (*url).to_owned(),
        Some([]) | None => text.to_owned(),
    }
}

/// Removes `https://`, `git@`, and the port of a host; `HOST:PATH` becomes `HOST/PATH`.
fn without_scheme(text: &str) -> String {
    let is_scheme = |scheme: &str| scheme.bytes().all(|b| b.is_ascii_alphabetic() || b == b'+');
    let address = match text.split_once(":/") {
        Some((scheme, address)) if is_scheme(scheme) => address.trim_start_matches('/'),
        Some(_) | None => text.trim_start_matches('/'),
    };
    let is_user = |user: &str| !user.contains(['/', '.']);
    let address = match address.split_once('@') {
        Some((user, host)) if is_user(user) && host.contains(['/', ':']) => host,
        Some(_) | None => address,
    };
    match address.split_once(':') {
        Some((host, path)) if host.contains('.') && !host.contains('/') => {
            let below_port = path.trim_start_matches(|c: char| c.is_ascii_digit());
            let path = if below_port.starts_with('/') {
                below_port
            } else {
                path
            };
            format!("{host}/{path}")
        }
        Some(_) | None => address.to_owned(),
    }
}

/// Splits `PATH@VERSION`, `PATH:VERSION`, `PATH=VERSION` or `PATH==VERSION`. The version is empty if there is none.
fn split_version(address: &str) -> (&str, &str) {
    match address.split_once(['@', ':', '=']) {
        Some((path, version)) => (path, version.trim_start_matches(['@', ':', '='])),
        None => (address, ""),
    }
}

/// Decodes a path once; `None` if it is not printable text.
fn percent_decode(path: &[u8]) -> Option<String> {
    if path.len() > MAX_BYTES {
        return None;
    }
    let hex = |at: usize| char::from(*path.get(at)?).to_digit(16);
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(&byte) = path.get(at) {
        let decoded = hex(at + 1).zip(hex(at + 2)).filter(|_| byte == b'%');
        let decoded = decoded.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(decoded.unwrap_or(byte));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains(char::is_control))
}

#[cfg(test)]
mod tests;
