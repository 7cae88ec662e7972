//! Finds directories that may hold nested modules. The zip of the outer module leaves them out (Go modules reference, "Module zip
//! files"), and no module proxy lists a repository. So the module's text files are searched for paths to them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::golang::release::release_config::ReleaseConfig;
use crate::golang::source::commands::{SKIPPED_DIRECTORIES, is_importable};
use crate::golang::source::outline::{MAX_TEXT_DEPTH, is_text};

/// The number of such files that are searched, and their total size in bytes. They bound the search to tenths of a second for any
/// module.
const MAX_FILES: usize = 500;
const MAX_BYTES: u64 = 8 << 20;

/// Path elements of a nested module below the outer one: `cmd/NAME`, and one more.
const MAX_ELEMENTS: usize = 3;

/// Directories that are returned. Each costs a query to the module proxy.
const MAX_FOUND: usize = 24;

/// Directories that are looked up in the file system.
const MAX_CHECKED: usize = 1000;

/// Finds directories that text files of the unpacked module name and that its zip lacks. `path` is the module's path.
pub fn find_directories(
    module: &Path,
    is_in_zip: &dyn Fn(&str) -> bool,
    path: &str,
    config: &ReleaseConfig,
) -> Vec<String> {
    let mut files = Vec::new();
    collect(module, module, 0, &mut files);
    let (mut bytes_left, mut checked, mut found) = (MAX_BYTES, HashSet::new(), Vec::new());
    let mut check = |named: &str| {
        for dir in with_parents(named) {
            let is_new =
                checked.len() < MAX_CHECKED && found.len() < MAX_FOUND && checked.insert(dir.clone());
            if is_new && !is_in_zip(&dir) {
                found.push(dir);
            }
        }
    };
    config.directories().for_each(|dir| check(&dir));
    for file in files {
        let mut bytes = Vec::new();
        let read = File::open(&file).and_then(|file| file.take(bytes_left).read_to_end(&mut bytes));
        bytes_left -= read.unwrap_or_default() as u64;
        let text = String::from_utf8_lossy(&bytes);
        // Links are relative to the file that contains them, so only those of files at the root are followed.
        let at_root = file.parent() == Some(module);
        let is_work = at_root && (file.ends_with("go.work") || file.ends_with("go.mod"));
        for named in find_paths(&text, path, is_work).chain(find_links(&text).filter(|_| at_root)) {
            check(&named);
        }
    }
    found
}

/// Collects the text files below `dir` in the module `root`, sorted.
fn collect(root: &Path, dir: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        let is_text = path.strip_prefix(root).is_ok_and(is_text);
        if metadata.is_dir() && depth < MAX_TEXT_DEPTH {
            collect(root, &path, depth + 1, files);
        } else if metadata.is_file() && is_text && files.len() < MAX_FILES {
            files.push(path);
        }
    }
}

/// Finds paths relative to the module's root in `text`: `MODULE/…` and `cmd/…`, and `./…` in a go.work or go.mod. Of the
/// texts below the root, an outline has only those in which it can find some (`names_directory`).
fn find_paths<'a>(text: &'a str, path: &'a str, is_work: bool) -> impl Iterator<Item = String> + 'a {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "./_-".contains(c);
    text.split(move |c| !is_part(c)).filter_map(move |word| {
        let relative = word.strip_prefix("./");
        let in_module = word.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
        let command = relative.unwrap_or(word);
        let dir = in_module
            .or(relative.filter(|_| is_work))
            .or(Some(command).filter(|dir| dir.starts_with("cmd/")))?;
        Some(dir.trim_end_matches(['.', '/']).to_owned())
    })
}

/// Finds relative targets of Markdown links and arguments of `cd`: `](hello/)`, `cd hello`.
fn find_links(text: &str) -> impl Iterator<Item = String> + '_ {
    let is_end = |c: char| c.is_whitespace() || ")#;&`".contains(c);
    // `etcd is` is no command.
    let changes = text.match_indices("cd ").filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric())
    });
    let changes = changes.map(|(at, word)| &text[at + word.len()..]);
    let targets = text.split("](").skip(1).chain(changes);
    let targets = targets.filter_map(move |rest| rest.split(is_end).next());
    targets
        .filter(|target| !target.contains(':') && !target.starts_with('/'))
        .map(|target| target.trim_start_matches("./").trim_end_matches('/').to_owned())
}

/// `a`, `a/b` and `a/b/c` of `a/b/c/d`, up to the first element that no public module has.
fn with_parents(dir: &str) -> Vec<String> {
    let is_public = |element: &&str| {
        let is_major = element
            .strip_prefix('v')
            .is_some_and(|n| n.parse::<u64>().is_ok());
        // An invalid path makes `go list` fail for all the others.
        is_importable(element)
            && !element.contains('.')
            && !is_major
            && !SKIPPED_DIRECTORIES.contains(element)
    };
    let elements: Vec<&str> = dir.split('/').take(MAX_ELEMENTS).take_while(is_public).collect();
    (1..=elements.len()).map(|n| elements[..n].join("/")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golang::source::outline::names_directory;

    #[test]
    fn directories_named_in_text_and_missing_in_zip_are_found() {
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
            ("README.md", "etcd is a store", vec![]),
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
            ("README.md", "./tool is relative to this file", vec![]),
            ("README.md", "a.b/c/internal/x a.b/c/v2 a.b/c/x.go a.b/c/", vec![]),
            ("x.go", "// go install a.b/c/tool@latest", vec![]),
            ("a/b/c/d/README.md", "a.b/c/tool", vec![]),
        ] {
            let module = tempfile::tempdir().unwrap();
            fs::create_dir(module.path().join("there")).unwrap();
            let file = module.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            let is_unpacked =
                file.parent() == Some(module.path()) || names_directory(text.as_bytes(), "a.b/c");
            assert!(is_unpacked || expected.is_empty(), "not in the outline: {text}");
            let config = ReleaseConfig::read(module.path());
            assert_eq!(
                find_directories(
                    module.path(),
                    &|dir| module.path().join(dir).exists(),
                    "a.b/c",
                    &config
                ),
                expected,
                "{text}"
            );
        }
    }
}
