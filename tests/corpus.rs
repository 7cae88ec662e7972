//! Real programs through the real module proxy: each has the hash that plain `go install` gave on each platform, and OWNER/REPO
//! gives the program or a list that contains it.
//!
//! The table is tests/data/programs.tsv. `CORPUS` selects a part: `quick` (`make test`: small programs, two of them for every
//! platform), `small`, `medium`, `large`, each including those before it, or `all` (`make corpus`). Without the module proxy, or with
//! another Go, the test fails.

use crate::support::modproxy::modproxy;
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{plain_go, sha256, tmp};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The classes of programs, the quickest first.
const CLASSES: [&str; 4] = ["quick", "small", "medium", "large"];

struct Row<'a> {
    typed: &'a str,
    version: &'a str,
    go: &'a str,
    goos: &'a str,
    goarch: &'a str,
    variant: &'a str,
    class: &'a str,
    sha256: &'a str,
}

impl Row<'_> {
    fn read(line: &str) -> Row<'_> {
        let columns: Vec<_> = line.split('\t').collect();
        let [typed, _, version, go, goos, goarch, variant, class, _, sha256] = columns[..] else {
            panic!("{line:?}")
        };
        Row {
            typed,
            version,
            go,
            goos,
            goarch,
            variant,
            class,
            sha256,
        }
    }

    fn url(&self) -> String {
        // GOARM=6 is armv6 in a query.
        let arch = match self.variant.split_once('=') {
            Some(("GOARM", value)) => format!("armv{value}"),
            Some(other) => panic!("no query for {other:?}"),
            None => self.goarch.to_owned(),
        };
        format!("/{}@{}?os={}&arch={arch}", self.typed, self.version, self.goos)
    }

    fn wanted(&self, corpus: &str) -> bool {
        let place = |class| CLASSES.iter().position(|known| *known == class);
        corpus == "all" || place(self.class) <= place(corpus)
    }
}

/// Twice the limit of a build, since a request may wait for another build first.
const LONGEST_BUILD: std::time::Duration = std::time::Duration::from_secs(1800);

#[test]
fn real_programs_have_recorded_hashes_and_resolve_by_owner_and_repo() {
    let corpus = std::env::var("CORPUS").unwrap_or_else(|_| "quick".to_owned());
    assert!(
        corpus == "all" || CLASSES.contains(&corpus.as_str()),
        "CORPUS={corpus}"
    );
    let rows: Vec<_> = include_str!("data/programs.tsv")
        .lines()
        .skip(1)
        .map(Row::read)
        .filter(|row| row.wanted(&corpus))
        .collect();
    let go = format!("go{}", plain_go::go_version());
    assert!(
        rows.iter().all(|row| row.go == go),
        "the table was made with {}, but this is {go}, which builds other bytes",
        rows[0].go
    );
    let store = operators_store();
    assert_proxy_reachable(&store);
    check_hashes(&store, &rows);
    check_names(&store, &rows);
}

fn check_hashes(store: &TestStore, rows: &[Row<'_>]) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let response = {
                let request = Request::get(&row.url()).header("User-Agent", "corpus");
                store.start(&request).response_within(LONGEST_BUILD)
            };
            let expected = expected(store, row, &response);
            let right = response.status == 200 && response.sha256() == expected;
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{}\t{:.1} s\t{}",
                if right { "right" } else { "WRONG" },
                seconds,
                row.url()
            );
            if !right {
                let got = if response.status == 200 {
                    response.sha256()
                } else {
                    response.to_string()
                };
                let url = row.url();
                let report = format!("{url}\n  expected {expected}\n  got {got:.600}");
                wrong.lock().unwrap().push(report);
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} programs differ:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}

/// The hash in the table. For programs that contain the path of the module cache, such as go-ethereum's, the hash of what the
/// `Gox-Verify` command builds here, since the table was made with another path.
fn expected(store: &TestStore, row: &Row<'_>, response: &Response) -> String {
    let line = response.header("gox-verify").unwrap_or_default();
    if !line.contains("GOMODCACHE=") {
        return row.sha256.to_owned();
    }
    let home = tempfile::tempdir_in(tmp()).unwrap();
    let go = crate::support::go().parent().unwrap();
    let output = Command::new("sh")
        .args(["-c", line])
        .env_clear()
        .envs(store.settings())
        .env("PATH", format!("{}:/usr/bin:/bin", go.display()))
        .envs(["TMPDIR", "GOBIN"].map(|name| (name, home.path())))
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    let program = fs::read_dir(home.path()).unwrap().flatten().find(|entry| {
        let name = entry.file_name();
        row.typed.ends_with(name.to_str().unwrap())
    });
    println!("built by its verify command\t{}", row.url());
    sha256(&fs::read(program.unwrap().path()).unwrap())
}

/// The response for OWNER/REPO alone, that is today's newest release, compared with plain `go install`.
fn check_names(store: &TestStore, rows: &[Row<'_>]) {
    let mut repositories = BTreeMap::<String, Vec<&str>>::new();
    for row in rows {
        let parts: Vec<_> = row.typed.splitn(3, '/').take(2).collect();
        repositories.entry(parts.join("/")).or_default().push(row.typed);
    }
    let (mut counts, mut neither) = (BTreeMap::<(&str, &str), usize>::new(), Vec::new());
    for (name, typed) in &repositories {
        let request = Request::get(&format!("/{name}?os=linux&arch=amd64"));
        let response = store.start(&request).response_within(LONGEST_BUILD);
        let list = String::from_utf8_lossy(&response.body);
        let listed = || typed.iter().any(|typed| list.contains(typed));
        let got = match response.status {
            200 => {
                assert_runs(&response);
                "program"
            }
            300 if listed() => "list",
            _ => {
                println!("{name}: {response}");
                neither.push(name.as_str());
                "neither"
            }
        };
        let plain = dry_run_go_install(store, name);
        println!("{got}\t{name}\tgo install: {plain}");
        let plain = if plain == "program" { "program" } else { "error" };
        *counts.entry((got, plain)).or_default() += 1;
    }
    for ((got, plain), count) in counts {
        println!("OWNER/REPO: {got}, go install: {plain}: {count} times");
    }
    assert!(neither.is_empty(), "{neither:?}");
}

/// Asserts that a program for this host starts and prints something.
fn assert_runs(response: &Response) {
    let file = tempfile::NamedTempFile::new_in(tmp()).unwrap().into_temp_path();
    fs::write(&file, &response.body).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("timeout");
    command
        .arg("20")
        .arg(&*file)
        .arg("--help")
        .env_clear()
        .current_dir(tmp());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let output_text = output.stdout.len() + output.stderr.len();
    assert!(
        output_text > 0 && !matches!(output.status.code(), None | Some(124 | 126 | 127)),
        "{response:.600}: {output:?}"
    );
}

/// The result of `go install -n github.com/OWNER/REPO@latest`, which loads all packages and compiles none.
fn dry_run_go_install(store: &TestStore, name: &str) -> String {
    let mut command = plain_command(store);
    command.env("GOMODCACHE", store.dir.join("cache/modules"));
    let output = command
        .args(["install", "-n", &format!("github.com/{name}@latest")])
        .output()
        .unwrap();
    let output_text = String::from_utf8_lossy(&output.stderr);
    let mut errors = output_text
        .lines()
        .filter(|line| !line.starts_with("go: downloading"));
    match output.status.success() {
        true => "program".to_owned(),
        false => errors.next().unwrap_or_default().to_owned(),
    }
}

/// A store with the module proxy and checksum database of the environment, as if only GOX_DIR were set.
pub(crate) fn operators_store() -> TestStore {
    let mut store = TestStore::empty().unset("GOX_GOPROXY").unset("GOX_GOSUMDB");
    for name in ["HOME", "GOPROXY", "GOSUMDB", "XDG_CONFIG_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            store = store.set(name, value);
        }
    }
    // Parallel builds are slower than single ones.
    store.set("GOX_BUILD_SECONDS", "3600")
}

/// Plain `go` with the module proxy and checksum database of the environment.
fn plain_command(store: &TestStore) -> Command {
    let mut command = Command::new(crate::support::go());
    command
        .env_clear()
        .envs(store.settings())
        .current_dir(&modproxy().root);
    command
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local")
        .env("GOBIN", tmp().join("plain-bin"))
        .env("GOCACHE", tmp().join("plain-compile"));
    command
}

/// Fails early, with one message, if the module proxy is unreachable.
fn assert_proxy_reachable(store: &TestStore) {
    let mut command = plain_command(store);
    let output = command
        .env("GOMODCACHE", tmp().join("reach"))
        .args(["list", "-m", "github.com/junegunn/fzf@v0.65.2"])
        .output()
        .unwrap();
    crate::support::remove_tree(&tmp().join("reach"));
    let output_text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the corpus needs the module proxy of `go env GOPROXY`, which is unreachable: {output_text}"
    );
}
