//! `/-/install/OWNER/REPO` and `/-/install.ps1/OWNER/REPO`: what the target means is looked up, and nothing is built.

use crate::answer::install::{Installed, Shell};
use crate::answer::refusal::trouble;
use crate::answer::{Refusal, Response};
use crate::asked::Target;
use crate::config::{Config, Patience};
use crate::golang::command::Go;
use crate::golang::toolchain::brought;
use crate::meaning::meaning;
use crate::refusals::bad_path;
use crate::request::Request;
use crate::store::Store;
use crate::store::budget::Client;

/// The path behind it is a target's.
const PREFIXES: [(&[u8], Shell); 2] = [
    (b"/-/install.ps1/", Shell::PowerShell),
    (b"/-/install/", Shell::Posix),
];

/// The script of this path, if the path is one's.
pub fn script(request: &Request, config: &Config) -> Option<Result<Response, Refusal>> {
    PREFIXES.iter().find_map(|(prefix, shell)| {
        // The slash before the owner is the target's.
        let behind = request.path.strip_prefix(&prefix[..prefix.len() - 1])?;
        behind
            .starts_with(b"/")
            .then(|| install(behind, *shell, request, config))
    })
}

fn install(path: &[u8], shell: Shell, request: &Request, config: &Config) -> Result<Response, Refusal> {
    let target = Target::parse(path).map_err(|bad| bad_path(&bad))?;
    let store = Store::open(&config.dir).map_err(|e| trouble("open the state directory", &e))?;
    let patience = Patience::of_request(config);
    let toolchain = brought::default(config, &store, &mut brought::until(patience.end()))?;
    let go = Go {
        config,
        store: &store,
        toolchain: &toolchain,
        patience,
    };
    let client = Client::of(request.client_address(|peer| config.trusts(peer)));
    let resolved = meaning(go, &target, &client)?;
    let text = shell.script(&Installed {
        server: &request.address(),
        target: &target.to_string(),
        exact: &resolved.path(),
        name: resolved.name(),
        version: &resolved.version,
    });
    let response = Response::text(200, "text/plain; charset=utf-8", text);
    Ok(response.with("Cache-Control", "no-store"))
}
