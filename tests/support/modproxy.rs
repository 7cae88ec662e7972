//! Converts tests/modules/*.txtar to the file tree of a module proxy, which `go` reads by `GOPROXY=file://…`.
//!
//! Tests therefore need no server and no network. The tree is made once and named by the hash of its inputs; parallel
//! processes wait for the lock. Nothing is validated: many fixtures are invalid on purpose.

use super::txtar::{Archive, expand};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The default time of a version.
const TIME: &str = "2025-01-02T03:04:05Z";

/// `TIME` as an HTTP date.
pub(crate) const HTTP_TIME: &str = "Thu, 02 Jan 2025 03:04:05 GMT";

/// The file tree of a module proxy.
pub(crate) struct ModProxy {
    pub(crate) root: PathBuf,
}

impl ModProxy {
    /// The value of GOPROXY.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.root.display())
    }
}

/// The file tree of all modules of tests/modules.
pub(crate) fn modproxy() -> &'static ModProxy {
    static TREE: OnceLock<ModProxy> = OnceLock::new();
    TREE.get_or_init(|| ModProxy {
        root: build_tree(&archives()),
    })
}

/// Every archive by its name: `hello` for tests/modules/hello.txtar.
pub(crate) fn archives() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modules");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "txtar"))
        .map(|path| {
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

fn build_tree(archives: &BTreeMap<String, String>) -> PathBuf {
    let mut hash = Sha256::new();
    // The tree depends on this code too.
    hash.update(include_str!("modproxy.rs"));
    hash.update(include_str!("txtar.rs"));
    for (name, text) in archives {
        hash.update(format!("{name}\0{}\0{text}", text.len()));
    }
    let name = format!("modproxy-{}", &super::hex(&hash.finalize())[..16]);
    let root = super::tmp().join(&name);
    let _lock = super::lock("modproxy");
    if !root.exists() {
        super::remove_older("modproxy-");
        let aside = super::tmp().join(format!("{name}.part"));
        fs::create_dir_all(&aside).unwrap();
        for (name, text) in archives {
            for (path, version) in modules(name, &Archive::parse(text), &aside) {
                version.write(&aside, &path);
            }
        }
        fs::rename(&aside, &root).unwrap();
    }
    root
}

/// One version of one module.
struct Version {
    version: String,
    time: String,
    /// The commit in the proxy's `Origin`.
    commit: Option<String>,
    listed: bool,
    zipped: bool,
    entries: Vec<Entry>,
}

/// One entry of a version's zip.
struct Entry {
    name: String,
    content: Content,
}

enum Content {
    Bytes(Vec<u8>),
    Zeros(u64),
    Link(String),
}

/// The versions of an archive. Files of the proxy itself (`raw`, `raw-hex`, `alias`) are written into `tree` directly.
fn modules(archive: &str, parsed: &Archive, tree: &Path) -> Vec<(String, Version)> {
    let mut found: BTreeMap<(String, String), Version> = BTreeMap::new();
    for file in &parsed.files {
        let (word, argument) = file.note.split_once(' ').unwrap_or((&file.note, ""));
        if word == "raw" || word == "raw-hex" {
            let bytes = if word == "raw" {
                file.text.clone().into_bytes()
            } else {
                unhex(&file.text)
            };
            write_file(&tree.join(&file.name), &bytes);
            continue;
        }
        let (module, rest) = file
            .name
            .split_once('@')
            .unwrap_or_else(|| panic!("{archive}: {}: no @", file.name));
        let (version, path) = rest.split_once('/').unwrap_or((rest, ""));
        if word == "alias" {
            // The response of a proxy to a branch or commit: the version that it resolves to.
            let info = format!(r#"{{"Version":"{argument}","Time":"{TIME}"}}"#);
            write_file(
                &tree
                    .join(escape(module))
                    .join("@v")
                    .join(format!("{}.info", escape(version))),
                info.as_bytes(),
            );
            continue;
        }
        let found = found
            .entry((module.to_owned(), version.to_owned()))
            .or_insert_with(|| Version {
                version: version.to_owned(),
                time: TIME.to_owned(),
                commit: None,
                listed: true,
                zipped: true,
                entries: Vec::new(),
            });
        let name = format!("{module}@{version}/{path}");
        let content = match (word, path) {
            ("unlisted", "") => {
                found.listed = false;
                continue;
            }
            ("no-zip", "") => {
                found.zipped = false;
                continue;
            }
            ("time", "") => {
                argument.clone_into(&mut found.time);
                continue;
            }
            ("commit", "") => {
                found.commit = Some(argument.to_owned());
                continue;
            }
            ("empty-files", _) => {
                let numbers = 0..argument.parse::<u32>().unwrap();
                let empty = |number| Entry {
                    name: format!("{name}/{number}"),
                    content: Content::Bytes(Vec::new()),
                };
                found.entries.extend(numbers.map(empty));
                continue;
            }
            ("requires", "go.mod") => Content::Bytes(add_requirements(
                &file.text,
                module,
                argument.parse().unwrap(),
                tree,
            )),
            ("zeros", _) => Content::Zeros(argument.parse().unwrap()),
            ("symlink", _) => Content::Link(file.text.trim_end().to_owned()),
            ("hex", _) => Content::Bytes(unhex(&file.text)),
            ("expand", _) => Content::Bytes(expand(&file.text)),
            ("as", _) => Content::Bytes(file.text.clone().into_bytes()),
            ("", path) if !path.is_empty() => Content::Bytes(file.text.clone().into_bytes()),
            _ => panic!("{archive}: {}: unknown note {:?}", file.name, file.note),
        };
        let name = if word == "as" { argument.to_owned() } else { name };
        found.entries.push(Entry { name, content });
    }
    found
        .into_iter()
        .map(|((module, _), version)| (module, version))
        .collect()
}

/// Adds `count` requirements to a go.mod. Of each required module only a go.mod is written.
fn add_requirements(text: &str, module: &str, count: u32, tree: &Path) -> Vec<u8> {
    let mut text = format!("{text}\nrequire (\n");
    for number in 0..count {
        let path = format!("{module}/{number}");
        text.push_str(&format!("\t{path} v1.0.0\n"));
        write_file(
            &tree.join(escape(&path)).join("@v/v1.0.0.mod"),
            format!("module {path}\n").as_bytes(),
        );
    }
    (text + ")\n").into_bytes()
}

impl Version {
    fn write(&self, tree: &Path, module: &str) {
        let folder = tree.join(escape(module)).join("@v");
        let file = |extension: &str| folder.join(format!("{}.{extension}", escape(&self.version)));
        let origin = self.commit.as_ref();
        let origin = origin.map(|hash| format!(r#","Origin":{{"VCS":"git","Hash":"{hash}"}}"#));
        let origin = origin.unwrap_or_default();
        write_file(
            &file("info"),
            format!(
                r#"{{"Version":"{}","Time":"{}"{origin}}}"#,
                self.version, self.time
            )
            .as_bytes(),
        );
        write_file(&file("mod"), &self.go_mod(module));
        let list = folder.join("list");
        if !list.exists() {
            write_file(&list, b"");
        }
        if self.listed {
            let mut list = fs::OpenOptions::new().append(true).open(list).unwrap();
            writeln!(list, "{}", self.version).unwrap();
        }
        if self.zipped {
            self.zip(&file("zip"));
        }
    }

    fn go_mod(&self, module: &str) -> Vec<u8> {
        let name = format!("{module}@{}/go.mod", self.version);
        self.entries
            .iter()
            .find_map(|entry| match &entry.content {
                Content::Bytes(bytes) if entry.name == name => Some(bytes.clone()),
                Content::Bytes(_) | Content::Zeros(_) | Content::Link(_) => None,
            })
            // Proxies synthesize this file for a module without go.mod.
            .unwrap_or_else(|| format!("module {module}\n").into_bytes())
    }

    fn zip(&self, path: &Path) {
        // In memory: the writer makes eleven system calls for each entry of a file.
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let deflated = stored.compression_method(CompressionMethod::Deflated);
        for Entry { name, content } in &self.entries {
            match content {
                Content::Link(target) => zip.add_symlink(name.as_str(), target.as_str(), deflated).unwrap(),
                // A compressor is 300 KB, and one module has 100,000 empty files.
                Content::Bytes(bytes) if bytes.is_empty() => zip.start_file(name.as_str(), stored).unwrap(),
                Content::Bytes(bytes) => {
                    zip.start_file(name.as_str(), deflated).unwrap();
                    zip.write_all(bytes).unwrap();
                }
                Content::Zeros(length) => {
                    zip.start_file(name.as_str(), deflated).unwrap();
                    std::io::copy(&mut std::io::repeat(0).take(*length), &mut zip).unwrap();
                }
            }
        }
        write_file(path, zip.finish().unwrap().get_ref());
    }
}

/// Escapes capitals as `!x`, as the module proxy protocol requires for case-insensitive file systems.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, letter| {
        if letter.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(letter.to_ascii_lowercase());
        escaped
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn write_file(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn capitals_are_escaped_like_go() {
    assert_eq!(
        escape("github.com/BurntSushi/toml"),
        "github.com/!burnt!sushi/toml"
    );
}

#[test]
fn go_reads_the_proxy_tree() {
    let listed = super::plain_go::go_output(&[
        "list",
        "-m",
        "-json",
        "-versions",
        "github.com/tester/hello@latest",
    ]);
    assert!(
        listed.contains(r#""Version": "v1.1.0""#) && listed.contains(r#""v1.0.0""#),
        "{listed}"
    );
    let branch = super::plain_go::go_output(&["list", "-m", "github.com/tester/hello@main"]);
    assert_eq!(branch.trim(), "github.com/tester/hello v1.1.0");
}
