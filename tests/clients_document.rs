//! The commands of docs/clients.md, as they are there: each section installs the program. `TOOLS=all` (`make tools`) runs the sections of the tools
//! that the suite does not require, too, and prints what they print.

use crate::support::case::tester;
use crate::support::plain_go;
use crate::support::test_store::TestStore;
use crate::support::{sha256, tmp, walk};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use yaml_rust2::YamlLoader;

/// The tools in TEST_PACKAGES of the Makefile.
const IN_SUITE: [&str; 4] = ["curl", "wget", "aria2", "Python"];

/// Sections without commands of their own.
const NOT_TOOLS: [&str; 2] = ["GitHub Actions", "Releases API"];

fn read_file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The sections of the document: titles and indented blocks, for the program `hello` on this server.
fn sections(server: SocketAddr) -> Vec<(String, Vec<String>)> {
    let document = read_file("docs/clients.md")
        .replace("https://gox.example.org", &format!("http://{server}"))
        .replace("junegunn/fzf", "tester/hello")
        .replace("fzf", "hello")
        .replace("0.65.2", "1.0.0");
    let sections = document.split("\n## ").skip(1);
    sections
        .map(|section| {
            let (title, text) = section.split_once('\n').unwrap();
            let mut blocks = vec![String::new()];
            for line in text.lines() {
                let block = blocks.last_mut().unwrap();
                match line.strip_prefix("    ") {
                    Some(code) => block.push_str(&format!("{code}\n")),
                    None if line.is_empty() && !block.is_empty() => block.push('\n'),
                    None if block.is_empty() => {}
                    None => blocks.push(String::new()),
                }
            }
            blocks.retain(|block| !block.is_empty());
            (title.to_owned(), blocks)
        })
        .collect()
}

/// The name of the file, if this block is one: its first line is a comment with the name.
fn file_name(block: &str) -> Option<&str> {
    let name = block.lines().next()?.strip_prefix("# ")?;
    (name == "Dockerfile" || name.contains('.')).then_some(name)
}

/// Writes the files of a section, and runs its commands.
fn run_section(blocks: &[String], folder: &Path) -> String {
    for block in blocks {
        if let Some(name) = file_name(block) {
            fs::write(folder.join(name), block).unwrap();
        }
    }
    let commands: String = blocks
        .iter()
        .filter(|block| file_name(block).is_none())
        .map(String::as_str)
        .collect();
    // It builds the same file without a daemon.
    let commands = commands.replace("docker build", "buildah build --isolation chroot");
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("/bin/sh")
        .args(["-exc", &commands])
        .current_dir(folder)
        .env_clear()
        .env("PATH", format!("{path}:/usr/bin:/bin"))
        .env("HOME", folder)
        .env("NIX_STORE_DIR", folder.join("nix/store"))
        .env("NIX_STATE_DIR", folder.join("nix/state"))
        .env("NIX_LOG_DIR", folder.join("nix/log"))
        .output()
        .unwrap();
    format!(
        "{}{}{}\n",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
        output.status
    )
}

/// Whether a file below `folder` is the program, and executable.
fn is_installed(folder: &Path, sum: &str) -> bool {
    let mut files = walk(folder)
        .into_iter()
        .filter(|path| path.is_file() && !path.is_symlink());
    files.any(|path| {
        let is_executable = path.metadata().unwrap().permissions().mode() & 0o111 != 0;
        is_executable && sha256(&fs::read(path).unwrap()) == sum
    })
}

#[test]
fn every_section_installs_the_program() {
    let is_all = std::env::var_os("TOOLS").is_some_and(|word| word == "all");
    let store = TestStore::new();
    let front = store.front();
    let sum = &plain_go::install(&tester("hello", "v1.0.0").wanted).sha256;
    let sections = sections(front.address);
    for title in IN_SUITE.iter().chain(&NOT_TOOLS) {
        assert!(
            sections.iter().any(|(other, _)| other == title),
            "no section {title}"
        );
    }
    let mut failed = Vec::new();
    for (title, blocks) in &sections {
        let is_wanted = is_all || IN_SUITE.contains(&title.as_str());
        if !is_wanted || NOT_TOOLS.contains(&title.as_str()) {
            continue;
        }
        let folder = tempfile::tempdir_in(tmp()).unwrap();
        let printed = run_section(blocks, folder.path());
        println!("## {title}\n{printed}");
        if !is_installed(folder.path(), sum) {
            failed.push(format!("## {title}\n{printed}"));
        }
        // Nix makes its store read-only.
        crate::support::remove_tree(&folder.keep());
    }
    assert!(failed.is_empty(), "{}", failed.concat());
}

/// The value of a key in the YAML of a section.
fn input<'t>(block: &'t str, key: &str) -> &'t str {
    let mut lines = block.lines().map(str::trim);
    lines
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
        .unwrap()
}

/// The steps of action.yml, with the inputs that docs/clients.md has and the variables that GitHub sets.
fn run_action(
    store: &TestStore,
    version: &str,
    change: &dyn Fn(&str) -> String,
) -> (tempfile::TempDir, String, bool) {
    let front = store.front();
    let sections = sections(front.address);
    let (_, blocks) = sections
        .iter()
        .find(|(title, _)| title == "GitHub Actions")
        .unwrap();
    let folder = tempfile::tempdir_in(tmp()).unwrap();
    let action = &YamlLoader::load_from_str(&read_file("action.yml")).unwrap()[0];
    let mut printed = String::new();
    let mut succeeds = true;
    for step in action["runs"]["steps"].as_vec().unwrap() {
        assert_eq!(step["shell"].as_str(), Some("bash"));
        let mut command = Command::new("/bin/bash");
        command
            .args(["-c", &change(step["run"].as_str().unwrap())])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("RUNNER_TEMP", folder.path())
            .env("RUNNER_OS", "Linux")
            .env("RUNNER_ARCH", "X64")
            .env("GITHUB_PATH", folder.path().join("path"))
            .env("GITHUB_OUTPUT", folder.path().join("output"));
        for (name, value) in step["env"].as_hash().unwrap() {
            let key = value
                .as_str()
                .unwrap()
                .trim_start_matches("${{ inputs.")
                .trim_end_matches(" }}");
            let value = if key == "version" {
                version
            } else {
                input(&blocks[0], key)
            };
            command.env(name.as_str().unwrap(), value);
        }
        let output = command.output().unwrap();
        printed.push_str(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
        succeeds &= output.status.success();
    }
    (folder, printed, succeeds)
}

#[test]
fn action_puts_the_program_on_path() {
    let store = TestStore::new();
    for version in ["v1.0.0", "latest"] {
        let (folder, printed, succeeds) = run_action(&store, version, &str::to_owned);
        assert!(succeeds, "{printed}");
        let path = fs::read_to_string(folder.path().join("path")).unwrap();
        let program = Path::new(path.trim()).join("hello");
        let exact = if version == "latest" { "v1.1.0" } else { version };
        let sum = &plain_go::install(&tester("hello", exact).wanted).sha256;
        assert!(is_installed(program.parent().unwrap(), sum), "{printed}");
        let output = fs::read_to_string(folder.path().join("output")).unwrap();
        assert_eq!(output, format!("path={}\n", program.display()));
    }
}

#[test]
fn action_shows_why_it_fails() {
    let store = TestStore::new();
    let (folder, printed, succeeds) = run_action(&store, "v9.9.9", &str::to_owned);
    assert!(!succeeds && printed.contains("::error::"), "{printed}");
    assert!(
        printed.contains("This version does not exist") || printed.contains("no-such-version"),
        "{printed}"
    );
    assert!(!folder.path().join("path").exists());
    // Other bytes than those of the checksum.
    let stripped = |script: &str| script.replace("\"$url?os", "\"$url?strip=1&os");
    let (folder, printed, succeeds) = run_action(&store, "v1.0.0", &stripped);
    assert!(!succeeds && printed.contains("FAILED"), "{printed}");
    assert!(!folder.path().join("path").exists());
}
