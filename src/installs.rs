//! Answers `/-/install/OWNER/REPO` and `/-/install.ps1/OWNER/REPO`. The target is resolved, but not built.

use crate::config::Config;
use crate::default_go::with_default_go;
use crate::error::Error;
use crate::notices::Notices;
use crate::parse::{BuildOptions, Platform, Target};
use crate::policy::resolve;
use crate::request::Request;
use crate::request_errors::{bad_path_error, bad_query_error, with_correction};
use crate::response::Response;
use crate::response::install::{InstallScript, Shell};

/// Answers if this is the path of an install script.
pub fn answer(request: &Request, config: &Config) -> Option<Result<Response, Error>> {
    let (shell, path) = Shell::parse_path(&request.path)?;
    // Links in an error lead to install scripts too.
    Some(
        render_script(shell, path, request, config)
            .map_err(|error| error.with_links_under(shell.path_prefix())),
    )
}

fn render_script(shell: Shell, path: &[u8], request: &Request, config: &Config) -> Result<Response, Error> {
    let query = &request.query;
    let target = Target::parse(path).map_err(|bad| bad_path_error(&bad, path, query))?;
    let options = BuildOptions::parse(query).map_err(|bad| bad_query_error(&bad, path, query))?;
    if let (Some(os), Some(arch)) = (&options.os, &options.arch) {
        Platform::new(os, arch).map_err(|bad| bad_query_error(&bad.into(), path, query))?;
    }
    let client = request.client_address(|peer| config.trusts(peer));
    let resolved = with_default_go(config, client, |go| resolve(go, &target, options.min_age))
        .map_err(|error| with_correction(error, path, query))?;
    let target = options.url(&target.to_string());
    // The script requests an exact version.
    let options = BuildOptions {
        min_age: None,
        ..options
    };
    let name = options.name.as_ref().map(ToString::to_string);
    let name = name.as_deref().unwrap_or_else(|| resolved.name());
    let file = options
        .os
        .as_ref()
        .map(|os| Platform::executable_name_on(os, name));
    let notices = resolved.notices.as_ref().map(Notices::sentences);
    let mut notices = notices.unwrap_or_default();
    if options.recipe.is_none() && resolved.release.as_ref().is_ok_and(|builds| !builds.is_empty()) {
        notices.push("To get the author's release build, add ?recipe=release.".to_owned());
    }
    let text = shell.render(&InstallScript {
        server: &request.base_url(),
        target: &target,
        exact: &resolved.path(),
        query: &options.to_string(),
        file: file.as_deref().unwrap_or_default(),
        name,
        version: &resolved.version,
        notices: &notices,
    });
    let response = Response::text(200, "text/plain; charset=utf-8", text);
    Ok(response.with("Cache-Control", "no-store"))
}
