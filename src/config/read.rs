//! Reads single settings from the environment. An invalid value is reported as a [`BadSetting`] with its name.

use std::borrow::Cow;
use std::env;
use std::str::FromStr;
use std::time::Duration;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

/// A setting with an invalid value.
#[derive(Debug, thiserror::Error)]
#[error("{name}={value:?}: {requirement}")]
pub struct BadSetting {
    name: &'static str,
    value: String,
    requirement: Cow<'static, str>,
}

impl BadSetting {
    /// Makes the error; `requirement` says what the value must be.
    pub(super) fn new(
        name: &'static str,
        value: String,
        requirement: impl Into<Cow<'static, str>>,
    ) -> BadSetting {
        let requirement = requirement.into();
        BadSetting {
            name,
            value,
            requirement,
        }
    }
}

/// Reads a variable. An empty one counts as unset, so that a later line of an env file can unset an earlier one.
pub(super) fn read_text(name: &'static str) -> Result<Option<String>, BadSetting> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(value)) => Err(BadSetting::new(
            name,
            value.to_string_lossy().into_owned(),
            "must be UTF-8",
        )),
    }
}

pub(super) fn read_number(name: &'static str, default: u64) -> Result<u64, BadSetting> {
    Ok(read_number_if_set(name)?.unwrap_or(default))
}

pub(super) fn read_number_if_set(name: &'static str) -> Result<Option<u64>, BadSetting> {
    let Some(value) = read_text(name)? else {
        return Ok(None);
    };
    value
        .parse()
        .map(Some)
        .map_err(|_| BadSetting::new(name, value, "must be a whole number"))
}

pub(super) fn read_seconds(name: &'static str) -> Result<Option<Duration>, BadSetting> {
    let Some(value) = read_text(name)? else {
        return Ok(None);
    };
    // 32 bits are a century: adding that to a time does not overflow.
    value
        .parse::<u32>()
        .map(|s| Some(Duration::from_secs(s.into())))
        .map_err(|_| BadSetting::new(name, value, "must be a whole number of seconds"))
}

pub(super) fn read_bytes(name: &'static str, default: u64) -> Result<u64, BadSetting> {
    Ok(read_bytes_if_set(name)?.unwrap_or(default))
}

pub(super) fn read_bytes_if_set(name: &'static str) -> Result<Option<u64>, BadSetting> {
    let Some(value) = read_text(name)? else {
        return Ok(None);
    };
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
        BadSetting::new(
            name,
            value,
            "must be a number of bytes, or a number followed by KiB, MiB or GiB",
        )
    })
}

/// Reads one of a few words. The first is the default.
pub(super) fn read_choice<T: Copy>(name: &'static str, words: &[(&str, T)]) -> Result<T, BadSetting> {
    let (default, value) = (words[0].1, read_text(name)?);
    let Some(value) = value else { return Ok(default) };
    words
        .iter()
        .find(|(word, _)| *word == value)
        .map(|(_, choice)| *choice)
        .ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            BadSetting::new(name, value, format!("must be one of {}", words.join(", ")))
        })
}

/// Reads a comma-separated list. A value without any entry, such as `,`, is an error: it is probably the mistake of a script, and
/// must not mean the default.
pub(super) fn read_list<T: FromStr>(
    name: &'static str,
    requirement: &'static str,
) -> Result<Vec<T>, BadSetting> {
    let Some(value) = read_text(name)? else {
        return Ok(Vec::new());
    };
    let parse = |entry: &str| {
        entry
            .parse()
            .map_err(|_| BadSetting::new(name, entry.to_owned(), requirement))
    };
    let entries = value.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let list = entries.map(parse).collect::<Result<Vec<T>, _>>()?;
    match list.is_empty() {
        true => Err(BadSetting::new(name, value, requirement)),
        false => Ok(list),
    }
}

/// Reads a limit per hour. A value above 2^32 - 1 means no limit, like 0.
pub(super) fn read_count(name: &'static str, default: u64) -> Result<u32, BadSetting> {
    Ok(u32::try_from(read_number(name, default)?).unwrap_or(0))
}

/// Fails if the value is so small that no build could succeed.
pub(super) fn check_at_least(name: &'static str, value: u64, least: u64) -> Result<(), BadSetting> {
    if value >= least {
        return Ok(());
    }
    let shown = match least % MIB {
        0 => format!("{}MiB", least / MIB),
        _ => least.to_string(),
    };
    Err(BadSetting::new(
        name,
        value.to_string(),
        format!("must be at least {shown}"),
    ))
}
