//! One program in the object store: another machine may have built it, and a program that is built here is published for the others.
//! Nothing from the store is used unverified.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::Recipe;
use super::check::{check_program, contains_path};
use super::shared_packages::{PackageFetch, SharedPackages};
use super::stored_result::{StoredResult, check_build_info, rejection};
use crate::config::Config;
use crate::error::{Error, internal_error};
use crate::golang::run::compiled_package::find_compiled_packages;
use crate::golang::run::failure::Failure;
use crate::object_store::record::Conflict;
use crate::object_store::{CLAIM_LIFETIME, Claim, HeldClaim, ObjectStore, random_part_of};
use crate::parse::Cacheability;
use crate::store::work_dir::WorkDir;
use crate::store::{Artifact, Meta, Store, Total, layout, table};
use crate::text::sanitize;

/// Interval at which a machine looks for the result of another machine's build: grows from the first to the last.
const FIRST_POLL: Duration = Duration::from_millis(500);
const LAST_POLL: Duration = Duration::from_secs(4);

/// A download may take twice the time that the build took, within these limits: a slower store saves nothing.
const MIN_DOWNLOAD: Duration = Duration::from_secs(10);
const MAX_DOWNLOAD: Duration = Duration::from_secs(120);

/// A recipe, and the store where its program may be.
pub struct SharedProgram<'a> {
    objects: Arc<ObjectStore>,
    recipe: &'a Recipe,
    config: &'a Config,
    store: &'a Store,
    /// Whether the bytes in the store were found damaged, so that they must be replaced.
    is_damaged: bool,
    /// Whether the program, or the failure, came from the store.
    is_fetched: bool,
    packages: SharedPackages,
    /// The action graph of the build, if its compile cache is that of all builds.
    action_graph: RefCell<Vec<u8>>,
    /// This machine's claim.
    claim: Option<HeldClaim>,
}

impl<'a> SharedProgram<'a> {
    /// Connects to the object store. `None` if there is none, it does not work at the moment, or the program depends on the day.
    pub fn connect(recipe: &'a Recipe, config: &'a Config, store: &'a Store) -> Option<SharedProgram<'a>> {
        if recipe.cacheability() != Cacheability::Immutable {
            return None;
        }
        let objects = Arc::new(ObjectStore::connect(config, store)?);
        Some(SharedProgram {
            packages: SharedPackages::new(&objects, recipe, &config.limits, store),
            action_graph: RefCell::default(),
            objects,
            recipe,
            config,
            store,
            is_damaged: false,
            is_fetched: false,
            claim: None,
        })
    }

    /// Fetches the program, or the failure of its build. While another machine builds it, waits for the outcome. `None` if this machine
    /// has to build it.
    pub fn fetch(&mut self, client: Option<&str>) -> Option<Result<Meta, Error>> {
        // A store with a clock that stands still must not stop all builds.
        let deadline = Instant::now() + self.config.limits.wall + CLAIM_LIFETIME;
        let mut interval = FIRST_POLL;
        loop {
            if let Some(meta) = self.fetch_program(client) {
                self.is_fetched = true;
                return Some(Ok(meta));
            }
            if let Some(failure) = self.fetch_failure() {
                self.is_fetched = true;
                return Some(Err(failure));
            }
            // With a claim, this was the second look: the last owner may have published in between.
            if self.is_damaged || self.claim.is_some() {
                return None;
            }
            match self.objects.claim(&self.recipe.key())? {
                Claim::Own(claim) => self.claim = Some(claim),
                Claim::None => return None,
                Claim::Foreign if Instant::now() > deadline => return None,
                Claim::Foreign => {
                    thread::sleep(random_part_of(interval));
                    interval = (interval * 2).min(LAST_POLL);
                }
            }
        }
    }

    /// Fetches the program, verifies it, and publishes it in the local store.
    fn fetch_program(&mut self, client: Option<&str>) -> Option<Meta> {
        let stored = self.objects.get(&self.result_object())??;
        let fetched = StoredResult::parse(&stored.body, self.recipe, self.config)
            .and_then(|result| self.fetch_bytes(&result, client))
            .transpose()?;
        match fetched {
            Ok(meta) => {
                self.store.add(Total::Fetches, 1);
                self.store.add(Total::BytesFetched, meta.fingerprint.size);
                self.store.add(Total::SecondsSaved, meta.build_seconds as u64);
                Some(meta)
            }
            Err(error) => {
                log::error!(
                    "the result of build {} in the object store is not used, and the program is built here: {} {}",
                    self.recipe.key(),
                    error.detail.trim(),
                    error.log.trim()
                );
                self.store.add(Total::Rejections, 1);
                self.is_damaged = true;
                None
            }
        }
    }

    /// Fetches the failure of a build with the same limits.
    fn fetch_failure(&self) -> Option<Error> {
        let stored = self.objects.get(&self.failure_object())??;
        let failure: Failure = table::decode(&stored.body, &self.recipe.key())?;
        let error = failure.error_under(&self.config.limits)?;
        let is_clean = |text: &String| sanitize(text) == *text;
        let is_valid =
            error.reason.is_permanent() && is_clean(&error.detail) && error.suggestions.iter().all(is_clean);
        is_valid.then(|| error.log("another machine's build failed"))
    }

    /// Downloads and verifies the program of a result. `None` if the store does not have it, or does not work.
    fn fetch_bytes(&self, result: &StoredResult, client: Option<&str>) -> Result<Option<Meta>, Error> {
        let key = self.recipe.key();
        let work = WorkDir::recreate(self.store, key.as_str())
            .map_err(|e| internal_error("create a work directory", &e))?;
        let bin = work.path().join("bin");
        fs::create_dir(&bin).map_err(|e| internal_error("create a work directory", &e))?;
        let expected = &result.meta.fingerprint;
        let timeout = Duration::try_from_secs_f64(result.meta.build_seconds * 2.0).unwrap_or(MAX_DOWNLOAD);
        let timeout = timeout.clamp(MIN_DOWNLOAD, MAX_DOWNLOAD);
        let object = bytes_object(&expected.sha256);
        if !self
            .objects
            .download(&object, &bin.join("program"), expected.size, timeout)
            .unwrap_or(false)
        {
            return Ok(None);
        }
        let program = check_program(&bin, &self.recipe.platform, self.config.limits.artifact_bytes)?;
        if program.fingerprint != *expected {
            return Err(rejection(format!(
                "{object} has SHA-256 {}",
                program.fingerprint.sha256
            )));
        }
        check_build_info(&program, self.recipe)?;
        let meta = result.verified_meta(self.recipe);
        self.store
            .publish(&key, &program.path, &meta, client)
            .map_err(|e| internal_error("publish the program", &e))?;
        Ok(Some(meta))
    }

    /// Starts to fetch compiled packages into the compile cache of all builds, for a build that starts now.
    pub fn fetch_packages(&self, cache: &Path) -> PackageFetch {
        self.packages.start_fetch(cache)
    }

    /// Keeps the action graph of a successful build until its packages are published.
    pub fn keep_action_graph(&self, graph: Vec<u8>) {
        self.action_graph.replace(graph);
    }

    /// Publishes the outcome of a build of this machine, and releases its claim. If the store does not work, other machines build the
    /// program too.
    pub fn publish(mut self, built: &Result<(), Error>) {
        self.objects.retry();
        match built {
            _ if self.is_fetched => {}
            Ok(()) => self.publish_program(),
            Err(error) => self.publish_failure(error),
        }
        if let Some(claim) = self.claim.take() {
            claim.release();
        }
        let cache = self.store.path(layout::COMPILE_CACHE);
        let built = find_compiled_packages(&self.action_graph.take(), &cache);
        self.packages.publish(&built, &cache);
    }

    fn publish_program(&self) {
        // It may have been evicted.
        let Some(artifact) = self.store.artifact(&self.recipe.key()) else {
            return;
        };
        match contains_path(&artifact.path, &self.store.path(layout::MODULE_CACHE)) {
            Ok(false) if artifact.meta.generated.is_none() => {
                self.publish_artifact(&artifact);
            }
            // The bytes depend on the day, or on a path of this machine.
            Ok(_) => {}
            Err(error) => log::warn!("cannot read a program: {error}"),
        }
    }

    fn publish_failure(&self, error: &Error) {
        if !error.reason.is_permanent() || error.expires_daily {
            return;
        }
        let failure = Failure::new(error, &self.config.limits);
        match table::encode(&self.recipe.key(), &failure) {
            Ok(failure) => {
                self.objects.replace(&self.failure_object(), &failure);
            }
            Err(error) => log::warn!("cannot write a failure as JSON: {error}"),
        }
    }

    /// Uploads the bytes, then the result: a result without bytes would be useless. Returns `None` if the store does not work.
    fn publish_artifact(&self, artifact: &Artifact) -> Option<()> {
        let fingerprint = &artifact.meta.fingerprint;
        let existing = self.objects.get(&self.result_object())?;
        if existing
            .as_ref()
            .is_some_and(|existing| !self.check_agreement(&existing.body, artifact))
        {
            return Some(());
        }
        let object = bytes_object(&fingerprint.sha256);
        if self.is_damaged || self.objects.size(&object)? != Some(fingerprint.size) {
            let (size, sha256) = (fingerprint.size, &fingerprint.sha256);
            self.objects.upload(&object, &artifact.file, size, sha256)?;
            self.store.add(Total::BytesSent, fingerprint.size);
        }
        if existing.is_some() {
            return Some(());
        }
        let result = StoredResult {
            key: self.recipe.key().to_string(),
            meta: artifact.meta.clone(),
        };
        // Metadata that was read from JSON can be written as JSON.
        let result = serde_json::to_vec(&result).ok()?;
        if self.objects.create(&self.result_object(), &result)? {
            self.store.add(Total::Publications, 1);
        } else {
            // Another machine published meanwhile.
            let existing = self.objects.get(&self.result_object())??;
            self.check_agreement(&existing.body, artifact);
        }
        Some(())
    }

    /// Whether an existing result has the bytes of the program that was built here. Reports one that has not. It is never replaced.
    fn check_agreement(&self, existing: &[u8], built: &Artifact) -> bool {
        let stored =
            serde_json::from_slice(existing).map(|result: StoredResult| result.meta.fingerprint.sha256);
        let stored_sha256 = sanitize(&stored.unwrap_or_else(|_| "an unreadable result".to_owned()));
        if stored_sha256 == built.meta.fingerprint.sha256 {
            return true;
        }
        self.objects.note_conflict(&Conflict {
            key: self.recipe.key().to_string(),
            program: self.recipe.package_at_version(),
            platform: self.recipe.platform.to_string(),
            built_sha256: built.meta.fingerprint.sha256.clone(),
            stored_sha256,
        });
        false
    }

    fn failure_object(&self) -> String {
        format!("failure/{}", self.recipe.key())
    }

    fn result_object(&self) -> String {
        format!("result/{}", self.recipe.key())
    }
}

fn bytes_object(sha256: &str) -> String {
    format!("bytes/{sha256}")
}
