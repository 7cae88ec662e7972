//! Parses the header of a Go file as go/build does (build.go, parseFileHeader): its build constraints and its package name.

/// The part of a Go file above its imports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileHeader<'a> {
    /// The expression of each `//go:build` line. Go rejects a file with two.
    pub go_build: Vec<&'a str>,
    /// The arguments of each `// +build` line, from before Go 1.17. Such a line counts only above a blank line that no code precedes.
    pub plus_build: Vec<&'a str>,
    /// The name in the package clause. Only comments may precede it (Go specification, "Source file organization").
    pub package: Option<&'a str>,
}

impl<'a> FileHeader<'a> {
    /// Parses `text`, a whole file or its start.
    pub(super) fn parse(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let mut header = FileHeader {
            go_build: Vec::new(),
            plus_build: Vec::new(),
            package: None,
        };
        let mut unconfirmed = Vec::new();
        let (mut may_be_plus_build, mut in_comment) = (true, false);
        let mut end = 0;
        for line in text.split_inclusive('\n') {
            end += line.len();
            let mut line = line.trim_start();
            if line.is_empty() && may_be_plus_build {
                header.plus_build.append(&mut unconfirmed);
            } else if !line.starts_with("//") {
                may_be_plus_build = false;
            }
            if !in_comment {
                header.go_build.extend(directive(line, "//go:build"));
            }
            if may_be_plus_build {
                let comment = line.strip_prefix("//").map(str::trim_start);
                unconfirmed.extend(comment.and_then(|comment| directive(comment, "+build")));
            }
            while !line.is_empty() {
                if in_comment {
                    let Some((_, after)) = line.split_once("*/") else {
                        break;
                    };
                    in_comment = false;
                    line = after.trim_start();
                } else if let Some(after) = line.strip_prefix("/*") {
                    in_comment = true;
                    line = after;
                } else if line.starts_with("//") {
                    break;
                } else {
                    header.package = package_name(&text[end - line.len()..]);
                    return header;
                }
            }
        }
        header
    }
}

/// The arguments of a directive line: what follows `word` after white space; empty if nothing follows.
fn directive<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(word)?;
    let words = rest.trim();
    (words.is_empty() || rest.starts_with(char::is_whitespace)).then_some(words)
}

/// The name in a package clause.
fn package_name(clause: &str) -> Option<&str> {
    let name = clause.strip_prefix("package")?.trim_start();
    name.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of `go list` of Go 1.26.
    #[test]
    fn lines_count_where_go_counts_them() {
        for (text, go_build, plus_build, package) in [
            ("package a\n", vec![], vec![], Some("a")),
            ("", vec![], vec![], None),
            ("//go:build x\npackage a\n", vec!["x"], vec![], Some("a")),
            (
                "\u{FEFF}//go:build\tx\r\n\r\npackage a\r\n",
                vec!["x"],
                vec![],
                Some("a"),
            ),
            (
                "  //go:build x\n/* c */ package a; var b\n",
                vec!["x"],
                vec![],
                Some("a"),
            ),
            (
                "//go:buildx\n// go:build y\n//go:build\npackage a",
                vec![""],
                vec![],
                Some("a"),
            ),
            (
                "/*\n//go:build x\n*/\n//go:build y\npackage a",
                vec!["y"],
                vec![],
                Some("a"),
            ),
            ("/* c */ //go:build x\npackage a", vec![], vec![], Some("a")),
            ("package a\n//go:build x\n", vec![], vec![], Some("a")),
            (
                "//go:build x\n//go:build y\npackage a",
                vec!["x", "y"],
                vec![],
                Some("a"),
            ),
            (
                "// +build x\n\n//+build y z\n\npackage a",
                vec![],
                vec!["x", "y z"],
                Some("a"),
            ),
            ("// +build x\npackage a", vec![], vec![], Some("a")),
            (
                "// +build x\n// c\n\n// +build y\npackage a",
                vec![],
                vec!["x"],
                Some("a"),
            ),
            ("/* c */\n// +build x\n\npackage a", vec![], vec![], Some("a")),
            ("package\n\ta\n", vec![], vec![], Some("a")),
            ("func a() {}\n", vec![], vec![], None),
        ] {
            let header = FileHeader {
                go_build,
                plus_build,
                package,
            };
            assert_eq!(FileHeader::parse(text), header, "{text:?}");
        }
    }
}
