//! The downloads of one resolution. Each module is downloaded once.

use crate::error::{Error, Reason};
use crate::golang::resolve::Resolver;
use crate::golang::resolve::downloaded::DownloadedModule;
use crate::parse::Version;

/// How many modules one resolution may download. Each may use as much disk as a build.
const MAX_DOWNLOADS: usize = 8;

/// The same with nested modules, which one `go` downloads within one disk quota.
const MAX_WITH_NESTED: usize = 16;

impl Resolver<'_> {
    /// Downloads `module` at the version of the target. A tag without the leading `v` is tried second.
    pub(super) fn download(&self, module: &str) -> Result<DownloadedModule, Error> {
        if let Some(known) = self.downloads.borrow().get(module) {
            return known.clone();
        }
        if self.count_downloads() >= MAX_DOWNLOADS {
            return Err(Error::new(Reason::NoSuchModule).log(format!(
                "{module}: not tried, {MAX_DOWNLOADS} other modules were downloaded for this target"
            )));
        }
        let version = self.target.version();
        let at = |query: &str| {
            self.lookup
                .download_outline(&format!("{module}@{query}"), self.is_exact())
        };
        let download = || {
            at(version.query()).or_else(|error| match version.tag_without_v() {
                Some(tag) if error.reason == Reason::NoSuchVersion => at(tag).map_err(|other| {
                    if other.reason.status() == 404 {
                        error
                    } else {
                        other
                    }
                }),
                Some(_) | None => Err(error),
            })
        };
        let ahead = self.ahead.borrow_mut().remove(module);
        let downloaded = ahead.unwrap_or_else(download);
        let known = (module.to_owned(), downloaded.clone());
        self.downloads.borrow_mut().extend([known]);
        downloaded
    }

    /// Downloads the newest versions of these modules with one `go`, as far as the limit allows.
    pub(super) fn download_all(&self, modules: &[String]) {
        let left = MAX_WITH_NESTED.saturating_sub(self.count_downloads());
        let mut downloads = self.downloads.borrow_mut();
        let is_new = |module: &&String| !downloads.contains_key(*module);
        let new: Vec<&String> = modules.iter().filter(is_new).take(left).collect();
        if new.is_empty() {
            return;
        }
        let queries: Vec<String> = new.iter().map(|module| format!("{module}@latest")).collect();
        let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
        let packed = self.lookup.download_packed(&queries, false);
        let unpacked = packed
            .into_iter()
            .map(|packed| self.lookup.unpack(packed?, false));
        downloads.extend(new.into_iter().cloned().zip(unpacked));
    }

    fn count_downloads(&self) -> usize {
        self.downloads
            .borrow()
            .values()
            .filter(|download| download.is_ok())
            .count()
    }

    /// Whether the client named a version.
    pub(super) fn is_exact(&self) -> bool {
        *self.target.version() != Version::Latest
    }
}
