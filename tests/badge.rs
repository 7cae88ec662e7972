//! Badges: images with the state of a program, for a README.

use crate::queue::store_with_busy_slot;
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use std::fs;

/// Requests a badge as the image proxy of a code hosting site does.
#[track_caller]
fn badge(store: &TestStore, target: &str) -> Response {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request::get(&format!("/-/badge/{path}.svg?{query}"))
        .header("User-Agent", "github-camo (876de43e)")
        .header("Accept", "image/*");
    let response = store.ask(&request);
    let content_type = response.header("content-type");
    assert_eq!(
        (response.status, content_type),
        (200, Some("image/svg+xml")),
        "{response}"
    );
    response
}

/// The texts of a badge: the title, then the two parts.
fn texts(badge: &Response) -> Vec<String> {
    let text = badge.text();
    let elements = text.split('<').filter_map(|element| element.split_once('>'));
    let texts = elements.map(|(_, text)| text).filter(|text| !text.is_empty());
    texts.map(str::to_owned).collect()
}

#[test]
fn badge_shows_the_state_of_a_program() {
    let store = TestStore::new();
    for target in ["tester/hello@v1.0.0", "tester/does-not-compile"] {
        // Both are built for the default platform of a badge.
        store.ask(&Request::get(&format!("/{target}?os=linux&arch=amd64")));
    }
    for (target, message, title, reason) in [
        (
            "tester/hello@v1.0.0",
            "hello v1.0.0",
            "hello v1.0.0 for linux/amd64",
            None,
        ),
        (
            "github.com/tester/hello@v1.0",
            "hello v1.0.0",
            "hello v1.0.0 for linux/amd64",
            None,
        ),
        (
            "tester/hello",
            "hello v1.1.0, not built yet",
            "hello v1.1.0, not built yet for linux/amd64",
            None,
        ),
        (
            "tester/hello@v1.0.0?platform=windows/arm64",
            "hello v1.0.0, not built yet",
            "hello v1.0.0, not built yet for windows/arm64",
            None,
        ),
        (
            "tester/does-not-compile",
            "does-not-compile v1.0.0, does-not-compile",
            "does-not-compile v1.0.0, The program does not compile.",
            Some("does-not-compile"),
        ),
        (
            "tester/nosuch",
            "no-such-module",
            "The module proxy does not serve this Go module.",
            Some("no-such-module"),
        ),
        (
            "tester/library",
            "no-command",
            "This is a library, not a program.",
            Some("no-command"),
        ),
        (
            "tester/hello?os=beos&arch=amd64",
            "unknown-platform",
            "Go does not support this platform.",
            Some("unknown-platform"),
        ),
    ] {
        let badge = badge(&store, target);
        assert_eq!(texts(&badge), [title, "gox-server", message], "{target}");
        assert_eq!(badge.reason(), reason, "{target}");
        let caching = badge.header("cache-control");
        assert!(caching.unwrap().starts_with("max-age="), "{target}: {badge}");
    }
    store.wait_until_idle();
    assert_eq!(store.artifacts().len(), 1, "a badge starts no build");
}

#[test]
fn badge_shows_a_running_build() {
    let (store, first) = store_with_busy_slot();
    let busy = badge(&store, "tester/busy");
    assert_eq!(texts(&busy)[2], "busy v1.0.0, being built");
    first.finish();
    let built = badge(&store, "tester/busy");
    assert_eq!(texts(&built)[2], "busy v1.0.0");
    assert_eq!(built.header("cache-control"), Some("max-age=300"));
}

/// A refused program is not offered.
#[test]
fn badge_follows_the_operators_policy() {
    let store = TestStore::new();
    store.ask(&Request::get("/tester/hello")).program();
    let store = store.set("GOX_DENY", "github.com/tester");
    assert_eq!(badge(&store, "tester/hello").reason(), Some("denied"));
}

#[test]
fn hostile_text_in_a_badge_stays_text() {
    let store = TestStore::new();
    for target in [
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "tester/%3Csvg%20onload=alert(1)%3E",
        "tester/hello@%22%20onload=%22alert(1)",
        "tester/hello?os=%3Cscript%3E&arch=amd64",
        "tester/hello?%3Cscript%3E=1",
        "../-/badge/tester/hello",
        "tester/hello%00",
        "%E2%80%AEtester/hello",
    ] {
        let badge = badge(&store, target);
        assert!(badge.reason().unwrap().starts_with("bad-") || badge.reason() == Some("unknown-platform"));
        let text = badge.text();
        for alive in ["<script", "onload", "alert", "\u{202e}"] {
            assert!(!text.contains(alive), "{target}: {text}");
        }
        assert_eq!(
            badge.header("content-security-policy"),
            Some("default-src 'none'"),
            "{badge}"
        );
    }
}

/// An image in a README may be requested by every reader: one resolution answers all of them.
#[test]
fn repeated_badge_costs_one_lookup() {
    let store = TestStore::new().set("GOX_LOOKUPS_PER_HOUR", "1");
    for _ in 0..3 {
        assert_eq!(
            texts(&badge(&store, "tester/hello"))[2],
            "hello v1.1.0, not built yet"
        );
    }
    assert_eq!(badge(&store, "tester/busy").reason(), Some("too-many-builds"));
    assert_eq!(fs::read_dir(store.dir.join("work")).unwrap().count(), 0);
}
