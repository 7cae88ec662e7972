//! Tests of the target grammar: each rule, each error, and properties of random paths.

use super::*;
use proptest::prelude::*;

fn parsed(path: &str) -> Target {
    Target::parse(path.as_bytes()).unwrap_or_else(|bad| panic!("{path}: {bad}"))
}

fn refused(path: impl AsRef<[u8]>) -> BadTarget {
    let path = path.as_ref();
    match Target::parse(path) {
        Ok(target) => panic!("{} became {target}", path.escape_ascii()),
        Err(bad) => bad,
    }
}

#[test]
fn valid_paths_are_parsed() {
    // path, import path, canonical path
    for (path, import_path, canonical) in [
        ("/junegunn/fzf", "github.com/junegunn/fzf", "/junegunn/fzf"),
        (
            "/github.com/junegunn/fzf",
            "github.com/junegunn/fzf",
            "/junegunn/fzf",
        ),
        (
            "/junegunn/fzf@0.65.2",
            "github.com/junegunn/fzf",
            "/junegunn/fzf@v0.65.2",
        ),
        ("/junegunn/fzf@latest", "github.com/junegunn/fzf", "/junegunn/fzf"),
        (
            "/bufbuild/buf/cmd/buf@v1",
            "github.com/bufbuild/buf/cmd/buf",
            "/bufbuild/buf/cmd/buf@v1",
        ),
        (
            "/golangci/golangci-lint/v2/cmd/golangci-lint",
            "github.com/golangci/golangci-lint/v2/cmd/golangci-lint",
            "/golangci/golangci-lint/v2/cmd/golangci-lint",
        ),
        ("/o/r/cmd/g++", "github.com/o/r/cmd/g++", "/o/r/cmd/g++"),
        (
            "/o/r/_examples/x",
            "github.com/o/r/_examples/x",
            "/o/r/_examples/x",
        ),
        ("/o/repo.go", "github.com/o/repo.go", "/o/repo.go"),
        ("/o/_r", "github.com/o/_r", "/o/_r"),
        ("/O/R", "github.com/O/R", "/O/R"),
        (
            "/golang.org/x/tools/gopls@master",
            "golang.org/x/tools/gopls",
            "/golang.org/x/tools/gopls@master",
        ),
        ("/rsc.io/quote", "rsc.io/quote", "/rsc.io/quote"),
        ("/gopkg.in/yaml.v3", "gopkg.in/yaml.v3", "/gopkg.in/yaml.v3"),
        (
            "/git.sr.ht/~emersion/soju",
            "git.sr.ht/~emersion/soju",
            "/git.sr.ht/~emersion/soju",
        ),
        (
            "/gitlab.com/group/sub/tool.git",
            "gitlab.com/group/sub/tool.git",
            "/gitlab.com/group/sub/tool.git",
        ),
        (
            "/xn--bcher-kva.example/r",
            "xn--bcher-kva.example/r",
            "/xn--bcher-kva.example/r",
        ),
        // The tag of a nested module.
        (
            "/o/r@kustomize/v5.8.1",
            "github.com/o/r/kustomize",
            "/o/r/kustomize@v5.8.1",
        ),
        ("/o/r@a/b/v1.0.0", "github.com/o/r/a/b", "/o/r/a/b@v1.0.0"),
        ("/o/r/a@a/v1.0.0", "github.com/o/r/a", "/o/r/a@v1.0.0"),
        (
            "/o/r/a/cmd/x@a/v1.0.0",
            "github.com/o/r/a/cmd/x",
            "/o/r/a/cmd/x@v1.0.0",
        ),
        ("/o/v1.2.3", "github.com/o/v1.2.3", "/o/v1.2.3"),
        // Not the standard library or a command of Go, but owners on GitHub (R10 of SECURITY.md).
        ("/cmd/go", "github.com/cmd/go", "/cmd/go"),
        ("/std/std", "github.com/std/std", "/std/std"),
        ("/localhost/x", "github.com/localhost/x", "/localhost/x"),
    ] {
        let target = parsed(path);
        assert_eq!(target.import_path(), import_path, "{path}");
        assert_eq!(target.to_string(), canonical, "{path}");
    }
}

#[test]
fn target_has_host_name_elements_and_version() {
    let target = parsed("/junegunn/fzf/cmd/x@1.2.3");
    assert_eq!(target.host(), "github.com");
    assert_eq!(target.name(), "x");
    assert_eq!(target.elements(), ["github.com", "junegunn", "fzf", "cmd", "x"]);
    assert_eq!(target.version(), &Version::Exact("v1.2.3".to_owned()));
    assert_eq!(
        Target {
            version: Version::Latest,
            ..target
        }
        .to_string(),
        "/junegunn/fzf/cmd/x"
    );
}

#[test]
fn repository_length_is_known_on_owner_repo_hosts() {
    for (path, repository_len) in [
        ("/o/r/sub", Some(3)),
        ("/bitbucket.org/o/r", Some(3)),
        ("/codeberg.org/o/r/sub", Some(3)),
        ("/git.sr.ht/~o/r", Some(3)),
        ("/gitlab.com/group/subgroup/r", None),
        ("/golang.org/x/tools", None),
    ] {
        assert_eq!(parsed(path).repository_len(), repository_len, "{path}");
    }
}

#[test]
fn every_invalid_path_is_refused_with_its_reason() {
    let printable = |text: &str| Printable::new(text);
    for (path, reason) in [
        ("/", BadTarget::Empty),
        ("", BadTarget::Empty),
        ("o/r", BadTarget::Relative),
        ("/o", BadTarget::MissingRepo(printable("o"))),
        ("/o/", BadTarget::MissingRepo(printable("o"))),
        ("/o@v1", BadTarget::MissingRepo(printable("o"))),
        ("/github.com/o", BadTarget::MissingRepo(printable("o"))),
        ("/robots.txt", BadTarget::MissingRepo(printable("robots.txt"))),
        ("/favicon.ico", BadTarget::MissingRepo(printable("favicon.ico"))),
        // R1
        ("/../../etc/passwd", BadTarget::DotElement),
        ("/o/../r", BadTarget::DotElement),
        ("/o/./r", BadTarget::DotElement),
        ("/o/r/..", BadTarget::DotElement),
        ("/o//r", BadTarget::EmptyElement),
        ("//o/r", BadTarget::EmptyElement),
        ("/o/r//", BadTarget::EmptyElement),
        ("/o/r/", BadTarget::TrailingSlash),
        ("/o/r/@v1", BadTarget::TrailingSlash),
        // R2, R3
        ("/o/r%2f..%2f..%2fetc", BadTarget::PercentSign),
        ("/%2e%2e/r", BadTarget::PercentSign),
        ("/o/%252e", BadTarget::PercentSign),
        ("/o/r%00", BadTarget::PercentSign),
        ("/o/r\0", BadTarget::BadByte(printable("\0"))),
        ("/o/r\0/../x", BadTarget::BadByte(printable("\0"))),
        // R4
        ("/o/r\r\nSet-Cookie:x", BadTarget::BadByte(printable("\r"))),
        ("/o/\x1b[31m", BadTarget::BadByte(printable("\x1b"))),
        ("/o/r\x7f", BadTarget::BadByte(printable("\x7f"))),
        // R5
        ("/-toolexec=x/r", BadTarget::BadByte(printable("="))),
        ("/-toolexec/r", BadTarget::BadElement(printable("-toolexec"))),
        ("/-/health", BadTarget::BadElement(printable("-"))),
        ("/o/-r", BadTarget::BadElement(printable("-r"))),
        ("/o/r/-x", BadTarget::BadElement(printable("-x"))),
        (
            "/o/r@-x",
            BadTarget::BadVersion(BadVersion::NotAVersion(printable("-x"))),
        ),
        ("/o/r@--upload-pack=touch", BadTarget::BadByte(printable("="))),
        // R6
        ("/o/r@v1.0.0/../../x", BadTarget::VersionInside),
        ("/o/r@v1/cmd/x", BadTarget::VersionInside),
        ("/@o/r", BadTarget::VersionInside),
        ("/o/r@v1;id", BadTarget::BadByte(printable(";"))),
        ("/o/r@$(id)", BadTarget::BadByte(printable("$"))),
        ("/o/r@`id`", BadTarget::BadByte(printable("`"))),
        ("/o/r@{latest}", BadTarget::BadByte(printable("{"))),
        (
            "/o/r@@",
            BadTarget::BadVersion(BadVersion::NotAVersion(printable("@"))),
        ),
        (
            "/o/r@v1@v2",
            BadTarget::BadVersion(BadVersion::NotAVersion(printable("v1@v2"))),
        ),
        ("/o/r@", BadTarget::BadVersion(BadVersion::Empty)),
        ("/o/r@ ", BadTarget::BadByte(printable(" "))),
        ("/o/r@%40", BadTarget::PercentSign),
        ("/o/@v1", BadTarget::MissingRepo(printable("o"))),
        // R7
        ("/o/r@>v1", BadTarget::BadByte(printable(">"))),
        ("/o/r@<v2", BadTarget::BadByte(printable("<"))),
        ("/o/r@>=v1.2", BadTarget::BadByte(printable(">"))),
        (
            "/o/r@~1.2",
            BadTarget::BadVersion(BadVersion::Comparison(printable("~1.2"))),
        ),
        (
            "/o/r@upgrade",
            BadTarget::BadVersion(BadVersion::Relative(printable("upgrade"))),
        ),
        (
            "/o/r@patch",
            BadTarget::BadVersion(BadVersion::Relative(printable("patch"))),
        ),
        (
            "/o/r@all",
            BadTarget::BadVersion(BadVersion::Relative(printable("all"))),
        ),
        (
            "/o/r@none",
            BadTarget::BadVersion(BadVersion::Relative(printable("none"))),
        ),
        (
            "/o/r@HEAD",
            BadTarget::BadVersion(BadVersion::Relative(printable("HEAD"))),
        ),
        // R9
        ("/o/r/...", BadTarget::Wildcard(printable("..."))),
        ("/o/r/cmd/...@v1", BadTarget::Wildcard(printable("..."))),
        ("/o/r/cmd...", BadTarget::Wildcard(printable("cmd..."))),
        ("/o...", BadTarget::BadHost(printable("o..."))),
        // R10
        ("/std", BadTarget::MissingRepo(printable("std"))),
        // R11
        ("/o/r.git", BadTarget::GitSuffix),
        ("/codeberg.org/o/r.git", BadTarget::GitSuffix),
        ("/o/CON", BadTarget::WindowsName(printable("CON"))),
        ("/o/r/nul.txt", BadTarget::WindowsName(printable("nul.txt"))),
        ("/con.example/r", BadTarget::WindowsName(printable("con.example"))),
        ("/o/.r", BadTarget::BadElement(printable(".r"))),
        ("/o/r.", BadTarget::BadElement(printable("r."))),
        ("/o/r/a..b", BadTarget::BadElement(printable("a..b"))),
        ("/o/r~1", BadTarget::ShortName(printable("r~1"))),
        ("/o/r/x~12.go", BadTarget::ShortName(printable("x~12.go"))),
        ("/o/r~", BadTarget::BadRepo(printable("r~"))),
        ("/o/r+", BadTarget::BadRepo(printable("r+"))),
        ("/o_o/r", BadTarget::BadOwner(printable("o_o"))),
        // R22
        ("/o/a\";x=\".exe", BadTarget::BadByte(printable("\""))),
        // Pages of releases
        (
            "/o/r/releases/tag/v1.2.3",
            BadTarget::ReleaseInside(printable("v1.2.3")),
        ),
        (
            "/o/r/releases/download/1.2/x.tar.gz",
            BadTarget::ReleaseInside(printable("1.2")),
        ),
        ("/o/r/v0.65.2", BadTarget::ReleaseInside(printable("v0.65.2"))),
        (
            "/o/r/x/v1.0.0-rc.1@v2",
            BadTarget::ReleaseInside(printable("v1.0.0-rc.1")),
        ),
        // Tags of nested modules
        ("/o/r@feature/x", BadTarget::VersionInside),
        ("/o/r/x@y/v1.0.0", BadTarget::VersionInside),
        ("/o/r@../v1.0.0", BadTarget::DotElement),
        ("/o/r@/v1.0.0", BadTarget::VersionInside),
        // git
        (
            "/o/r.git/info/refs",
            BadTarget::GitClone("github.com/o/r".to_owned()),
        ),
        (
            "/gitlab.com/g/p.git/info/refs",
            BadTarget::GitClone("gitlab.com/g/p".to_owned()),
        ),
        ("/o/info/refs", BadTarget::MissingRepo(printable("o"))),
        // Hosts
        ("/127.0.0.1/r", BadTarget::BadHost(printable("127.0.0.1"))),
        ("/a.b-/r", BadTarget::BadHost(printable("a.b-"))),
        ("/-a.com/r", BadTarget::BadHost(printable("-a.com"))),
        ("/a_b.com/r", BadTarget::BadHost(printable("a_b.com"))),
        ("/x.localhost/r", BadTarget::BadHost(printable("x.localhost"))),
        ("/example.c0m/r", BadTarget::BadHost(printable("example.c0m"))),
        ("/example.com./r", BadTarget::BadHost(printable("example.com."))),
        (".example.com/r", BadTarget::Relative),
        ("/GitHub.com/o/r", BadTarget::BadHost(printable("GitHub.com"))),
        ("/example.com:8080/r", BadTarget::BadByte(printable(":"))),
        ("/[::1]/r", BadTarget::BadByte(printable("["))),
        // Pasted URLs
        ("/https://github.com/o/r", BadTarget::PastedUrl),
        ("/http:/github.com/o/r/", BadTarget::PastedUrl),
        ("/https://www.github.com/o/r@v1", BadTarget::PastedUrl),
        ("/www.github.com/o/r", BadTarget::PastedUrl),
        ("/https://pkg.go.dev/golang.org/x/tools", BadTarget::PastedUrl),
        ("/https://", BadTarget::PastedUrl),
    ] {
        assert_eq!(refused(path), reason, "{path:?}");
    }
}

#[test]
fn non_ascii_bytes_are_refused() {
    // R12, R4: homoglyphs, and characters that change the direction of text.
    for path in [
        &b"/o/r\xff"[..],
        b"/\xc3\x28/r",
        b"/https://\xff",
        b"\xff",
        "/g\u{456}thub/r".as_bytes(),
        "/o/r\u{202e}".as_bytes(),
    ] {
        assert!(matches!(refused(path), BadTarget::BadByte(_)));
    }
}

#[test]
fn every_length_has_a_limit() {
    let long = |n: usize| "a".repeat(n);
    parsed(&format!("/{}/{}", long(39), long(100)));
    assert!(matches!(
        refused(format!("/{}/r", long(40))),
        BadTarget::BadOwner(_)
    ));
    assert!(matches!(
        refused(format!("/o/{}", long(101))),
        BadTarget::BadRepo(_)
    ));

    parsed(&format!("/o/r{}", "/s".repeat(8)));
    assert!(matches!(
        refused(format!("/o/r{}", "/s".repeat(9))),
        BadTarget::TooDeep(12)
    ));

    let longest = format!("/github.com/o/r/{}", long(175));
    assert_eq!(longest.len(), MAX_BYTES_WITHOUT_VERSION);
    parsed(&longest);
    parsed(&format!("{longest}@{}", "b".repeat(64)));
    assert!(matches!(refused(format!("{longest}a")), BadTarget::TooLong(_)));
    // The default host counts too: both spellings of the path have the same limit.
    assert!(matches!(
        refused(format!("/o/r/{}", long(176))),
        BadTarget::TooLong(_)
    ));

    // R14
    assert!(matches!(refused("/o".repeat(200)), BadTarget::TooLong(400)));
    assert!(matches!(refused(vec![b'/'; 10_000]), BadTarget::TooLong(10_000)));
}

#[test]
fn github_host_is_optional() {
    assert_eq!(parsed("/github.com/o/r/cmd/x@v1"), parsed("/o/r/cmd/x@v1"));
    assert_ne!(parsed("/O/r"), parsed("/o/r"), "letter case is kept (R13)");
}

#[test]
fn hints_suggest_valid_input() {
    for (path, hint) in [
        ("/o/r@", "leave out the @ for the newest release"),
        ("/o/r@v1.2.3+linux", "type @v1.2.3"),
    ] {
        assert_eq!(refused(path).hint().as_deref(), Some(hint), "{path}");
    }
}

/// Generates paths that are almost valid, which random bytes are not.
fn nearly_valid() -> impl Strategy<Value = String> {
    "(/(github\\.com|rsc\\.io|git\\.sr\\.ht|GitHub\\.com|127\\.0\\.0\\.1))?(/[A-Za-z0-9._~+-]{1,8}){1,5}/?(@v?[0-9a-z.+-]{0,9})?"
}

proptest! {
    #[test]
    fn printed_target_parses_to_the_same_target(path in nearly_valid()) {
        if let Ok(target) = Target::parse(path.as_bytes()) {
            prop_assert_eq!(Target::parse(target.to_string().as_bytes()), Ok(target));
        }
    }

    #[test]
    fn target_with_another_version_parses_to_the_same_target(path in nearly_valid(), typed in "v?[0-9.]{1,8}|[a-z]{1,64}") {
        if let (Ok(target), Ok(version)) = (Target::parse(path.as_bytes()), Version::parse(&typed)) {
            let target = Target { version, ..target };
            prop_assert_eq!(Target::parse(target.to_string().as_bytes()), Ok(target));
        }
    }

    #[test]
    fn parsed_elements_are_harmless(path in nearly_valid()) {
        if let Ok(target) = Target::parse(path.as_bytes()) {
            prop_assert!(target.to_string().len() <= MAX_BYTES);
            prop_assert!(!target.elements().is_empty());
            prop_assert!(target.host().contains('.'));
            for element in target.elements() {
                prop_assert!(!element.is_empty() && !element.contains(".."));
                prop_assert!(!element.starts_with(['-', '.']) && !element.ends_with('.'));
            }
        }
    }

    #[test]
    fn errors_of_any_bytes_are_printable(path: Vec<u8>) {
        let path = [b"/", path.as_slice()].concat();
        match Target::parse(&path) {
            Ok(target) => prop_assert!(target.to_string().bytes().all(is_plain)),
            Err(bad) => {
                let text = format!("{bad} {}", bad.hint().unwrap_or_default());
                prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", text);
            }
        }
    }
}
