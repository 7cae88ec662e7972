//! A person with a browser, real Chromium, who follows links from a repository's name to the program.

use crate::support::case::tester;
use crate::support::scratch::Scratch;
use crate::support::{PATIENCE, eventually, plain, processes, sha256};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::Request;

/// No sandbox, for root has none; and no conversation with its maker.
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

/// Every Chromium on Linux says the same of its machine: who is asked for a list and a platform clicks twice, and has the program
/// of that platform.
#[test]
fn links_lead_from_a_name_to_the_program() {
    let store = Scratch::new();
    let front = store.front();
    let browser = Browser::start();
    browser.open(&format!(
        "http://{}/tester/several-commands?strip=0",
        front.address
    ));
    browser.click("arch=arm64");
    browser.click("cmd/two");
    let wanted = tester("several-commands/cmd/two", "v1.0.0").of("github.com/tester/several-commands");
    let wanted = wanted.on("linux", "arm64").wanted;
    let program = browser.below("two");
    // Until then it has another name, and an empty file keeps its place.
    eventually("the program is downloaded", PATIENCE, || {
        program.metadata().is_ok_and(|metadata| metadata.len() > 0)
    });
    assert_eq!(
        sha256(&fs::read(program).unwrap()),
        plain::install(&wanted).sha256
    );
}

/// Its console is empty: all that a page wants is there, and allowed.
#[test]
fn a_page_has_all_that_it_asks_for() {
    let store = Scratch::new();
    let front = store.front();
    let browser = Browser::start();
    for (page, words) in [
        ("/", "compiled for your machine"),
        ("/-/reasons#needs-cgo", "C compiler"),
        ("/-/platforms", "linux/amd64"),
    ] {
        browser.open(&format!("http://{}{page}", front.address));
        assert!(browser.text().contains(words), "{page}: {}", browser.text());
    }
    assert_eq!(browser.complaints(), json!([]));
}

/// A Chromium, spoken to through its driver (W3C WebDriver).
struct Browser {
    driver: Child,
    client: Agent,
    address: SocketAddr,
    session: String,
    /// Where it keeps its own things, and what it downloads.
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
        let session = browser.tell("POST", "", &json!({"capabilities": {"alwaysMatch": wanted}}));
        browser.session = format!("/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    fn below(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, url: &str) {
        self.tell("POST", "/url", &json!({"url": url}));
    }

    /// Follows the link whose text holds this.
    fn click(&self, words: &str) {
        let link = self.element("partial link text", words);
        self.tell("POST", &format!("/element/{link}/click"), &json!({}));
    }

    fn text(&self) -> String {
        let body = self.element("css selector", "body");
        let text = self.tell("GET", &format!("/element/{body}/text"), &Value::Null);
        text.as_str().unwrap().to_owned()
    }

    /// What stands in its console since it was asked last.
    fn complaints(&self) -> Value {
        self.tell("POST", "/se/log", &json!({"type": "browser"}))
    }

    fn element(&self, using: &str, value: &str) -> String {
        let found = self.tell("POST", "/element", &json!({"using": using, "value": value}));
        let mut references = found.as_object().unwrap().values();
        references.next().unwrap().as_str().unwrap().to_owned()
    }

    fn tell(&self, method: &str, command: &str, what: &Value) -> Value {
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
        let mut answer = self.client.run(request).unwrap();
        let said = answer.body_mut().read_to_string().unwrap();
        assert!(answer.status().is_success(), "{command} {what}: {said}");
        let mut said: Value = serde_json::from_str(&said).unwrap();
        said["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
        // Each is told where the browser keeps its things.
        eventually("the browser is dead", PATIENCE, || {
            let left = processes::about(self.folder.path());
            left.iter().for_each(processes::Process::kill);
            left.is_empty()
        });
    }
}
