//! Every page in every state: its weight, its requests, its width on a phone, its elements, its console.
//!
//! `PAGES=FOLDER` also writes the HTML and screenshots of each page (`make screenshots`), `AXE=FILE` runs axe-core on it (`make
//! accessibility`).

use super::hostile::foreign_markup;
use super::{LINUX, StoppedCompiler, start_build, url};
use crate::support::browser::Browser;
use crate::support::front::Front;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// The maximum size of a page in bytes.
const MAX_BYTES: u64 = 30_000;

/// The width of the smallest phones (WCAG 2.2, 1.4.10), in pixels.
const PHONE: u32 = 320;

/// Opens pages and collects their faults.
struct Inspector<'a> {
    front: &'a Front,
    browser: Browser,
    /// Where to write the pages.
    folder: Option<PathBuf>,
    /// The source of axe-core.
    axe: Option<String>,
    faults: Vec<String>,
}

impl Inspector<'_> {
    fn new(front: &Front) -> Inspector<'_> {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Inspector {
            front,
            browser: Browser::start(),
            folder: path("PAGES"),
            axe: path("AXE").map(|file| fs::read_to_string(file).unwrap()),
            faults: Vec::new(),
        }
    }

    fn check(&mut self, name: &str, is_right: bool, fault: impl FnOnce() -> String) {
        if !is_right {
            self.faults.push(format!("{name}: {}", fault()));
        }
    }

    /// Opens a page, which must contain `words`.
    fn inspect(&mut self, name: &str, path: &str, words: &str) {
        self.browser.set_screen(1280, 900, "light");
        self.browser.open(&url(self.front, path));
        let text = self.browser.text();
        self.check(name, text.contains(words), || {
            format!("{words:?} is not in {text}")
        });
        let foreign = foreign_markup(&self.browser);
        self.check(name, foreign == json!([]), || {
            format!("foreign markup: {foreign}")
        });
        let bytes = self
            .browser
            .run("return performance.getEntriesByType('navigation')[0].decodedBodySize");
        self.check(name, bytes.as_u64().unwrap() < MAX_BYTES, || {
            format!("{bytes} bytes")
        });
        let requests = self.browser.run(
            "return performance.getEntriesByType('resource').map((request) => request.name)
                .filter((name) => !name.includes('.events') && !name.endsWith('/favicon.ico'));",
        );
        self.check(name, requests == json!([]), || format!("it needs {requests}"));
        if let Some(folder) = &self.folder {
            let page = self.front.ask(&Request::get(path).header("Accept", "text/html"));
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join(format!("{name}.html")), page.body).unwrap();
        }
        for (screen, width, scheme) in [
            ("", 1280, "light"),
            ("-dark", 1280, "dark"),
            ("-phone", PHONE, "light"),
        ] {
            self.browser.set_screen(width, 900, scheme);
            let needed = self.browser.run("return document.documentElement.scrollWidth");
            self.check(name, needed.as_u64().unwrap() <= u64::from(width), || {
                format!("{needed} pixels wide on a screen of {width}")
            });
            self.run_axe(&format!("{name}{screen}"));
            if let Some(folder) = &self.folder {
                fs::write(
                    folder.join(format!("{name}{screen}.png")),
                    self.browser.screenshot(),
                )
                .unwrap();
            }
        }
        let console = self.browser.console();
        // Chromium reports the status of an error page too.
        let is_own = |message: &&Value| message["source"] != "network";
        let console: Vec<_> = console.as_array().unwrap().iter().filter(is_own).collect();
        self.check(name, console.is_empty(), || format!("console: {console:?}"));
    }

    fn run_axe(&mut self, name: &str) {
        let Some(axe) = &self.axe else { return };
        self.browser.run(axe);
        let violations = self.browser.run_async(
            "const done = arguments[0];
            axe.run().then(({passes, violations}) => done(
                passes.length ? violations.map(({id, nodes}) => [id, nodes.map(({html}) => html)]) : 'it did not run'));",
        );
        self.check(name, violations == json!([]), || {
            format!("axe-core: {violations:#}")
        });
    }
}

#[test]
fn every_page_in_every_state_is_small_and_fits_a_phone() {
    let proxy = Proxy::start(Behavior::Hold("/arrives-late/@v/v1.0.0.zip"));
    let store = TestStore::new()
        .set("GOX_GOPROXY", proxy.url())
        .set("GOX_VULNERABLE", "tell")
        .set("GOX_BUILDS", "1");
    assert!(store.command().arg("vulnerabilities").status().unwrap().success());
    let front = store.front();
    let mut pages = Inspector::new(&front);
    let on_linux = |path: &str| format!("{path}?{LINUX}");

    pages.inspect("first", "/", "compiled for your machine");
    pages.inspect("platforms", "/-/platforms", "linux/amd64");
    pages.inspect("reasons", "/-/reasons", "requires cgo");
    pages.inspect("status", "/-/status", "wait for a slot");
    pages.inspect("error", "/tester/nosuch", "nosuch");
    pages.inspect("error-of-query", "/tester/hello?ldflags=-X", "ldflags");
    pages.inspect("several-commands", "/tester/several-commands", "cmd/two");
    pages.inspect("not-built", &on_linux("/tester/hello@v1.0.0"), "Not built yet");
    pages.inspect(
        "platform-guessed",
        "/tester/release-config",
        "release configuration",
    );
    pages.inspect(
        "not-built-on-windows",
        "/tester/hello?os=windows&arch=amd64",
        "iwr",
    );

    start_build(&front, "/tester/waits-for-dependency");
    proxy.wait_for_request("/arrives-late/@v/v1.0.0.zip");
    pages.inspect(
        "starting",
        &on_linux("/tester/waits-for-dependency"),
        "loading packages",
    );
    start_build(&front, "/tester/busy");
    start_build(&front, "/tester/hello@v1.1.0");
    pages.inspect("queued", &on_linux("/tester/hello@v1.1.0"), "1 build ahead");
    proxy.set_behavior(Behavior::Serve);
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    pages.inspect("building", &on_linux("/tester/busy"), "packages, now");
    drop(compiler);

    for (name, path, words) in [
        ("built", "/tester/hello@v1.1.0", "SHA-256"),
        ("built-vulnerable", "/tester/hello@v1.0.0", "vulnerabilities"),
        (
            "built-as-released",
            "/tester/release-config?recipe=release&",
            "release",
        ),
        ("built-hostile-notices", "/tester/markup@v1.0.0", "deprecated"),
        ("failed", "/tester/does-not-compile", "cannot use"),
        ("failed-needs-cgo", "/tester/needs-cgo", "cgo"),
        ("failed-with-suggestion", "/tester/windows-only", "windows"),
        ("failed-with-many-errors", "/tester/many-errors", "undefined"),
        ("failed-with-long-line", "/tester/long-identifier", "identifier"),
        ("failed-hostile-output", "/tester/markup@v1.1.0", "</pre>"),
    ] {
        let path = if path.ends_with('&') {
            format!("{path}{LINUX}")
        } else {
            on_linux(path)
        };
        front.ask(&Request::get(&path));
        pages.inspect(name, &path, words);
    }
    assert!(pages.faults.is_empty(), "{}", pages.faults.join("\n"));
}
