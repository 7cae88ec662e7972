//! Markup from requests and modules stays text on every page.

use crate::cases::cases;
use crate::support::browser::Browser;
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Closes any element and attribute, and runs a script in four ways.
const MARKUP: &str =
    "'\"></pre></title><script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>";

/// Lists the elements, attributes and addresses of the current page that no page of gox-server has.
const FOREIGN_MARKUP: &str = r#"
    const elements = new Set(("html head meta title link style noscript body header nav main footer script a svg path b p ol ul li "
        + "h1 h2 h3 small span code pre dl dt dd details summary section form label select optgroup option input button progress "
        + "table caption thead tbody tr th td br wbr time data meter img").split(" "));
    const found = [];
    for (const element of document.querySelectorAll("*")) {
        if (!elements.has(element.localName)) found.push(element.outerHTML.slice(0, 200));
        for (const {name, value} of element.attributes) {
            const isAddress = ["href", "action", "src", "data-events"].includes(name);
            const isOwn = /^(#|\/(?!\/)|https:\/\/(github\.com|pkg\.go\.dev)\/)/.test(value);
            if (/^(on|style$|srcdoc$|formaction$)/.test(name) || isAddress && !isOwn) found.push(`${name}=${value}`);
        }
    }
    if (document.scripts.length !== 1) found.push(`${document.scripts.length} scripts`);
    return found;"#;

/// Lists the markup of the current page that no page of gox-server has.
pub(super) fn foreign_markup(browser: &Browser) -> Value {
    browser.run(FOREIGN_MARKUP)
}

/// Shows a page without its Content-Security-Policy, so that any script in it would run.
fn show(browser: &Browser, page: &Response) {
    browser.open(&format!(
        "data:text/html;charset=utf-8;base64,{}",
        STANDARD.encode(&page.body)
    ));
}

fn as_browser(request: Request) -> Request {
    request.header("Accept", "text/html")
}

/// The rows of the attacks by requests (R) and modules (M), and requests with markup in each part. Modules are built first, so that the
/// page shows the result.
#[test]
fn markup_from_requests_and_modules_is_text() {
    let store = TestStore::new();
    let browser = Browser::start();
    let is_attack =
        |shows: &str| shows.starts_with(['R', 'M']) && shows[1..].starts_with(|c: char| c.is_ascii_digit());
    let attacks = cases().into_iter().filter(|case| is_attack(&case.shows));
    let mut requests: Vec<Request> = attacks.map(|case| case.request()).collect();
    let encoded: String = MARKUP.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for path in [
        &format!("/tester/{encoded}"),
        &format!("/tester/hello@{encoded}"),
        &format!("/tester/hello?tags={encoded}"),
        &format!("/tester/hello?os={encoded}&arch={encoded}"),
        &format!("/tester/hello?go={encoded}"),
        &format!("/tester/hello?{encoded}={encoded}"),
        &format!("/-/{encoded}"),
        &format!("/-/bin/{encoded}/tester/hello@v1.0.0/hello"),
        &format!("/-/bin/linux-amd64/tester/hello@v1.0.0/{encoded}"),
    ] {
        requests.push(Request::get(path));
    }
    for path in ["/", "/tester/hello", "/-/platforms"] {
        requests.push(Request::get(path).header("Host", MARKUP));
        requests.push(Request::get(path).header("User-Agent", MARKUP));
        requests.push(Request::get(path).header("X-Forwarded-Proto", MARKUP));
    }
    let mut pages = 0;
    for request in requests {
        store.ask(&request);
        let page = store.ask(&as_browser(request.clone()));
        if page
            .header("content-type")
            .is_some_and(|of_type| of_type.starts_with("text/html"))
        {
            pages += 1;
            show(&browser, &page);
            assert_eq!(foreign_markup(&browser), json!([]), "{}", request.uri());
        }
    }
    assert!(pages > 100, "{pages}");
}

/// A control: without escaping, the check above finds the markup.
#[test]
fn foreign_markup_is_found() {
    let browser = Browser::start();
    let page = "data:text/html,<!doctype html><script></script><p onclick='x()'><iframe></iframe><a href='javascript:x()'>";
    browser.open(page);
    assert_eq!(
        foreign_markup(&browser),
        json!(["onclick=x()", "<iframe></iframe>", "href=javascript:x()"])
    );
}
