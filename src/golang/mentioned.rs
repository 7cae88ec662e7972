//! Modules inside a repository: the zip of the module around them leaves them out (Go modules reference, "Module zip files"),
//! and no module proxy lists a repository. What is left is the repository's own text, which says how they are installed.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::mains::{NOT_COUNTED, is_importable};
use super::release_config::ReleaseConfig;

/// Where people write it: instructions, scripts, what CI does, `go.work`, and what go.mod requires and replaces.
const TEXTS: &[&str] = &["md", "sh", "yml", "yaml", "work", "mod"];

/// How deep such files lie below the module's root (`.github/workflows/` is two), and how much of them is read: some tenths of a
/// second's work, whatever the module holds.
const MAX_DEPTH: usize = 3;
const MAX_FILES: usize = 500;
const MAX_BYTES: u64 = 8 << 20;

/// Elements of a module's path below the one around it: `cmd/NAME`, and one to spare.
const MAX_ELEMENTS: usize = 3;

/// Each is a question to the module proxy.
const MAX_NAMED: usize = 24;

/// Each is a question to the file system.
const MAX_TRIED: usize = 1000;

/// The directories that the text in the module called `path` names and its zip lacks, where one may look for a module.
pub fn directories(module: &Path, path: &str, config: &ReleaseConfig) -> Vec<String> {
    let mut files = Vec::new();
    collect(module, 0, &mut files);
    let (mut left, mut tried, mut found) = (MAX_BYTES, HashSet::new(), Vec::new());
    let mut look = |named: &str| {
        for dir in above_and_itself(named) {
            let is_new = tried.len() < MAX_TRIED && found.len() < MAX_NAMED && tried.insert(dir.clone());
            if is_new && !module.join(&dir).exists() {
                found.push(dir);
            }
        }
    };
    config.directories().for_each(|dir| look(&dir));
    for file in files {
        let mut bytes = Vec::new();
        let read = File::open(&file).and_then(|file| file.take(left).read_to_end(&mut bytes));
        left -= read.unwrap_or_default() as u64;
        let text = String::from_utf8_lossy(&bytes);
        // Links are relative to the file that holds them; what is said of the repository is said at its root.
        let at_root = file.parent() == Some(module);
        let is_work = at_root && (file.ends_with("go.work") || file.ends_with("go.mod"));
        for named in named(&text, path, is_work).chain(links(&text).filter(|_| at_root)) {
            look(&named);
        }
    }
    found
}

fn collect(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let is_text = TEXTS.contains(&&*extension) || path.ends_with("Makefile");
        if metadata.is_dir() && depth < MAX_DEPTH {
            collect(&path, depth + 1, files);
        } else if metadata.is_file() && is_text && files.len() < MAX_FILES {
            files.push(path);
        }
    }
}

/// What stands in `text` as `MODULE/…` or as `cmd/…`, and in a go.work as `./…`, without what stands before.
fn named<'a>(text: &'a str, path: &'a str, is_work: bool) -> impl Iterator<Item = String> + 'a {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "./_-".contains(c);
    text.split(move |c| !is_part(c)).filter_map(move |word| {
        let relative = word.strip_prefix("./");
        let below = word.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
        let command = relative.unwrap_or(word);
        let dir = below
            .or(relative.filter(|_| is_work))
            .or(Some(command).filter(|dir| dir.starts_with("cmd/")))?;
        Some(dir.trim_end_matches(['.', '/']).to_owned())
    })
}

/// Where the links of a Markdown text lead inside the repository, and where its commands go: `](hello/)`, `cd hello`.
fn links(text: &str) -> impl Iterator<Item = String> + '_ {
    let is_end = |c: char| c.is_whitespace() || ")#;&`".contains(c);
    let targets = text.split("](").skip(1).chain(text.split("cd ").skip(1));
    let targets = targets.filter_map(move |rest| rest.split(is_end).next());
    targets
        .filter(|target| !target.contains(':') && !target.starts_with('/'))
        .map(|target| target.trim_start_matches("./").trim_end_matches('/').to_owned())
}

/// `a`, `a/b` and `a/b/c` of `a/b/c/d`, as far as they may be a module that is for others.
fn above_and_itself(dir: &str) -> Vec<String> {
    let is_counted = |element: &&str| {
        let is_major = element
            .strip_prefix('v')
            .is_some_and(|n| n.parse::<u64>().is_ok());
        // One that is none ends `go list` for all others too.
        is_importable(element) && !element.contains('.') && !is_major && !NOT_COUNTED.contains(element)
    };
    let elements: Vec<&str> = dir.split('/').take(MAX_ELEMENTS).take_while(is_counted).collect();
    (1..=elements.len()).map(|n| elements[..n].join("/")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_text_names_and_the_zip_lacks() {
        for (file, text, expected) in [
            ("README.md", "Run `go install a.b/c/tool@latest`.", vec!["tool"]),
            ("README.md", "go get a.b/c/there/x, a.b/cd/tool", vec!["there/x"]),
            (".github/workflows/x.yml", "'./cmd/x-y',", vec!["cmd", "cmd/x-y"]),
            (
                "scripts/x.sh",
                "(cd cmd/one/two && go install .)",
                vec!["cmd", "cmd/one", "cmd/one/two"],
            ),
            ("go.work", "use (\n\t.\n\t./tool\n\t../up\n)\n", vec!["tool"]),
            (
                "README.md",
                "[one](one/) and [two](./two/README.md#x)",
                vec!["one", "two"],
            ),
            ("README.md", "git clone x && cd tool && go build", vec!["tool"]),
            (
                "README.md",
                "[x](https://a.b/one) [y](/one) [z](../one) [t](there/)",
                vec![],
            ),
            ("docs/README.md", "[one](one/)", vec![]),
            (
                "README.md",
                "cd tools\\foo, [x](@/blog/x) [y](a%20b/) [z](é/) [w](one/\u{a0}two/)",
                vec!["one"],
            ),
            ("README.md", "./tool is not said to be one", vec![]),
            ("README.md", "a.b/c/internal/x a.b/c/v2 a.b/c/x.go a.b/c/", vec![]),
            ("x.go", "// go install a.b/c/tool@latest", vec![]),
            ("a/b/c/d/README.md", "a.b/c/tool", vec![]),
        ] {
            let module = tempfile::tempdir().unwrap();
            fs::create_dir(module.path().join("there")).unwrap();
            let file = module.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
            let config = ReleaseConfig::read(module.path());
            assert_eq!(directories(module.path(), "a.b/c", &config), expected, "{text}");
        }
    }
}
