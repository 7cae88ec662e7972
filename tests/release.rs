//! The release recipe: values of the author's release configuration, without its commands.

use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::tmp;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const LINUX: &str = "os=linux&arch=amd64";

fn get(store: &TestStore, path: &str) -> Response {
    store.ask(&Request::get(path))
}

/// Runs a program and returns its output.
fn run_program(response: &Response) -> String {
    let file = tempfile::NamedTempFile::new_in(tmp()).unwrap().into_temp_path();
    fs::write(&file, response.program()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(&*file).env_clear().output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
        .trim()
        .to_owned()
}

#[test]
fn release_build_has_author_values_and_its_own_key() {
    let store = TestStore::new();
    let plain = get(&store, &format!("/tester/release-config?{LINUX}"));
    assert_eq!(run_program(&plain), "(devel)   none  plain");
    let release = get(&store, &format!("/tester/release-config?{LINUX}&recipe=release"));
    assert_eq!(
        run_program(&release),
        "1.2.0 v1.2.0 release-config it's new none 2025-01-02T03:04:05Z extra"
    );
    assert_eq!(release.header("gox-recipe"), Some("release"));
    let exact = release.header("content-location").unwrap();
    assert!(exact.ends_with("&recipe=release"), "{exact}");
    assert_eq!(get(&store, exact).sha256(), release.sha256());
    assert_eq!(
        get(&store, plain.header("content-location").unwrap()).sha256(),
        plain.sha256()
    );

    let json = get(
        &store,
        &format!("/tester/release-config.json?{LINUX}&recipe=release"),
    );
    let json: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(json["command"]["by"], "release-config");
    let left_out = json["release"]["left_out"].to_string();
    assert!(
        left_out.contains("-extldflags") && left_out.contains("main.commit"),
        "{left_out}"
    );

    let pinned = get(
        &store,
        &format!("/tester/release-config@v1.3.0?{LINUX}&recipe=release"),
    );
    assert_eq!(run_program(&pinned), "0123456");
}

#[test]
fn hostile_release_config_passes_only_strings_to_the_linker() {
    let store = TestStore::new();
    let url = format!("/tester/release-config-hostile@v1.0.0?{LINUX}&recipe=release");
    let response = get(&store, &url);
    assert_eq!(run_program(&response), "$(id)';`id`");
    assert_eq!(
        response.header("content-disposition"),
        Some("attachment; filename=\"release-config-hostile\"")
    );
    let line = response.header("gox-verify").unwrap();
    for flag in ["toolexec", "overlay", "linkmode", "buildid", "extld", "-r "] {
        assert!(!line.contains(flag), "{line}");
    }
}

#[test]
fn operator_recipe_applies_to_modules_with_release_config() {
    let store = TestStore::new().set("GOX_RECIPE", "release");
    let go = crate::support::plain_go::go_version();
    for (path, recipe, cached) in [
        ("/tester/release-config@v1.2.0?", "release", "max-age=60"),
        (
            "/tester/release-config@v1.2.0?recipe=release&",
            "release",
            "immutable",
        ),
        (
            "/tester/release-config@v1.2.0?recipe=install&",
            "go-install",
            "immutable",
        ),
        ("/tester/hello@v1.1.0?", "go-install", "max-age=60"),
    ] {
        let response = get(&store, &format!("{path}{LINUX}&go={go}"));
        response.program();
        assert_eq!(response.header("gox-recipe"), Some(recipe), "{path}");
        let caching = response.header("cache-control").unwrap();
        assert!(caching.contains(cached), "{path}: {caching}");
    }
}

#[test]
fn install_script_offers_the_release_build() {
    let store = TestStore::new();
    let script = |path: &str| String::from_utf8(get(&store, path).body).unwrap();
    assert!(script("/-/install/tester/release-config").contains("?recipe=release"));
    assert!(!script("/-/install/tester/hello").contains("recipe"));
    assert!(script("/-/install/tester/release-config?recipe=release&name=own").contains("recipe=release"));
}
