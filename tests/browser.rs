//! The pages in Chromium: from the name of a repository to its program, with and without JavaScript.

use crate::support::browser::{Browser, ENTER, TAB};
use crate::support::case::{Program, tester};
use crate::support::front::Front;
use crate::support::request::Request;
use crate::support::stopped_compiler::StoppedCompiler;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, plain_go, sha256};
use serde_json::json;
use std::fs;

mod hostile;
mod pages;

/// The query of the platform for which the compile cache of a `TestStore` contains the standard library.
const LINUX: &str = "os=linux&arch=amd64";

/// The button that starts a build.
const BUILD: &str = "form[method=post] button";

fn url(front: &Front, path: &str) -> String {
    format!("http://{}{path}", front.address)
}

/// Waits until a click has led to a page with one of these texts: the driver may return before the browser leaves the page.
#[track_caller]
fn wait_for_page(browser: &Browser, texts: &[&str]) {
    eventually("the next page", TIMEOUT, || {
        let shown = browser.text_during_reload();
        texts.iter().any(|text| shown.contains(text))
    });
}

#[track_caller]
fn press_build(browser: &Browser) {
    browser.click(BUILD);
    wait_for_page(browser, &["You can close this page", "Ready", "does not compile"]);
}

/// Starts a build as the form of its page does.
fn start_build(front: &Front, path: &str) {
    let response = front.ask(&Request::get(&format!("{path}?{LINUX}")).method("POST"));
    assert_eq!(response.status, 303, "{response}");
}

/// The number of builds so far.
fn built(store: &TestStore) -> usize {
    let log = fs::read_to_string(store.dir.join("builders.log")).unwrap_or_default();
    log.matches("built ").count()
}

#[track_caller]
fn assert_plain(program: &[u8], expected: &Program) {
    assert_eq!(sha256(program), plain_go::install(&expected.wanted).sha256);
}

/// From the field of the first page. The compile cache has no package for arm64, so the page counts all of them.
#[test]
fn page_builds_a_program_and_counts_its_packages() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::start();
    browser.open(&url(&front, "/"));
    browser.click("#program");
    browser.press("tester/hello@v1.0.0");
    browser.press(ENTER);
    wait_for_page(&browser, &["Build for linux/"]);
    browser.click("option[value='linux/arm64']");
    browser.click("form:not([method]) button");
    wait_for_page(&browser, &["Build for linux/arm64"]);
    press_build(&browser);
    browser.run(
        "window.counts = [];
        const count = () => {
            const found = document.body.innerText.match(/(\\d+) of \\d+ packages/);
            if (found && found[1] != counts.at(-1)) counts.push(Number(found[1]));
        };
        new MutationObserver(count).observe(document, {subtree: true, childList: true, characterData: true});
        count();",
    );
    browser.wait_for_text("Ready");
    let counts = browser.run("return counts").to_string();
    let counts: Vec<usize> = serde_json::from_str(&counts).unwrap();
    assert!(counts.len() > 1 && counts.is_sorted(), "{counts:?}");
    let expected = tester("hello", "v1.0.0").on_platform("linux", "arm64");
    assert_plain(&browser.downloaded("hello"), &expected);
    assert!(
        browser
            .text()
            .contains(&plain_go::install(&expected.wanted).sha256)
    );
    assert_eq!(browser.console(), json!([]));
}

/// The button is a form, the page reloads itself during the build, and the program is a link.
#[test]
fn page_builds_a_program_without_javascript() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::without_script();
    browser.open(&url(&front, &format!("/tester/busy?{LINUX}")));
    browser.click(BUILD);
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    eventually("the page shows the packages", TIMEOUT, || {
        browser.text_during_reload().contains("packages, now")
    });
    drop(compiler);
    eventually("the page shows the program", TIMEOUT, || {
        browser.text_during_reload().contains("Ready")
    });
    browser.click_link("Download busy");
    assert_plain(&browser.downloaded("busy"), &tester("busy", "v1.0.0"));
}

/// The links of the list keep the platform.
#[test]
fn browser_follows_links_from_name_to_program() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::start();
    browser.open(&url(&front, &format!("/tester/several-commands?{LINUX}")));
    browser.click_link("cmd/two");
    wait_for_page(&browser, &["Not built yet"]);
    assert!(browser.url().ends_with(LINUX), "{}", browser.url());
    press_build(&browser);
    let expected =
        tester("several-commands/cmd/two", "v1.0.0").in_module("github.com/tester/several-commands");
    assert_plain(&browser.downloaded("two"), &expected);
}

#[test]
fn opened_page_starts_no_build() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::start();
    for path in [
        "/tester/hello",
        "/tester/hello@v1.0.0?os=windows&arch=amd64",
        "/tester/does-not-compile",
    ] {
        browser.open(&url(&front, path));
        assert!(browser.text().contains("Not built yet"), "{}", browser.text());
    }
    drop(front);
    store.wait_until_idle();
    assert_eq!(store.artifacts().len(), 0);
    assert_eq!(built(&store), 0);
}

#[test]
fn page_of_a_failed_build_shows_the_output_of_the_compiler() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::start();
    browser.open(&url(&front, "/tester/does-not-compile"));
    press_build(&browser);
    browser.wait_for_text("cannot use \"text\"");
    assert_eq!(browser.console(), json!([]));
}

#[test]
fn page_shows_the_position_in_the_queue() {
    let store = TestStore::new().set("GOX_BUILDS", "1");
    let front = store.front();
    let browser = Browser::start();
    start_build(&front, "/tester/busy");
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    start_build(&front, "/tester/hello@v1.1.0");
    browser.open(&url(&front, &format!("/tester/hello@v1.0.0?{LINUX}")));
    press_build(&browser);
    browser.wait_for_text("1 build ahead");
    drop(compiler);
    assert_plain(&browser.downloaded("hello"), &tester("hello", "v1.0.0"));
}

#[test]
fn two_tabs_watch_one_build() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::start();
    let page = url(&front, &format!("/tester/busy?{LINUX}"));
    browser.open(&page);
    browser.click(BUILD);
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    browser.wait_for_text("packages, now");
    let first = browser.open_tab();
    browser.open(&page);
    browser.wait_for_text("packages, now");
    drop(compiler);
    browser.wait_for_text("Ready");
    browser.switch_to(&first);
    browser.wait_for_text("Ready");
    assert_plain(&browser.downloaded("busy"), &tester("busy", "v1.0.0"));
    drop(front);
    store.wait_until_idle();
    assert_eq!(built(&store), 1);
}

/// The browser connects to the events again, and the build has continued.
#[test]
fn page_follows_its_build_when_the_front_restarts() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::start();
    browser.open(&url(&front, &format!("/tester/busy?{LINUX}")));
    browser.click(BUILD);
    let compiler = StoppedCompiler::wait_for(&store, "busy");
    browser.wait_for_text("packages, now");
    let front = front.restart(&store);
    drop(compiler);
    assert_plain(&browser.downloaded("busy"), &tester("busy", "v1.0.0"));
    drop(front);
}

/// The form is answered by a redirect (303), so the history contains no POST that the browser would repeat.
#[test]
fn back_button_leads_to_the_page_before_and_builds_nothing() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::start();
    browser.open(&url(&front, "/"));
    let page = url(&front, &format!("/tester/hello@v1.0.0?{LINUX}"));
    browser.open(&page);
    press_build(&browser);
    browser.wait_for_text("Ready");
    browser.downloaded("hello");
    browser.back();
    if browser.url() == page {
        assert!(browser.text().contains("Ready"), "{}", browser.text());
        browser.back();
    }
    assert_eq!(browser.url(), url(&front, "/"));
    assert!(!browser.has_file("hello (1)"), "downloaded again");
    drop(front);
    store.wait_until_idle();
    assert_eq!(built(&store), 1);
}

/// Tab reaches every control, and Enter presses the button.
#[test]
fn keyboard_reaches_all_controls_and_builds() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::start();
    browser.open(&url(&front, &format!("/tester/hello@v1.0.0?{LINUX}")));
    let controls = browser.run(
        "window.controls = [...document.querySelectorAll('a, button, input, select, summary, [tabindex]')]
            .filter((control) => control.type !== 'hidden' && control.checkVisibility());
        return controls.length;",
    );
    for number in 0..controls.as_u64().unwrap() {
        browser.press(TAB);
        let reached = browser.run("return controls.indexOf(document.activeElement)");
        assert_eq!(reached, number);
    }
    browser.run("document.querySelector('form[method=post] button').focus()");
    browser.press(ENTER);
    assert_plain(&browser.downloaded("hello"), &tester("hello", "v1.0.0"));
}
