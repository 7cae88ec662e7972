//! Which Go a program is compiled with: the one that was asked for, or the one that it needs, of those that the operator
//! allows.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::brought::{self, MODULE, Tell, arch};
use crate::answer::refusal::trouble;
use crate::answer::{Reason, Refusal};
use crate::asked::GoVersion;
use crate::config::WhichGo;
use crate::detached;
use crate::golang::command::Go;
use crate::golang::turn::turn;
use crate::golang::work::Work;
use crate::store::file::{read_json, replace};
use crate::store::lock::Lock;
use crate::store::table::age;

/// How long the module proxy's list of versions holds: a release of Go is two weeks' news.
const LISTED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it holds that there was none.
const UNLISTED_FOR: Duration = Duration::from_secs(5 * 60);

/// How often it is asked beside an answer while it fails.
const LIST_EVERY: Duration = Duration::from_secs(10);

/// So many series get repairs at a time (go.dev/doc/devel/release, "Release Policy").
const SUPPORTED_SERIES: usize = 2;

/// The version, as `go1.26.8`, for a program whose go.mod `needs` so much. Without a wish it is the Go that is here, or the newest patch
/// release of its series that was brought, unless the program needs a newer one: then the newest that is allowed.
pub fn choose(go: Go<'_>, asked: Option<GoVersion>, needs: Option<GoVersion>) -> Result<String, Refusal> {
    let here = go.toolchain.go_version();
    let wanted = Wanted { asked, needs };
    // A Go that somebody made for himself has no version, and suffices for who asks for none.
    if here.map_or(asked.is_none(), |version| {
        wanted.is_asked(version) && wanted.suffices(version)
    }) {
        if !follows_patches(go, asked) {
            return Ok(go.toolchain.version.clone());
        }
        let listed = Listed::look(go);
        if !listed.holds() {
            begin_refresh(go);
        }
        let brought = patches(go, &listed).filter(|version| brought::is_here(go.store, *version));
        return Ok(brought
            .max()
            .map_or(go.toolchain.version.clone(), |version| format!("go{version}")));
    }
    let listed = Listed::look(go);
    let chosen = wanted.among(&Allowed::of(go, &listed));
    if listed.holds() {
        return chosen;
    }
    if chosen.is_ok() {
        begin_refresh(go);
        return chosen;
    }
    wanted.among(&Allowed::of(go, &Listed::anew(go)?))
}

/// The version for a program that was `chosen` and is not built yet: the newest patch release, which is brought if it has to be. Where it
/// cannot be had, the Go that is here compiles the program as before.
pub fn choose_for_build(go: Go<'_>, chosen: String, asked: Option<GoVersion>, tell: Tell<'_>) -> String {
    let is_patch = |version: &GoVersion| {
        go.toolchain
            .go_version()
            .is_some_and(|here| here.series() == version.series())
    };
    if !follows_patches(go, asked) || !chosen.parse().is_ok_and(|chosen| is_patch(&chosen)) {
        return chosen;
    }
    match bring_newest_patch(go, tell) {
        Ok(Some(newest)) => format!("go{newest}"),
        Ok(None) => chosen,
        Err(refusal) => {
            log::warn!("{chosen} compiles, and no newer patch release: {}", refusal.log);
            chosen
        }
    }
}

/// Whether the Go that is here makes way for newer patch releases: not where the operator or the client names one.
fn follows_patches(go: Go<'_>, asked: Option<GoVersion>) -> bool {
    !matches!(go.config.go, WhichGo::Named(_)) && asked.is_none_or(GoVersion::is_series)
}

/// Newer releases of the series of the Go that is here, as far as they may be used.
fn patches(go: Go<'_>, listed: &Listed) -> impl Iterator<Item = GoVersion> {
    let here = go.toolchain.go_version().filter(|here| here.is_release());
    let allowed = Allowed::of(go, listed).versions.into_iter();
    allowed.filter(move |version| {
        here.is_some_and(|here| version.is_release() && version.series() == here.series() && *version > here)
    })
}

/// Brings the newest of them, if there is one.
fn bring_newest_patch(go: Go<'_>, tell: Tell<'_>) -> Result<Option<GoVersion>, Refusal> {
    let known = Listed::look(go);
    let listed = if known.holds() { known } else { Listed::anew(go)? };
    let Some(newest) = patches(go, &listed).max() else {
        return Ok(None);
    };
    brought::of_version(go.toolchain, go.config, go.store, &format!("go{newest}"), tell)?;
    Ok(Some(newest))
}

/// Has another process ask which versions there are: what was there is there still, and no answer waits.
fn begin_refresh(go: Go<'_>) {
    let alone = Lock::take_if_due(&go.store.listing(), LIST_EVERY);
    detached::begin(&["versions"], alone, &go.store.log());
}

/// What is asked for, and what suffices.
#[derive(Clone, Copy)]
struct Wanted {
    asked: Option<GoVersion>,
    needs: Option<GoVersion>,
}

impl Wanted {
    fn is_asked(self, version: GoVersion) -> bool {
        self.asked.is_none_or(|asked| asked.includes(version))
    }

    fn suffices(self, version: GoVersion) -> bool {
        self.needs.is_none_or(|needs| version >= needs)
    }

    /// The newest of those that may be used here.
    fn among(self, allowed: &Allowed) -> Result<String, Refusal> {
        let known = self
            .asked
            .filter(|asked| !asked.is_series() && allowed.includes(*asked));
        let newest = |fits: &dyn Fn(GoVersion) -> bool| {
            let releases = allowed.versions.iter().copied().filter(|v| v.is_release());
            releases.filter(|v| fits(*v)).max()
        };
        let Some(newest_asked) = known.or_else(|| newest(&|version| self.is_asked(version))) else {
            return Err(Refusal::new(Reason::NoSuchGo).detail(format!(
                "go{} was asked for; {allowed} may be asked for.",
                self.asked.map_or_else(String::new, |asked| asked.to_string())
            )));
        };
        if self.suffices(newest_asked) {
            return Ok(format!("go{newest_asked}"));
        }
        Err(Refusal::new(Reason::NeedsNewerGo).detail(format!(
            "It needs go{} at least; the newest that may be used is go{newest_asked}.",
            self.needs.map_or_else(String::new, |needs| needs.to_string())
        )))
    }
}

/// What may be used here.
struct Allowed {
    /// Versions and series.
    rules: BTreeSet<GoVersion>,
    /// The versions that are known to be there.
    versions: BTreeSet<GoVersion>,
}

impl Allowed {
    fn of(go: Go<'_>, listed: &Listed) -> Allowed {
        let releases = listed.versions.iter().filter(|version| version.is_release());
        let series: BTreeSet<_> = releases.map(|version| version.series()).collect();
        let mut rules: BTreeSet<_> = match &go.config.go_versions {
            Some(versions) => versions.iter().copied().collect(),
            None => series.into_iter().rev().take(SUPPORTED_SERIES).collect(),
        };
        rules.extend(go.toolchain.go_version());
        let named = rules.iter().copied().filter(|rule| !rule.is_series());
        let included = listed.versions.iter().copied();
        let included = included.filter(|version| rules.iter().any(|rule| rule.includes(*version)));
        let versions = included.chain(named).collect();
        Allowed { rules, versions }
    }

    fn includes(&self, version: GoVersion) -> bool {
        self.rules.iter().any(|rule| rule.includes(version))
    }
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rules: Vec<_> = self.rules.iter().map(|rule| format!("go{rule}")).collect();
        f.write_str(&rules.join(", "))
    }
}

/// The versions that the module proxy has for this machine. None where it does not tell: then only what the operator names can be
/// used.
struct Listed {
    versions: Vec<GoVersion>,
    /// Since it said so.
    age: Duration,
}

impl Listed {
    /// What it said when it was last asked.
    fn look(go: Go<'_>) -> Listed {
        let memory = memory(go);
        let said = fs::metadata(&memory).and_then(|meta| meta.modified());
        Listed {
            versions: read_json(&memory).unwrap_or_default(),
            age: said.map_or(Duration::MAX, age),
        }
    }

    fn holds(&self) -> bool {
        let holds_for = match self.versions.is_empty() {
            true => UNLISTED_FOR,
            false => LISTED_FOR,
        };
        self.age < holds_for
    }

    /// What it says now, unless another has asked meanwhile.
    fn anew(go: Go<'_>) -> Result<Listed, Refusal> {
        let deadline = go.patience.lookup_end();
        let _turn = turn(go, deadline)?;
        let known = Listed::look(go);
        if known.holds() {
            return Ok(known);
        }
        let said = ask(go, deadline)?;
        // A proxy in trouble does not undo what it said before; it is asked again tomorrow.
        let versions = if said.is_empty() { known.versions } else { said };
        let bytes = serde_json::to_vec(&versions).map_err(|e| trouble("write versions of Go", &e.into()))?;
        replace(&memory(go), &bytes).map_err(|e| trouble("remember versions of Go", &e))?;
        Ok(Listed {
            versions,
            age: Duration::ZERO,
        })
    }
}

/// Asks which versions there are, beside answers that used what was known, and brings the newest patch release.
pub fn refresh(go: Go<'_>) -> Result<(), Refusal> {
    go.store
        .complete()
        .map_err(|e| trouble("make the state directory", &e))?;
    if !follows_patches(go, None) {
        return Listed::anew(go).map(drop);
    }
    bring_newest_patch(go, &mut |_| true).map(drop)
}

fn memory(go: Go<'_>) -> PathBuf {
    go.store.toolchains().join("listed.json")
}

fn ask(go: Go<'_>, deadline: Instant) -> Result<Vec<GoVersion>, Refusal> {
    #[derive(Default, Deserialize)]
    struct Listed {
        #[serde(rename = "Versions", default)]
        versions: Vec<String>,
    }
    let work = Work::begin(go.store, "versions-").map_err(|e| trouble("make a directory to ask in", &e))?;
    let arguments = ["list", "-m", "-e", "-versions", "-json=Versions", "--", MODULE];
    let outcome = go.run(work.path(), &arguments, deadline)?;
    let listed: Listed = serde_json::from_slice(&outcome.stdout).unwrap_or_default();
    let ending = format!(".linux-{}", arch());
    let ours = listed.versions.iter().filter_map(|version| {
        let go = version.strip_prefix("v0.0.1-")?.strip_suffix(&ending)?;
        go.parse::<GoVersion>()
            .ok()
            .filter(|version| !version.is_series())
    });
    let ours: Vec<_> = ours.collect();
    if ours.is_empty() {
        let words = String::from_utf8_lossy(&outcome.stderr).into_owned();
        log::warn!("the module proxy names no versions of Go: {}", words.trim());
    }
    Ok(ours)
}
