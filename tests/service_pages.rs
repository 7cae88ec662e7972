//! The first page and the dashboard.

use crate::environment::start_modified;
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

fn browse(store: &TestStore, url: &str) -> Response {
    store.ask(&Request::get(url).header("Accept", BROWSER))
}

/// The state directory caches what the pages show for a short time.
fn expire(store: &TestStore, name: &str) {
    let file = File::options()
        .append(true)
        .open(store.dir.join(format!("{name}.json")))
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600))
        .unwrap();
}

/// What people paste into the field, and the page that it leads to. `parse::pasted` has a table of all notations.
const PASTED: [(&str, &str); 9] = [
    ("tester%2Fhello", "/tester/hello"),
    ("++tester%2Fhello%0A", "/tester/hello"),
    ("https%3A%2F%2Fgithub.com%2Ftester%2Fhello", "/tester/hello"),
    (
        "https%3A%2F%2Fgithub.com%2Ftester%2Fhello%2Freleases%2Ftag%2Fv1.0.0",
        "/tester/hello@v1.0.0",
    ),
    ("go+install+github.com%2Ftester%2Fhello%40latest", "/tester/hello"),
    (
        "tester%2Fhello%3Fplatform%3Dwindows%2Farm64",
        "/tester/hello?os=windows&arch=arm64",
    ),
    ("example.org%2Fvanity", "/example.org/vanity"),
    ("%2F%2Fevil.example%2Fx", "/evil.example/x"),
    ("https%3A%2F%2Fevil.example%2Fx%2Fy", "/evil.example/x/y"),
];

#[test]
fn field_leads_to_the_page_of_what_was_pasted() {
    let store = TestStore::new();
    let front = store.front();
    for (typed, page) in PASTED {
        for accept in [BROWSER, "*/*"] {
            let request = Request::get(&format!("/?program={typed}")).header("Accept", accept);
            let response = front.ask(&request);
            assert_eq!(
                (response.status, response.header("location")),
                (303, Some(page)),
                "{typed}"
            );
        }
    }
    // Without text, it is the first page.
    assert_eq!(browse(&store, "/?program=+").status, 200);
}

#[test]
fn field_keeps_the_mount_point() {
    let store = TestStore::new();
    let below_go = [
        ("SCRIPT_NAME", "/go"),
        ("PATH_INFO", "/"),
        ("REQUEST_URI", "/go/?program=tester/hello"),
        ("QUERY_STRING", "program=tester/hello"),
    ];
    let request = start_modified(&store, |command| {
        command.envs(below_go);
    });
    assert_eq!(request.response().header("location"), Some("/go/tester/hello"));
}

#[test]
fn invalid_name_gets_the_error_page() {
    let store = TestStore::new();
    for (typed, reason, text) in [
        ("hello", "bad-path", "invalid"),
        ("%3Cscript%3Ealert(1)%3C%2Fscript%3E", "bad-path", "invalid"),
        ("-%2Fstatus", "bad-path", "invalid"),
        ("tester%2Fhello%40v1..2", "bad-version", "version"),
        ("tester%2Fhello%3Fstrip%3Dyes", "bad-query", "strip"),
        ("%E2%80%AEtester%2Fhello", "bad-path", "invalid"),
    ] {
        let response = browse(&store, &format!("/?program={typed}"));
        response.refused(reason);
        let html = response.text();
        assert!(html.contains(text) && !html.contains("<script>alert"), "{html}");
        assert!(html.contains("name=\"program\" value=\""), "{html}");
        assert!(!html.contains('\u{202e}'), "{html}");
    }
}

#[test]
fn first_page_shows_the_command_for_the_visitors_system() {
    let store = TestStore::new();
    let page = |agent: &str| {
        let request = Request::get("/")
            .header("Accept", BROWSER)
            .header("User-Agent", agent);
        let html = store.ask(&request).text();
        let (_, command) = html.split_once("<pre class=\"command\">").unwrap();
        command.split_once("</pre>").unwrap().0.to_owned()
    };
    assert!(page(WINDOWS).starts_with("irm 127.0.0.1/-/install.ps1/"));
    for agent in [
        "Linux x86_64",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)",
        "",
    ] {
        assert!(page(agent).starts_with("curl -A"), "{agent}");
    }
}

#[test]
fn first_page_lists_programs_that_were_built_last() {
    let store = TestStore::new();
    assert!(!browse(&store, "/").text().contains("Recently built"));
    for path in [
        "/tester/hello@v1.0.0",
        "/tester/several-commands/cmd/two",
        "/tester/hello@v1.1.0",
    ] {
        store.ask(&Request::get(path)).program();
    }
    expire(&store, "recent");
    let html = browse(&store, "/").text();
    let (_, list) = html.split_once("Recently built").unwrap();
    let (list, _) = list.split_once("</ul>").unwrap();
    let links: Vec<_> = list
        .split("<li>")
        .skip(1)
        .map(|item| item.split_once('>').unwrap().0)
        .collect();
    // Each program once, the latest first. Crawlers do not follow them.
    assert_eq!(
        links,
        [
            "<a href=\"/tester/hello@v1.1.0\" rel=\"nofollow\"",
            "<a href=\"/tester/several-commands/cmd/two@v1.0.0\" rel=\"nofollow\"",
        ]
    );
    let denies = store.set("GOX_DENY", "tester/hello");
    let html = browse(&denies, "/").text();
    assert!(
        !html.contains("tester/hello") && html.contains("cmd/two@v1.0.0"),
        "{html}"
    );
    let silent = denies.set("GOX_RECENT", "0");
    assert!(!browse(&silent, "/").text().contains("Recently built"));
}

#[test]
fn first_page_lists_at_most_ten_programs() {
    let store = TestStore::new();
    for number in 0..12 {
        let dir = store.dir.join(format!("artifacts/{number:02}/{number:02}key"));
        std::fs::create_dir_all(&dir).unwrap();
        let name = format!("example.org/p{number}");
        let meta = serde_json::json!({ "module": name, "package": name, "version": "v1.0.0" });
        std::fs::write(dir.join("meta.json"), meta.to_string()).unwrap();
    }
    let html = browse(&store, "/").text();
    assert_eq!(html.matches("<a href=\"/example.org/p").count(), 10, "{html}");
}

/// The page says which layers of the sandbox are in force, and works without a state directory.
#[test]
fn first_page_shows_the_layers_in_force() {
    let store = TestStore::new();
    let html = browse(&store, "/").text();
    let layers = "files, network, processes, kernel, privileges.";
    assert!(html.contains(layers), "{html}");
    let broken = store.set("GOX_DIR", "/dev/null/gox-server");
    let page = browse(&broken, "/");
    assert!(
        page.status == 200 && page.text().contains("name=\"program\""),
        "{page}"
    );
}

#[test]
fn dashboard_shows_the_values_of_the_json() {
    let store = TestStore::new();
    store.ask(&Request::get("/tester/hello")).program();
    store
        .ask(&Request::get("/tester/does-not-compile"))
        .refused("does-not-compile");
    store.wait_until_idle();
    let json = store.ask(&Request::get("/-/status"));
    assert_eq!(json.header("content-type"), Some("application/json"));
    let status: Value = serde_json::from_slice(&json.body).unwrap();
    let page = browse(&store, "/-/status");
    let html = page.text();
    let shows = |text: &str| assert!(html.contains(text), "{text}: {html}");
    shows(&format!("gox-server {}", status["version"].as_str().unwrap()));
    shows(&format!("<dd>{}</dd>", status["go"].as_str().unwrap()));
    for (id, value, most) in [
        ("builds", &status["builds"]["running"], &status["builds"]["slots"]),
        ("queue", &status["queue"]["waiting"], &status["queue"]["most"]),
        (
            "cache",
            &status["cache_bytes"]["artifacts"],
            &status["cache_bytes"]["most"],
        ),
    ] {
        shows(&format!(
            "<meter id=\"{id}\" min=\"0\" max=\"{most}\" value=\"{value}\"></meter>"
        ));
    }
    assert!(
        status["cache_bytes"]["artifacts"].as_u64() > Some(100_000),
        "{status:#}"
    );
    for (name, count) in status["counts"].as_object().unwrap() {
        shows(&format!("<td id=\"count-{name}\">{count}</td>"));
    }
    let layers = status["cells"]["enforced"].as_array().unwrap();
    let layers: Vec<_> = layers.iter().map(|layer| layer.as_str().unwrap()).collect();
    shows(&layers.join(", "));
    for response in [&json, &page] {
        assert_eq!(response.header("vary"), Some("Accept"), "{response}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{response}");
    }
}

/// The parser of Prometheus' own Python client. Prints the name of each sample.
const METRICS_PARSER: &str = "
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.type in ('counter', 'gauge', 'histogram') and family.documentation, family
    buckets = {}
    for sample in family.samples:
        print(sample.name)
        if sample.name.endswith('_bucket'):
            buckets.setdefault(sample.labels['result'], []).append(sample.value)
        if sample.name.endswith('_count'):
            events = buckets[sample.labels['result']]
            assert events == sorted(events) and events[-1] == sample.value, family
";

#[test]
fn metrics_are_valid_and_the_dashboard_queries_only_these() {
    let store = TestStore::new();
    for _ in 0..2 {
        store.ask(&Request::get("/tester/hello")).program();
    }
    store.wait_until_idle();
    let metrics = store.ask(&Request::get("/-/metrics")).text();
    for line in [
        "gox_hits_total 1",
        "gox_response_duration_seconds_count{result=\"hit\"} 1",
        "gox_response_duration_seconds_bucket{result=\"miss\",le=\"+Inf\"} 1",
        "gox_build_duration_seconds_bucket{result=\"success\",le=\"0.001\"} 0",
        "gox_build_duration_seconds_bucket{result=\"success\",le=\"900\"} 1",
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line}: {metrics}");
    }
    let mut parser = Command::new("/usr/bin/python3");
    let parser = parser.args(["-c", METRICS_PARSER]).stdin(Stdio::piped());
    let mut parser = parser.stdout(Stdio::piped()).spawn().unwrap();
    parser
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.as_bytes())
        .unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "{metrics}");
    let samples = String::from_utf8(output.stdout).unwrap();
    let samples: Vec<_> = samples.lines().collect();

    let dashboard: Value = serde_json::from_str(include_str!("../deploy/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    for query in targets.map(|target| target["expr"].as_str().unwrap()) {
        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: Vec<_> = words.filter(|word| word.starts_with("gox_")).collect();
        assert!(
            !names.is_empty() && names.iter().all(|name| samples.contains(name)),
            "{query}"
        );
    }
}
