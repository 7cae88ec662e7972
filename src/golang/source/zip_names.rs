//! Checks the names in a module zip as Go does before it unpacks one (golang.org/x/mod/zip, checkZip).

use std::collections::HashMap;
use std::io::{self, Read, Seek};

use zip::ZipArchive;

use crate::parse::is_device;

/// Maximum depth of directories. Real modules have about thirty at most.
const MAX_DEPTH: usize = 256;

/// Lists the files of the zip of `module`, MODULE@VERSION, with their paths in it. Fails if Go may reject a name.
pub(super) fn check_names(
    archive: &ZipArchive<impl Read + Seek>,
    module: &str,
) -> io::Result<Vec<(usize, String)>> {
    let (mut files, mut seen) = (Vec::new(), HashMap::new());
    for index in 0..archive.len() {
        let name = archive.name_for_index(index).unwrap_or_default();
        let path = name
            .strip_prefix(module)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| invalid(name))?;
        // Go ignores the entries of directories.
        if name.ends_with('/') {
            continue;
        }
        let is_nested_module = path != "go.mod"
            && path
                .rsplit('/')
                .next()
                .is_some_and(|last| last.eq_ignore_ascii_case("go.mod"));
        let is_valid = path.split('/').all(is_valid_element) && path.split('/').count() <= MAX_DEPTH;
        if !is_valid || is_nested_module || collides(&mut seen, path) {
            return Err(invalid(name));
        }
        files.push((index, path.to_owned()));
    }
    Ok(files)
}

fn invalid(name: &str) -> io::Error {
    io::Error::other(format!("{name}: Go may reject this name"))
}

/// Whether a path may contain this element (golang.org/x/mod/module, CheckFilePath).
fn is_valid_element(element: &str) -> bool {
    let is_allowed = |c: char| match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || "!#$%&()+,-.=@[]^_{}~ ".contains(c),
        false => c.is_alphabetic(),
    };
    !element.is_empty() && !element.ends_with('.') && element.chars().all(is_allowed) && !is_device(element)
}

/// Whether a file or a directory above it has the name of another on a file system that ignores case.
fn collides(seen: &mut HashMap<String, String>, path: &str) -> bool {
    if seen.insert(path.to_lowercase(), format!("{path} ")).is_some() {
        return true;
    }
    for (end, _) in path.rmatch_indices('/') {
        let directory = &path[..end];
        match seen.get(&directory.to_lowercase()) {
            // The directories above it were seen too.
            Some(other) => return other != directory,
            None => seen.insert(directory.to_lowercase(), directory.to_owned()),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn check(names: &[&str]) -> io::Result<Vec<(usize, String)>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(b"x").unwrap();
        }
        check_names(&ZipArchive::new(zip.finish().unwrap()).unwrap(), "a.b/c@v1.0.0")
    }

    #[test]
    fn names_are_checked_as_by_go() {
        for (name, is_valid) in [
            ("x.go", true),
            (".github/x y.yml", true),
            ("d/ä.go", true),
            ("d/", true),
            ("../x", false),
            ("a//b", false),
            ("./x", false),
            ("a./x", false),
            ("a\\b", false),
            ("a:b", false),
            ("d/con.txt", false),
            ("d/go.mod", false),
            ("d/Go.Mod", false),
            ("GO.MOD", false),
        ] {
            assert_eq!(
                check(&[&format!("a.b/c@v1.0.0/{name}")]).is_ok(),
                is_valid,
                "{name}"
            );
        }
        assert!(check(&["a.b/c@v1.0.1/x.go"]).is_err());
        assert!(check(&["/etc/passwd"]).is_err());
    }

    #[test]
    fn names_that_differ_in_case_only_collide() {
        for (names, is_valid) in [
            (["d/x.go", "d/y.go"], true),
            (["d/x.go", "d/X.go"], false),
            (["d/x.go", "D/y.go"], false),
            (["d", "d/y.go"], false),
            (["d/y.go", "d"], false),
        ] {
            let names = names.map(|name| format!("a.b/c@v1.0.0/{name}"));
            assert_eq!(
                check(&names.each_ref().map(String::as_str)).is_ok(),
                is_valid,
                "{names:?}"
            );
        }
    }
}
