//! Real programs through the real module proxy: each has the hash that plain `go install` gave it, on each platform. And who
//! types no more than OWNER/REPO gets the program, or a list that has it.
//!
//! tests/data/programs.tsv is that table. `CORPUS` says how much of it: `small` (as `make test` does), `medium` and `large` add
//! to that, `all` is everything (`make corpus`). Nothing is skipped: without the module proxy, or with another Go, this fails.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::modproxy::modproxy;
use crate::support::scratch::Scratch;
use crate::support::{plain, sha256, tmp};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

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
        // GOARM=6 is what people call armv6.
        let arch = match self.variant.split_once('=') {
            Some(("GOARM", value)) => format!("armv{value}"),
            Some(other) => panic!("no name for {other:?}"),
            None => self.goarch.to_owned(),
        };
        format!("/{}@{}?os={}&arch={arch}", self.typed, self.version, self.goos)
    }

    fn wanted(&self, corpus: &str) -> bool {
        let sizes = ["small", "medium", "large"];
        let place = |class| sizes.iter().position(|size| *size == class);
        corpus == "all" || place(self.class) <= place(corpus)
    }
}

/// Twice what a build may last: another may be waited for first.
const LONGEST_BUILD: std::time::Duration = std::time::Duration::from_secs(1800);

#[test]
fn real_programs_have_their_hashes_and_owner_and_repo_are_enough() {
    let corpus = std::env::var("CORPUS").unwrap_or_else(|_| "small".to_owned());
    assert!(
        ["small", "medium", "large", "all"].contains(&corpus.as_str()),
        "CORPUS={corpus}"
    );
    let rows: Vec<_> = include_str!("data/programs.tsv")
        .lines()
        .skip(1)
        .map(Row::read)
        .filter(|row| row.wanted(&corpus))
        .collect();
    let go = format!("go{}", plain::go_version());
    assert!(
        rows.iter().all(|row| row.go == go),
        "the table was made by {}, and this is {go}: other bytes",
        rows[0].go
    );
    let store = operators_store();
    reach_the_proxy(&store);
    hashes(&store, &rows);
    names(&store, &rows);
}

fn hashes(store: &Scratch, rows: &[Row<'_>]) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let answer = {
                let ask = Ask::get(&row.url()).header("User-Agent", "corpus");
                store.start(&ask).answer_within(LONGEST_BUILD)
            };
            let expected = expected(store, row, &answer);
            let right = answer.status == 200 && answer.sha256() == expected;
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{}\t{:.1} s\t{}",
                if right { "right" } else { "WRONG" },
                seconds,
                row.url()
            );
            if !right {
                let got = if answer.status == 200 {
                    answer.sha256()
                } else {
                    answer.to_string()
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
        "{} of {} programs are not what they should be:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}

/// The hash of the table; or, of a program that holds the path of the module cache, as go-ethereum's do, what its line makes with
/// plain `go`: the table's was made elsewhere.
fn expected(store: &Scratch, row: &Row<'_>, answer: &Answer) -> String {
    let line = answer.header("gox-verify").unwrap_or_default();
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
    println!("made by its own line\t{}", row.url());
    sha256(&fs::read(program.unwrap().path()).unwrap())
}

/// What comes of OWNER/REPO alone, the newest release of today, beside what plain `go install` says to it.
fn names(store: &Scratch, rows: &[Row<'_>]) {
    let mut repositories = BTreeMap::<String, Vec<&str>>::new();
    for row in rows {
        let parts: Vec<_> = row.typed.splitn(3, '/').take(2).collect();
        repositories.entry(parts.join("/")).or_default().push(row.typed);
    }
    let (mut counts, mut neither) = (BTreeMap::<(&str, &str), usize>::new(), Vec::new());
    for (name, typed) in &repositories {
        let ask = Ask::get(&format!("/{name}?os=linux&arch=amd64"));
        let answer = store.start(&ask).answer_within(LONGEST_BUILD);
        let list = String::from_utf8_lossy(&answer.body);
        let listed = || typed.iter().any(|typed| list.contains(typed));
        let got = match answer.status {
            200 => {
                runs(&answer);
                "program"
            }
            300 if listed() => "list",
            _ => {
                println!("{name}: {answer}");
                neither.push(name.as_str());
                "neither"
            }
        };
        let plain = plain_go(store, name);
        println!("{got}\t{name}\tgo install: {plain}");
        let plain = if plain == "program" { "program" } else { "error" };
        *counts.entry((got, plain)).or_default() += 1;
    }
    for ((got, plain), count) in counts {
        println!("{count} times OWNER/REPO is answered by: {got}; go install by: {plain}");
    }
    assert!(neither.is_empty(), "{neither:?}");
}

/// A program for this machine starts, and says something.
fn runs(answer: &Answer) {
    let file = tempfile::NamedTempFile::new_in(tmp()).unwrap().into_temp_path();
    fs::write(&file, &answer.body).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("timeout");
    command
        .arg("20")
        .arg(&*file)
        .arg("--help")
        .env_clear()
        .current_dir(tmp());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = output.stdout.len() + output.stderr.len();
    assert!(
        said > 0 && !matches!(output.status.code(), None | Some(124 | 126 | 127)),
        "{answer:.600}: {output:?}"
    );
}

/// What `go install github.com/OWNER/REPO@latest` would do: `-n` loads all packages and compiles none.
fn plain_go(store: &Scratch, name: &str) -> String {
    let mut command = plain_command(store);
    command.env("GOMODCACHE", store.dir.join("cache/modules"));
    let output = command
        .args(["install", "-n", &format!("github.com/{name}@latest")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let mut errors = said.lines().filter(|line| !line.starts_with("go: downloading"));
    match output.status.success() {
        true => "program".to_owned(),
        false => errors.next().unwrap_or_default().to_owned(),
    }
}

/// A store with the operator's own module proxy and checksum database, as somebody has it who only sets GOX_DIR.
pub(crate) fn operators_store() -> Scratch {
    let mut store = Scratch::cold().unset("GOX_GOPROXY").unset("GOX_GOSUMDB");
    for name in ["HOME", "GOPROXY", "GOSUMDB", "XDG_CONFIG_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            store = store.set(name, value);
        }
    }
    // A build of the whole table at once is slower than any of its programs alone.
    store.set("GOX_BUILD_SECONDS", "3600")
}

/// Plain `go`, with the operator's module proxy and checksum database.
fn plain_command(store: &Scratch) -> Command {
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

/// Says what is missing in its own words, before a hundred programs say it in theirs.
fn reach_the_proxy(store: &Scratch) {
    let mut command = plain_command(store);
    let output = command
        .env("GOMODCACHE", tmp().join("reach"))
        .args(["list", "-m", "github.com/junegunn/fzf@v0.65.2"])
        .output()
        .unwrap();
    crate::support::remove_tree(&tmp().join("reach"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the corpus needs the module proxy that `go env GOPROXY` names, and it cannot be reached: {said}"
    );
}
