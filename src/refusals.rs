//! What was asked for and cannot be understood, as a refusal that says what to type.

use crate::answer::{Reason, Refusal};
use crate::asked::{BadTarget, BadWish, Untold, Wish};
use crate::request::Request;

/// What no target can be read from: another method, an invalid Host (RFC 9112 section 3.2), or variables without a path.
pub fn malformed(request: &Request) -> Option<Refusal> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        Some(Refusal::new(Reason::MethodNotAllowed))
    } else if !request.has_valid_host() {
        Some(Refusal::new(Reason::BadHost))
    } else if request.lacks_path_info {
        Some(Refusal::new(Reason::NoPathInfo).instead(path_info_lines(&request.server)))
    } else {
        None
    }
}

/// The lines that have this web server pass PATH_INFO, where gox-server is mounted at the root; `conf/` has the others.
fn path_info_lines(server: &str) -> Vec<String> {
    let of = |name: &str| server.to_ascii_lowercase().starts_with(name);
    let lines: &[&str] = if of("nginx") {
        &[
            "fastcgi_split_path_info ^()(/.*)$;",
            "fastcgi_param PATH_INFO $fastcgi_path_info;",
            "# below a path: fastcgi_split_path_info ^(/go)(/.*)$;",
        ]
    } else if of("apache") {
        &[
            "ProxyFCGISetEnvIf \"true\" SCRIPT_NAME \"\"",
            "ProxyFCGISetEnvIf \"true\" PATH_INFO \"%{REQUEST_URI}\"",
            "# below a path: ProxyFCGISetEnvIf \"true\" SCRIPT_NAME \"/go\"",
            "# below a path: ProxyFCGISetEnvIf \"%{REQUEST_URI} =~ m#^/go(/.*)#\" PATH_INFO \"$1\"",
        ]
    } else if of("haproxy") {
        &[
            "# in the section fcgi-app",
            "path-info ^()(/.*)$",
            "# below a path: path-info ^(/go)(/.*)$",
        ]
    } else if of("caddy") {
        &[
            "# reverse_proxy without a split, and not php_fastcgi",
            "transport fastcgi",
        ]
    } else {
        &["# PATH_INFO is the path below the place where gox-server is mounted: see conf/ of gox-server"]
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}

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
