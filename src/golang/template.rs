//! Templates of a release configuration, as far as their values are known here (goreleaser.com/customization/templates): names,
//! strings, and three functions that choose between them. Nothing is evaluated twice.

use std::time::{Duration, UNIX_EPOCH};

use super::Resolved;
use super::module_files::pseudo_version_commit;
use super::release_config::Build;
use crate::asked::Platform;

/// Stands for a part of a text that is not known. No configuration holds it: control characters are refused.
const UNKNOWN: char = '\0';

/// A text, parts of which may be unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(String);

impl Text {
    /// A part of one.
    pub(super) fn new(text: &str) -> Text {
        Text(text.to_owned())
    }

    /// With a mark in place of what is unknown.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Without what is unknown.
    pub(super) fn plain(&self) -> String {
        self.0.replace(UNKNOWN, "")
    }

    /// Whether all of it is known.
    pub(super) fn is_known(&self) -> bool {
        !self.0.contains(UNKNOWN)
    }

    /// What follows `prefix`.
    pub(super) fn strip_prefix(&self, prefix: &str) -> Option<Text> {
        self.0.strip_prefix(prefix).map(Text::new)
    }
}

/// Why a template has no value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadTemplate {
    /// It needs what is not known here.
    #[error("The template {{{{ {0} }}}} in the release configuration cannot be evaluated here.")]
    Unsupported(String),
    /// It has no end.
    #[error("A template in the release configuration has no end: {0}")]
    Open(String),
    /// A quote has no end.
    #[error("A quote in the release configuration's ldflags has no end: {0}")]
    Unterminated(String),
    /// A value would have control characters.
    #[error("A value in the release configuration has control characters: {0}")]
    Control(String),
}

/// The text with the values of its templates.
pub(super) fn evaluate(
    text: &str,
    resolved: &Resolved,
    build: &Build,
    platform: &Platform,
) -> Result<Text, BadTemplate> {
    if text.contains(UNKNOWN) {
        return Err(BadTemplate::Control(text.replace(UNKNOWN, "\u{FFFD}")));
    }
    let (mut value, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("{{") {
        let (inner, after) = behind
            .split_once("}}")
            .ok_or_else(|| BadTemplate::Open(behind.to_owned()))?;
        // `{{- x -}}` takes the white space around it along (text/template).
        let trims_left = inner.starts_with("- ");
        value += if trims_left { before.trim_end() } else { before };
        let trims_right = inner.ends_with(" -");
        let inner = inner.trim_start_matches("- ").trim_end_matches(" -").trim();
        let unsupported = || BadTemplate::Unsupported(inner.to_owned());
        let known = |name: &str| field(name, resolved, build, platform);
        value += &pipeline(inner, &known).ok_or_else(unsupported)?;
        rest = if trims_right { after.trim_start() } else { after };
    }
    Ok(Text(value + rest))
}

/// `X | default "y"`.
fn pipeline(inner: &str, known: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut piped = None;
    for command in inner.split('|') {
        let mut arguments = arguments(command, known)?;
        arguments.extend(piped);
        let is_empty = |text: &&String| text.is_empty();
        let strings: Vec<String> = arguments.iter().skip(1).filter_map(Argument::text).collect();
        let first_of = |texts: &[String]| {
            texts
                .iter()
                .find(|text| !is_empty(text))
                .or(texts.last())
                .cloned()
        };
        let value = match (arguments.first()?, strings.as_slice()) {
            (Argument::Text(text), []) => Some(text.clone()),
            (Argument::Function("or"), texts @ [_, ..]) => first_of(texts),
            (Argument::Function("default"), [default, text]) => first_of(&[text.clone(), default.clone()]),
            // No variable is set.
            (Argument::Function("envOrDefault"), [_, default]) => Some(default.clone()),
            (Argument::Text(_) | Argument::Function(_), _) => None,
        };
        piped = Some(Argument::Text(value?));
    }
    piped?.text()
}

enum Argument<'a> {
    Text(String),
    Function(&'a str),
}

impl Argument<'_> {
    fn text(&self) -> Option<String> {
        match self {
            Argument::Text(text) => Some(text.clone()),
            Argument::Function(_) => None,
        }
    }
}

fn arguments<'a>(command: &'a str, known: &dyn Fn(&str) -> Option<String>) -> Option<Vec<Argument<'a>>> {
    let (mut arguments, mut rest) = (Vec::new(), command.trim());
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '`'));
        let (argument, after) = match quote {
            // A string with an escape is none of the trivial ones.
            Some(quote) => match rest[1..].split_once(quote)? {
                (text, _) if text.contains('\\') => return None,
                (text, after) => (Argument::Text(text.to_owned()), after),
            },
            None => {
                let (word, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
                match word.strip_prefix('.') {
                    Some(name) => (Argument::Text(known(name)?), after),
                    None => (Argument::Function(word), after),
                }
            }
        };
        arguments.push(argument);
        rest = after.trim_start();
    }
    Some(arguments)
}

/// The value of a name; none of one that is not known here.
fn field(name: &str, resolved: &Resolved, build: &Build, platform: &Platform) -> Option<String> {
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
        // The commit's, so that the same bytes come out on any day.
        "Date" | "CommitDate" => date(),
        "Timestamp" | "CommitTimestamp" => seconds(),
        "ProjectName" => build.project.clone(),
        "Binary" => build.binary.clone().unwrap_or_else(|| build.project.clone()),
        "ModulePath" => resolved.module.clone(),
        // A release is made of the tag's commit, and of nothing else.
        "GitTreeState" => "clean".to_owned(),
        "IsGitClean" => "true".to_owned(),
        "IsGitDirty" | "IsSnapshot" | "IsNightly" => "false".to_owned(),
        // What `git describe` says of a tagged commit.
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
    use crate::golang::ranking::Evidence;

    fn resolved(version: &str, commit: Option<&str>) -> Resolved {
        Resolved {
            module: "a.b/c".into(),
            version: version.into(),
            package: "a.b/c".into(),
            time: 1_735_787_045,
            needs: None,
            states_no_needs: false,
            notices: None,
            evidence: Evidence::Root,
            release: Ok(vec![]),
            commit: commit.map(str::to_owned),
        }
    }

    fn value(template: &str, resolved: &Resolved) -> Result<Text, BadTemplate> {
        let build = Build {
            project: "p".into(),
            ..Build::default()
        };
        evaluate(
            template,
            resolved,
            &build,
            &Platform::new("linux", "arm64").unwrap(),
        )
    }

    #[test]
    fn names_have_the_values_that_goreleaser_gives_them() {
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
            assert_eq!(value(template, &release), Ok(Text::new(expected)), "{template}");
        }
        assert_eq!(
            value("{{.Version}}", &resolved("v2.0.0+incompatible", None)),
            Ok(Text::new("2.0.0"))
        );
    }

    #[test]
    fn what_is_not_known_is_marked_and_the_rest_is_refused() {
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
