//! Reads go.mod files.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;

use crate::error::Error;
use crate::error::internal_error;
use crate::golang::run::command::Go;
use crate::golang::run::diagnosis;
use crate::golang::run::tool_runs::ToolRuns;
use crate::sandbox::process::Termination;

/// Reads the argument of a go.mod directive that has one, such as `module` or `go`, also in a block (Go modules reference, "go.mod
/// files").
pub fn read_directive(go_mod: &Path, name: &str) -> Option<String> {
    // A comment may contain any bytes.
    let text = String::from_utf8_lossy(&std::fs::read(go_mod).ok()?).into_owned();
    let mut block: Option<String> = None;
    text.lines().find_map(|line| {
        let tokens = tokenize(line);
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

/// Splits a line into tokens, with strings unquoted (golang.org/x/mod/modfile, read.go). A line that Go rejects yields no tokens.
fn tokenize(line: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = without_comment(line).trim();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
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
        rest = after.trim_start();
    }
    tokens
}

/// The line up to its comment. A `//` inside a string does not start a comment.
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

/// The length of the string literal at the start of `text`, including its quotes.
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

/// Evaluates a Go string literal (Go specification, "String literals"). Of the escapes, only those for bytes, code points, quotes and
/// backslashes are supported: a module path needs no others.
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

/// A `replace` directive with a local directory as its target.
pub struct LocalReplacement {
    /// The module's path.
    pub module: String,
    /// The directory, as written in go.mod.
    pub directory: String,
    /// Whether a `require` directive names the module.
    pub is_required: bool,
}

/// Reads the `replace` directives of a go.mod that lead to directories (Go modules reference, "replace directive"). `go mod
/// edit` parses it: strings have escapes and may contain `//`.
pub fn read_local_replacements(
    go: Go<'_>,
    work: &Path,
    go_mod: &Path,
    deadline: Instant,
) -> Result<Vec<LocalReplacement>, Error> {
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
    if outcome.termination != Termination::Exited(0) {
        let no_tools = ToolRuns::default();
        let hidden: Vec<PathBuf> = go_mod
            .parent()
            .map(Path::to_owned)
            .into_iter()
            .chain(go.hidden_paths())
            .collect();
        return Err(diagnosis::diagnose_build(
            &outcome,
            &no_tools,
            go.cpu_limit(),
            work,
            &hidden,
        ));
    }
    let parsed: GoMod = serde_json::from_slice(&outcome.stdout)
        .map_err(|e| internal_error("parse the output of go mod edit", &e.into()))?;
    let required = parsed.require.unwrap_or_default();
    let replacements = parsed.replace.unwrap_or_default().into_iter();
    Ok(replacements
        .filter(|replace| replace.new.version.is_none())
        .map(|replace| LocalReplacement {
            is_required: required.iter().any(|module| module.path == replace.old.path),
            module: replace.old.path,
            directory: replace.new.path,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of `go mod edit -json` of Go 1.26.
    #[test]
    fn directive_is_read_as_by_go() {
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
            assert_eq!(read_directive(&file, "module").as_deref(), module, "{shown}");
        }
    }
}
