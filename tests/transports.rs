//! Every row of the table through every transport. A difference between two transports is a bug.
//!
//! A new transport implements `Transport` and is added to `transports`.

use crate::cases::cases;
use crate::scripts;
use crate::support::case::{Case, Effect, Expect};
use crate::support::cgi::Cgi;
use crate::support::fastcgi::Responder;
use crate::support::front::Front;
use crate::support::modproxy::archives;
use crate::support::request::Request;
use crate::support::response::{Response, list};
use crate::support::test_store::TestStore;
use crate::support::web_server::{Mount, WebServer};
use crate::support::{TIMEOUT, eventually, http, remove_tree, tmp};
use std::fmt::Write;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A way to send a request to gox-server.
trait Transport: Sync {
    fn name(&self) -> &'static str;
    /// Sends a request. The error describes an invalid response.
    fn ask(&self, request: &Request) -> Result<Response, String>;
    /// Headers that this transport may add or change.
    fn own_headers(&self) -> &'static [&'static str];
    /// Whether the server sends this request, with all its headers, on to gox-server. A row that needs more is not for this transport.
    fn forwards(&self, _: &Request) -> bool {
        true
    }
    /// The status if the web server refuses this request without passing it to gox-server.
    fn refuses_itself(&self, _: &Request) -> Option<u16> {
        None
    }
}

/// CGI without a web server. It shows the log of the request.
struct Environment<'a>(&'a TestStore);

impl Transport for Environment<'_> {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn ask(&self, request: &Request) -> Result<Response, String> {
        let response = self.0.ask(request);
        match has_one_log_line(&response) {
            true => Ok(response),
            false => Err(format!("log: {:?}", response.log)),
        }
    }

    fn own_headers(&self) -> &'static [&'static str] {
        &[]
    }
}

impl Transport for Front {
    fn name(&self) -> &'static str {
        "front"
    }

    fn ask(&self, request: &Request) -> Result<Response, String> {
        http::ask(self.address, request)
    }

    fn own_headers(&self) -> &'static [&'static str] {
        // RFC 9110 section 6.6.1 requires Date, RFC 9112 section 6 a message length; CGI has neither. A stored head has Age.
        &["date", "connection", "transfer-encoding", "content-length", "age"]
    }
}

impl Transport for Responder {
    fn name(&self) -> &'static str {
        "FastCGI"
    }

    fn ask(&self, request: &Request) -> Result<Response, String> {
        Ok(Responder::ask(self, request))
    }

    fn own_headers(&self) -> &'static [&'static str] {
        &[]
    }
}

/// cgi-fcgi, the bridge of the FastCGI developer's kit for web servers with only CGI.
struct CgiFcgi<'a>(&'a Responder);

impl Transport for CgiFcgi<'_> {
    fn name(&self) -> &'static str {
        "cgi-fcgi"
    }

    fn ask(&self, request: &Request) -> Result<Response, String> {
        let mut command = Command::new("cgi-fcgi");
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(request.variables());
        command.args(["-bind", "-connect"]).arg(&self.0.socket);
        Ok(Cgi::start_command(command, request).response())
    }

    fn own_headers(&self) -> &'static [&'static str] {
        &[]
    }
}

impl Transport for Mount {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ask(&self, request: &Request) -> Result<Response, String> {
        Mount::ask(self, request)
    }

    fn forwards(&self, request: &Request) -> bool {
        Mount::forwards(self, request)
    }

    fn refuses_itself(&self, request: &Request) -> Option<u16> {
        Mount::refuses_itself(self, request)
    }

    fn own_headers(&self) -> &'static [&'static str] {
        const SERVER: [&str; 8] = [
            "date",
            "server",
            "connection",
            "keep-alive",
            "transfer-encoding",
            "content-length",
            // For nginx, which removes it.
            "x-accel-buffering",
            // Of Caddy 2.11.
            "via",
        ];
        const CACHE: [&str; 8] = [
            "date",
            "connection",
            "transfer-encoding",
            "content-length",
            "accept-ranges",
            "age",
            "via",
            "x-varnish",
        ];
        if self.name == "Varnish" { &CACHE } else { &SERVER }
    }
}

/// Whether the log has one line for the request, whatever the request contains.
fn has_one_log_line(response: &Response) -> bool {
    let log = &response.log;
    let reason = format!(" reason={} ", response.reason().unwrap_or("-"));
    let lines: Vec<_> = log.lines().filter(|line| line.contains("status=")).collect();
    let is_clean = !log.contains(|letter: char| letter.is_control() && letter != '\n');
    is_clean && lines.len() == 1 && lines[0].contains(&reason)
}

/// Also S10: a request cannot forge lines of the log. And a user may run a saved failure as a script.
#[test]
fn every_case_passes_every_transport() {
    let store = TestStore::new();
    let (front, responder) = (store.front(), store.responder());
    // These servers send program files themselves; GOX_SENDFILE must match.
    let nginxs = Responder::start(&store, &[("GOX_SENDFILE", "X-Accel-Redirect:/-/files")]);
    let apaches = Responder::start(&store, &[("GOX_SENDFILE", "X-Sendfile")]);
    let caddys = Responder::start(&store, &[("GOX_SENDFILE", "X-Accel-Redirect:/")]);
    let servers = [
        WebServer::nginx(&store, &nginxs.socket),
        WebServer::lighttpd(&store),
        WebServer::apache(&store, &apaches.socket),
        WebServer::caddy(&store, &caddys.socket),
        // These send no files of gox-server themselves.
        WebServer::haproxy(&responder.socket),
        WebServer::h2o(&responder.socket),
        WebServer::varnish(front.address),
    ];
    let (environment, bridge) = (Environment(&store), CgiFcgi(&responder));
    let mut transports: Vec<&dyn Transport> = vec![&environment, &front, &responder, &bridge];
    transports.extend(
        servers
            .iter()
            .flat_map(|server| &server.mounts)
            .map(|mount| mount as &dyn Transport),
    );
    let cases = cases();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            // A different transport is first for each row: its request builds, the others are hits.
            let turn = case.line as usize % transports.len();
            let order = transports[turn..].iter().chain(&transports[..turn]);
            let found = run_case(case, &store, order.copied());
            wrong.lock().unwrap().extend(found);
        }
    };
    std::thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} rows are wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// Sends a row through each transport. Returns a report of all differences.
fn run_case<'a>(
    case: &Case,
    store: &TestStore,
    transports: impl Iterator<Item = &'a dyn Transport>,
) -> Option<String> {
    let whole = case
        .needs_earlier_response()
        .then(|| store.ask(&case.request_of_all()));
    let request = match &whole {
        Some(whole) => case.request_after(whole),
        None => case.request(),
    };
    let mut report = String::new();
    let mut first: Option<(&str, Response, &[&str])> = None;
    for transport in transports.filter(|transport| transport.forwards(&request)) {
        let response = match transport.ask(&request) {
            Ok(response) => response,
            Err(what) => {
                writeln!(report, "  {}: {what}", transport.name()).unwrap();
                continue;
            }
        };
        if let Some(status) = transport.refuses_itself(&request) {
            let refused = matches!(case.expect, Expect::Refused(_)) && response.reason().is_none();
            if !refused || response.status != status {
                writeln!(
                    report,
                    "  {} should refuse this itself: {response}",
                    transport.name()
                )
                .unwrap();
            }
            continue;
        }
        let mut differences = case.differences(&response, whole.as_ref());
        if transport.name() == "environment" && scripts::is_script(case) {
            differences.extend(scripts::faults(&response));
        }
        for difference in &differences {
            writeln!(report, "  {}: {difference}", transport.name()).unwrap();
        }
        if !differences.is_empty() && first.is_none() {
            let head: String = response
                .to_string()
                .lines()
                .take(40)
                .map(|line| format!("  | {:.200}\n", line))
                .collect();
            report.push_str(&head);
        }
        match &first {
            Some((name, other, own)) => {
                let own = [*own, transport.own_headers()].concat();
                for difference in differences_between(other, &response, &own) {
                    writeln!(report, "  {name} and {} differ: {difference}", transport.name()).unwrap();
                }
            }
            None => first = Some((transport.name(), response, transport.own_headers())),
        }
    }
    if let Some(what) = check_effect(case, store) {
        writeln!(report, "  {what}").unwrap();
    }
    (!report.is_empty()).then(|| {
        format!(
            "cases.rs:{}: {} ({} {})\n{report}",
            case.line,
            case.shows,
            request.method,
            shorten(&request.uri())
        )
    })
}

/// Compares the build of the row's program with what the row expects. The log of the program reports it.
fn check_effect(case: &Case, store: &TestStore) -> Option<String> {
    let Request { path, query, .. } = &case.request;
    let program = path.strip_suffix(".sha256").unwrap_or(path);
    let query = query.as_deref().unwrap_or_default().replace("&wait=1", "");
    let log = || store.ask(&Request::get(&format!("{program}.log?{query}")));
    match case.effect? {
        Effect::NoBuild => {
            let log = log();
            (log.reason() != Some("not-built")).then(|| format!("a build was started: {log}"))
        }
        Effect::Build => {
            eventually("the program is built", TIMEOUT, || {
                log().text().contains("was compiled by")
            });
            None
        }
    }
}

fn shorten(uri: &str) -> String {
    if uri.len() < 100 {
        uri.to_owned()
    } else {
        format!("{}…", &uri[..99])
    }
}

/// Differences between two responses to the same request.
fn differences_between(one: &Response, other: &Response, own: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    if one.status != other.status {
        found.push(format!("status {} and {}", one.status, other.status));
    }
    if one.body != other.body {
        found.push(format!(
            "bodies of {} and {} bytes",
            one.body.len(),
            other.body.len()
        ));
    }
    let names = one
        .headers
        .iter()
        .chain(&other.headers)
        .map(|(name, _)| name.as_str());
    let mut names: Vec<_> = names.filter(|name| !own.contains(name)).collect();
    names.sort_unstable();
    names.dedup();
    for name in names
        .into_iter()
        .filter(|name| list(one.header(name)) != list(other.header(name)))
    {
        found.push(format!(
            "{name}: {:?} and {:?}",
            one.header(name),
            other.header(name)
        ));
    }
    found
}

/// Every archive of tests/modules is used by a test. `failures` provokes every reason.
#[test]
fn every_fixture_is_tested() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let sources: String = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let mut urls: Vec<String> = cases().iter().map(|case| case.request.path.clone()).collect();
    urls.push(sources);
    // Archives with other module paths are named in a comment.
    let is_used = |name: &String| {
        let names = [format!("tester/{name}"), format!("modules/{name}.txtar")];
        urls.iter().any(|url| names.iter().any(|name| url.contains(name)))
    };
    let unused: Vec<_> = archives().into_keys().filter(|name| !is_used(name)).collect();
    assert!(unused.is_empty(), "no test uses these modules: {unused:?}");
}

/// A control for the harness: a wrong row is reported for each transport.
#[test]
fn wrong_row_is_reported() {
    let store = TestStore::empty();
    let front = store.front();
    let mut case = cases()
        .into_iter()
        .find(|case| case.request.path == "/../../etc/passwd")
        .unwrap();
    let report_of = |case: &Case| {
        run_case(
            case,
            &store,
            [&Environment(&store) as &dyn Transport, &front].into_iter(),
        )
    };
    assert_eq!(report_of(&case), None);
    case.expect = Expect::Refused(&["no-command"]);
    let report = report_of(&case).unwrap();
    assert!(
        report.contains("environment: Gox-Reason: expected no-command, got bad-path"),
        "{report}"
    );
    assert!(
        report.contains("front: Gox-Reason: expected no-command, got bad-path"),
        "{report}"
    );
}

/// A control for `TestStore`: a leftover working directory fails the test.
#[test]
fn untidy_store_fails_its_test() {
    let store = TestStore::empty();
    let dir = store.dir.clone();
    assert!(dir.starts_with(tmp()));
    std::fs::create_dir_all(dir.join("work/forgotten")).unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(store)));
    assert!(outcome.is_err());
    remove_tree(&dir);
    // If the test has failed already, and its folder cannot be removed, the suite continues.
    let mut store = TestStore::empty();
    let dir = std::mem::replace(&mut store.dir, "/dev/null/untidy".into());
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _store = store;
        panic!("a test that fails");
    }));
    assert!(outcome.is_err());
    remove_tree(&dir);
}
