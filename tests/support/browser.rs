//! Chromium, controlled by W3C WebDriver.

use super::{TIMEOUT, eventually, processes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
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

/// The value of the content setting `javascript` that disables it.
const BLOCK: u8 = 2;

/// Enter and Tab, as WebDriver section 17.4.2 encodes them.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const TAB: &str = "\u{e004}";

/// A running Chromium with its own profile.
pub(crate) struct Browser {
    driver: Child,
    client: Agent,
    address: SocketAddr,
    session: String,
    /// Profile and downloads.
    folder: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Browser {
        Browser::with_preferences(json!({}))
    }

    /// Starts a browser in which JavaScript is off.
    pub(crate) fn without_script() -> Browser {
        Browser::with_preferences(json!({"profile.managed_default_content_settings.javascript": BLOCK}))
    }

    fn with_preferences(mut preferences: Value) -> Browser {
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
        let own = format!("--user-data-dir={}", browser.file("own").display());
        let arguments = [&ARGUMENTS[..], &[own.as_str()]].concat();
        preferences["download.default_directory"] = json!(browser.folder.path());
        let wanted = json!({
            "goog:chromeOptions": {"args": arguments, "prefs": preferences},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": TIMEOUT.as_millis()},
        });
        let session = browser.post("", &json!({"capabilities": {"alwaysMatch": wanted}}));
        browser.session = format!("/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    pub(crate) fn url(&self) -> String {
        self.get("/url").as_str().unwrap().to_owned()
    }

    /// Goes back one page in the history.
    pub(crate) fn back(&self) {
        self.post("/back", &json!({}));
    }

    /// Follows the link with this text.
    pub(crate) fn click_link(&self, words: &str) {
        self.click_element(&self.element("partial link text", words));
    }

    /// Clicks the first element that a CSS selector matches.
    pub(crate) fn click(&self, selector: &str) {
        self.click_element(&self.element("css selector", selector));
    }

    fn click_element(&self, element: &str) {
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Presses keys in the element that has the focus.
    pub(crate) fn press(&self, keys: &str) {
        let actions: Vec<_> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        self.post(
            "/actions",
            &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}),
        );
    }

    /// Opens another tab and returns the handle of the current one.
    pub(crate) fn open_tab(&self) -> Value {
        let current = self.get("/window");
        let tab = self.post("/window/new", &json!({"type": "tab"}));
        self.switch_to(&tab["handle"]);
        current
    }

    pub(crate) fn switch_to(&self, handle: &Value) {
        self.post("/window", &json!({ "handle": handle }));
    }

    /// The visible text of the page.
    pub(crate) fn text(&self) -> String {
        let body = self.element("css selector", "body");
        let text = self.get(&format!("/element/{body}/text"));
        text.as_str().unwrap().to_owned()
    }

    /// The visible text of a page that reloads itself; empty while it does.
    pub(crate) fn text_during_reload(&self) -> String {
        let text = self.try_command(
            "POST",
            "/execute/sync",
            &json!({"script": "return document.body.innerText", "args": []}),
        );
        text.ok()
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until the page contains a text. The page may replace its content, but not navigate.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, words: &str) {
        let script = "const [words, done] = arguments;
            const check = () => document.body.innerText.includes(words) && done();
            new MutationObserver(check).observe(document, {subtree: true, childList: true, characterData: true});
            check();";
        self.post("/execute/async", &json!({"script": script, "args": [words]}));
    }

    /// Runs a function body in the page and returns its value.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Runs a function body in the page and returns the value with which it calls its last argument.
    pub(crate) fn run_async(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({"script": script, "args": []}))
    }

    /// A command of the Chrome DevTools Protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        )
    }

    /// Sets the size of the viewport and the colour scheme.
    pub(crate) fn set_screen(&self, width: u32, height: u32, scheme: &str) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}),
        );
        // Phones draw them over the page.
        self.devtools("Emulation.setScrollbarsHidden", json!({"hidden": true}));
        let scheme = json!({"name": "prefers-color-scheme", "value": scheme});
        self.devtools("Emulation.setEmulatedMedia", json!({"features": [scheme]}));
    }

    /// The whole page as PNG.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        let image = self.devtools("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        STANDARD.decode(image["data"].as_str().unwrap()).unwrap()
    }

    /// Messages in the console since the last call.
    pub(crate) fn console(&self) -> Value {
        self.post("/se/log", &json!({"type": "browser"}))
    }

    /// Waits for a download and returns its content.
    #[track_caller]
    pub(crate) fn downloaded(&self, name: &str) -> Vec<u8> {
        let file = self.file(name);
        // During the download this name is an empty file.
        eventually(&format!("{name} is downloaded"), TIMEOUT, || {
            file.metadata().is_ok_and(|metadata| metadata.len() > 0)
        });
        std::fs::read(file).unwrap()
    }

    /// Whether a file of this name is downloaded, or a download of it has begun.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    fn element(&self, using: &str, value: &str) -> String {
        let found = self.post("/element", &json!({"using": using, "value": value}));
        let mut references = found.as_object().unwrap().values();
        references.next().unwrap().as_str().unwrap().to_owned()
    }

    fn get(&self, command: &str) -> Value {
        self.command("GET", command, &Value::Null)
    }

    fn post(&self, command: &str, what: &Value) -> Value {
        self.command("POST", command, what)
    }

    #[track_caller]
    fn command(&self, method: &str, command: &str, what: &Value) -> Value {
        self.try_command(method, command, what)
            .unwrap_or_else(|error| panic!("{command} {what}: {error}"))
    }

    /// Sends a command. The error is the text of the driver.
    fn try_command(&self, method: &str, command: &str, what: &Value) -> Result<Value, String> {
        let body = if what.is_null() {
            String::new()
        } else {
            what.to_string()
        };
        let request = Request::builder().method(method).uri(format!(
            "http://{}/session{}{command}",
            self.address, self.session
        ));
        let mut response = self.client.run(request.body(body).unwrap()).unwrap();
        let body = response.body_mut();
        let text = body.with_config().limit(1 << 30).read_to_string().unwrap();
        if !response.status().is_success() {
            return Err(text);
        }
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        Ok(answer["value"].take())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
        // All its processes have the folder in their arguments.
        processes::kill_all(self.folder.path());
    }
}
