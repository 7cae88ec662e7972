use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

/// The real `go` command with fixed settings; only the build cache is that of this process.
fn go_command(dir: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(dir).stdin(Stdio::null());
    command
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0")
        .env("GOTOOLCHAIN", "local");
    command
}

/// Compiles a program for `platform` from a module with one file.
fn build_program(dir: &Path, platform: &str, flags: &[&str]) -> std::path::PathBuf {
    fs::write(dir.join("go.mod"), "module example.org/hello\n\ngo 1.21\n").unwrap();
    fs::write(
        dir.join("main.go"),
        "package main\n\nfunc main() { println(\"hello\") }\n",
    )
    .unwrap();
    let program = dir.join(platform.replace('/', "-"));
    let (os, arch) = platform.split_once('/').unwrap();
    let mut command = go_command(dir);
    command
        .args(["build", "-trimpath"])
        .args(flags)
        .arg("-o")
        .arg(&program);
    let built = command.env("GOOS", os).env("GOARCH", arch).status().unwrap();
    assert!(built.success(), "{platform}");
    program
}

fn read(program: &Path) -> Option<BuildInfo> {
    BuildInfo::read(&File::open(program).unwrap()).unwrap()
}

/// Formats as `go version -m` does, without the program's name and the indentation.
fn format_info(info: &BuildInfo) -> String {
    info.lines().join("\n").trim_start_matches("go\t").to_owned() + "\n"
}

#[test]
fn every_executable_format_is_read_as_by_go() {
    let dir = tempfile::tempdir().unwrap();
    for platform in [
        "linux/amd64",
        "linux/386",
        "linux/mips",
        "linux/s390x",
        "darwin/arm64",
        "windows/amd64",
        "windows/386",
        "freebsd/arm64",
        "plan9/amd64",
        "aix/ppc64",
    ] {
        let program = build_program(dir.path(), platform, &[]);
        let output = go_command(dir.path())
            .args(["version", "-m"])
            .arg(&program)
            .output()
            .unwrap();
        let expected = String::from_utf8(output.stdout).unwrap();
        let expected = expected
            .trim_start_matches(&format!("{}: ", program.display()))
            .replace("\n\t", "\n");
        let info = read(&program).unwrap_or_else(|| panic!("{platform}: no build information"));
        assert_eq!(format_info(&info), expected, "{platform}");
        assert_eq!(info.platform().map(|p| p.to_string()).as_deref(), Some(platform));
    }
    // `go version` does not read these.
    for platform in ["js/wasm", "wasip1/wasm"] {
        let info = read(&build_program(dir.path(), platform, &[])).unwrap();
        assert_eq!(
            (info.package.as_str(), info.has_dwarf),
            ("example.org/hello", None)
        );
    }
}

#[test]
fn debugging_information_is_detected() {
    let dir = tempfile::tempdir().unwrap();
    for platform in ["linux/amd64", "darwin/arm64", "windows/amd64"] {
        assert_eq!(
            read(&build_program(dir.path(), platform, &[])).unwrap().has_dwarf,
            Some(true),
            "{platform}"
        );
        let stripped = build_program(dir.path(), platform, &["-ldflags=-s -w"]);
        assert_eq!(read(&stripped).unwrap().has_dwarf, Some(false), "{platform}");
    }
}

/// A program may embed another, before its own data.
#[test]
fn embedded_program_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let inner = build_program(&inner, "linux/amd64", &["-tags=inner"]);
    fs::rename(inner, dir.path().join("inner.bin")).unwrap();
    let outer = dir.path().join("embed.go");
    fs::write(outer, "package main\n\nimport _ \"embed\"\n\n//go:embed inner.bin\nvar inner string\n\nfunc init() { println(len(inner)) }\n").unwrap();
    let info = read(&build_program(dir.path(), "linux/amd64", &["-tags=outer"])).unwrap();
    assert_eq!(info.setting("-tags"), Some("outer"));
}

#[test]
fn build_info_of_any_go_version_is_parsed() {
    let text = "path\ta.b/c/cmd/d\nmod\ta.b/c\tv1.2.3\th1:x=\ndep\te.f/g\tv0.1.0\n=>\te.f/h\tv0.2.0\th1:y=\n\
                dep\te.f/i\tv0.3.0\th1:z=\nbuild\t-ldflags=\"-X 'a=b \\\"c\\\"'\"\nbuild\tGOARCH=arm\nbuild\tGOOS=linux\n\
                build\tGOARM=6\nnew\tword\n";
    let info = BuildInfo::parse("go1.30.0", text).unwrap();
    let names = |module: &LinkedModule| format!("{} {}", module.path, module.effective().path);
    let all: Vec<_> = info.dependencies.iter().map(names).collect();
    assert_eq!(all, ["e.f/g e.f/h", "e.f/i e.f/i"]);
    assert_eq!(info.setting("-ldflags"), Some("-X 'a=b \"c\"'"));
    assert_eq!(info.platform().unwrap().to_string(), "linux/arm/6");
    assert_eq!(
        info.installed_module().map(|main| main.sum.as_str()),
        Some("h1:x=")
    );
    for broken in [
        "mod\ta\n",
        "dep\ta\tv1\th1:x\tmore\n",
        "=>\ta\tv1\th1:x\n",
        "build\tx\n",
    ] {
        assert_eq!(BuildInfo::parse("go1.30.0", broken), None, "{broken}");
    }
    let hostile = BuildInfo::parse("go1\x1b[31m", "path\ta\x1b]0;x\n").unwrap();
    assert!(!format_info(&hostile).contains('\x1b'));
}

/// No file content causes a panic or more memory use than the limits allow.
#[test]
fn malformed_programs_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(build_program(dir.path(), "linux/amd64", &["-ldflags=-s -w"])).unwrap();
    let at = memchr::memmem::find(&whole, b"\xff Go buildinf:\x08\x02").unwrap();
    let try_read = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        BuildInfo::read(&file).unwrap()
    };
    assert!(try_read(&whole).is_some());
    for length in [0, 1, 3, 31, 32, 63, 64, 200, at, at + 15, at + 33, at + 60] {
        try_read(&whole[..length]);
    }
    // The lengths of both strings, and every field of the ELF header and of the first program headers.
    for (offset, value) in (0..512)
        .chain(at..at + 96)
        .flat_map(|at| [(at, 0x00), (at, 0x7f), (at, 0xff)])
    {
        let mut corrupt = whole.clone();
        corrupt[offset] = value;
        try_read(&corrupt);
    }
    let mut longest = whole.clone();
    longest[at + 32..at + 42].fill(0xff);
    assert_eq!(try_read(&longest), None);
    assert_eq!(try_read(b"#!/bin/sh\nexit 0\n# longer than a header is\n"), None);
}
