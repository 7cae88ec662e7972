//! The author's release build of one program: which flags of the release configuration are repeated here, and with which values.
//!
//! Values are data. No shell reads them, templates are evaluated once, and the linker gets only `-s`, `-w` and `-X`: all other
//! flags of the linker name files, start programs or change what kind of program comes out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Resolved;
use super::release_config::Build;
use super::template::{BadTemplate, Text, evaluate};
use crate::answer::{Reason, Refusal};
use crate::asked::Platform;

/// What a release build adds to a plain one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Flags for the linker, in words that Go splits again.
    pub ldflags: Vec<String>,
    /// Build tags, sorted.
    pub tags: Vec<String>,
    /// What the configuration says and this build leaves out, and why.
    pub left_out: Vec<String>,
}

impl Stamp {
    /// What the author's configuration says for this platform; an error says why it cannot be repeated.
    pub fn of(resolved: &Resolved, platform: &Platform) -> Result<Stamp, Refusal> {
        let unavailable = |why: String| Refusal::new(Reason::NoReleaseRecipe).detail(why);
        let builds = resolved
            .release
            .as_ref()
            .map_err(|why| unavailable(why.clone()))?;
        let is_for_it =
            |build: &&Build| build.goos.is_empty() || build.goos.iter().any(|os| os == platform.os());
        let build = builds.iter().find(is_for_it).or(builds.first());
        let build = build.ok_or_else(|| unavailable("The release configuration has no build.".to_owned()))?;
        if build
            .env
            .iter()
            .any(|variable| variable.replace(' ', "") == "CGO_ENABLED=1")
        {
            return Err(
                Refusal::new(Reason::NeedsCgo).detail("Its release configuration sets CGO_ENABLED=1.")
            );
        }
        let mut stamp = Stamp::default();
        stamp
            .take(build, &|template| evaluate(template, resolved, build, platform))
            .map_err(|bad| unavailable(bad.to_string()))?;
        Ok(stamp)
    }

    fn take(
        &mut self,
        build: &Build,
        evaluate: &dyn Fn(&str) -> Result<Text, BadTemplate>,
    ) -> Result<(), BadTemplate> {
        let whole = build.ldflags.join(" ");
        let mut words = split(&evaluate(&whole)?)?.into_iter();
        while let Some(word) = words.next() {
            match word.plain().as_str() {
                "-s" | "-w" | "--s" | "--w" => self
                    .ldflags
                    .push(word.plain().trim_start_matches("--").to_owned()),
                "-X" | "--X" => match words.next() {
                    Some(definition) => self.define(&definition)?,
                    None => self.leave_out("-X", "nothing follows it"),
                },
                flag => match word.strip_prefix("-X=") {
                    Some(definition) => self.define(&definition)?,
                    None => self.leave_out(flag, "not a flag that is repeated here"),
                },
            }
        }
        let mut tags = BTreeSet::new();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut lists: Vec<String> = Vec::new();
        for list in &build.tags {
            lists.push(evaluate(list)?.plain());
        }
        let mut flags = Vec::new();
        for flag in &build.flags {
            flags.extend(words(&evaluate(flag)?.plain()));
        }
        let mut flags = flags.into_iter();
        while let Some(flag) = flags.next() {
            let name = flag.trim_start_matches('-');
            match (name.split_once('='), name) {
                (Some(("tags", list)), _) => lists.push(list.trim_matches(['"', '\'']).to_owned()),
                (_, "tags") => lists.extend(flags.next()),
                // What is done here anyway, or changes no bytes.
                (_, "trimpath" | "v" | "a" | "mod=readonly" | "buildvcs=false") => {}
                (_, _) => self.leave_out(&flag, "not a flag that is repeated here"),
            }
        }
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
                self.leave_out(tag, "not a build tag");
            }
        }
        self.tags = tags.into_iter().collect();
        for variable in &build.env {
            if variable.replace(' ', "") != "CGO_ENABLED=0" {
                self.leave_out(variable, "no variable of a configuration is set here");
            }
        }
        Ok(())
    }

    /// `PATH.NAME=VALUE`, as one word that Go's quoting can carry.
    fn define(&mut self, definition: &Text) -> Result<(), BadTemplate> {
        let shown = definition.plain();
        let is_name = |name: &str| {
            name.contains('.')
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._/~+-".contains(&b))
        };
        if shown.chars().any(char::is_control) {
            return Err(BadTemplate::Control(shown));
        }
        match shown.split_once('=') {
            Some((name, _)) if !is_name(name) => self.leave_out(&shown, "not the name of a variable"),
            None => self.leave_out(&shown, "no value"),
            // The line that makes the same bytes stands in a header.
            Some(_) if !shown.is_ascii() => self.leave_out(&shown, "its value is not ASCII"),
            Some((name, _)) if !definition.is_known() => {
                self.leave_out(
                    &format!("-X {name}"),
                    "the module proxy does not say which commit this version is",
                );
            }
            Some(_) => match quoted(&shown) {
                Some(word) => self.ldflags.extend(["-X".to_owned(), word]),
                None => self.leave_out(&shown, "it has quotes of both kinds"),
            },
        }
        Ok(())
    }

    fn leave_out(&mut self, what: &str, why: &str) {
        self.left_out.push(format!("{what}: {why}"));
    }
}

/// Words as Go splits them: between white space, or in quotes of one kind (cmd/internal/quoted, Split).
fn split(text: &Text) -> Result<Vec<Text>, BadTemplate> {
    let mut words = Vec::new();
    let mut rest = text.as_str().trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' | '\'' => rest[1..]
                .split_once(first)
                .ok_or_else(|| BadTemplate::Unterminated(text.plain()))?,
            _ => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(Text::new(word));
        rest = after.trim_start();
    }
    Ok(words)
}

/// A word that Go splits into itself; none where it has white space and quotes of both kinds.
fn quoted(word: &str) -> Option<String> {
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

    fn stamp(ldflags: &[&str]) -> Result<Stamp, BadTemplate> {
        let words = ldflags.iter().map(|flag| (*flag).to_owned());
        let build = Build {
            ldflags: words.collect(),
            ..Build::default()
        };
        let mut stamp = Stamp::default();
        stamp.take(&build, &|text| Ok(Text::new(text))).map(|()| stamp)
    }

    #[test]
    fn only_harmless_flags_reach_the_linker() {
        for (flags, taken, left_out) in [
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
            let stamp = stamp(&flags).unwrap();
            assert_eq!(stamp.ldflags.join(" "), taken, "{flags:?}");
            assert_eq!(stamp.left_out.len(), left_out, "{flags:?}: {:?}", stamp.left_out);
        }
        for flags in ["-X 'a.b=c\nd'", "-X 'a.b=c\x1bd'", "-X 'a.b=c"] {
            assert!(stamp(&[flags]).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn tags_come_from_flags_too() {
        let build = Build {
            tags: vec!["b,a".to_owned()],
            flags: ["-trimpath", "-tags=c", "-tags d", "-mod=vendor", "-tags", "'e;f'"]
                .map(str::to_owned)
                .to_vec(),
            env: vec!["CGO_ENABLED=0".to_owned(), "GOEXPERIMENT=x".to_owned()],
            ..Build::default()
        };
        let mut stamp = Stamp::default();
        stamp.take(&build, &|text| Ok(Text::new(text))).unwrap();
        assert_eq!(stamp.tags, ["a", "b", "c", "d"]);
        assert_eq!(stamp.left_out.len(), 3, "{:?}", stamp.left_out);
    }
}
