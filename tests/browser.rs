//! Pages in Chromium: following links from a repository to its program.

use crate::support::case::tester;
use crate::support::test_store::TestStore;
use crate::support::{TIMEOUT, eventually, plain_go, processes, sha256};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::Request;

/// Chromium has no sandbox under root; the rest disables its own network traffic.
const ARGUMENTS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Chromium on Linux does not reveal its architecture, so the user chooses a platform, then a command.
#[test]
fn browser_follows_links_from_name_to_program() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::start();
    browser.open(&format!(
        "http://{}/tester/several-commands?strip=0",
        front.address
    ));
    browser.click("arch=arm64");
    browser.click("cmd/two");
    let wanted = tester("several-commands/cmd/two", "v1.0.0").in_module("github.com/tester/several-commands");
    let wanted = wanted.on_platform("linux", "arm64").wanted;
    let program = browser.below("two");
    // During the download this name is an empty file.
    eventually("the program is downloaded", TIMEOUT, || {
        program.metadata().is_ok_and(|metadata| metadata.len() > 0)
    });
    assert_eq!(
        sha256(&fs::read(program).unwrap()),
        plain_go::install(&wanted).sha256
    );
}

/// The console has no errors: all resources of the pages exist and the Content-Security-Policy allows them.
#[test]
fn pages_cause_no_browser_errors() {
    let store = TestStore::new();
    let front = store.front();
    let browser = Browser::start();
    for (page, words) in [
        ("/", "compiled for your machine"),
        ("/-/reasons#needs-cgo", "requires cgo"),
        ("/-/platforms", "linux/amd64"),
    ] {
        browser.open(&format!("http://{}{page}", front.address));
        assert!(browser.text().contains(words), "{page}: {}", browser.text());
    }
    assert_eq!(browser.console(), json!([]));
}

/// A Chromium, controlled by W3C WebDriver.
struct Browser {
    driver: Child,
    client: Agent,
    address: SocketAddr,
    session: String,
    /// Profile and downloads.
    folder: TempDir,
}

impl Browser {
    fn start() -> Browser {
        let folder = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; `make test-packages` installs it"));
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let port = line.unwrap();
            let (_, port) = port.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .build();
        let mut browser = Browser {
            driver,
            client: Agent::new_with_config(config),
            address: (Ipv4Addr::LOCALHOST, port.unwrap()).into(),
            session: String::new(),
            folder,
        };
        let own = format!("--user-data-dir={}", browser.below("own").display());
        let arguments = [&ARGUMENTS[..], &[own.as_str()]].concat();
        let options = json!({
            "args": arguments,
            "prefs": {"download.default_directory": browser.folder.path()},
        });
        let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let session = browser.command("POST", "", &json!({"capabilities": {"alwaysMatch": wanted}}));
        browser.session = format!("/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    fn below(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({"url": url}));
    }

    /// Follows the link with this text.
    fn click(&self, words: &str) {
        let link = self.element("partial link text", words);
        self.command("POST", &format!("/element/{link}/click"), &json!({}));
    }

    fn text(&self) -> String {
        let body = self.element("css selector", "body");
        let text = self.command("GET", &format!("/element/{body}/text"), &Value::Null);
        text.as_str().unwrap().to_owned()
    }

    /// Messages in the console since the last call.
    fn console(&self) -> Value {
        self.command("POST", "/se/log", &json!({"type": "browser"}))
    }

    fn element(&self, using: &str, value: &str) -> String {
        let found = self.command("POST", "/element", &json!({"using": using, "value": value}));
        let mut references = found.as_object().unwrap().values();
        references.next().unwrap().as_str().unwrap().to_owned()
    }

    fn command(&self, method: &str, command: &str, what: &Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(format!(
                "http://{}/session{}{command}",
                self.address, self.session
            ))
            .body(if what.is_null() {
                String::new()
            } else {
                what.to_string()
            })
            .unwrap();
        let mut response = self.client.run(request).unwrap();
        let output_text = response.body_mut().read_to_string().unwrap();
        assert!(response.status().is_success(), "{command} {what}: {output_text}");
        let mut output_text: Value = serde_json::from_str(&output_text).unwrap();
        output_text["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
        // All its processes have the folder in their arguments.
        eventually("the browser exits", TIMEOUT, || {
            let left = processes::find(self.folder.path());
            left.iter().for_each(processes::Process::kill);
            left.is_empty()
        });
    }
}
