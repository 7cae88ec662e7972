//! A relay between the `go` processes of one lookup and the module proxy. To download a module, `go` sends one request after the other: the
//! list of versions, the `.info`, the go.mod, those to the checksum database, the zip. The relay sends those that follow before `go` does.
//! `go` still chooses the version, and verifies what it gets.

mod requests;
pub mod serve;

use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ChildStdin, Stdio};

use url::Url;

use crate::golang::run::command::{Go, driver_cell};
use crate::golang::toolchain::split_proxies;
use crate::hidden_command::HiddenCommand;
use crate::sandbox::process::ProcessGroup;
use crate::sandbox::self_exe::self_exe;
use crate::store::layout;

/// The environment variable with the URL of the proxy.
pub const PROXY: &str = "RELAY_PROXY";

/// A running relay. Dropping it ends its process.
pub struct Relay {
    /// Its own URL.
    url: String,
    /// The URL of the proxy, as in GOPROXY.
    proxy: String,
    /// Its stdin.
    queries: ChildStdin,
    _process: ProcessGroup,
}

impl Relay {
    /// Starts a relay for the first proxy. `None` if that one is not a server or needs credentials, or if the relay cannot be started: then
    /// `go` sends its requests to the proxy itself.
    pub fn start(go: Go<'_>, work: &Path) -> Option<Relay> {
        let proxies = go.toolchain.proxies(go.config);
        let proxy = split_proxies(&proxies).next()?;
        let started = is_public(proxy).then(|| start(go, work, proxy))?;
        started
            .inspect_err(|error| log::warn!("cannot start a relay: {error}"))
            .ok()
    }

    /// Says that `go` will download these, MODULE@VERSION.
    pub fn announce(&self, queries: &[&str]) {
        // If the relay has ended, the requests of `go` fail, and its messages say so.
        writeln!(&self.queries, "{}", queries.join("\n")).ok();
    }

    /// GOPROXY with the relay in place of its proxy.
    pub fn replace_in(&self, proxies: &str) -> String {
        proxies.replacen(&self.proxy, &self.url, 1)
    }

    /// Replaces its URL in messages of `go` with that of the proxy.
    pub fn hide(&self, messages: &str) -> String {
        messages.replace(&self.url, self.proxy.trim_end_matches('/'))
    }
}

/// Whether this is a server that needs no credentials. The relay would send them for any process of this machine.
fn is_public(proxy: &str) -> bool {
    let url = Url::parse(proxy).ok();
    url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    })
}

fn start(go: Go<'_>, work: &Path, proxy: &str) -> io::Result<Relay> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}", listener.local_addr()?);
    let cache = go.store.path(layout::MODULE_CACHE).join("cache/download");
    let self_exe = self_exe(work)?;
    let mut cell = driver_cell(go.config, [proxy].into_iter());
    cell.execute.push(self_exe.clone());
    cell.read.push(cache.clone());
    let relay = HiddenCommand::Relay {
        cache,
        sumdb: proxied_sumdb(go.toolchain.sumdb(go.config)).to_owned(),
    };
    let mut command = cell.command(&self_exe, relay.command_line(&self_exe))?;
    let mut process = command
        .current_dir(work)
        .env_clear()
        .env(PROXY, proxy.trim_end_matches('/'))
        .stdin(Stdio::piped())
        .stdout(OwnedFd::from(listener))
        .stderr(Stdio::inherit())
        .spawn()?;
    let queries = process.stdin.take();
    let process = ProcessGroup::new(process);
    Ok(Relay {
        url,
        proxy: proxy.to_owned(),
        queries: queries.ok_or_else(|| io::Error::other("the relay has no stdin"))?,
        _process: process,
    })
}

/// The name of the checksum database in GOSUMDB. Empty if it has a URL there: then `go` sends these requests to that URL.
fn proxied_sumdb(gosumdb: &str) -> &str {
    match gosumdb.split_once(' ') {
        None if gosumdb != "off" => gosumdb.split('+').next().unwrap_or_default(),
        None | Some(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_without_credentials_get_a_relay() {
        for (proxy, is) in [
            ("https://proxy.golang.org", true),
            ("http://127.0.0.1:8081/cache/", true),
            ("https://token@proxy.example.org", false),
            ("https://:secret@proxy.example.org", false),
            ("file:///srv/modules", false),
            ("off", false),
        ] {
            assert_eq!(is_public(proxy), is, "{proxy}");
        }
    }

    #[test]
    fn checksum_database_without_url_is_asked_through_the_proxy() {
        for (gosumdb, name) in [
            ("sum.golang.org", "sum.golang.org"),
            ("sum.example.org+033de0ae+Ac4zctda0e5", "sum.example.org"),
            ("sum.golang.org https://sum.example.org", ""),
            ("off", ""),
        ] {
            assert_eq!(proxied_sumdb(gosumdb), name, "{gosumdb}");
        }
    }
}
