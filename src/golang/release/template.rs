//! Evaluates a subset of GoReleaser templates (goreleaser.com/customization/templates): fields, strings, and three functions that select
//! one of them. Values are never evaluated again.

use std::time::{Duration, UNIX_EPOCH};

use crate::golang::Resolved;
use crate::golang::release::release_config::ReleaseBuild;
use crate::golang::resolve::downloaded::pseudo_version_commit;
use crate::parse::{FileName, Platform};

/// Marks an unknown part of a value. No configuration contains it: control characters are rejected.
const UNKNOWN: char = '\0';

/// The value of a template. Parts of it may be unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateValue(String);

impl TemplateValue {
    /// A value without unknown parts, or a part of another value.
    pub(super) fn new(text: &str) -> TemplateValue {
        TemplateValue(text.to_owned())
    }

    /// The text, with `UNKNOWN` for each unknown part.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text without unknown parts.
    pub(super) fn plain(&self) -> String {
        self.0.replace(UNKNOWN, "")
    }

    /// Whether it has no unknown parts.
    pub(super) fn is_known(&self) -> bool {
        !self.0.contains(UNKNOWN)
    }

    /// The rest after `prefix`.
    pub(super) fn strip_prefix(&self, prefix: &str) -> Option<TemplateValue> {
        self.0.strip_prefix(prefix).map(TemplateValue::new)
    }
}

/// Why a template cannot be evaluated.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    /// It uses an unsupported field or function.
    #[error("Cannot evaluate the template {{{{ {0} }}}} in the release configuration.")]
    Unsupported(String),
    /// It has no `}}`.
    #[error("A template in the release configuration has no closing }}}}: {0}")]
    Unclosed(String),
    /// A closing quote is missing.
    #[error("The ldflags in the release configuration have an unterminated quote: {0}")]
    Unterminated(String),
    /// A value contains control characters.
    #[error("A value in the release configuration contains control characters: {0}")]
    Control(String),
}

/// Evaluates all templates in `text`.
pub(super) fn evaluate(
    text: &str,
    resolved: &Resolved,
    build: &ReleaseBuild,
    platform: &Platform,
) -> Result<TemplateValue, TemplateError> {
    if text.contains(UNKNOWN) {
        return Err(TemplateError::Control(text.replace(UNKNOWN, "\u{FFFD}")));
    }
    let (mut value, mut rest) = (String::new(), text);
    while let Some((before, opened)) = rest.split_once("{{") {
        let (inner, after) = opened
            .split_once("}}")
            .ok_or_else(|| TemplateError::Unclosed(opened.to_owned()))?;
        // `{{- x -}}` trims the white space around it (text/template).
        let trims_left = inner.starts_with("- ");
        value += if trims_left { before.trim_end() } else { before };
        let trims_right = inner.ends_with(" -");
        let inner = inner.trim_start_matches("- ").trim_end_matches(" -").trim();
        let unsupported = || TemplateError::Unsupported(inner.to_owned());
        let field = |name: &str| field_value(name, resolved, build, platform);
        value += &evaluate_pipeline(inner, &field).ok_or_else(unsupported)?;
        rest = if trims_right { after.trim_start() } else { after };
    }
    Ok(TemplateValue(value + rest))
}

/// Evaluates a pipeline such as `X | default "y"`.
fn evaluate_pipeline(inner: &str, field: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut piped = None;
    for command in inner.split('|') {
        let mut arguments = parse_arguments(command, field)?;
        arguments.extend(piped);
        let is_empty = |text: &&String| text.is_empty();
        let strings: Vec<String> = arguments.iter().skip(1).filter_map(Argument::value).collect();
        let first_of = |texts: &[String]| {
            texts
                .iter()
                .find(|text| !is_empty(text))
                .or(texts.last())
                .cloned()
        };
        let value = match (arguments.first()?, strings.as_slice()) {
            (Argument::Value(text), []) => Some(text.clone()),
            (Argument::Function("or"), texts @ [_, ..]) => first_of(texts),
            (Argument::Function("default"), [default, text]) => first_of(&[text.clone(), default.clone()]),
            // No environment variable is set.
            (Argument::Function("envOrDefault"), [_, default]) => Some(default.clone()),
            (Argument::Value(_) | Argument::Function(_), _) => None,
        };
        piped = Some(Argument::Value(value?));
    }
    piped?.value()
}

/// A word of a command: a value, or the name of a function.
enum Argument<'a> {
    Value(String),
    Function(&'a str),
}

impl Argument<'_> {
    fn value(&self) -> Option<String> {
        match self {
            Argument::Value(text) => Some(text.clone()),
            Argument::Function(_) => None,
        }
    }
}

/// Parses the words of a command and evaluates fields. `None` if any is unsupported.
fn parse_arguments<'a>(
    command: &'a str,
    field: &dyn Fn(&str) -> Option<String>,
) -> Option<Vec<Argument<'a>>> {
    let (mut arguments, mut rest) = (Vec::new(), command.trim());
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '`'));
        let (argument, after) = match quote {
            // Escapes in strings are not supported.
            Some(quote) => match rest[1..].split_once(quote)? {
                (text, _) if text.contains('\\') => return None,
                (text, after) => (Argument::Value(text.to_owned()), after),
            },
            None => {
                let (word, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
                match word.strip_prefix('.') {
                    Some(name) => (Argument::Value(field(name)?), after),
                    None => (Argument::Function(word), after),
                }
            }
        };
        arguments.push(argument);
        rest = after.trim_start();
    }
    Some(arguments)
}

/// The value of a template field; `None` for an unsupported one.
fn field_value(name: &str, resolved: &Resolved, build: &ReleaseBuild, platform: &Platform) -> Option<String> {
    let unknown = || UNKNOWN.to_string();
    let tag = resolved.version.trim_end_matches("+incompatible");
    let version = tag.trim_start_matches('v');
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let number = |at: usize| numbers.split('.').nth(at).unwrap_or_default().to_owned();
    let prerelease = version.split('+').next().and_then(|v| v.split_once('-'));
    let commit = || resolved.commit.clone();
    let time = UNIX_EPOCH + Duration::from_secs(resolved.time);
    let is_dated = resolved.time > 0;
    let date = || {
        if is_dated {
            humantime::format_rfc3339_seconds(time).to_string()
        } else {
            unknown()
        }
    };
    let seconds = || {
        if is_dated {
            resolved.time.to_string()
        } else {
            unknown()
        }
    };
    let text = match name {
        "Version" => version.to_owned(),
        "RawVersion" => numbers.to_owned(),
        "Tag" => tag.to_owned(),
        "Major" => number(0),
        "Minor" => number(1),
        "Patch" => number(2),
        "Prerelease" => prerelease.map(|(_, pre)| pre.to_owned()).unwrap_or_default(),
        "Commit" | "FullCommit" => commit().unwrap_or_else(unknown),
        "ShortCommit" => commit()
            .and_then(|c| Some(c.get(..7)?.to_owned()))
            .unwrap_or_else(unknown),
        // The commit's date stands for the build's, so that the output does not depend on the day.
        "Date" | "CommitDate" => date(),
        "Timestamp" | "CommitTimestamp" => seconds(),
        "ProjectName" => build.project.clone(),
        "Binary" => build
            .binary
            .as_ref()
            .map_or(build.project.as_str(), FileName::as_str)
            .to_owned(),
        "ModulePath" => resolved.module.clone(),
        // A release is built from the tag's commit without local changes.
        "GitTreeState" => "clean".to_owned(),
        "IsGitClean" => "true".to_owned(),
        "IsGitDirty" | "IsSnapshot" | "IsNightly" => "false".to_owned(),
        // The output of `git describe` for a tagged commit.
        "Summary" if pseudo_version_commit(tag).is_none() => tag.to_owned(),
        "Summary" => unknown(),
        "Os" => platform.os().to_owned(),
        "Arch" => platform.arch().to_owned(),
        name if name.starts_with("Env.") => String::new(),
        _ => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golang::resolve::ranking::Evidence;

    fn resolved(version: &str, commit: Option<&str>) -> Resolved {
        Resolved {
            module: "a.b/c".into(),
            version: version.into(),
            package: "a.b/c".into(),
            time: 1_735_787_045,
            min_go: None,
            has_unpinned_dependencies: false,
            notices: None,
            evidence: Evidence::Root,
            release: Ok(vec![]),
            commit: commit.map(str::to_owned),
            licence_file: None,
            is_same_at_version: false,
        }
    }

    fn value(template: &str, resolved: &Resolved) -> Result<TemplateValue, TemplateError> {
        let build = ReleaseBuild {
            project: "p".into(),
            ..ReleaseBuild::default()
        };
        evaluate(
            template,
            resolved,
            &build,
            &Platform::new("linux", "arm64").unwrap(),
        )
    }

    #[test]
    fn fields_have_goreleasers_values() {
        let release = resolved("v1.2.3-rc.1", Some("0123456789abcdef0123456789abcdef01234567"));
        for (template, expected) in [
            ("a {{ .Version }}{{.Tag}}", "a 1.2.3-rc.1v1.2.3-rc.1"),
            (
                "{{.RawVersion}} {{.Major}}.{{.Minor}}.{{.Patch}} {{.Prerelease}}",
                "1.2.3 1.2.3 rc.1",
            ),
            (
                "{{.ShortCommit}} {{.Commit}}",
                "0123456 0123456789abcdef0123456789abcdef01234567",
            ),
            (
                "{{.Date}} {{.CommitTimestamp}}",
                "2025-01-02T03:04:05Z 1735787045",
            ),
            (
                "{{.ProjectName}} {{.Binary}} {{.Os}}/{{.Arch}}",
                "p p linux/arm64",
            ),
            ("[{{ .Env.HOME }}]", "[]"),
            (
                "{{.ModulePath}} {{.Summary}} {{.IsGitDirty}} {{.GitTreeState}}",
                "a.b/c v1.2.3-rc.1 false clean",
            ),
            ("{{ .Env.X | default \"d\" }}{{ or .Env.X .Tag }}", "dv1.2.3-rc.1"),
            ("{{ envOrDefault \"X\" \"d\" }}", "d"),
            ("a {{- .Major -}} b", "a1b"),
            ("{{ \"{{\" }}", "{{"),
        ] {
            assert_eq!(
                value(template, &release),
                Ok(TemplateValue::new(expected)),
                "{template}"
            );
        }
        assert_eq!(
            value("{{.Version}}", &resolved("v2.0.0+incompatible", None)),
            Ok(TemplateValue::new("2.0.0"))
        );
    }

    #[test]
    fn unknown_values_are_marked_and_unsupported_templates_rejected() {
        let release = resolved("v1.2.3", None);
        for template in ["{{.Commit}}", "x{{.ShortCommit}}", "{{ or .FullCommit \"x\" }}"] {
            assert!(!value(template, &release).unwrap().is_known(), "{template}");
        }
        for template in [
            "{{ .Branch }}",
            "{{ if .X }}y{{ end }}",
            "{{ time \"2006\" }}",
            "{{ .Version",
            "{{ }}",
            "{{ .Version .Tag }}",
            "{{ \"a\\n\" }}",
            "\0",
        ] {
            assert!(value(template, &release).is_err(), "{template}");
        }
    }
}
