//! The settings in the program, in conf/gox-server.env and in docs/settings.md are the same, and deployment files name no others.

use crate::support::cgi::Cgi;
use crate::support::request::Request;
use crate::support::test_store::TestStore;
use crate::support::{gox_server, tmp};
use gox_server::config::SETTINGS;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use yaml_rust2::YamlLoader;

fn read_file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn is_setting(name: &str) -> bool {
    name == "PORT"
        || (name.starts_with("GOX_") && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
}

fn known_settings() -> BTreeSet<String> {
    SETTINGS.iter().map(|setting| setting.name.to_owned()).collect()
}

#[test]
fn settings_file_lists_every_setting() {
    // A setting is a line `NAME=value`, commented out for the default.
    let text = read_file("conf/gox-server.env");
    let names = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').trim().split_once('='))
        .map(|(name, _)| name.to_owned());
    assert_eq!(
        names.filter(|name| is_setting(name)).collect::<BTreeSet<_>>(),
        known_settings()
    );
}

#[test]
fn docs_list_every_setting() {
    // Rows of the table: | `NAME` | …, some with several names.
    let text = read_file("docs/settings.md");
    let cells = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split(" | ").next());
    let names = cells
        .flat_map(|cell| cell.split(['`', ',', ' ']))
        .map(str::to_owned);
    assert_eq!(
        names.filter(|name| is_setting(name)).collect::<BTreeSet<_>>(),
        known_settings()
    );
}

#[test]
fn help_lists_every_setting() {
    let output = Command::new(gox_server())
        .env_clear()
        .arg("--help")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text
        .split_whitespace()
        .map(|word| word.trim_matches([',', '=', ':']).to_owned());
    assert_eq!(
        names.filter(|name| is_setting(name)).collect::<BTreeSet<_>>(),
        known_settings()
    );
}

#[test]
fn misspelt_command_gets_no_hidden_command_as_suggestion() {
    let mut command = Command::new(gox_server());
    let output = command.env_clear().args(["bulid", "o/r"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("'build'") && !text.contains("builder"), "{text}");
}

/// cgi-bin/gox-server is a script that web servers may run instead of the binary.
#[test]
fn cgi_bin_script_reads_the_settings_file() {
    let store = TestStore::empty();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let path = |name| folder.path().join(name).display().to_string();
    let settings = store.settings().iter();
    let lines = settings.map(|(name, value)| format!("{name}='{}'\n", value.to_str().unwrap()));
    fs::write(
        path("gox-server.env"),
        lines.collect::<String>() + "GOX_DENY=github.com/tester/hello\n",
    )
    .unwrap();
    let script = read_file("cgi-bin/gox-server")
        .replace("/etc/gox-server.env", &path("gox-server.env"))
        .replace("exec gox-server", &format!("exec {}", gox_server().display()));
    let request = Request::get("/tester/hello");
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(script)
        .env_clear()
        .envs(request.variables());
    let response = Cgi::start_command(command, &request).response();
    assert_eq!(response.reason(), Some("denied"), "{response}");
}

/// Files of deployment platforms that name settings.
const DEPLOYED: [&str; 7] = [
    "Dockerfile",
    "heroku.yml",
    "app.json",
    "fly.toml",
    "deploy/kubernetes/gox-server.yaml",
    "deploy/knative/service.yaml",
    "conf/gox-server.service",
];

/// All names of settings in a text, including its comments.
fn setting_names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("GOX_")).collect()
}

#[test]
fn deploy_files_name_existing_settings() {
    let mut found = 0;
    for path in DEPLOYED {
        let text = read_file(path);
        for name in setting_names(&text) {
            assert!(known_settings().contains(name), "{path}: {name} is not a setting");
            found += 1;
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn deploy_files_parse() {
    let app: serde_json::Value = serde_json::from_str(&read_file("app.json")).unwrap();
    assert_eq!(app["stack"], "container");
    for path in DEPLOYED.iter().filter(|path| path.ends_with(".toml")) {
        let read: toml::Table = read_file(path)
            .parse()
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(read["kill_signal"].as_str(), Some("SIGTERM"));
    }
    for path in DEPLOYED
        .iter()
        .filter(|path| path.ends_with(".yml") || path.ends_with(".yaml"))
    {
        let read =
            YamlLoader::load_from_str(&read_file(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(read.iter().all(|document| document.as_hash().is_some()), "{path}");
    }
    let heroku = &YamlLoader::load_from_str(&read_file("heroku.yml")).unwrap()[0];
    let dockerfile = heroku["build"]["docker"]["web"].as_str().unwrap();
    assert!(read_file(dockerfile).contains("CMD [\"gox-server\"]"));
    assert_eq!(read_file("Procfile"), "web: gox-server\n");
}

/// A drain that takes longer than the platform's grace period ends with SIGKILL.
#[test]
fn drain_ends_before_the_platform_kills() {
    let seconds = |text: &str, before: &str| -> u32 {
        let at = text
            .find(before)
            .unwrap_or_else(|| panic!("no {before:?} in {text}"))
            + before.len();
        let digits: String = text[at..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let default = SETTINGS.iter().find(|s| s.name == "GOX_DRAIN_SECONDS").unwrap();
    let default: u32 = default.default.parse().unwrap();
    // One second for the last responses, and one in reserve.
    let needs = |drain: u32| drain + 2;
    assert!(needs(default) <= seconds(&read_file("fly.toml"), "kill_timeout = \""));
    let kubernetes = read_file("deploy/kubernetes/gox-server.yaml");
    let drain = seconds(&kubernetes, "GOX_DRAIN_SECONDS, value: \"");
    assert!(needs(drain) <= seconds(&kubernetes, "terminationGracePeriodSeconds: "));
    // Heroku kills after 30 s, Cloud Run after 10.
    assert!(needs(default) <= 30);
    assert!(
        needs(seconds(
            &read_file("deploy/knative/service.yaml"),
            "GOX_DRAIN_SECONDS, value: \""
        )) <= 10
    );
}
