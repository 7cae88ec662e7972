//! Takes linker flags and build tags from the author's release configuration.
//!
//! Values are untrusted data. No shell reads them, templates are evaluated once, and the linker gets only `-s`, `-w` and `-X`: its
//! other flags name files, start programs or change the kind of output.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Reason};
use crate::golang::Resolved;
use crate::golang::release::release_config::ReleaseBuild;
use crate::golang::release::template::{TemplateError, TemplateValue, evaluate};
use crate::parse::Platform;

/// The flags that a release build adds to a plain one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseFlags {
    /// Linker flags, each quoted so that Go splits the joined string into the same words.
    pub ldflags: Vec<String>,
    /// Build tags, sorted.
    pub tags: Vec<String>,
    /// Parts of the configuration that this build does not use, each with the reason.
    pub left_out: Vec<String>,
}

impl ReleaseFlags {
    /// Takes the flags for this platform from the author's configuration. Fails if they cannot be evaluated.
    pub fn from_config(resolved: &Resolved, platform: &Platform) -> Result<ReleaseFlags, Error> {
        let unavailable = |why: String| Error::new(Reason::NoReleaseRecipe).detail(why);
        let builds = resolved
            .release
            .as_ref()
            .map_err(|why| unavailable(why.clone()))?;
        let is_for_platform =
            |build: &&ReleaseBuild| build.goos.is_empty() || build.goos.iter().any(|os| os == platform.os());
        let build = builds.iter().find(is_for_platform).or(builds.first());
        let build =
            build.ok_or_else(|| unavailable("The release configuration has no builds.".to_owned()))?;
        if build
            .env
            .iter()
            .any(|variable| variable.replace(' ', "") == "CGO_ENABLED=1")
        {
            return Err(Error::new(Reason::NeedsCgo).detail("Its release configuration sets CGO_ENABLED=1."));
        }
        let mut flags = ReleaseFlags::default();
        flags
            .add(build, &|template| evaluate(template, resolved, build, platform))
            .map_err(|error| unavailable(error.to_string()))?;
        Ok(flags)
    }

    /// The linker flags of a program without symbols and debugging information.
    pub fn stripped_ldflags(&self) -> Vec<String> {
        let is_missing = |flag: &&str| !self.ldflags.iter().any(|other| other == flag);
        let missing = ["-s", "-w"].into_iter().filter(is_missing).map(str::to_owned);
        self.ldflags.iter().cloned().chain(missing).collect()
    }

    fn add(
        &mut self,
        build: &ReleaseBuild,
        evaluate: &dyn Fn(&str) -> Result<TemplateValue, TemplateError>,
    ) -> Result<(), TemplateError> {
        let ldflags = evaluate(&build.ldflags.join(" "))?;
        self.add_linker_flags(split(&ldflags)?)?;
        let mut tags = Vec::new();
        for list in &build.tags {
            tags.push(evaluate(list)?.plain());
        }
        let mut flags = String::new();
        for flag in &build.flags {
            flags += &(evaluate(flag)?.plain() + " ");
        }
        tags.extend(self.take_tags(&flags));
        self.add_tags(&tags);
        for variable in &build.env {
            if variable.replace(' ', "") != "CGO_ENABLED=0" {
                self.leave_out(variable, "variables of a configuration are not set here");
            }
        }
        Ok(())
    }

    fn add_linker_flags(&mut self, words: Vec<TemplateValue>) -> Result<(), TemplateError> {
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.plain().as_str() {
                "-s" | "-w" | "--s" | "--w" => self
                    .ldflags
                    .push(word.plain().trim_start_matches("--").to_owned()),
                "-X" | "--X" => match words.next() {
                    Some(definition) => self.add_definition(&definition)?,
                    None => self.leave_out("-X", "no argument"),
                },
                flag => match word.strip_prefix("-X=") {
                    Some(definition) => self.add_definition(&definition)?,
                    None => self.leave_out(flag, "unsupported flag"),
                },
            }
        }
        Ok(())
    }

    /// Takes the tag lists out of the flags of `go build`. Other flags are left out.
    fn take_tags(&mut self, flags: &str) -> Vec<String> {
        let mut lists = Vec::new();
        let mut flags = flags.split_whitespace();
        while let Some(flag) = flags.next() {
            let name = flag.trim_start_matches('-');
            match (name.split_once('='), name) {
                (Some(("tags", list)), _) => lists.push(list.trim_matches(['"', '\'']).to_owned()),
                (_, "tags") => lists.extend(flags.next().map(str::to_owned)),
                // These are set here anyway, or do not change the output.
                (_, "trimpath" | "v" | "a" | "mod=readonly" | "buildvcs=false") => {}
                (_, _) => self.leave_out(flag, "unsupported flag"),
            }
        }
        lists
    }

    /// Adds tags from lists that commas or spaces separate.
    fn add_tags(&mut self, lists: &[String]) {
        let mut tags = BTreeSet::new();
        let is_tag = |tag: &str| {
            tag.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b))
        };
        for tag in lists
            .iter()
            .flat_map(|list| list.split([',', ' ']))
            .filter(|tag| !tag.is_empty())
        {
            if is_tag(tag) {
                tags.insert(tag.to_owned());
            } else {
                self.leave_out(tag, "invalid build tag");
            }
        }
        self.tags = tags.into_iter().collect();
    }

    /// Adds `-X PATH.NAME=VALUE`, if Go's quoting can express it as one word.
    fn add_definition(&mut self, definition: &TemplateValue) -> Result<(), TemplateError> {
        let shown = definition.plain();
        let is_name = |name: &str| {
            name.contains('.')
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._/~+-".contains(&b))
        };
        if shown.chars().any(char::is_control) {
            return Err(TemplateError::Control(shown));
        }
        match shown.split_once('=') {
            Some((name, _)) if !is_name(name) => self.leave_out(&shown, "invalid variable name"),
            None => self.leave_out(&shown, "no value"),
            // The verify command is sent in a header.
            Some(_) if !shown.is_ascii() => self.leave_out(&shown, "the value is not ASCII"),
            Some((name, _)) if !definition.is_known() => {
                self.leave_out(
                    &format!("-X {name}"),
                    "the module proxy does not report this value",
                );
            }
            Some(_) => match quote(&shown) {
                Some(word) => self.ldflags.extend(["-X".to_owned(), word]),
                None => self.leave_out(&shown, "the value has quotes of both kinds"),
            },
        }
        Ok(())
    }

    fn leave_out(&mut self, part: &str, reason: &str) {
        self.left_out.push(format!("{part}: {reason}"));
    }
}

/// Splits into words as Go does: at white space, except within single or double quotes (cmd/internal/quoted, Split).
fn split(text: &TemplateValue) -> Result<Vec<TemplateValue>, TemplateError> {
    let mut words = Vec::new();
    let mut rest = text.as_str().trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' | '\'' => rest[1..]
                .split_once(first)
                .ok_or_else(|| TemplateError::Unterminated(text.plain()))?,
            _ => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(TemplateValue::new(word));
        rest = after.trim_start();
    }
    Ok(words)
}

/// Quotes a word for `split`; `None` if it has white space and quotes of both kinds.
fn quote(word: &str) -> Option<String> {
    match (
        word.contains(char::is_whitespace),
        word.contains('\''),
        word.contains('"'),
    ) {
        (false, _, _) => Some(word.to_owned()),
        (true, false, _) => Some(format!("'{word}'")),
        (true, true, false) => Some(format!("\"{word}\"")),
        (true, true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags_of(ldflags: &[&str]) -> Result<ReleaseFlags, TemplateError> {
        let words = ldflags.iter().map(|flag| (*flag).to_owned());
        let build = ReleaseBuild {
            ldflags: words.collect(),
            ..ReleaseBuild::default()
        };
        let mut flags = ReleaseFlags::default();
        flags
            .add(&build, &|text| Ok(TemplateValue::new(text)))
            .map(|()| flags)
    }

    #[test]
    fn only_harmless_flags_reach_the_linker() {
        for (ldflags, used, left_out) in [
            (vec!["-s -w"], "-s -w", 0),
            (vec!["-s", "-X a.b=c", "-X=d.e=f"], "-s -X a.b=c -X d.e=f", 0),
            (vec!["-X 'a.b=c d'"], "-X 'a.b=c d'", 0),
            (vec!["-X \"a.b=it's c\""], "-X \"a.b=it's c\"", 0),
            (vec!["-X a.b='c'"], "-X a.b='c'", 0),
            (vec!["-extldflags '-static' -linkmode=external"], "", 3),
            (vec!["-extldflags=-static", "-r /tmp -I x -buildid=y"], "", 6),
            (vec!["-X nodot=c -X a.$b=c -X a.b"], "", 3),
            (vec!["-X"], "", 1),
            (vec!["-X a.b=\u{202e}c"], "", 1),
            (vec!["-X a.b=c\n  -X d.e=f"], "-X a.b=c -X d.e=f", 0),
        ] {
            let flags = flags_of(&ldflags).unwrap();
            assert_eq!(flags.ldflags.join(" "), used, "{ldflags:?}");
            assert_eq!(
                flags.left_out.len(),
                left_out,
                "{ldflags:?}: {:?}",
                flags.left_out
            );
        }
        for ldflags in ["-X 'a.b=c\nd'", "-X 'a.b=c\x1bd'", "-X 'a.b=c"] {
            assert!(flags_of(&[ldflags]).is_err(), "{ldflags:?}");
        }
    }

    #[test]
    fn tags_are_taken_from_flags_too() {
        let build = ReleaseBuild {
            tags: vec!["b,a".to_owned()],
            flags: ["-trimpath", "-tags=c", "-tags d", "-mod=vendor", "-tags", "'e;f'"]
                .map(str::to_owned)
                .to_vec(),
            env: vec!["CGO_ENABLED=0".to_owned(), "GOEXPERIMENT=x".to_owned()],
            ..ReleaseBuild::default()
        };
        let mut flags = ReleaseFlags::default();
        flags.add(&build, &|text| Ok(TemplateValue::new(text))).unwrap();
        assert_eq!(flags.tags, ["a", "b", "c", "d"]);
        assert_eq!(flags.left_out.len(), 3, "{:?}", flags.left_out);
    }
}
