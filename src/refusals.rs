//! What was asked for and cannot be understood, as a refusal that says what to type.

use crate::answer::{Reason, Refusal};
use crate::asked::{BadTarget, BadWish, Untold, Wish};
use crate::request::Request;

/// The path is none.
pub fn bad_path(bad: &BadTarget) -> Refusal {
    let reason = if matches!(bad, BadTarget::BadVersion(_)) {
        Reason::BadVersion
    } else {
        Reason::BadPath
    };
    Refusal::new(reason).detail(bad.to_string()).instead(bad.hint())
}

/// The query is none.
pub fn bad_query(bad: &BadWish) -> Refusal {
    let reason = if matches!(bad, BadWish::Platform(_)) {
        Reason::UnknownPlatform
    } else {
        Reason::BadQuery
    };
    Refusal::new(reason).detail(bad.to_string()).instead([bad.hint()])
}

/// The platform cannot be told: what to type is one line that can be pasted; for a browser, which has no uname, an address
/// for each machine that it may run on.
pub fn untold(untold: &Untold, wish: &Wish, request: &Request) -> Refusal {
    if let Untold::NotSupported(unknown) = untold {
        return Refusal::new(Reason::UnknownPlatform)
            .detail(unknown.to_string())
            .instead([unknown.hint()]);
    }
    let path = String::from_utf8_lossy(&request.path);
    let host = request.plain_host();
    let name = path
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .split('@')
        .next()
        .unwrap_or_default();
    let asked = wish.to_string();
    let url = format!("{host}{}{path}", request.mount);
    let url = if asked.is_empty() {
        url
    } else {
        format!("'{url}?{asked}'")
    };
    let by_name = untold
        .options()
        .map(|options| line(&request.user_agent, options, &url, name));
    let addresses = wish
        .completed(untold)
        .into_iter()
        .map(|wish| format!("{path}?{wish}"));
    Refusal::new(Reason::PlatformUntold)
        .detail(untold.to_string())
        .instead(by_name.into_iter().chain(addresses))
}

/// What the program that asked can be told, so that its next request says more.
fn line(user_agent: &str, options: &str, url: &str, name: &str) -> String {
    let said = user_agent.to_ascii_lowercase();
    let is_windows = said.contains("windows");
    if said.contains("powershell") && is_windows {
        format!("iwr -UserAgent \"MS $env:PROCESSOR_ARCHITECTURE\" {url} -OutFile {name}.exe")
    } else if said.contains("powershell") {
        format!("iwr -UserAgent \"$(uname {options})\" {url} -OutFile {name}")
    } else if said.starts_with("wget") {
        format!("wget -U \"$(uname {options})\" {url} -O {name}")
    } else {
        format!("curl -A \"$(uname {options})\" {url} > {name}")
    }
}
