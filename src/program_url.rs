//! What the URL of a program requests: the program or a sidecar, in either form of its path.

use crate::error::{Error, Reason};
use crate::parse::{BadNamedFile, BuildOptions, NamedFile, Platform, Sidecar, Target, UndetectedPlatform};
use crate::request::Request;
use crate::request_errors::{bad_path_error, bad_query_error, platform_error, with_correction};
use crate::response::message::ResponseFormat;
use crate::store::Store;

/// The URL of a program or of a sidecar.
pub struct ProgramUrl {
    /// The program.
    pub target: Target,
    /// The query, and the platform of a path that names one.
    pub options: BuildOptions,
    file: File,
}

enum File {
    /// `/OWNER/REPO@VERSION`, or with the suffix of a sidecar.
    OfTarget(Option<Sidecar>),
    /// `/-/bin/PLATFORM/OWNER/REPO@VERSION/NAME`.
    Named(NamedFile),
}

impl ProgramUrl {
    /// Parses the path and the query of a request.
    pub fn parse(request: &Request) -> Result<ProgramUrl, Error> {
        let (path, query) = (&request.path, &request.query);
        let options = || BuildOptions::parse(query).map_err(|bad| bad_query_error(&bad, path, query));
        let Some(named) = NamedFile::parse(path) else {
            let (target, sidecar) = Sidecar::split(path);
            return Ok(ProgramUrl {
                target: Target::parse(target).map_err(|bad| bad_path_error(&bad, path, query))?,
                options: options()?,
                file: File::OfTarget(sidecar),
            });
        };
        let named = named.map_err(|bad| match bad {
            BadNamedFile::Platform(unknown) => bad_query_error(&unknown.into(), path, query),
            BadNamedFile::Target(bad) => bad_path_error(&bad, path, query),
        })?;
        let options = options()?
            .with_platform(&named.platform)
            .map_err(|bad| bad_query_error(&bad, path, query))?;
        Ok(ProgramUrl {
            target: named.target.clone(),
            options,
            file: File::Named(named),
        })
    }

    /// Returns the requested sidecar of the program with this file name, or `None` for the program itself. Fails if the URL ends in another
    /// file name.
    pub fn sidecar(&self, file_name: &str) -> Result<Option<Sidecar>, Error> {
        match &self.file {
            File::OfTarget(sidecar) => Ok(*sidecar),
            File::Named(named) => named.sidecar(file_name).map_err(|path| {
                let detail = format!("On {}, the file name is {file_name}.", named.platform);
                Error::new(Reason::WrongFileName).detail(detail).suggest([path])
            }),
        }
    }

    /// Whether the path ends in the program's file name.
    pub fn is_named(&self) -> bool {
        matches!(self.file, File::Named(_))
    }

    /// Whether the request is for the page of the program: a browser that follows a link. `?download=1` is for the program itself.
    pub fn requests_page(&self, request: &Request) -> bool {
        matches!(self.file, File::OfTarget(None) | File::Named(_))
            && !self.options.download
            && ResponseFormat::negotiate(&request.accept) == ResponseFormat::Html
    }

    /// Determines the platform. The page of a program shows the most likely one if the browser does not reveal it.
    pub fn platform(&self, request: &Request) -> Result<Platform, Error> {
        self.detect_platform(request).or_else(|undetected| {
            let likely = || {
                self.options
                    .suggestions(&undetected)
                    .into_iter()
                    .next()?
                    .platform("")
                    .ok()
            };
            let likely = if self.requests_page(request) {
                likely()
            } else {
                None
            };
            likely.ok_or_else(|| platform_error(&undetected, &self.options, request))
        })
    }

    /// Detects the platform. For a page, the hints of the browser take precedence: its User-Agent says Intel on every Mac.
    pub fn detect_platform(&self, request: &Request) -> Result<Platform, UndetectedPlatform> {
        let names_platform = self.options.os.is_some() || self.options.arch.is_some();
        let hints = request.hints.platform();
        match hints.filter(|_| !names_platform && self.requests_page(request)) {
            Some(platform) => Ok(platform),
            None => self.options.platform(&request.user_agent),
        }
    }

    /// Records the request, unless it names an exact version, for which no newer program can exist.
    pub fn record(&self, platform: &Platform, store: &Store) {
        if let Some(address) = self.renewable_address(platform) {
            store.record_request(&address);
        }
    }

    /// Returns the path and query of the same request from any machine; `None` if they name an exact version.
    fn renewable_address(&self, platform: &Platform) -> Option<String> {
        let options = BuildOptions {
            os: Some(platform.os().to_owned()),
            arch: Some(platform.arch_with_level()),
            wait: false,
            download: false,
            ..self.options.clone()
        };
        (!self.target.version().is_exact()).then(|| format!("{}?{options}", self.target))
    }

    /// Suggests the corrected URL if the program was not found. If the path of this URL names the platform, adds it to the links of the
    /// error, which have no such path.
    pub fn complete_suggestions(&self, error: Error, request: &Request) -> Error {
        match &self.file {
            File::OfTarget(_) => with_correction(error, &request.path, &request.query),
            File::Named(_) => error.with_links_for("", &self.options.to_string()),
        }
    }
}
