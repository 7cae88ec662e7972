//! Answers `/OWNER/REPO.versions`: the versions of a module, one a line, oldest first.

use serde_json::json;

use crate::config::Config;
use crate::default_go::with_default_go;
use crate::error::{Error, Reason};
use crate::parse::{Target, VERSION_LIST_SUFFIX};
use crate::policy::list_versions;
use crate::request::Request;
use crate::request_errors::bad_path_error;
use crate::response::Response;
use crate::response::message::ResponseFormat;

/// Answers if this is the path of a list of versions.
pub fn answer(request: &Request, config: &Config) -> Option<Result<Response, Error>> {
    let path = request.path.strip_suffix(VERSION_LIST_SUFFIX.as_bytes())?;
    Some(render(path, request, config))
}

fn render(path: &[u8], request: &Request, config: &Config) -> Result<Response, Error> {
    let target = Target::parse(path).map_err(|bad| bad_path_error(&bad, path, ""))?;
    if !request.query.is_empty() {
        let url = format!("{}{target}{VERSION_LIST_SUFFIX}", request.typed_url());
        return Err(Error::new(Reason::BadQuery)
            .detail("A list of versions has no query.")
            .suggest([format!("curl {url}")]));
    }
    let client = request.client_address(|peer| config.trusts(peer));
    let (module, versions) = with_default_go(config, client, |go| list_versions(go, &target))?;
    let response = match ResponseFormat::negotiate(&request.accept) {
        ResponseFormat::Problem => {
            let list = json!({ "module": module, "versions": versions });
            Response::text(200, "application/json", format!("{list:#}\n"))
        }
        ResponseFormat::Text | ResponseFormat::Html => {
            let lines = versions.iter().map(|version| format!("{version}\n"));
            Response::text(200, "text/plain; charset=utf-8", lines.collect())
        }
    };
    // A new version may be released within minutes.
    Ok(response
        .with("Cache-Control", "max-age=60")
        .with("Vary", "Accept"))
}
