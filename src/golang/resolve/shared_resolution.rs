//! Resolutions in the object store: a name that one machine has resolved costs the others no query to the module proxy.
//!
//! A resolution from the store becomes an entry of the local cache, with its age, so that the rules of the cache apply to it. The process
//! of a request does not connect to the store: `gox-server share-resolution` does.

use std::io::{self, PipeWriter, Write};
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use crate::detached;
use crate::error::{Error, internal_error};
use crate::golang::Resolved;
use crate::golang::resolve::cached_resolution::{
    Resolution, from_entry, is_conclusive, read_cached, to_entry, write_cached,
};
use crate::golang::resolve::resolution_key;
use crate::golang::run::command::Go;
use crate::hidden_command::HiddenCommand;
use crate::object_store::ObjectStore;
use crate::object_store::record::Record;
use crate::parse::Target;
use crate::store::{BuildKey, Total, layout, table};
use crate::text::sanitize;

/// How long a lookup waits for the object store, in milliseconds.
const TIMEOUT_MS: u16 = 1000;

/// Limit of a resolution from the store: a builder gets it in one argument, which the kernel limits to 128 KiB (MAX_ARG_STRLEN).
const MAX_BYTES: usize = 64 << 10;

/// Starts a process that puts the resolution of the store into the cache, and waits for it. `None` without a store, or while it does not
/// work. Drop the result when the lookup has ended: the process then publishes what the lookup has cached.
pub(super) fn start_sharing(go: Go<'_>, target: &Target) -> Option<PipeWriter> {
    go.config.object_store.as_ref()?;
    if Record::of(go.store).outage().is_some() {
        return None;
    }
    let start = || -> io::Result<PipeWriter> {
        let (answer, stdout) = io::pipe()?;
        let (stdin, lookup) = io::pipe()?;
        detached::start(
            &HiddenCommand::ShareResolution {
                target: target.to_string(),
            },
            stdin.into(),
            stdout.into(),
            &go.store.path(layout::LOG),
        )?;
        let mut answer = [PollFd::new(answer.as_fd(), PollFlags::POLLIN)];
        poll(&mut answer, PollTimeout::from(TIMEOUT_MS))?;
        Ok(lookup)
    };
    start()
        .inspect_err(|error| log::warn!("cannot share the resolution of {target}: {error}"))
        .ok()
}

/// Fetches the resolution of `target`, writes a line to stdout, and waits on stdin for the end of the lookup. Then publishes what the
/// lookup has cached.
pub fn share(go: Go<'_>, target: &Target) -> Result<(), Error> {
    let created = go.store.create_directories();
    created.map_err(|e| internal_error("make the state directory", &e))?;
    let Some(shared) = SharedResolution::connect(go, target) else {
        return Ok(());
    };
    let begun = SystemTime::now();
    // If the store answered too late, the lookup may have ended already.
    let known = shared.fetch().map_or(begun, |()| SystemTime::now());
    // If the process of the request has ended, so has the lookup.
    io::stdout().write_all(b"\n").ok();
    io::copy(&mut io::stdin(), &mut io::sink()).ok();
    let cached = read_cached(go, &go.store.resolutions(), &shared.key);
    if let Some((resolution, _)) = cached.filter(|(_, at)| *at > known) {
        shared.publish(&resolution);
    }
    Ok(())
}

/// The precision of the store's dates.
const PRECISION: Duration = Duration::from_secs(1);

/// The resolution of one target in the store.
pub(super) struct SharedResolution<'a> {
    objects: ObjectStore,
    go: Go<'a>,
    key: BuildKey,
    object: String,
}

impl<'a> SharedResolution<'a> {
    /// Connects to the object store. `None` if there is none, or it does not work at the moment.
    pub(super) fn connect(go: Go<'a>, target: &Target) -> Option<SharedResolution<'a>> {
        let key = resolution_key(target, &go.toolchain.version);
        Some(SharedResolution {
            objects: ObjectStore::connect(go.config, go.store)?,
            go,
            object: format!("resolution/{key}"),
            key,
        })
    }

    /// Puts the resolution into the cache, unless the cached one is newer. `None` if nothing was put.
    pub(super) fn fetch(&self) -> Option<()> {
        let object = self.objects.get(&self.object)??;
        // Without an age it is as old as can be.
        let at = SystemTime::now()
            .checked_sub(object.age)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let resolution = self.parse(&object.body)?;
        let table = self.go.store.resolutions();
        if read_cached(self.go, &table, &self.key).is_some_and(|(_, cached)| cached + PRECISION >= at) {
            return None;
        }
        write_cached(self.go, &table, &self.key, &resolution, at)
            .inspect_err(|error| log::warn!("{}", error.log))
            .ok()?;
        self.go.store.add(Total::ResolutionsFetched, 1);
        Some(())
    }

    /// Parses a resolution that another machine wrote. `None` if it is damaged, or another machine would not have written it.
    fn parse(&self, body: &[u8]) -> Option<Resolution> {
        let value: Value = table::decode(body, &self.key).filter(|_| body.len() <= MAX_BYTES)?;
        let entry = is_clean(&value).then(|| serde_json::from_value(value))?.ok()?;
        from_entry(self.go, entry)
            .filter(|resolution| resolution.as_ref().map_or_else(is_conclusive, has_valid_names))
    }

    /// Publishes a resolution. One without notices is not published: the module proxy could not answer, but may answer another machine.
    pub(super) fn publish(&self, resolution: &Resolution) -> Option<()> {
        if resolution
            .as_ref()
            .is_ok_and(|resolved| resolved.notices.is_none())
        {
            return None;
        }
        let body = table::encode(&self.key, &to_entry(self.go, resolution)?)
            .inspect_err(|error| log::warn!("cannot write a resolution as JSON: {error}"));
        self.objects.replace(&self.object, &body.ok()?)
    }
}

/// Whether no text has control characters except tabs and newlines, which linker flags may have.
fn is_clean(value: &Value) -> bool {
    match value {
        Value::String(text) => sanitize(text) == *text,
        Value::Array(values) => values.iter().all(is_clean),
        Value::Object(fields) => fields.values().all(is_clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Whether the package is one of the module, and has an exact version: these become arguments of `go`.
fn has_valid_names(resolved: &Resolved) -> bool {
    let Resolved {
        module,
        version,
        package,
        ..
    } = resolved;
    let is_of_module = package
        .strip_prefix(module.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let target = Target::parse(resolved.path().as_bytes());
    is_of_module
        && target.is_ok_and(|target| {
            target.import_path() == *package
                && target.version().query() == version
                && target.version().is_exact()
        })
}
