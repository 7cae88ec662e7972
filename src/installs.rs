//! `/-/install/OWNER/REPO` and `/-/install.ps1/OWNER/REPO`: what the target means is looked up, and nothing is built.

use crate::answer::install::{Installed, Shell};
use crate::answer::refusal::no_state;
use crate::answer::{Notices, Refusal, Response};
use crate::asked::{Platform, Target, Wish};
use crate::config::{Config, Patience};
use crate::golang::Resolved;
use crate::golang::command::Go;
use crate::golang::toolchain::brought;
use crate::meaning::meaning;
use crate::refusals::{bad_path, bad_query};
use crate::request::Request;
use crate::store::Store;
use crate::store::budget::Client;

/// The script of this path, if the path is one's.
pub fn script(request: &Request, config: &Config) -> Option<Result<Response, Refusal>> {
    let (shell, path) = Shell::of(&request.path)?;
    // What to type instead is to be installed too.
    Some(install(shell, path, request, config).map_err(|refusal| refusal.below(shell.place())))
}

fn install(shell: Shell, path: &[u8], request: &Request, config: &Config) -> Result<Response, Refusal> {
    let target = Target::parse(path).map_err(|bad| bad_path(&bad))?;
    let wish = Wish::parse(&request.query).map_err(|bad| bad_query(&bad))?;
    if let (Some(os), Some(arch)) = (&wish.os, &wish.arch) {
        Platform::new(os, arch).map_err(|bad| bad_query(&bad.into()))?;
    }
    let resolved = resolved(&target, request, config)?;
    let query = wish.to_string();
    let typed = match query.as_str() {
        "" => target.to_string(),
        query => format!("{target}?{query}"),
    };
    let name = wish.name.as_ref().map(ToString::to_string);
    let name = name.as_deref().unwrap_or_else(|| resolved.name());
    let file = wish.os.map(|os| Platform::executable_on(&os, name));
    let notices = resolved.notices.as_ref().map(Notices::sentences);
    let mut notices = notices.unwrap_or_default();
    if wish.recipe.is_none() && resolved.release.as_ref().is_ok_and(|builds| !builds.is_empty()) {
        notices.push("For its author's release build add ?recipe=release.".to_owned());
    }
    let text = shell.script(&Installed {
        server: &request.address(),
        target: &typed,
        exact: &resolved.path(),
        query: &query,
        file: file.as_deref().unwrap_or_default(),
        name,
        version: &resolved.version,
        notices: &notices,
    });
    let response = Response::text(200, "text/plain; charset=utf-8", text);
    Ok(response.with("Cache-Control", "no-store"))
}

fn resolved(target: &Target, request: &Request, config: &Config) -> Result<Resolved, Refusal> {
    let store = Store::open(&config.dir).map_err(|e| no_state(&config.dir, &e))?;
    let patience = Patience::of_request(config);
    let toolchain = brought::default(config, &store, &mut brought::until(patience.end()))?;
    let client = Client::of(request.client_address(|peer| config.trusts(peer)));
    let go = Go {
        config,
        store: &store,
        toolchain: &toolchain,
        patience,
        client: Some(&client),
    };
    meaning(go, target)
}
