//! What the URL of a program requests: the program or a sidecar, in either form of its path.

use crate::error::{Error, Reason};
use crate::parse::{BadNamedFile, BuildOptions, NamedFile, Sidecar, Target};
use crate::request::Request;
use crate::request_errors::{bad_path_error, bad_query_error};

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
        let options = || BuildOptions::parse(&request.query).map_err(|bad| bad_query_error(&bad));
        let Some(named) = NamedFile::parse(&request.path) else {
            let (path, sidecar) = Sidecar::split(&request.path);
            return Ok(ProgramUrl {
                target: Target::parse(path).map_err(|bad| bad_path_error(&bad))?,
                options: options()?,
                file: File::OfTarget(sidecar),
            });
        };
        let named = named.map_err(|bad| match bad {
            BadNamedFile::Platform(unknown) => bad_query_error(&unknown.into()),
            BadNamedFile::Target(bad) => bad_path_error(&bad),
        })?;
        let options = options()?
            .with_platform(&named.platform)
            .map_err(|bad| bad_query_error(&bad))?;
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

    /// Adds the query to the links of an error, and the platform if the path of this URL names it: the links have no such path.
    pub fn complete_links(&self, error: Error) -> Error {
        match &self.file {
            File::OfTarget(_) => error,
            File::Named(_) => error.with_links_for("", &self.options.to_string()),
        }
    }
}
