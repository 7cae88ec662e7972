//! Errors in a request itself, each with what to type instead.

use crate::error::{Error, Reason};
use crate::parse::{
    BadBuildOptions, BadTarget, BuildOptions, Sidecar, UndetectedPlatform, correct, is_program_path,
};
use crate::request::Request;

/// Checks the method, Host (RFC 9112 section 3.2), and that the web server passes PATH_INFO.
pub fn check_request(request: &Request) -> Result<(), Error> {
    let is_allowed = match request.method.as_str() {
        "GET" | "HEAD" => true,
        // The button on a program's page.
        "POST" => is_program_path(&request.path),
        _ => false,
    };
    if !is_allowed {
        Err(Error::new(Reason::MethodNotAllowed))
    } else if !request.has_valid_host() {
        Err(Error::new(Reason::BadHost))
    } else if request.lacks_path_info {
        Err(Error::new(Reason::NoPathInfo).suggest(path_info_lines(&request.server)))
    } else {
        Ok(())
    }
}

/// Configuration lines that make this web server pass PATH_INFO, for a service at the root. `conf/` has complete examples.
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
        &["# PATH_INFO is the part of the path below the mount point: see conf/ of gox-server"]
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The path is not a valid target. Suggests the corrected URL.
pub fn bad_path_error(bad: &BadTarget, path: &[u8], query: &str) -> Error {
    let reason = if matches!(bad, BadTarget::BadVersion(_)) {
        Reason::BadVersion
    } else {
        Reason::BadPath
    };
    let named = || "type /-/bin/OS-ARCH/OWNER/REPO@VERSION/NAME".to_owned();
    let suggestion = correct(path, query)
        .or_else(|| bad.hint())
        .or_else(|| path.starts_with(b"/-/bin/").then(named));
    Error::new(reason).detail(bad.to_string()).suggest(suggestion)
}

/// The query is not valid build options. Suggests the corrected URL.
pub fn bad_query_error(bad: &BadBuildOptions, path: &[u8], query: &str) -> Error {
    let reason = if matches!(bad, BadBuildOptions::Platform(_)) {
        Reason::UnknownPlatform
    } else {
        Reason::BadQuery
    };
    let suggestion = correct(path, query).or_else(|| bad.hint());
    Error::new(reason).detail(bad.to_string()).suggest(suggestion)
}

/// Suggests the corrected URL if the resolution of a valid path found nothing.
pub fn with_correction(error: Error, path: &[u8], query: &str) -> Error {
    match correct(path, query) {
        Some(url) if error.reason.status() == 404 => error.suggest([url]),
        Some(_) | None => error,
    }
}

/// The platform cannot be detected, or Go does not support it.
pub fn undetected_error(undetected: &UndetectedPlatform) -> Error {
    match undetected {
        UndetectedPlatform::NotSupported(unknown) => Error::new(Reason::UnknownPlatform)
            .detail(unknown.to_string())
            .suggest([unknown.hint()]),
        UndetectedPlatform::NoPlatform
        | UndetectedPlatform::UnknownMachine { .. }
        | UndetectedPlatform::Ambiguous { .. } => {
            Error::new(Reason::UndetectedPlatform).detail(undetected.to_string())
        }
    }
}

/// The client's platform cannot be detected, or Go does not support it. Suggests a command to paste; a browser, which cannot run
/// `uname`, gets a URL for each platform that it may run on.
pub fn platform_error(undetected: &UndetectedPlatform, options: &BuildOptions, request: &Request) -> Error {
    let error = undetected_error(undetected);
    if error.reason == Reason::UnknownPlatform {
        return error;
    }
    // A platform in the path.
    let corrected = correct(&request.path, &request.query).filter(|url| {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        BuildOptions::parse(query).is_ok_and(|options| options.platform(&request.user_agent).is_ok())
    });
    if let Some(corrected) = corrected {
        return error.suggest([corrected]);
    }
    let path = String::from_utf8_lossy(&request.path);
    let (program, _) = Sidecar::split(path.as_bytes());
    let (program, suffix) = path.split_at(program.len());
    let (program, _) = program.split_once('@').unwrap_or((program, ""));
    let name = program.rsplit('/').next().unwrap_or_default();
    let query = options.to_string();
    let url = format!("{}{path}", request.typed_url());
    let url = if query.is_empty() {
        url
    } else {
        format!("'{url}?{query}'")
    };
    let with_uname = undetected
        .uname_options()
        .map(|uname_options| command_line(&request.user_agent, uname_options, &url, name, suffix));
    let urls = options
        .suggestions(undetected)
        .into_iter()
        .map(|options| format!("{path}?{options}"));
    error.suggest(with_uname.into_iter().chain(urls))
}

/// A command for the client that sent this User-Agent. The next request then names the platform in its own User-Agent. The file has
/// the name of the program, and the suffix of a sidecar.
fn command_line(user_agent: &str, uname_options: &str, url: &str, name: &str, suffix: &str) -> String {
    let user_agent = user_agent.to_ascii_lowercase();
    let is_powershell = user_agent.contains("powershell");
    if is_powershell && user_agent.contains("windows") {
        format!("iwr -UserAgent \"MS $env:PROCESSOR_ARCHITECTURE\" {url} -OutFile {name}.exe{suffix}")
    } else if is_powershell {
        format!("iwr -UserAgent \"$(uname {uname_options})\" {url} -OutFile {name}{suffix}")
    } else if user_agent.starts_with("wget") {
        format!("wget -U \"$(uname {uname_options})\" {url} -O {name}{suffix}")
    } else {
        format!("curl -A \"$(uname {uname_options})\" {url} > {name}{suffix}")
    }
}
