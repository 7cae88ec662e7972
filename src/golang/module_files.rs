//! What the small files of a module say: its go.mod, and the `.info` of a version.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use serde::Deserialize;

use super::command::Go;
use super::diagnosis;
use super::tool_runs::ToolRuns;
use crate::answer::Refusal;
use crate::answer::refusal::trouble;
use crate::sandbox::process::Ended;

/// The argument of a directive with one, such as `module` or `go`, also in a block (Go modules reference, "go.mod files").
pub fn directive(go_mod: &Path, name: &str) -> Option<String> {
    // A comment may have any bytes.
    let text = String::from_utf8_lossy(&std::fs::read(go_mod).ok()?).into_owned();
    let mut block: Option<String> = None;
    text.lines().find_map(|line| {
        let tokens = tokens(line);
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let within = block.as_deref();
        match (within, tokens.as_slice()) {
            (None, [word, "("]) => {
                block = Some((*word).to_owned());
                None
            }
            (Some(_), [")"]) => {
                block = None;
                None
            }
            (Some(word), [argument]) if word == name => Some((*argument).to_owned()),
            (None, [word, argument]) if *word == name => Some((*argument).to_owned()),
            (Some(_) | None, [..]) => None,
        }
    })
}

/// The tokens of a line, strings without their quotes (golang.org/x/mod/modfile, read.go). A line that Go refuses has none.
fn tokens(line: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = without_comment(line).trim();
    while let Some(first) = rest.chars().next() {
        let (token, behind) = match first {
            '(' | ')' | ',' => (Some(first.to_string()), &rest[1..]),
            '`' | '"' => {
                let Some(end) = end_of_string(rest) else {
                    return Vec::new();
                };
                (unquote(&rest[..end]), &rest[end..])
            }
            _ => {
                let is_end = |c: char| c.is_whitespace() || "()[]{},".contains(c);
                let end = rest.find(is_end).unwrap_or(rest.len()).max(first.len_utf8());
                (Some(rest[..end].to_owned()), &rest[end..])
            }
        };
        let Some(token) = token else {
            return Vec::new();
        };
        tokens.push(token);
        rest = behind.trim_start();
    }
    tokens
}

/// The line up to its comment, which holds an author's text. A string may hold two slashes.
pub fn without_comment(line: &str) -> &str {
    let mut at = 0;
    while let Some(first) = line[at..].chars().next() {
        let rest = &line[at..];
        if rest.starts_with("//") {
            return &line[..at];
        }
        at += match first {
            '`' | '"' => end_of_string(rest).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
    }
    line
}

/// Where the string ends with which the text begins, behind its quote.
fn end_of_string(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !is_escaped;
        is_escaped = quote == '"' && *c == '\\' && !is_escaped;
        ends
    });
    end.map(|(at, _)| at + 1)
}

/// The value of a Go string (Go specification, "String literals"). Of escapes a module path needs those of bytes and of code points.
fn unquote(literal: &str) -> Option<String> {
    let inside = literal.get(1..literal.len() - 1)?;
    if literal.starts_with('`') {
        return Some(inside.to_owned());
    }
    let mut value = Vec::new();
    let mut rest = inside;
    while let Some(first) = rest.chars().next() {
        if first != '\\' {
            value.extend_from_slice(&rest.as_bytes()[..first.len_utf8()]);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (kind, digits) = (rest.get(1..2)?, |from: usize, n: usize| rest.get(from..from + n));
        let (length, radix, number) = match kind {
            "x" => (4, 16, digits(2, 2)?),
            "u" => (6, 16, digits(2, 4)?),
            "U" => (10, 16, digits(2, 8)?),
            "\\" | "\"" => {
                value.extend_from_slice(kind.as_bytes());
                rest = &rest[2..];
                continue;
            }
            _ => (4, 8, digits(1, 3)?),
        };
        let code = u32::from_str_radix(number, radix).ok()?;
        match kind {
            "u" | "U" => value.extend_from_slice(char::from_u32(code)?.to_string().as_bytes()),
            _ => value.push(u8::try_from(code).ok()?),
        }
        rest = &rest[length..];
    }
    String::from_utf8(value).ok()
}

/// A directory in place of a module.
pub struct Replacement {
    /// The module's path.
    pub module: String,
    /// The directory, as it is written.
    pub directory: String,
    /// Whether go.mod requires the module.
    pub is_required: bool,
}

/// The directories that a go.mod puts in place of modules (Go modules reference, "replace directive"), as `go` itself reads it:
/// strings have escapes, and a comment may begin within one.
pub fn replacing_directories(
    go: Go<'_>,
    work: &Path,
    go_mod: &Path,
    deadline: Instant,
) -> Result<Vec<Replacement>, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct GoMod {
        replace: Option<Vec<Replace>>,
        require: Option<Vec<Module>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Replace {
        old: Module,
        new: Module,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Module {
        path: String,
        version: Option<String>,
    }
    let outcome = go.run(
        work,
        &["mod", "edit", "-json", &go_mod.to_string_lossy()],
        deadline,
    )?;
    if outcome.ended != Ended::Exited(0) {
        let no_tools = ToolRuns::default();
        let hidden: Vec<PathBuf> = go_mod
            .parent()
            .map(Path::to_owned)
            .into_iter()
            .chain(go.hidden())
            .collect();
        return Err(diagnosis::build(
            &outcome,
            &no_tools,
            go.cpu_limit(),
            work,
            &hidden,
        ));
    }
    let read: GoMod = serde_json::from_slice(&outcome.stdout)
        .map_err(|e| trouble("understand what go says of a go.mod", &e.into()))?;
    let required = read.require.unwrap_or_default();
    let replacements = read.replace.unwrap_or_default().into_iter();
    Ok(replacements
        .filter(|replace| replace.new.version.is_none())
        .map(|replace| Replacement {
            is_required: required.iter().any(|module| module.path == replace.old.path),
            module: replace.old.path,
            directory: replace.new.path,
        })
        .collect())
}

/// The commit of a version: from its `.info`, where the module proxy gives an origin, or from a pseudo-version (Go modules
/// reference, "Pseudo-versions").
pub fn commit(info: &Path, version: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Info {
        origin: Option<Origin>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Origin {
        hash: Option<String>,
    }
    let is_hash = |text: &String| text.len() >= 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let origin = || {
        let info: Info = serde_json::from_slice(&std::fs::read(info).ok()?).ok()?;
        info.origin?.hash.filter(is_hash)
    };
    origin().or_else(|| pseudo_version_commit(version).filter(is_hash))
}

/// `abcdefabcdef` of `v1.2.4-0.20250102030405-abcdefabcdef`.
pub(super) fn pseudo_version_commit(version: &str) -> Option<String> {
    let version = version.split('+').next()?;
    let (before, commit) = version.rsplit_once('-')?;
    let time = before.rsplit(['-', '.']).next()?;
    let is_time = time.len() == 14 && time.bytes().all(|b| b.is_ascii_digit());
    (is_time && commit.len() == 12).then(|| commit.to_owned())
}

/// The time in a version's `.info`.
pub fn module_time(info: &Path) -> u64 {
    #[derive(Deserialize)]
    struct Info {
        #[serde(rename = "Time", default)]
        time: String,
    }
    let info: Option<Info> = std::fs::read(info)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let time = info.and_then(|info| humantime::parse_rfc3339_weak(&info.time).ok());
    time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `go mod edit -json` of Go 1.26 reads in these.
    #[test]
    fn directive_is_read_as_go_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("go.mod");
        for (text, module) in [
            (&b"module a.b/c\n"[..], Some("a.b/c")),
            (b"\tmodule\ta.b/c // x\n", Some("a.b/c")),
            (b"// module x.y/z\nmodule a.b/c// f\xfcr alle\n", Some("a.b/c")),
            (b"module (\n\ta.b/c\n)\n\ngo 1.21\n", Some("a.b/c")),
            (b"module ( // x\n\t\"a.b/c\" // y\n)\n", Some("a.b/c")),
            (b"module \"a.b/c\"\n", Some("a.b/c")),
            (b"module \"a.b\\x2fc\\u0064\\145\"\n", Some("a.b/cde")),
            (b"module `a.b/c`\r\n", Some("a.b/c")),
            (b"module \"a.b//c\"\n", Some("a.b//c")),
            (b"require (\n\tmodule v1.0.0\n)\nmodule clx\n", Some("clx")),
            (b"module a.b/c d\n", None),
            (b"module \"a.b/c\n", None),
            (b"modules a.b/c\n", None),
            (b"module\n", None),
            (b"", None),
        ] {
            std::fs::write(&file, text).unwrap();
            let shown = String::from_utf8_lossy(text);
            assert_eq!(directive(&file, "module").as_deref(), module, "{shown}");
        }
    }
}
