//! What a resolution costs: requests to the module proxy, and files in the module cache.

use crate::support::processes;
use crate::support::proxy::{Behavior, MAX_REQUESTS, Proxy};
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually};
use std::fs;

/// The headers of a program, which is not built.
fn head(path: &str) -> Request {
    Request::get(&format!("/tester/{path}")).method("HEAD")
}

#[test]
fn version_that_was_resolved_costs_no_request() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let newest = store.ask(&head("hello?os=linux&arch=amd64"));
    assert_eq!(newest.header("Gox-Version"), Some("v1.1.0"), "{newest}");
    let asked = proxy.requests();
    let exact = store.ask(&head("hello@v1.1.0?os=linux&arch=amd64"));
    assert_eq!(
        exact.header("Gox-Command"),
        newest.header("Gox-Command"),
        "{exact}"
    );
    assert_eq!(store.ask(&head("hello?os=windows&arch=arm64")).status, 200);
    assert_eq!(proxy.requests(), asked);
    // Control: another version is looked up.
    assert_eq!(store.ask(&head("hello@v1.0.0?os=linux&arch=amd64")).status, 200);
    assert!(proxy.requests().len() > asked.len());
}

#[test]
fn lookup_downloads_a_module_once_and_does_not_unpack_it() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    for name in ["hello", "nested-modules", "majors", "declares-another-path"] {
        store.ask(&head(name));
    }
    let zips = proxy.requests();
    let mut zips: Vec<&String> = zips.iter().filter(|path| path.ends_with(".zip")).collect();
    zips.sort();
    let all = zips.len();
    zips.dedup();
    assert_eq!(zips.len(), all, "{zips:?}");
    let modules = fs::read_dir(store.dir.join("cache/modules")).unwrap();
    let unpacked: Vec<_> = modules.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(unpacked, ["cache"]);
}

/// `go` sends a request for a zip last.
#[test]
fn files_of_a_version_are_requested_at_once() {
    let proxy = Proxy::start(Behavior::Hold(".info"));
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    std::thread::scope(|scope| {
        let response = scope.spawn(|| store.ask(&head("hello?os=linux&arch=amd64")));
        proxy.wait_for_request("/hello/@v/v1.1.0.zip");
        proxy.set_behavior(Behavior::Serve);
        let response = response.join().unwrap();
        assert_eq!(response.header("Gox-Version"), Some("v1.1.0"), "{response}");
    });
    let mut files = proxy.requests();
    files.retain(|path| path.contains("/hello/@v/v1.1.0."));
    files.sort();
    let file = |extension| format!("/github.com/tester/hello/@v/v1.1.0.{extension}");
    assert_eq!(files, ["info", "mod", "zip"].map(file));
}

/// Two `go` request the list at the same time, and at the end a third queries the author's notices by the same requests.
#[test]
fn texts_are_requested_once() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let response = store.ask(&head("listed-commit?os=linux&arch=amd64"));
    let version = "v0.0.0-20250102030405-0123456789ab";
    assert_eq!(response.header("Gox-Version"), Some(version), "{response}");
    let requests = proxy.requests();
    for text in ["@v/list", &format!("@v/{version}.info"), "@latest"] {
        let path = format!("/github.com/tester/listed-commit/{text}");
        let count = requests.iter().filter(|request| **request == path).count();
        assert_eq!(count, 1, "{path}: {requests:?}");
    }
}

#[test]
fn killed_lookup_leaves_no_process() {
    let proxy = Proxy::start(Behavior::Hold(".info"));
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let mut cgi = store.start(&head("hello?os=linux&arch=amd64"));
    proxy.wait_for_request("/hello/@v/v1.1.0.info");
    let running = processes::find(&store.dir);
    assert!(running.iter().any(|process| process.is("relay")), "{running:?}");
    cgi.child.kill().unwrap();
    cgi.child.wait().unwrap();
    eventually("all processes of the lookup end", TIMEOUT, || {
        processes::find(&store.dir).is_empty()
    });
    proxy.set_behavior(Behavior::Serve);
    // The next builder removes the directory of the lookup.
    store.ask(&Request::get("/tester/hello")).program();
    store.wait_until_idle();
}

/// The log names the operator's proxy, and not the relay in front of it.
#[test]
fn failure_of_the_proxy_is_logged_with_its_url() {
    for url in ["http://127.0.0.1:1", "http://127.0.0.1:1/", "https://127.0.0.1:1"] {
        let store = TestStore::new().set("GOX_GOPROXY", url);
        let response = store.ask(&head("hello"));
        response.refused("proxy-failed");
        let log = &response.log;
        assert!(
            log.contains(&format!("{}/github.com/tester/hello", url.trim_end_matches('/'))),
            "{log}"
        );
        assert!(log.contains("Connection refused"), "{log}");
    }
}

#[test]
fn nested_modules_are_listed_while_the_newest_major_is_downloaded() {
    let proxy = Proxy::start(Behavior::Hold("/many-majors/v9/@v/v9.0.0.zip"));
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    std::thread::scope(|scope| {
        let response = scope.spawn(|| store.ask(&head("many-majors?os=linux&arch=amd64")));
        proxy.wait_for_request("/many-majors/cmd/many-majors/v9/@v/list");
        proxy.set_behavior(Behavior::Serve);
        response.join().unwrap().refused("no-command");
    });
}

/// The first `go list` of a lookup also lists the majors of nested modules, as far as those of most modules go.
#[test]
fn nested_modules_of_a_low_major_are_listed_once() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let response = store.ask(&head("majors?os=linux&arch=amd64"));
    assert_eq!(response.header("Gox-Version"), Some("v3.0.1"), "{response}");
    let requests = proxy.requests();
    let lists = requests
        .iter()
        .filter(|path| path.contains("/majors/cmd/majors/"));
    assert_eq!(lists.count(), 5, "{requests:?}");
}

/// The modules are in tests/modules/known-path.txtar.
#[test]
fn github_path_is_queried_only_if_the_known_path_has_no_release() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    for (path, module, asks_for_github) in [
        ("/rsc/2fa", "rsc.io/2fa", false),
        (
            "/kubernetes-sigs/elsewhere",
            "github.com/kubernetes-sigs/elsewhere/v2",
            true,
        ),
    ] {
        let request = Request::get(&format!("{path}?os=linux&arch=amd64")).method("HEAD");
        let response = store.ask(&request);
        assert_eq!(response.header("Gox-Module"), Some(module), "{response}");
        let requests = proxy.requests();
        let asked = requests.iter().any(|asked| asked.contains("/github.com/"));
        assert_eq!(asked, asks_for_github, "{requests:?}");
    }
}

/// The newest version in tests/modules/retracts-older.txtar is listed, so it is not retracted.
#[test]
fn retractions_of_older_versions_cost_no_query() {
    // A relay stands in front of the first proxy only, and keeps its lists.
    let (empty, proxy) = (Proxy::start(Behavior::Page(404)), Proxy::start(Behavior::Serve));
    let proxies = format!("{},{}", empty.url(), proxy.url());
    let store = TestStore::new().set("GOX_GOPROXY", proxies);
    // Each `go` lists the versions: one that lists majors, one that downloads, and one that queries notices.
    for (name, lists) in [("retracts-older", 2), ("retracted", 3)] {
        store.ask(&head(&format!("{name}?os=linux&arch=amd64")));
        let list = format!("/github.com/tester/{name}/@v/list");
        let requests = proxy.requests();
        assert_eq!(
            requests.iter().filter(|path| **path == list).count(),
            lists,
            "{requests:?}"
        );
    }
}

/// R29: the lookup of an unknown name makes a bounded number of requests.
#[test]
fn unknown_name_costs_few_requests() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    store.ask(&head("nosuch")).refused("no-such-module");
    let asked = proxy.requests();
    assert!(asked.len() <= MAX_REQUESTS, "{asked:?}");
}

/// The tag of a nested module may arrive after that of the outer module.
#[test]
fn nested_version_that_was_missing_is_found_later() {
    let proxy = Proxy::start(Behavior::PageFor("/nested-module/later/@v/v1.0.0.info", 404));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_RESOLVE_SECONDS", "0");
    let request = head("nested-module/later@v1.0.0?os=linux&arch=amd64");
    store.ask(&request).refused("no-such-package");
    proxy.set_behavior(Behavior::Serve);
    let found = store.ask(&request);
    assert_eq!(
        found.header("Gox-Module"),
        Some("github.com/tester/nested-module/later"),
        "{found}"
    );
}

#[test]
fn expired_list_is_refreshed_in_background() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_RESOLVE_SECONDS", "0");
    store.ask(&head("several-commands")).refused("several-commands");
    proxy.set_behavior(Behavior::Page(500));
    let before = proxy.requests().len();
    store.ask(&head("several-commands")).refused("several-commands");
    eventually("the list is refreshed", TIMEOUT, || {
        proxy.requests().len() > before
    });
    store.wait_until_idle();
    store.ask(&head("several-commands")).refused("several-commands");
}

/// No request logs it.
#[test]
fn failed_refresh_logs_its_target_and_reason() {
    let store = TestStore::new();
    let refresh = store.command().args(["refresh", "/tester/hello/nosuch"]).output();
    let log = String::from_utf8(refresh.unwrap().stderr).unwrap();
    assert!(
        log.contains("gox-server: cannot refresh /tester/hello/nosuch: no-such-package: "),
        "{log}"
    );
}
