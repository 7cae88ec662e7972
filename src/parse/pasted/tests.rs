//! Tests of corrections: what people paste, and the URL that is printed.

use super::*;
use crate::parse::NamedFile;
use proptest::prelude::*;

fn corrected(url: &str) -> Option<String> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    correct(path.as_bytes(), query)
}

#[test]
fn pasted_urls_are_corrected() {
    for (pasted, url) in [
        // Pages of GitHub, Gitea and GitLab
        ("/o/r/releases/tag/v1.2.3", "/o/r@v1.2.3"),
        ("/o/r/releases/tag/1.2.3", "/o/r@v1.2.3"),
        ("/o/r/releases/tag/release-7", "/o/r@release-7"),
        ("/o/r/releases/tag/kustomize%2Fv5.8.1", "/o/r/kustomize@v5.8.1"),
        ("/o/r/releases/tag/kustomize/v5.8.1", "/o/r/kustomize@v5.8.1"),
        (
            "/o/r/releases/tag/v1.2.3?os=linux&arch=arm64",
            "/o/r@v1.2.3?os=linux&arch=arm64",
        ),
        (
            "/o/r/releases/download/v1.2.3/r-1.2.3-linux_amd64.tar.gz",
            "/o/r@v1.2.3?os=linux&arch=amd64",
        ),
        (
            "/o/r/releases/download/v1.2.3/r_1.2.3_macOS_arm64.zip?strip=1",
            "/o/r@v1.2.3?os=darwin&arch=arm64&strip=1",
        ),
        (
            "/o/r/releases/download/v1.2.3/r_Linux_x86_64.deb",
            "/o/r@v1.2.3?os=linux&arch=amd64",
        ),
        ("/o/r/releases/download/v1.2.3/checksums.txt", "/o/r@v1.2.3"),
        ("/o/r/releases/latest", "/o/r"),
        (
            "/o/r/releases/latest/download/r-windows-amd64.exe",
            "/o/r?os=windows&arch=amd64",
        ),
        ("/o/r/releases", "/o/r"),
        ("/o/r/tags", "/o/r"),
        ("/o/r/issues/7", "/o/r"),
        ("/o/r/tree/main", "/o/r@main"),
        ("/o/r/tree/main/cmd/x", "/o/r/cmd/x@main"),
        ("/o/r/tree/v1.2.3/cmd/x", "/o/r/cmd/x@v1.2.3"),
        ("/o/r/tree/kustomize/v5.8.1/cmd", "/o/r/kustomize/cmd@v5.8.1"),
        ("/o/r/blob/main/README.md", "/o/r"),
        ("/o/r/blob/main/package.json", "/o/r"),
        ("/o/r/blob/v1.2.3/docs/README.md", "/o/r@v1.2.3"),
        ("/o/r/blob/main/cmd/x/main.go", "/o/r/cmd/x@main"),
        ("/o/r/raw/v1.2.3/main.go", "/o/r@v1.2.3"),
        ("/o/r/commit/0123456789abcdef", "/o/r@0123456789abcdef"),
        ("/o/r/archive/refs/tags/v1.2.3.tar.gz", "/o/r@v1.2.3"),
        ("/o/r/archive/v1.2.3.zip", "/o/r@v1.2.3"),
        (
            "/codeberg.org/o/r/src/branch/main/cmd/x",
            "/codeberg.org/o/r/cmd/x@main",
        ),
        ("/codeberg.org/o/r/src/tag/v1.2.3", "/codeberg.org/o/r@v1.2.3"),
        (
            "/git.example.org/o/r/releases/tag/v1.2.3",
            "/git.example.org/o/r@v1.2.3",
        ),
        (
            "/gitlab.com/g/sub/p/-/releases/v1.2.3",
            "/gitlab.com/g/sub/p@v1.2.3",
        ),
        (
            "/https://gitlab.com/g/p/-/tree/main/cmd/x",
            "/gitlab.com/g/p/cmd/x@main",
        ),
        // URLs and addresses of git
        ("/https://github.com/o/r", "/o/r"),
        ("/https:/github.com/o/r", "/o/r"),
        ("/http://www.github.com/o/r/", "/o/r"),
        ("/https%3A%2F%2Fgithub.com%2Fo%2Fr", "/o/r"),
        ("/https://github.com/o/r.git", "/o/r"),
        ("/https://github.com/o/r?tab=readme-ov-file", "/o/r"),
        ("/https://github.com/o/r%23readme", "/o/r"),
        (
            "/https://github.com/o/r/releases/tag/v1.2.3?os=linux",
            "/o/r@v1.2.3?os=linux",
        ),
        ("/https://codeberg.org/o/r", "/codeberg.org/o/r"),
        ("/HTTPS://GitHub.com/o/R", "/o/R"),
        (
            "/https://pkg.go.dev/golang.org/x/tools/gopls",
            "/golang.org/x/tools/gopls",
        ),
        (
            "/https://pkg.go.dev/github.com/o/r@v1.2.3/cmd/x",
            "/o/r/cmd/x@v1.2.3",
        ),
        ("/git@github.com:o/r.git", "/o/r"),
        ("/git@gitlab.com:g/sub/p.git", "/gitlab.com/g/sub/p"),
        ("/ssh://git@github.com/o/r.git", "/o/r"),
        ("/git+ssh://git@github.com:22/o/r", "/o/r"),
        ("/github.com:o/r", "/o/r"),
        ("/www.github.com/o/r", "/o/r"),
        ("/GitHub.com/o/r", "/o/r"),
        ("/o/r.git", "/o/r"),
        ("/o/r.git@v1", "/o/r@v1"),
        ("/o/r/", "/o/r"),
        ("/o//r", "/o/r"),
        // Text around a URL
        ("/o/r)", "/o/r"),
        ("/o/r,", "/o/r"),
        ("/o/r.", "/o/r"),
        ("/o/r;", "/o/r"),
        ("/o/r@v1.2.3).", "/o/r@v1.2.3"),
        ("/%22o/r%22", "/o/r"),
        ("/o/r%60", "/o/r"),
        ("/%E2%80%9Co/r%E2%80%9D", "/o/r"),
        ("/%3Chttps://github.com/o/r%3E", "/o/r"),
        ("/o/r)?os=linux&arch=arm64", "/o/r?os=linux&arch=arm64"),
        ("/o/r%20", "/o/r"),
        // Commands
        ("/go%20install%20github.com/o/r/cmd/x@v1.2.3", "/o/r/cmd/x@v1.2.3"),
        ("/go%20install%20-v%20github.com/o/r@latest", "/o/r"),
        ("/$%20go%20get%20-u%20github.com/o/r/...", "/o/r"),
        ("/git%20clone%20https://github.com/o/r.git", "/o/r"),
        ("/o/r%20v1.2.3", "/o/r@v1.2.3"),
        ("/o/r/cmd/...@v1", "/o/r@v1"),
        // Versions
        ("/o/r:v1.2.3", "/o/r@v1.2.3"),
        ("/o/r:latest", "/o/r"),
        ("/o/r==1.2.3", "/o/r@v1.2.3"),
        ("/o/r=1.2", "/o/r@v1.2"),
        ("/o/r@=v1.2.3", "/o/r@v1.2.3"),
        ("/o/r@", "/o/r"),
        ("/o/r@^0.1", "/o/r@v0.1"),
        ("/o/r@^1.2.3", "/o/r@v1"),
        ("/o/r@%5Ev2", "/o/r@v2"),
        ("/o/r@~0.1.4", "/o/r@v0.1"),
        ("/o/r@~1", "/o/r@v1"),
        ("/o/r@v1.2.x", "/o/r@v1.2"),
        ("/o/r@1.X", "/o/r@v1"),
        ("/o/r@v1.2.*", "/o/r@v1.2"),
        ("/o/r@1.*.*", "/o/r@v1"),
        ("/o/r/v0.65.2", "/o/r@v0.65.2"),
        ("/o/r/0.65.2", "/o/r@v0.65.2"),
        ("/o/r/v1.2/cmd/x", "/o/r/cmd/x@v1.2"),
        ("/o/r/latest", "/o/r"),
        ("/o/r/v1", "/o/r@v1"),
        ("/o/r/v0.65.2/linux/amd64", "/o/r@v0.65.2?os=linux&arch=amd64"),
        ("/o/r@v1.2.3/cmd/x", "/o/r/cmd/x@v1.2.3"),
        ("/rsc.io/quote/v1.5.2", "/rsc.io/quote@v1.5.2"),
        ("/o/r?version=v1.2.3&os=linux", "/o/r@v1.2.3?os=linux"),
        ("/o/r?tag=1.2.3", "/o/r@v1.2.3"),
        // Platforms and archives
        ("/o/r/linux/amd64", "/o/r?os=linux&arch=amd64"),
        ("/o/r/linux-amd64", "/o/r?os=linux&arch=amd64"),
        ("/o/r/linux_x86_64", "/o/r?os=linux&arch=amd64"),
        ("/o/r/darwin/arm64?strip=1", "/o/r?os=darwin&arch=arm64&strip=1"),
        ("/o/r/linux/arm/v6", "/o/r?os=linux&arch=armv6"),
        ("/o/r/cmd/x/linux/arm64", "/o/r/cmd/x?os=linux&arch=arm64"),
        ("/o/r/windows", "/o/r?os=windows"),
        ("/o/r-linux-amd64", "/o/r?os=linux&arch=amd64"),
        ("/o/r@v1.2.3-linux-amd64", "/o/r@v1.2.3?os=linux&arch=amd64"),
        ("/o/r@v1.2.3/linux/amd64", "/o/r@v1.2.3?os=linux&arch=amd64"),
        ("/o/r.exe", "/o/r?os=windows"),
        ("/o/r.exe?arch=arm64", "/o/r?os=windows&arch=arm64"),
        ("/o/r.exe@v1.2.3", "/o/r@v1.2.3?os=windows"),
        ("/o/r-windows-amd64.exe", "/o/r?os=windows&arch=amd64"),
        ("/o/r.tar.gz", "/o/r"),
        ("/o/r.zip?os=linux", "/o/r?os=linux"),
        ("/o/r@v1.2.3.tar.gz", "/o/r@v1.2.3"),
        // Queries
        (
            "/o/r?os=linux&arch=amd64.sha256",
            "/o/r.sha256?os=linux&arch=amd64",
        ),
        (
            "/o/r@v1.2.3?os=linux&arch=amd64.cdx.json",
            "/o/r@v1.2.3.cdx.json?os=linux&arch=amd64",
        ),
        ("/o/r?os=linux&arch=amd64)", "/o/r?os=linux&arch=amd64"),
        ("/o/r?name=x&tags=a.json", "/o/r.json?tags=a&name=x"),
        ("/o/r:v1?strip=1.log", "/o/r@v1.log?strip=1"),
        (
            "/o/r?ldflags=-X&os=linux&arch=arm64&tags=a",
            "/o/r?os=linux&arch=arm64&tags=a",
        ),
        ("/o/r?go-get=1", "/o/r"),
        ("/o/r.json?x", "/o/r.json"),
        ("/o/r?os=linux&amp;arch=arm64", "/o/r?os=linux&arch=arm64"),
        ("/o/r??os=linux&arch=amd64", "/o/r?os=linux&arch=amd64"),
        ("/o/r??version=v1.2.3", "/o/r@v1.2.3"),
        // Named files
        ("/-/bin/linux_amd64/o/r@v1/r", "/-/bin/linux-amd64/o/r@v1/r"),
        (
            "/-/bin/Linux_x86_64/o/r@v1/r.sha256",
            "/-/bin/linux-amd64/o/r@v1/r.sha256",
        ),
        (
            "/-/bin/linux/amd64/o/r@v1/r?strip=1",
            "/-/bin/linux-amd64/o/r@v1/r?strip=1",
        ),
        ("/-/bin/linux/arm/v6/o/r@v1/r", "/-/bin/linux-arm-6/o/r@v1/r"),
        (
            "/-/bin/linux/amd64/example.org/r/r",
            "/-/bin/linux-amd64/example.org/r/r",
        ),
        ("/o/r:v1.sha256?os=linux", "/o/r@v1.sha256?os=linux"),
    ] {
        assert_eq!(corrected(pasted).as_deref(), Some(url), "{pasted}");
    }
}

#[test]
fn other_urls_are_not_changed() {
    for url in [
        "/o/r",
        "/o/r@v1.2.3?os=linux&arch=amd64",
        "/o/r.sha256",
        "/o/r/cmd/x",
        "/o/r/src",
        "/o/r/v2",
        "/o/r-js",
        "/o/foo-windows",
        "/o",
        "/",
        "",
        "/...",
        "/../../etc/passwd",
        "/o/x/../r",
        "/o/r%2f..%2f..%2fetc",
        "/o/r%00",
        "/o/r%0d%0aSet-Cookie:x",
        "/o/r@feature/x",
        "/o/r@%3E=v1.2",
        "/o/r@^main",
        "/o/r@fix.x",
        "/-/bin/linux-amd64/o/r@v1/r",
        "/-/bin/linux/o/r@v1/r",
        "/-/bin/linux_amd64",
        "/-/bin/linux-amd64/o/r@v1/r?os=linux",
        "/-/bin/linux_amd64/o/r@v1/%22r%22",
        "/o/r?os=hurd&arch=amd64",
        "/o/r/info/refs",
        "/%3Cscript%3Ealert(1)%3C/script%3E",
        &format!("/o/r/{}", "a".repeat(5000)),
    ] {
        assert_eq!(corrected(url), None, "{url}");
    }
}

proptest! {
    #[test]
    fn corrections_are_valid_urls(path in "/(https?://)?[a-zA-Z0-9@:/.%=,)-]{0,60}", query in "[a-z0-9=&./]{0,40}") {
        if let Some(url) = correct(path.as_bytes(), &query) {
            let (path, query) = url.split_once('?').unwrap_or((&url, ""));
            let is_file = matches!(NamedFile::parse(path.as_bytes()), Some(Ok(_)));
            prop_assert!(is_file || Target::parse(split_sidecar(path).0.as_bytes()).is_ok(), "{}", url);
            prop_assert!(BuildOptions::parse(query).is_ok(), "{}", url);
        }
    }
}
