//! Every setting is told three times: in the program, in the file that operators edit, in docs/settings.md. The three agree, and what
//! is deployed names no other.

use crate::support::ask::Ask;
use crate::support::cgi::Cgi;
use crate::support::scratch::Scratch;
use crate::support::{gox_server, tmp};
use gox_server::config::SETTINGS;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use yaml_rust2::YamlLoader;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn is_setting(name: &str) -> bool {
    name == "PORT"
        || (name.starts_with("GOX_") && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
}

fn table() -> BTreeSet<String> {
    SETTINGS.iter().map(|setting| setting.name.to_owned()).collect()
}

#[test]
fn the_file_that_operators_edit_has_them_all() {
    // A setting is a line `NAME=value`, commented out where the default is meant.
    let text = file("conf/gox-server.env");
    let names = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').trim().split_once('='))
        .map(|(name, _)| name.to_owned());
    assert_eq!(
        names.filter(|name| is_setting(name)).collect::<BTreeSet<_>>(),
        table()
    );
}

#[test]
fn the_docs_have_them_all() {
    // Rows of the table of settings: | `NAME` | …, sometimes several names to a row.
    let text = file("docs/settings.md");
    let cells = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split(" | ").next());
    let names = cells
        .flat_map(|cell| cell.split(['`', ',', ' ']))
        .map(str::to_owned);
    assert_eq!(
        names.filter(|name| is_setting(name)).collect::<BTreeSet<_>>(),
        table()
    );
}

#[test]
fn help_has_them_all() {
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
        table()
    );
}

/// What a web server may run in place of the program.
#[test]
fn the_script_of_cgi_bin_reads_the_file() {
    let store = Scratch::cold();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let path = |name| folder.path().join(name).display().to_string();
    let settings = store.settings().iter();
    let lines = settings.map(|(name, value)| format!("{name}='{}'\n", value.to_str().unwrap()));
    fs::write(
        path("gox-server.env"),
        lines.collect::<String>() + "GOX_DENY=github.com/tester/hello\n",
    )
    .unwrap();
    let script = file("cgi-bin/gox-server")
        .replace("/etc/gox-server.env", &path("gox-server.env"))
        .replace("exec gox-server", &format!("exec {}", gox_server().display()));
    let ask = Ask::get("/tester/hello");
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).env_clear().envs(ask.variables());
    let answer = Cgi::start_command(command, &ask).answer();
    assert_eq!(answer.reason(), Some("denied"), "{answer}");
}

/// The files that a place reads, and that name settings.
const DEPLOYED: [&str; 7] = [
    "Dockerfile",
    "heroku.yml",
    "app.json",
    "fly.toml",
    "deploy/kubernetes/gox-server.yaml",
    "deploy/knative/service.yaml",
    "conf/gox-server.service",
];

/// A word that reads as a setting's name, wherever it stands: comments name settings too.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("GOX_")).collect()
}

#[test]
fn what_is_deployed_names_settings_that_are() {
    let mut found = 0;
    for path in DEPLOYED {
        let text = file(path);
        for name in named(&text) {
            assert!(table().contains(name), "{path}: {name} is no setting");
            found += 1;
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn what_is_deployed_can_be_read() {
    let app: serde_json::Value = serde_json::from_str(&file("app.json")).unwrap();
    assert_eq!(app["stack"], "container");
    for path in DEPLOYED.iter().filter(|path| path.ends_with(".toml")) {
        let read: toml::Table = file(path)
            .parse()
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(read["kill_signal"].as_str(), Some("SIGTERM"));
    }
    for path in DEPLOYED
        .iter()
        .filter(|path| path.ends_with(".yml") || path.ends_with(".yaml"))
    {
        let read = YamlLoader::load_from_str(&file(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(read.iter().all(|document| document.as_hash().is_some()), "{path}");
    }
    let heroku = &YamlLoader::load_from_str(&file("heroku.yml")).unwrap()[0];
    let dockerfile = heroku["build"]["docker"]["web"].as_str().unwrap();
    assert!(file(dockerfile).contains("CMD [\"gox-server\"]"));
    assert_eq!(file("Procfile"), "web: gox-server\n");
}

/// A drain that outlasts what the platform grants is cut by SIGKILL.
#[test]
fn each_drain_ends_before_the_platform_kills() {
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
    // A second for the last words, and one to spare.
    let needs = |drain: u32| drain + 2;
    assert!(needs(default) <= seconds(&file("fly.toml"), "kill_timeout = \""));
    let kubernetes = file("deploy/kubernetes/gox-server.yaml");
    let drain = seconds(&kubernetes, "GOX_DRAIN_SECONDS, value: \"");
    assert!(needs(drain) <= seconds(&kubernetes, "terminationGracePeriodSeconds: "));
    // Heroku kills after 30 s, Cloud Run after 10.
    assert!(needs(default) <= 30);
    assert!(
        needs(seconds(
            &file("deploy/knative/service.yaml"),
            "GOX_DRAIN_SECONDS, value: \""
        )) <= 10
    );
}
