//! How one setting is read: unset, empty, or of its kind; or a [`BadSetting`] that names it.

use std::borrow::Cow;
use std::env;
use std::str::FromStr;
use std::time::Duration;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}={value:?}: {wanted}")]
pub struct BadSetting {
    name: &'static str,
    value: String,
    wanted: Cow<'static, str>,
}

/// An empty variable counts as unset: that is how an operator takes a line of an env file back.
pub(super) fn text(name: &'static str) -> Result<Option<String>, BadSetting> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(value)) => {
            Err(bad(name, value.to_string_lossy().into_owned(), "UTF-8 is wanted"))
        }
    }
}

pub(super) fn number(name: &'static str, default: u64) -> Result<u64, BadSetting> {
    Ok(number_if_set(name)?.unwrap_or(default))
}

pub(super) fn number_if_set(name: &'static str) -> Result<Option<u64>, BadSetting> {
    let Some(value) = text(name)? else { return Ok(None) };
    value
        .parse()
        .map(Some)
        .map_err(|_| bad(name, value, "a whole number is wanted"))
}

pub(super) fn seconds(name: &'static str) -> Result<Option<Duration>, BadSetting> {
    let Some(value) = text(name)? else { return Ok(None) };
    // A century, which no clock overflows.
    value
        .parse::<u32>()
        .map(|s| Some(Duration::from_secs(s.into())))
        .map_err(|_| bad(name, value, "whole seconds are wanted"))
}

pub(super) fn bytes(name: &'static str, default: u64) -> Result<u64, BadSetting> {
    Ok(bytes_if_set(name)?.unwrap_or(default))
}

pub(super) fn bytes_if_set(name: &'static str) -> Result<Option<u64>, BadSetting> {
    let Some(value) = text(name)? else { return Ok(None) };
    let short = value.trim_end_matches("iB");
    let with_unit = |(letter, unit)| short.strip_suffix(letter).map(|digits| (digits, unit));
    let (digits, unit) = [('K', KIB), ('M', MIB), ('G', GIB)]
        .into_iter()
        .find_map(with_unit)
        .unwrap_or((value.as_str(), 1));
    let number = digits
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit));
    number.map(Some).ok_or_else(|| {
        bad(
            name,
            value,
            "bytes are wanted: a number, or one with KiB, MiB or GiB behind it",
        )
    })
}

pub(super) fn word<T: Copy>(name: &'static str, words: &[(&str, T)]) -> Result<T, BadSetting> {
    let (default, value) = (words[0].1, text(name)?);
    let Some(value) = value else { return Ok(default) };
    words
        .iter()
        .find(|(word, _)| *word == value)
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| bad(name, value, "that is none of the words it can be; see --help"))
}

/// What stands between commas. A list without any entry is a script that went wrong, and nobody's wish for the default.
pub(super) fn list<T: FromStr>(name: &'static str, wanted: &'static str) -> Result<Vec<T>, BadSetting> {
    let Some(value) = text(name)? else {
        return Ok(Vec::new());
    };
    let parse = |entry: &str| entry.parse().map_err(|_| bad(name, entry.to_owned(), wanted));
    let entries = value.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let list = entries.map(parse).collect::<Result<Vec<T>, _>>()?;
    match list.is_empty() {
        true => Err(bad(name, value, wanted)),
        false => Ok(list),
    }
}

/// More than 4 billion an hour is no bound.
pub(super) fn count(name: &'static str, default: u64) -> Result<u32, BadSetting> {
    Ok(u32::try_from(number(name, default)?).unwrap_or(0))
}

/// Refuses that with which nothing could succeed.
pub(super) fn at_least(name: &'static str, value: u64, least: u64) -> Result<(), BadSetting> {
    if value >= least {
        return Ok(());
    }
    let shown = match least % MIB {
        0 => format!("{}MiB", least / MIB),
        _ => least.to_string(),
    };
    Err(bad(
        name,
        value.to_string(),
        format!("{shown} at least is wanted"),
    ))
}

pub(super) fn bad(name: &'static str, value: String, wanted: impl Into<Cow<'static, str>>) -> BadSetting {
    let wanted = wanted.into();
    BadSetting { name, value, wanted }
}
