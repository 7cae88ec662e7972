//! The release recipe: what the author's release configuration says, as far as it is data.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::scratch::Scratch;
use crate::support::tmp;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const LINUX: &str = "os=linux&arch=amd64";

fn get(store: &Scratch, path: &str) -> Answer {
    store.ask(&Ask::get(path))
}

/// What a program prints.
fn printed(answer: &Answer) -> String {
    let file = tempfile::NamedTempFile::new_in(tmp()).unwrap().into_temp_path();
    fs::write(&file, answer.program()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(&*file).env_clear().output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
        .trim()
        .to_owned()
}

#[test]
fn release_builds_have_the_authors_values_and_are_programs_of_their_own() {
    let store = Scratch::new();
    let plain = get(&store, &format!("/tester/release-config?{LINUX}"));
    assert_eq!(printed(&plain), "(devel)   none  plain");
    let release = get(&store, &format!("/tester/release-config?{LINUX}&recipe=release"));
    assert_eq!(
        printed(&release),
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

    let told = get(
        &store,
        &format!("/tester/release-config@v1.3.0?{LINUX}&recipe=release"),
    );
    assert_eq!(printed(&told), "0123456");
}

#[test]
fn nothing_of_a_hostile_configuration_but_words_reaches_the_linker() {
    let store = Scratch::new();
    let url = format!("/tester/release-config-hostile@v1.0.0?{LINUX}&recipe=release");
    let answer = get(&store, &url);
    assert_eq!(printed(&answer), "$(id)';`id`");
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=\"passwd\"")
    );
    let line = answer.header("gox-verify").unwrap();
    for flag in ["toolexec", "overlay", "linkmode", "buildid", "extld", "-r "] {
        assert!(!line.contains(flag), "{line}");
    }
}

#[test]
fn operators_recipe_is_used_where_there_is_a_release_build() {
    let store = Scratch::new().set("GOX_RECIPE", "release");
    let go = crate::support::plain::go_version();
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
        let answer = get(&store, &format!("{path}{LINUX}&go={go}"));
        answer.program();
        assert_eq!(answer.header("gox-recipe"), Some(recipe), "{path}");
        let caching = answer.header("cache-control").unwrap();
        assert!(caching.contains(cached), "{path}: {caching}");
    }
}

#[test]
fn install_script_offers_the_release_build() {
    let store = Scratch::new();
    let script = |path: &str| String::from_utf8(get(&store, path).body).unwrap();
    assert!(script("/-/install/tester/release-config").contains("?recipe=release"));
    assert!(!script("/-/install/tester/hello").contains("recipe"));
    assert!(script("/-/install/tester/release-config?recipe=release&name=own").contains("recipe=release"));
}
