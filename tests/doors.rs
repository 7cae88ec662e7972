//! Every row of the table through every way in. A difference between two doors is a bug by definition.
//!
//! A new door is a line in `doors`: something that answers a request over a given store.

use crate::cases::cases;
use crate::support::answer::{Answer, REASONS, list};
use crate::support::ask::Ask;
use crate::support::case::{Case, Expect};
use crate::support::cgi::Cgi;
use crate::support::fastcgi::Responder;
use crate::support::front::Front;
use crate::support::modproxy::archives;
use crate::support::scratch::Scratch;
use crate::support::web_server::{Mount, WebServer};
use crate::support::{http, remove_tree, tmp};
use std::fmt::Write;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One way in.
trait Door: Sync {
    fn name(&self) -> &'static str;
    /// What comes back; or what is wrong with it, if that is no answer at all.
    fn ask(&self, ask: &Ask) -> Result<Answer, String>;
    /// Headers that this door may add or change, each for its reason.
    fn own_headers(&self) -> &'static [&'static str];
    /// The status with which it refuses this request without asking gox-server, if it does.
    fn refuses_itself(&self, _: &Ask) -> Option<u16> {
        None
    }
}

/// The request in the environment, no server.
struct Environment<'a>(&'a Scratch);

impl Door for Environment<'_> {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn ask(&self, ask: &Ask) -> Result<Answer, String> {
        Ok(self.0.ask(ask))
    }

    fn own_headers(&self) -> &'static [&'static str] {
        &[]
    }
}

impl Door for Front {
    fn name(&self) -> &'static str {
        "front"
    }

    fn ask(&self, ask: &Ask) -> Result<Answer, String> {
        http::ask(self.address, ask)
    }

    fn own_headers(&self) -> &'static [&'static str] {
        // RFC 9110 section 6.6.1 wants a date of every origin server, RFC 9112 a word on how the message ends: CGI has neither.
        &["date", "connection", "transfer-encoding", "content-length"]
    }
}

impl Door for Responder {
    fn name(&self) -> &'static str {
        "FastCGI"
    }

    fn ask(&self, ask: &Ask) -> Result<Answer, String> {
        Ok(Responder::ask(self, ask))
    }

    fn own_headers(&self) -> &'static [&'static str] {
        &[]
    }
}

/// cgi-fcgi, which the authors of FastCGI gave to web servers that know only CGI.
struct CgiFcgi<'a>(&'a Responder);

impl Door for CgiFcgi<'_> {
    fn name(&self) -> &'static str {
        "cgi-fcgi"
    }

    fn ask(&self, ask: &Ask) -> Result<Answer, String> {
        let mut command = Command::new("cgi-fcgi");
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(ask.variables());
        command.args(["-bind", "-connect"]).arg(&self.0.socket);
        Ok(Cgi::start_command(command, ask).answer())
    }

    fn own_headers(&self) -> &'static [&'static str] {
        &[]
    }
}

impl Door for Mount {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ask(&self, ask: &Ask) -> Result<Answer, String> {
        Mount::ask(self, ask)
    }

    fn refuses_itself(&self, ask: &Ask) -> Option<u16> {
        Mount::refuses_itself(self, ask)
    }

    fn own_headers(&self) -> &'static [&'static str] {
        &[
            "date",
            "server",
            "connection",
            "keep-alive",
            "transfer-encoding",
            "content-length",
        ]
    }
}

#[test]
fn every_case_through_every_door() {
    let store = Scratch::new();
    let (front, responder) = (store.front(), store.responder());
    // These send programs themselves, and their responders have to know.
    let nginxs = Responder::start(&store, &[("GOX_SENDFILE", "X-Accel-Redirect:/-/files")]);
    let apaches = Responder::start(&store, &[("GOX_SENDFILE", "X-Sendfile")]);
    let caddys = Responder::start(&store, &[("GOX_SENDFILE", "X-Accel-Redirect:/")]);
    let servers = [
        WebServer::nginx(&store, &nginxs.socket),
        WebServer::lighttpd(&store),
        WebServer::apache(&store, &apaches.socket),
        WebServer::caddy(&store, &caddys.socket),
    ];
    let (environment, bridge) = (Environment(&store), CgiFcgi(&responder));
    let mut doors: Vec<&dyn Door> = vec![&environment, &front, &responder, &bridge];
    doors.extend(
        servers
            .iter()
            .flat_map(|server| &server.mounts)
            .map(|mount| mount as &dyn Door),
    );
    let cases = cases();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            // The doors take turns in being the first, which builds; the others find what it made.
            let turn = case.line as usize % doors.len();
            let order = doors[turn..].iter().chain(&doors[..turn]);
            let found = through(case, &store, order.copied());
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

/// Sends a row through each door, and tells what is wrong with what came back.
fn through<'a>(case: &Case, store: &Scratch, doors: impl Iterator<Item = &'a dyn Door>) -> Option<String> {
    let whole = case.has_a_past().then(|| store.ask(&case.request_of_all()));
    let ask = match &whole {
        Some(whole) => case.request_after(whole),
        None => case.request(),
    };
    let mut report = String::new();
    let mut first: Option<(&str, Answer, &[&str])> = None;
    for door in doors {
        let answer = match door.ask(&ask) {
            Ok(answer) => answer,
            Err(what) => {
                writeln!(report, "  {}: {what}", door.name()).unwrap();
                continue;
            }
        };
        if let Some(status) = door.refuses_itself(&ask) {
            let refused = matches!(case.expect, Expect::Refused(_)) && answer.reason().is_none();
            if !refused || answer.status != status {
                writeln!(report, "  {} should refuse it by itself: {answer}", door.name()).unwrap();
            }
            continue;
        }
        let differences = case.differences(&answer, whole.as_ref());
        for difference in &differences {
            writeln!(report, "  {}: {difference}", door.name()).unwrap();
        }
        if !differences.is_empty() && first.is_none() {
            let head: String = answer
                .to_string()
                .lines()
                .take(40)
                .map(|line| format!("  | {:.200}\n", line))
                .collect();
            report.push_str(&head);
        }
        match &first {
            Some((name, other, own)) => {
                let own = [*own, door.own_headers()].concat();
                for difference in between(other, &answer, &own) {
                    writeln!(report, "  {name} and {} differ: {difference}", door.name()).unwrap();
                }
            }
            None => first = Some((door.name(), answer, door.own_headers())),
        }
    }
    (!report.is_empty()).then(|| {
        format!(
            "cases.rs:{}: {} ({} {})\n{report}",
            case.line,
            case.shows,
            ask.method,
            shortened(&ask.uri())
        )
    })
}

fn shortened(uri: &str) -> String {
    if uri.len() < 100 {
        uri.to_owned()
    } else {
        format!("{}…", &uri[..99])
    }
}

/// What two doors say differently about the same.
fn between(one: &Answer, other: &Answer, own: &[&str]) -> Vec<String> {
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

/// What the program says on stderr is one line for each request, whatever the request says (S10).
#[test]
fn no_request_forges_a_line_of_the_log() {
    let store = Scratch::new();
    for case in cases()
        .iter()
        .filter(|case| matches!(case.expect, Expect::Refused(_)))
    {
        let answer = store.ask(&case.request());
        let lines: Vec<_> = answer
            .log
            .lines()
            .filter(|line| line.contains("status="))
            .collect();
        assert_eq!(lines.len(), 1, "cases.rs:{}: {}", case.line, answer.log);
        assert!(
            !answer
                .log
                .contains(|letter: char| letter.is_control() && letter != '\n'),
            "{:?}",
            answer.log
        );
        assert!(
            lines[0].contains(answer.reason().unwrap()),
            "cases.rs:{}: {}",
            case.line,
            answer.log
        );
    }
}

/// Every archive of tests/modules is asked for somewhere, and every reason that there is comes from somewhere.
#[test]
fn nothing_is_kept_for_nobody() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let sources: String = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let mut urls: Vec<String> = cases().iter().map(|case| case.ask.path.clone()).collect();
    urls.push(sources.clone());
    // An archive of modules with other names is named itself.
    let is_used = |name: &String| {
        let names = [format!("tester/{name}"), format!("modules/{name}.txtar")];
        urls.iter().any(|url| names.iter().any(|name| url.contains(name)))
    };
    let unused: Vec<_> = archives().into_keys().filter(|name| !is_used(name)).collect();
    assert!(unused.is_empty(), "no test asks for these modules: {unused:?}");
    let provoked = |name: &str| sources.contains(&format!("\"{name}\""));
    let unprovoked: Vec<_> = REASONS.iter().filter(|(name, _)| !provoked(name)).collect();
    assert!(
        unprovoked.is_empty(),
        "no test provokes these reasons: {unprovoked:?}"
    );
}

/// The harness has to be seen to fail: a row that is wrong on purpose is reported, for each door, and as nothing else.
#[test]
fn a_wrong_row_is_reported() {
    let store = Scratch::cold();
    let front = store.front();
    let mut case = cases()
        .into_iter()
        .find(|case| case.ask.path == "/../../etc/passwd")
        .unwrap();
    let through = |case: &Case| {
        through(
            case,
            &store,
            [&Environment(&store) as &dyn Door, &front].into_iter(),
        )
    };
    assert_eq!(through(&case), None);
    case.expect = Expect::Refused(&["no-command"]);
    let report = through(&case).unwrap();
    assert!(
        report.contains("environment: Gox-Reason: expected no-command, got bad-path"),
        "{report}"
    );
    assert!(
        report.contains("front: Gox-Reason: expected no-command, got bad-path"),
        "{report}"
    );
}

/// What a test leaves behind fails it: here, a tempdir that no build owns.
#[test]
fn a_store_that_is_left_untidy_fails_its_test() {
    let store = Scratch::cold();
    let dir = store.dir.clone();
    assert!(dir.starts_with(tmp()));
    std::fs::create_dir_all(dir.join("work/forgotten")).unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(store)));
    assert!(outcome.is_err());
    remove_tree(&dir);
}
