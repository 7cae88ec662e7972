//! The versions of a program in the form of GitHub's releases API, for tool managers.

use crate::support::case::tester;
use crate::support::plain_go;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use serde_json::{Value, json};

const API: &str = "/-/github/repos";

#[track_caller]
fn get(store: &TestStore, path: &str) -> Value {
    let request = Request::get(&format!("{API}{path}")).header("Accept", "application/vnd.github+json");
    let response = store.ask(&request);
    assert_eq!(response.status, 200, "{path}: {response}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
    serde_json::from_slice(&response.body).unwrap()
}

fn tags(releases: &Value) -> Vec<&str> {
    let releases = releases.as_array().unwrap().iter();
    releases
        .map(|release| release["tag_name"].as_str().unwrap())
        .collect()
}

#[track_caller]
fn asset<'r>(release: &'r Value, name: &str) -> &'r Value {
    let assets = release["assets"].as_array().unwrap();
    let found = assets.iter().find(|asset| asset["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {release:#}"))
}

#[test]
fn release_has_an_asset_for_each_platform() {
    let store = TestStore::new();
    let latest = get(&store, "/tester/hello/releases/latest");
    assert_eq!(latest["tag_name"], "v1.1.0");
    assert_eq!(
        (&latest["draft"], &latest["prerelease"]),
        (&json!(false), &json!(false))
    );
    humantime::parse_rfc3339(latest["published_at"].as_str().unwrap()).unwrap();
    for (name, path) in [
        ("hello_1.1.0_linux_amd64", "linux-amd64/tester/hello@v1.1.0/hello"),
        ("hello_1.1.0_linux_i386", "linux-386/tester/hello@v1.1.0/hello"),
        ("hello_1.1.0_linux_armv6", "linux-arm-6/tester/hello@v1.1.0/hello"),
        (
            "hello_1.1.0_darwin_arm64",
            "darwin-arm64/tester/hello@v1.1.0/hello",
        ),
        (
            "hello_1.1.0_windows_amd64.exe",
            "windows-amd64/tester/hello@v1.1.0/hello.exe",
        ),
    ] {
        let asset = asset(&latest, name);
        let url = format!("http://127.0.0.1/-/bin/{path}");
        assert_eq!(
            (&asset["url"], &asset["browser_download_url"]),
            (&json!(url), &json!(url))
        );
        assert_eq!((&asset["digest"], &asset["size"]), (&Value::Null, &Value::Null));
    }
    // Go needs a C compiler for it.
    assert!(!latest.to_string().contains("ios_arm64"), "{latest:#}");
    assert!(store.artifacts().is_empty(), "the API starts no build");
}

#[test]
fn asset_of_a_built_program_has_its_digest_and_size() {
    let store = TestStore::new();
    let before = get(&store, "/tester/hello/releases/tags/v1.0.0");
    let url = asset(&before, "hello_1.0.0_linux_amd64")["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let program = store.ask(&Request::get(url.trim_start_matches("http://127.0.0.1")));
    let plain = plain_go::install(&tester("hello", "v1.0.0").wanted);
    assert_eq!(program.sha256(), plain.sha256);
    // Some tools drop the v.
    for tag in ["v1.0.0", "1.0.0"] {
        let after = get(&store, &format!("/tester/hello/releases/tags/{tag}"));
        let asset = asset(&after, "hello_1.0.0_linux_amd64");
        assert_eq!(asset["digest"], format!("sha256:{}", plain.sha256), "{tag}");
        assert_eq!(asset["size"], plain.read().len(), "{tag}");
    }
}

#[test]
fn releases_are_the_versions_the_newest_first() {
    let store = TestStore::new();
    let all = get(&store, "/tester/hello/releases?per_page=100");
    assert_eq!(tags(&all), ["v1.2.0-rc.1", "v1.1.0", "v1.0.0"]);
    let prerelease = |release: &Value| release["prerelease"] == json!(true);
    assert_eq!(
        all.as_array().unwrap().iter().map(prerelease).collect::<Vec<_>>(),
        [true, false, false]
    );
    // Each version has the time that the module proxy reports, and an asset that exists.
    let hello = asset(&all[2], "hello_1.0.0_linux_amd64")["url"].as_str().unwrap();
    let path = hello.trim_start_matches("http://127.0.0.1");
    store
        .ask(&Request::get(&format!("{path}.json")))
        .refused("not-built");
    for release in all.as_array().unwrap() {
        let one = get(
            &store,
            &format!(
                "/tester/hello/releases/tags/{}",
                release["tag_name"].as_str().unwrap()
            ),
        );
        assert_eq!(*release, one, "the same release as by its tag");
    }
    // All majors, in the paths of their modules.
    let majors = get(&store, "/tester/majors/releases");
    for release in majors.as_array().unwrap() {
        let asset = &release["assets"].as_array().unwrap()[0];
        let path = asset["url"]
            .as_str()
            .unwrap()
            .trim_start_matches("http://127.0.0.1")
            .to_owned();
        store
            .ask(&Request::get(&format!("{path}.json")))
            .refused("not-built");
    }
    assert!(tags(&majors).len() > 2, "{majors:#}");
    let incompatible = get(&store, "/tester/incompatible/releases");
    assert_eq!(tags(&incompatible), ["v2.0.0+incompatible"]);
    let one = get(&store, "/tester/incompatible/releases/tags/v2.0.0+incompatible");
    let url = &asset(&one, "incompatible_2.0.0_linux_amd64")["url"];
    assert!(url.as_str().unwrap().contains("@v2.0.0+incompatible/"), "{url}");
}

#[test]
fn version_that_go_ignores_is_no_release() {
    let store = TestStore::new();
    let releases = get(&store, "/tester/ignored-versions/releases");
    assert_eq!(tags(&releases), ["v3.0.0", "v1.1.0", "v1.0.0"]);
}

#[test]
fn unknown_time_is_queried_again() {
    let proxy = Proxy::start(Behavior::PageFor("/hello/@v/v1.0.0.info", 404));
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let time = || get(&store, "/tester/hello/releases")[2]["published_at"].clone();
    assert_eq!(time(), "1970-01-01T00:00:00Z");
    proxy.set_behavior(Behavior::Serve);
    assert_eq!(time(), "2025-01-02T03:04:05Z");
}

#[test]
fn pages_are_linked() {
    let store = TestStore::new();
    let ask = |query: &str| store.ask(&Request::get(&format!("{API}/tester/hello/releases{query}")));
    let first = ask("?per_page=1");
    let next = "<http://127.0.0.1/-/github/repos/tester/hello/releases?per_page=1&page=2>; rel=\"next\"";
    assert_eq!(first.header("link"), Some(next));
    assert_eq!(
        tags(&serde_json::from_slice(&first.body).unwrap()),
        ["v1.2.0-rc.1"]
    );
    let last = ask("?per_page=1&page=3");
    assert_eq!(last.header("link"), None);
    assert_eq!(tags(&serde_json::from_slice(&last.body).unwrap()), ["v1.0.0"]);
    for (query, len) in [
        ("?page=9", 0),
        ("?per_page=0&page=x", 3),
        ("?per_page=99999999999&page=1", 3),
    ] {
        assert_eq!(
            tags(&serde_json::from_slice(&ask(query).body).unwrap()).len(),
            len,
            "{query}"
        );
    }
}

#[test]
fn unknown_releases_are_refused() {
    let store = TestStore::new();
    for (path, reason) in [
        ("/tester/nosuch/releases", "no-such-module"),
        ("/tester/nosuch/releases/latest", "no-such-module"),
        ("/tester/hello/releases/tags/v9.9.9", "no-such-version"),
        ("/tester/library/releases/latest", "no-command"),
        ("/tester/hello/releases/tags/", "bad-version"),
        ("/tester/../etc/releases", "bad-path"),
        ("/tester/hello", "no-such-page"),
        ("/tester/hello/releases/", "no-such-page"),
        ("", "no-such-page"),
    ] {
        store.ask(&Request::get(&format!("{API}{path}"))).refused(reason);
    }
    let store = store.set("GOX_DENY", "tester/hello");
    store
        .ask(&Request::get(&format!("{API}/tester/hello/releases")))
        .refused("denied");
}
