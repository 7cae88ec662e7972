//! Every setting is told three times: in the program, in the file that operators edit, in the README. The three agree.

use gox_server::config::SETTINGS;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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
fn the_readme_has_them_all() {
    // Rows of the table of settings: | `NAME` | …, sometimes several names to a row.
    let text = file("README.md");
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
    let output = std::process::Command::new(crate::support::gox_server())
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
