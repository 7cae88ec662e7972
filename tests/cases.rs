//! What gox-server promises about a request, one row each: who asks for what, and what comes back.
//!
//! The one table. `doors` sends every row through every way in, `scripts` runs the failures with sh. A row stands alone: it
//! needs no row before it. Modules are those of tests/modules, by their names. R, M numbers are those of the catalogue of attacks.

use crate::support::case::{Case, case, program, tester};
use crate::support::modproxy::HTTP_TIME;
use crate::support::plain;

const MAC: &str = "Darwin arm64";
const WINDOWS: &str = "MINGW64_NT-10.0-19045 x86_64";
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// The whole table.
pub(crate) fn cases() -> Vec<Case> {
    [
        versions(),
        platforms(),
        commands(),
        odd_but_honest(),
        paths(),
        words_for_go(),
        queries(),
        requests(),
        failures(),
        hostile(),
        http(),
        representations(),
        pages(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn versions() -> Vec<Case> {
    let hello = |version| tester("hello", version);
    vec![
        case("OWNER/REPO is enough, and means the newest release")
            .get("/tester/hello")
            .gives(hello("v1.1.0")),
        case("a host may be named")
            .get("/github.com/tester/hello")
            .gives(hello("v1.1.0")),
        case("any host may be named")
            .get("/example.org/vanity")
            .gives(program("example.org/vanity", "v1.0.0")),
        case("an exact version")
            .get("/tester/hello@v1.0.0")
            .gives(hello("v1.0.0")),
        case("a version without its v")
            .get("/tester/hello@1.0.0")
            .gives(hello("v1.0.0")),
        case("a major").get("/tester/hello@v1").gives(hello("v1.1.0")),
        case("a minor").get("/tester/hello@v1.0").gives(hello("v1.0.0")),
        case("latest by name")
            .get("/tester/hello@latest")
            .gives(hello("v1.1.0")),
        case("a pre-release, by name only")
            .get("/tester/hello@v1.2.0-rc.1")
            .gives(hello("v1.2.0-rc.1")),
        case("a branch").get("/tester/hello@main").gives(hello("v1.1.0")),
        case("a commit")
            .get("/tester/hello@0123456789ab")
            .gives(hello("v1.1.0")),
        case("a tag without a v")
            .get("/tester/bare-tags@1.2.0")
            .gives(tester("bare-tags", "v0.0.0-20250102030405-0123456789ab")),
        case("the same, as all others are typed")
            .get("/tester/bare-tags@v1.2.0")
            .gives(tester("bare-tags", "v0.0.0-20250102030405-0123456789ab")),
        case("a tag without a v that is not")
            .get("/tester/bare-tags@1.2.1")
            .refused("no-such-version"),
        case("a version that is not")
            .get("/tester/hello@v9.9.9")
            .refused("no-such-version"),
        case("a branch that is not")
            .get("/tester/hello@no-such-branch")
            .refused("no-such-version"),
        case("the newest major is meant")
            .get("/tester/majors")
            .gives(tester("majors/v3", "v3.0.1")),
        case("a major by its path")
            .get("/tester/majors/v2")
            .gives(tester("majors/v2", "v2.1.0")),
        case("a major by its version")
            .get("/tester/majors@v2")
            .gives(tester("majors/v2", "v2.1.0")),
        case("the first major by its version")
            .get("/tester/majors@v1")
            .gives(tester("majors", "v1.0.0")),
        case("R34: a v2 from before majors had paths")
            .get("/tester/incompatible")
            .gives(tester("incompatible", "v2.0.0+incompatible")),
        case("a retracted release is not the latest")
            .get("/tester/retracted")
            .gives(tester("retracted", "v1.0.0")),
        case("a retracted release, by name")
            .get("/tester/retracted@v1.1.0")
            .gives(tester("retracted", "v1.1.0"))
            .header_has("gox-retracted", "published by mistake ?[31m"),
    ]
}

fn platforms() -> Vec<Case> {
    let hello = tester("hello", "v1.1.0");
    let mac = hello.clone().on("darwin", "arm64");
    vec![
        case("uname -sm of a Mac")
            .get("/tester/hello")
            .from(MAC)
            .gives(mac.clone()),
        case("a level as Docker spells it")
            .get("/tester/hello?os=linux&arch=arm/v6")
            .gives(hello.clone().on("linux", "arm").variant("GOARM=6")),
        case("names that people use")
            .get("/tester/hello?os=macos&arch=aarch64")
            .gives(mac.clone()),
        case("the query is stronger than who asks")
            .get("/tester/hello?os=darwin&arch=arm64")
            .from("curl/8.5.0")
            .gives(mac),
        case("uname -sm of a first Raspberry Pi")
            .get("/tester/hello")
            .from("Linux armv6l")
            .gives(hello.clone().on("linux", "arm").variant("GOARM=6")),
        case("uname -a")
            .get("/tester/hello")
            .from("Linux box 6.1.0 #1 SMP Debian x86_64 GNU/Linux")
            .gives(hello.clone()),
        case("Git for Windows")
            .get("/tester/hello")
            .from(WINDOWS)
            .gives(hello.on("windows", "amd64")),
        case("a program for Windows, from there")
            .get("/tester/windows-only")
            .from(WINDOWS)
            .gives(tester("windows-only", "v1.0.0").on("windows", "amd64")),
        case("a program for Windows, from elsewhere")
            .get("/tester/windows-only")
            .refused("not-for-this-platform"),
        case("what `uname -sp` prints on Debian")
            .get("/tester/hello")
            .from("Linux unknown")
            .refused("platform-untold")
            .body_has("uname -sm"),
        case("a bare curl")
            .get("/tester/hello")
            .from("curl/8.5.0")
            .refused("platform-untold")
            .body_has("curl"),
        case("a bare wget")
            .get("/tester/hello")
            .from("Wget/1.21.3")
            .refused("platform-untold")
            .body_has("wget -U \"$(uname -sm)\""),
        case("a bare PowerShell")
            .get("/tester/hello")
            .from("Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621.963")
            .refused("platform-untold")
            .body_has("iwr -UserAgent \"MS $env:PROCESSOR_ARCHITECTURE\""),
        case("what its uname says does not tell: it is not asked for the same again")
            .get("/tester/hello")
            .from("Linux mips")
            .refused("platform-untold")
            .body_has("?os=linux&arch=mipsle")
            .body_lacks("uname"),
        case("what uname -sm of illumos does not tell, another does")
            .get("/tester/hello")
            .from("SunOS i86pc")
            .refused("platform-untold")
            .body_has("uname -smv"),
        case("an empty User-Agent")
            .get("/tester/hello")
            .from("")
            .refused("platform-untold"),
        case("R16: a machine that Go does not know")
            .get("/tester/hello")
            .from("Linux vax")
            .refused("unknown-platform"),
        case("R16: an OS that Go does not know")
            .get("/tester/hello?os=templeos&arch=amd64")
            .refused("unknown-platform"),
        case("R16: a pair that Go does not know")
            .get("/tester/hello?os=darwin&arch=386")
            .refused("unknown-platform"),
        case("R16: a variant that is not")
            .get("/tester/hello?os=linux&arch=armv99")
            .refused("unknown-platform"),
    ]
}

fn commands() -> Vec<Case> {
    vec![
        case("the command at the root")
            .get("/tester/root-and-cmd")
            .gives(tester("root-and-cmd", "v1.0.0")),
        case("a command by its path")
            .get("/tester/root-and-cmd/cmd/other")
            .gives(tester("root-and-cmd/cmd/other", "v1.0.0").of("github.com/tester/root-and-cmd")),
        case("the only command that counts")
            .get("/tester/only-command-in-cmd")
            .gives(
                tester("only-command-in-cmd/cmd/tool", "v1.0.0").of("github.com/tester/only-command-in-cmd"),
            ),
        case("the command named like the repository")
            .get("/tester/cmd-named-like-repo")
            .gives(
                tester("cmd-named-like-repo/cmd/cmd-named-like-repo", "v1.0.0")
                    .of("github.com/tester/cmd-named-like-repo"),
            ),
        case("two commands, and no way to tell")
            .get("/tester/several-commands")
            .refused("several-commands")
            .body_has("/tester/several-commands/cmd/one")
            .body_has("/tester/several-commands/cmd/two"),
        case("one of them")
            .get("/tester/several-commands/cmd/two")
            .gives(tester("several-commands/cmd/two", "v1.0.0").of("github.com/tester/several-commands")),
        case("a module inside the repository")
            .get("/tester/nested-module/tool")
            .gives(tester("nested-module/tool", "v0.3.0")),
        case("the newest major needs a newer Go")
            .get("/tester/newest-needs-newer-go")
            .refused("needs-newer-go"),
        case("the newest major has no release")
            .get("/tester/next-major-is-candidate")
            .gives(tester("next-major-is-candidate", "v1.0.0")),
        case("a command that became a module")
            .get("/tester/command-became-module/cmd/tool@v1.0.0")
            .gives(tester("command-became-module/cmd/tool", "v1.0.0")),
        case("the only command is that of a module inside")
            .get("/tester/nested-module")
            .gives(tester("nested-module/tool", "v0.3.0")),
        case("the command of a module inside is in the list")
            .get("/tester/nested-modules")
            .refused("several-commands")
            .body_has("/tester/nested-modules/one")
            .body_has("/tester/nested-modules/cmd/three")
            .body_has("/tester/nested-modules/cmd/newer"),
        case("a module inside, at a major of its own, has taken the root's place")
            .get("/tester/nested-majors")
            .gives(tester("nested-majors/nested-majors/v5", "v5.8.1"))
            .header_has("gox-command", ".; by=name"),
        case("a root that is as new as the module inside stays the program")
            .get("/tester/nested-beside")
            .gives(tester("nested-beside", "v1.0.0"))
            .header_has("gox-command", ".; by=root"),
        case("a module inside whose version is named")
            .get("/tester/nested-majors/nested-majors@v5")
            .gives(tester("nested-majors/nested-majors/v5", "v5.8.1")),
        case("its version, by the repository alone")
            .get("/tester/nested-majors@v5.8.1")
            .gives(tester("nested-majors/nested-majors/v5", "v5.8.1")),
        case("the old root, by its version")
            .get("/tester/nested-majors@v1.0.0")
            .gives(tester("nested-majors", "v1.0.0")),
        case("modules inside that go.mod requires and replaces")
            .get("/tester/nested-required")
            .refused("several-commands")
            .body_has("/tester/nested-required/server/v3")
            .body_has("/tester/nested-required/ctl/v2"),
        case("one of them, without its major")
            .get("/tester/nested-required/server")
            .gives(tester("nested-required/server/v3", "v3.0.0").called("nested-required")),
        case("the author's release configuration says which")
            .get("/tester/release-config")
            .gives(
                tester("release-config/cmd/b", "v1.2.0")
                    .of("github.com/tester/release-config")
                    .called("tool-b"),
            )
            .header_has("gox-command", "cmd/b; by=release-config"),
        case("a file's name that the client chooses")
            .get("/tester/hello?name=hi.1")
            .gives(tester("hello", "v1.1.0").called("hi.1")),
        case("the README installs one of two")
            .get("/tester/installed-command")
            .gives(tester("installed-command/two", "v1.0.0").of("github.com/tester/installed-command"))
            .header_has("gox-command", "two; by=readme"),
        case("development directories are set aside, and app is nobody's name")
            .get("/tester/command-beside-tools")
            .gives(
                tester("command-beside-tools/app", "v1.0.0")
                    .of("github.com/tester/command-beside-tools")
                    .called("command-beside-tools"),
            )
            .header_has("gox-command", "app; by=not-development"),
        case("the likely one comes first, and the list says why")
            .get("/tester/likely-command")
            .refused("several-commands")
            .body_has("The first is likely the one you want: the README names it most often.")
            .body_has("/tester/likely-command/two' \\\n  '  /tester/likely-command/one"),
        // tests/modules/bare-host.txtar
        case("a module that is a host alone")
            .get("/bare.example")
            .gives(program("bare.example/cmd/x", "v1.0.0").of("bare.example")),
        case("a command in it")
            .get("/bare.example/cmd/x@v1.0.0")
            .gives(program("bare.example/cmd/x", "v1.0.0").of("bare.example")),
        case("what browsers ask for is no module")
            .get("/apple-touch-icon.png")
            .refused("bad-path"),
        case("a build as its author releases it, of a module that says nothing of it")
            .get("/tester/hello?recipe=release")
            .refused("no-release-recipe")
            .body_has("/tester/hello@v1.1.0?")
            .body_has("recipe=install"),
        case("traps in a release configuration are nothing to a plain build")
            .get("/tester/release-config-hostile@v1.0.0")
            .gives(tester("release-config-hostile", "v1.0.0")),
        case("M36: control characters in a value")
            .get("/tester/release-config-hostile@v1.0.1?recipe=release")
            .refused("no-release-recipe")
            .body_has("control characters"),
        case("M36: a template without a value here")
            .get("/tester/release-config-hostile@v1.0.2?recipe=release")
            .refused("no-release-recipe")
            .body_has("if eq .Os"),
        case("M36: aliases that multiply")
            .get("/tester/release-config-hostile@v1.0.3?recipe=release")
            .refused("no-release-recipe"),
        case("M36: a configuration of 300 KB")
            .get("/tester/release-config-hostile@v1.0.4?recipe=release")
            .refused("no-release-recipe")
            .body_has("larger than"),
        case("M36: a configuration that needs a C compiler")
            .get("/tester/release-config-hostile@v1.0.5?recipe=release")
            .refused("needs-cgo"),
        case("M36: a configuration that nests without end")
            .get("/tester/release-config-hostile@v1.0.6?recipe=release")
            .refused("no-release-recipe"),
        case("M36: a configuration that no argument has room for is nothing to a plain build")
            .get("/tester/release-config-hostile@v1.0.7")
            .gives(tester("release-config-hostile", "v1.0.7")),
        case("a directory that is a module of its own, at a commit that is not known")
            .get("/tester/replace-nested@v1.0.0")
            .refused("missing-replacement")
            .body_has("github.com/tester/replace-nested/sub => ./sub")
            .body_has("does not say which commit v1.0.0 is"),
        case("modules inside have versions of their own")
            .get("/tester/nested-module@v1.0.0")
            .refused("no-command"),
        case("a library in many majors is not looked through to its end")
            .get("/tester/many-majors")
            .refused("no-command"),
        case("M28: a library")
            .get("/tester/library")
            .refused("no-command"),
        case("M28: only an internal command")
            .get("/tester/internal-command")
            .refused("no-command"),
        case("a generator is no command")
            .get("/tester/ignored-main")
            .refused("no-command"),
        case("M28: a package that is not")
            .get("/tester/hello/cmd/nothing@v1.0.0")
            .refused("no-such-package")
            .body_has("  /tester/hello@v1.0.0"),
        case("an address that was copied from GitHub")
            .get("/tester/hello/tree/main/cmd/x")
            .refused("no-such-package")
            .body_has("  /tester/hello/cmd/x@main"),
        case("a library beside a program")
            .get("/tester/root-and-library/src")
            .refused("no-command")
            .body_has("  /tester/root-and-library'"),
        case("a repository that is not")
            .get("/tester/nosuch")
            .refused("no-such-module"),
        case("an owner that is not")
            .get("/nobody/nothing")
            .refused("no-such-module"),
        case("M29: a folder called v2 gives no name")
            .get("/tester/v2-package-name/tool/v2")
            .gives(tester("v2-package-name/tool/v2", "v1.0.0").of("github.com/tester/v2-package-name"))
            .header_has("content-disposition", "\"tool\""),
        case("M29: a folder called main.exe")
            .get("/tester/odd-command-names/main.exe")
            .gives(tester("odd-command-names/main.exe", "v1.0.0").of("github.com/tester/odd-command-names")),
        case("M29: a folder with a plus")
            .get("/tester/odd-command-names/plus+plus")
            .gives(tester("odd-command-names/plus+plus", "v1.0.0").of("github.com/tester/odd-command-names")),
        case("R13, M28: a module with another name is followed")
            .get("/tester/declares-another-path")
            .gives(program("example.org/vanity", "v1.0.0")),
        case("R13: capitals are part of a name")
            .get("/tester/Capitals")
            .gives(tester("Capitals", "v1.0.0")),
        case("R13: other capitals, another module")
            .get("/tester/CAPITALS")
            .refused("no-such-module"),
    ]
}

fn odd_but_honest() -> Vec<Case> {
    let plain = |name: &'static str| {
        case(name)
            .get(&format!("/tester/{name}"))
            .gives(tester(name, "v1.0.0"))
    };
    vec![
        plain("no-go-mod").shows("a module from before go.mod"),
        plain("asm-honest").shows("assembler with includes of its own"),
        plain("pgo-garbage").shows("M17: a profile that is none"),
        plain("generate").shows("M6: generators, makefiles and tests are not run"),
        plain("planted-files").shows("M9: a workspace and a vendor folder in the zip are ignored"),
        plain("toolchain-line-newer").shows("M7: a newer toolchain is only a wish"),
        plain("toolchain-line-run-sh").shows("M7: a toolchain that is a path runs nothing"),
        plain("deprecated-with-escapes")
            .shows("M21: a deprecation that writes into terminals")
            .header_has(
                "gox-deprecated",
                "use ?]0;pwned? <script>alert(1)</script> instead.",
            ),
        plain("needs-tag")
            .shows("R15: no tag comes in from outside")
            .header("GOFLAGS", "-tags=evil"),
        plain("syso-elf").shows("M3: an honest object is linked by Go itself"),
        plain("zip-symlink").shows("M11: a link in a zip is the text that it points to"),
    ]
}

fn paths() -> Vec<Case> {
    let long_owner = format!("/{}/r", "o".repeat(40));
    let long_repo = format!("/o/{}", "r".repeat(101));
    [
        ("an owner alone", "/o"),
        ("R1: out of the root", "/../../etc/passwd"),
        ("R1: up", "/o/../r"),
        ("R1: here", "/o/./r"),
        ("R1: an empty element", "/o//r"),
        ("R1: an empty first element", "//o/r"),
        ("R2: dots as percents", "/%2e%2e/%2e%2e/etc/passwd"),
        ("R2: a slash as percent", "/o/r%2f..%2f..%2fetc"),
        ("R2: a percent as percent", "/o/%252e%252e"),
        (
            "R2: an honest letter as percent is refused too: no name needs it",
            "/tester/%68ello",
        ),
        ("R3: NUL", "/tester/hello%00.png"),
        ("R4: a header", "/o/r%0d%0aSet-Cookie:x"),
        ("R4: a terminal's escape", "/o/r%1b[31m"),
        ("R4: C1", "/o/r%c2%9b31m"),
        ("R4: right to left", "/o/r%e2%80%ae"),
        ("R5: a flag as owner", "/-toolexec=x/r"),
        ("R5: a flag as repository", "/o/-r"),
        ("R9: a wildcard", "/tester/several-commands/..."),
        ("R9: a wildcard below", "/tester/several-commands/cmd/...@v1.0.0"),
        ("R11: a git URL", "/o/r.git"),
        ("R11: a name that Windows keeps to itself", "/o/CON"),
        ("R11: a hidden repository", "/o/.r"),
        ("R11: a last dot", "/o/r."),
        ("R11: a short name of Windows", "/o/r~1"),
        ("R11: an owner longer than GitHub allows", &long_owner),
        ("R11: a repository longer than GitHub allows", &long_repo),
        ("R12: a Cyrillic letter that looks Latin", "/g%d1%96thub/r"),
        ("R12: an umlaut", "/%c3%b6/r"),
        ("R14: two hundred elements", &"/a".repeat(200)),
        ("R14: ten thousand letters", &format!("/o/r/{}", "a".repeat(5000))),
        ("R22: quotes for a header", "/o/a%22;x=%22.exe"),
        ("a backslash", "/o/r%5c..%5cx"),
        ("a space", "/o/r%20x"),
        ("R10: the standard library", "/std"),
    ]
    .map(|(shows, path)| case(shows).get(path).refused("bad-path"))
    .into_iter()
    .chain([
        case("R1: a slash at the end")
            .get("/tester/hello/")
            .refused_for(&["bad-path", "no-such-package"]),
        case("R10: a command of Go's own is nobody's")
            .get("/cmd/go")
            .refused_for(&["no-such-module", "bad-path"]),
        case("R10: a toolchain is no program")
            .get("/golang.org/toolchain")
            .refused_for(&["no-such-module", "bad-path", "denied"]),
        case("R23: a script in a path")
            .get("/o/%3Cscript%3Ealert(1)%3C/script%3E")
            .accept(BROWSER)
            .refused("bad-path")
            .body_lacks("<script>alert"),
    ])
    .collect()
}

fn words_for_go() -> Vec<Case> {
    [
        ("R5: a flag as version", "-x"),
        ("R5: a flag of git", "--upload-pack=touch"),
        ("R6: a command", "v1;id"),
        ("R6: a substitution", "$(id)"),
        ("R6: an older substitution", "%60id%60"),
        ("R6: braces", "%7blatest%7d"),
        ("R6: an at", "@"),
        ("R6: nothing", ""),
        ("R6: a space", "%20"),
        ("R6: an at as percent", "%40"),
        ("R4: a header", "v1.0.0%0d%0aSet-Cookie:x"),
        ("R3: NUL", "v1.0.0%00"),
        ("R7: newer than", "%3Ev1"),
        ("R7: older than", "%3Cv2"),
        ("R7: at least", "%3E=v1.2"),
    ]
    .map(|(shows, version)| {
        case(shows)
            .get(&format!("/tester/hello@{version}"))
            .refused_for(&["bad-version", "bad-path"])
    })
    .into_iter()
    .chain(["upgrade", "patch", "all", "none", "HEAD"].map(|word| {
        case("R7: a word that means something to go")
            .get(&format!("/tester/hello@{word}"))
            .refused_for(&["bad-version", "no-such-version"])
    }))
    .chain([
        case("a version alone is at fault")
            .get("/tester/hello@-x")
            .refused("bad-version"),
        case("R6: a version that climbs")
            .get("/tester/hello@v1.0.0/../../x")
            .refused_for(&["bad-version", "bad-path"]),
    ])
    .collect()
}

fn queries() -> Vec<Case> {
    [
        ("R15: what go get asks", "go-get=1"),
        ("R15: flags for the linker", "ldflags=-X%20main.x=y"),
        ("R15: a variable of Go's", "GOFLAGS=-toolexec=x"),
        ("R15: a path as tag", "tags=../x"),
        ("R15: a flag as tag", "tags=-x"),
        ("R15: a path as Go version", "go=1.26.8/../x"),
        ("a key twice", "os=linux&os=windows"),
        ("a key without a meaning", "x"),
        ("strip is 1", "strip=2"),
    ]
    .map(|(shows, query)| {
        case(shows)
            .get(&format!("/tester/hello?{query}"))
            .refused("bad-query")
    })
    .into_iter()
    .chain([
        case("R15: a path as OS")
            .get("/tester/hello?os=../x&arch=amd64")
            .refused_for(&["bad-query", "unknown-platform"]),
        case("R16: a path in a platform")
            .get("/tester/hello?os=linux/..&arch=amd64")
            .refused_for(&["bad-query", "unknown-platform"]),
        case("R4: a header in a query")
            .get("/tester/hello?os=linux%0d%0aSet-Cookie:x")
            .refused_for(&["bad-query", "unknown-platform"]),
        case("R3: NUL in a query")
            .get("/tester/hello?os=linux%00&arch=amd64")
            .refused_for(&["bad-query", "unknown-platform"]),
        case("R1: argv from a query")
            .get("/tester/hello?--version")
            .refused("bad-query"),
    ])
    .collect()
}

fn requests() -> Vec<Case> {
    let hello = || tester("hello", "v1.1.0");
    [
        "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get",
    ]
    .map(|method| {
        case("R17: only GET and HEAD")
            .get("/tester/hello")
            .method(method)
            .refused("method-not-allowed")
            .header_has("allow", "GET, HEAD")
    })
    .into_iter()
    .chain([
        case("R15: no method through the back door")
            .get("/tester/hello")
            .header("X-HTTP-Method-Override", "DELETE")
            .gives(hello()),
        case("R18: a body is not read")
            .get("/tester/hello")
            .body(&[b'x'; 100_000])
            .gives(hello()),
        case("R20: no proxy from a header")
            .get("/tester/hello")
            .header("Proxy", "http://127.0.0.1:9")
            .gives(hello()),
        case("R24: forged addresses")
            .get("/tester/hello")
            .header("X-Forwarded-For", "1.2.3.4")
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Proto", "gopher")
            .gives(hello()),
        case("R15: a cookie means nothing")
            .get("/tester/hello")
            .header("Cookie", "os=windows")
            .gives(hello()),
    ])
    .collect()
}

fn failures() -> Vec<Case> {
    vec![
        case("a module that does not compile")
            .get("/tester/does-not-compile")
            .refused("does-not-compile")
            .body_has("cannot use"),
        case("the same, for a browser")
            .get("/tester/does-not-compile")
            .accept(BROWSER)
            .refused("does-not-compile")
            .body_has("cannot use"),
        case("the same, for a program")
            .get("/tester/does-not-compile")
            .accept("application/json")
            .refused("does-not-compile")
            .body_has("cannot use"),
        case("M4: a module that needs C")
            .get("/tester/needs-cgo")
            .refused("needs-cgo"),
        case("a program behind the tag cgo, and its helper")
            .get("/tester/root-behind-cgo")
            .refused("needs-cgo"),
        case("the helper by its name")
            .get("/tester/root-behind-cgo/cmd/helper")
            .gives(tester("root-behind-cgo/cmd/helper", "v1.0.0").of("github.com/tester/root-behind-cgo")),
        case("the only command, behind the tag cgo")
            .get("/tester/command-behind-cgo")
            .refused("needs-cgo"),
        case("a system whose programs a C compiler links")
            .get("/tester/hello?os=ios&arch=arm64")
            .refused("needs-cgo")
            .body_has("ios/arm64"),
        case("the same, asked for by HEAD")
            .get("/tester/hello?os=android&arch=arm")
            .method("HEAD")
            .refused("needs-cgo"),
        case("Android where Go links by itself")
            .get("/tester/hello?os=android&arch=arm64")
            .gives(tester("hello", "v1.1.0").on("android", "arm64")),
        case("M7: a module that needs a Go of tomorrow")
            .get("/tester/needs-newer-go")
            .refused("needs-newer-go")
            .body_has("1.99"),
        case("a dependency that is not there")
            .get("/tester/dependency-missing")
            .refused("missing-dependency")
            .body_has("github.com/tester/nosuch"),
        case("a failure for a browser")
            .get("/tester/library")
            .accept(BROWSER)
            .refused("no-command"),
        case("a failure for a program")
            .get("/tester/library")
            .accept("application/problem+json")
            .refused("no-command"),
        case("a list for a version is one of that version")
            .get("/tester/several-commands@v1.0.0")
            .refused("several-commands")
            .body_has("/tester/several-commands/cmd/one@v1.0.0"),
        case("a list for a browser is one of links, for what was asked for")
            .get("/tester/several-commands?os=linux&arch=arm64")
            .accept(BROWSER)
            .refused("several-commands")
            .body_has("href=\"/tester/several-commands/cmd/one?os=linux&amp;arch=arm64\""),
        case("a machine that is not told, and what else was asked for")
            .get("/tester/hello?strip=1")
            .from("Linux unknown")
            .refused("platform-untold")
            .body_has("/tester/hello?os=linux&arch=ARCH&strip=1"),
        case("a list for a program")
            .get("/tester/several-commands")
            .accept("application/json")
            .refused("several-commands")
            .body_has("/cmd/one"),
    ]
}

fn hostile() -> Vec<Case> {
    let asm = [
        "passwd", "environ", "parent", "dev-zero", "stdin", "escaped", "macro",
    ]
    .map(|name| {
        case("M1: the assembler reads nothing outside the package")
            .get(&format!("/tester/asm-include-{name}"))
            .refused("does-not-compile")
            .body_lacks("found \"0\"")
            .body_lacks("root:")
            .body_lacks("NUL")
    });
    let zips = [
        "climbs-out",
        "absolute",
        "wrong-prefix",
        "case-collision",
        "nested-go-mod",
        "windows-name",
    ]
    .map(|name| {
        case("M11: a zip that Go refuses")
            .get(&format!("/tester/zip-{name}"))
            .refused("invalid-module")
    });
    let others = [
        case("M2: a linker script runs no linker")
            .get("/tester/syso-text")
            .refused("needs-cgo")
            .body_lacks("root:"),
        case("M4: flags for a C compiler")
            .get("/tester/import-c-flags")
            .refused("needs-cgo"),
        case("M5: pragmas that only cgo may write")
            .get("/tester/cgo-pragmas")
            .refused("does-not-compile"),
        case("M8: replacements by folders of the server")
            .get("/tester/replace-escaped")
            .refused("replace-directives"),
        case("M8: replacements by folders of the server")
            .get("/tester/replace-outside")
            .refused("replace-directives")
            .body_lacks("root:"),
        case("M16: parentheses").get("/tester/bomb-parens").refused_for(&[
            "does-not-compile",
            "out-of-memory",
            "out-of-time",
        ]),
        case("M19: addresses inside the house")
            .get("/tester/vanity-dependency-internal-url")
            .refused_for(&["no-such-module", "missing-dependency", "does-not-compile"]),
        case("M22: escapes in the compiler's words")
            .get("/tester/line-directive-escapes")
            .refused("does-not-compile"),
        case("M22: the same, for a browser")
            .get("/tester/line-directive-escapes")
            .accept(BROWSER)
            .refused("does-not-compile")
            .body_lacks("<script>alert"),
        case("M23: five megabytes of a name")
            .get("/tester/long-identifier")
            .refused("does-not-compile"),
        case("M23: errors in twenty packages")
            .get("/tester/many-errors")
            .refused("does-not-compile"),
        case("M24: odd bytes")
            .get("/tester/odd-bytes")
            .refused("does-not-compile"),
        case("M25: the server's paths stay with the server")
            .get("/tester/compile-error-paths")
            .refused("does-not-compile")
            .body_has("inner.go:3"),
        case("M27: a listed version without a zip")
            .get("/tester/zip-missing")
            .refused_for(&["missing-dependency", "no-such-version", "no-such-module"]),
        case("M27: a proxy that speaks HTML")
            .get("/tester/proxy-speaks-html@v1.0.0")
            .refused("proxy-failed")
            .body_lacks("hotel"),
        case("M34: imports that only look like the standard library")
            .get("/tester/standard-library-names")
            .refused("does-not-compile"),
    ];
    asm.into_iter().chain(zips).chain(others).collect()
}

/// The URL that always means the same bytes.
fn exact() -> String {
    let go = plain::go_version();
    format!("/tester/hello@v1.0.0?os=linux&arch=amd64&go={go}")
}

fn http() -> Vec<Case> {
    let hello = || tester("hello", "v1.0.0");
    let length = || plain::install(&hello().wanted).bytes;
    let get = |shows| case(shows).get("/tester/hello@v1.0.0");
    vec![
        get("HEAD after GET").method("HEAD").bodiless(200, hello()),
        get("what the client has is still right")
            .header("If-None-Match", "{etag}")
            .bodiless(304, hello()),
        get("a weak tag is as good here")
            .header("If-None-Match", "\"other\", W/{etag}")
            .bodiless(304, hello()),
        get("any tag").header("If-None-Match", "*").bodiless(304, hello()),
        get("what the client has is old")
            .header("If-None-Match", "\"other\"")
            .gives(hello()),
        get("four bytes").header("Range", "bytes=0-3").part(hello(), 0, 3),
        get("to the end")
            .header("Range", "bytes=1000-")
            .part(hello(), 1000, length() - 1),
        get("the last five")
            .header("Range", "bytes=-5")
            .part(hello(), length() - 5, length() - 1),
        get("more than there is")
            .header("Range", "bytes=10-99999999999")
            .part(hello(), 10, length() - 1),
        get("from behind the end")
            .header("Range", "bytes=99999999999-")
            .bodiless(416, hello()),
        get("resumed, and unchanged")
            .header("Range", "bytes=7-9")
            .header("If-Range", "{etag}")
            .part(hello(), 7, 9),
        get("resumed, and changed: all of it")
            .header("Range", "bytes=7-9")
            .header("If-Range", "\"other\"")
            .gives(hello()),
        get("R25: a range that is none")
            .header("Range", "bytes=9-7")
            .gives(hello()),
        get("R25: another unit")
            .header("Range", "lines=1-2")
            .gives(hello()),
        get("R25: a thousand ranges")
            .header("Range", &format!("bytes=0-0{}", ",2-2".repeat(999)))
            .gives(hello()),
        get("R25: encodings nobody has")
            .header("Accept-Encoding", &"x,".repeat(1000))
            .gives(hello()),
        get("resumed only if unchanged, and it is not")
            .header("Range", "bytes=7-9")
            .header("If-Match", "\"other\"")
            .bodiless(412, hello()),
        get("resumed only if unchanged, and it is")
            .header("Range", "bytes=7-9")
            .header("If-Match", "{etag}")
            .part(hello(), 7, 9),
        get("all of it, if it is that")
            .header("If-Match", "*")
            .gives(hello()),
        get("nothing since that date")
            .get(&exact())
            .header("If-Modified-Since", HTTP_TIME)
            .bodiless(304, hello()),
        get("a newer Go may have come since that date")
            .header("If-Modified-Since", HTTP_TIME)
            .gives(hello()),
        get("not changed since that date")
            .get(&exact())
            .header("If-Unmodified-Since", HTTP_TIME)
            .gives(hello()),
        get("changed since that date")
            .get(&exact())
            .header("If-Unmodified-Since", "Thu, 02 Jan 2025 03:04:04 GMT")
            .bodiless(412, hello()),
        get("a tag says more than a date")
            .header("If-None-Match", "\"other\"")
            .header("If-Modified-Since", HTTP_TIME)
            .gives(hello()),
        get("HEAD and a tag")
            .method("HEAD")
            .header("If-None-Match", "{etag}")
            .bodiless(304, hello()),
        case("an exact URL is for ever")
            .get(&exact())
            .gives(hello())
            .header_has("cache-control", "immutable")
            .header_has("vary", "Accept-Encoding"),
        case("a guessed one says what it depends on")
            .get("/tester/hello")
            .gives(tester("hello", "v1.1.0"))
            .header_has("vary", "User-Agent"),
        case("one with a platform does not depend on who asks")
            .get("/tester/hello?os=linux&arch=amd64")
            .gives(tester("hello", "v1.1.0"))
            .header_has("vary", "Accept-Encoding")
            .header_lacks("vary", "User-Agent")
            .header_has("cache-control", "max-age=60"),
    ]
}

/// RFC 9110 section 12.5.3, RFC 9530 section 4.
fn representations() -> Vec<Case> {
    let hello = || tester("hello", "v1.0.0");
    let zstd = || hello().coded("zstd");
    let get = |shows| case(shows).get("/tester/hello@v1.0.0");
    let accept = |shows, codings| get(shows).header("Accept-Encoding", codings);
    let want = |shows, digests| get(shows).header("Want-Repr-Digest", digests);
    vec![
        accept("what curl --compressed sends", "deflate, gzip, br, zstd").gives(zstd()),
        accept("what Safari sends", "gzip, deflate, br").gives(hello().coded("gzip")),
        accept("what Go's client, Caddy and Varnish add", "gzip").gives(hello()),
        accept("what Python's requests and Node's fetch add", "gzip, deflate").gives(hello()),
        accept("what w3m sends", "gzip, compress, bzip, bzip2, deflate").gives(hello()),
        accept("any coding, none by its name", "*").gives(hello()),
        accept("br and zstd, refused", "gzip, br;q=0, zstd;q=0").gives(hello()),
        accept("the one that is liked better", "gzip;q=1.0, zstd;q=0.5").gives(hello().coded("gzip")),
        accept("none is liked better", "identity, *;q=0.5").gives(hello()),
        accept("one that is refused", "zstd;q=0").gives(hello()),
        accept("nothing is acceptable: the program", "identity;q=0, br").gives(hello()),
        accept("weights that are none", "zstd;q=high, gzip;q=2").gives(hello()),
        accept("HEAD where GET is not compressed", "gzip")
            .method("HEAD")
            .bodiless(200, hello()),
        accept("HEAD, compressed", "zstd")
            .method("HEAD")
            .bodiless(200, zstd()),
        accept("what the client has, compressed, is right", "zstd")
            .header("If-None-Match", "{etag}")
            .bodiless(304, zstd()),
        accept("a part, by a client that does not say of what", "gzip, zstd")
            .header("Range", "bytes=0-99")
            .part(hello(), 0, 99),
        accept("a part beyond the end of what is compressed", "br, gzip, zstd")
            .header("Range", "bytes=1200000-1200999")
            .part(hello(), 1_200_000, 1_200_999),
        accept("the last part", "gzip, deflate, br")
            .header("Range", "bytes=-7")
            .part(
                hello(),
                plain::install(&hello().wanted).bytes - 7,
                plain::install(&hello().wanted).bytes - 1,
            ),
        accept("resumed by who does not say of what: as curl counts", "zstd")
            .header("Range", "bytes=1000-")
            .part(hello(), 1000, plain::install(&hello().wanted).bytes - 1),
        accept("resumed, compressed, and changed: all of it", "zstd")
            .header("Range", "bytes=1000-")
            .header("If-Range", "\"other\"")
            .gives(zstd()),
        accept("resumed, compressed, and unchanged", "zstd")
            .header("Range", "bytes=7-9")
            .header("If-Range", "{etag}")
            .part(zstd(), 7, 9),
        accept("from behind the end", "zstd")
            .header("Range", "bytes=99999999999-99999999999")
            .bodiless(416, hello()),
        accept("from behind the end of what is compressed", "zstd")
            .header("Range", "bytes=99999999999-99999999999")
            .header("If-Range", "{etag}")
            .bodiless(416, zstd()),
        case("an exact URL, compressed")
            .get(&exact())
            .header("Accept-Encoding", "gzip, br")
            .gives(hello().coded("gzip"))
            .header_has("cache-control", "immutable"),
        want("a digest that is longer", "sha-512=10, sha-256=1").gives(hello().digest(Some("sha-512"))),
        want("the usual digest", "sha-256=10, sha-512=3").gives(hello()),
        want("no digest", "sha-256=0").gives(hello().digest(None)),
        want("a digest that nobody knows", "unixsum=10").gives(hello()),
        want("digests that are none", "sha-512=eleven").gives(hello()),
        want("the digest of what is compressed", "sha-512=1")
            .header("Accept-Encoding", "zstd")
            .gives(zstd().digest(Some("sha-512"))),
    ]
}

fn pages() -> Vec<Case> {
    vec![
        case("the landing page, for a browser")
            .get("/")
            .accept(BROWSER)
            .page("text/html")
            .body_has("curl"),
        case("the landing page, for curl")
            .get("/")
            .page("text/plain")
            .body_has("curl"),
        case("what prints Host is kept for one client")
            .get("/")
            .page("text/plain")
            .header_has("cache-control", "private"),
        case("the icon that browsers ask for")
            .get("/favicon.ico")
            .page("image/svg+xml"),
        case("no robots")
            .get("/robots.txt")
            .page("text/plain")
            .body_has("Disallow: /"),
        case("alive").get("/-/health").page("text/plain"),
        case("what can go wrong, for a browser")
            .get("/-/reasons")
            .accept(BROWSER)
            .page("text/html")
            .body_has("id=\"does-not-compile\""),
        case("what can go wrong, for curl")
            .get("/-/reasons")
            .page("text/plain")
            .body_has("does-not-compile (422)"),
        case("what it builds for, for curl")
            .get("/-/platforms")
            .page("text/plain")
            .body_has("\nlinux/arm         7 5 6\n")
            .body_has("\nlinux/s390x\n")
            .body_lacks("ios/arm64"),
        case("what it builds for, for a program")
            .get("/-/platforms")
            .accept("application/json")
            .page("application/json")
            .body_has("\"os=linux&arch=amd64v3\""),
        case("what it builds for, for a browser")
            .get("/-/platforms")
            .accept(BROWSER)
            .page("text/html")
            .body_has("?os=windows&amp;arch=arm64"),
        of_type("application/json;q=0", "text/plain"),
        of_type("application/problem+json;q=0, text/plain", "text/plain"),
        of_type("text/plain, application/json;q=0.1", "text/plain"),
        of_type("text/html;q=0", "text/plain"),
        of_type("text/plain;q=1, text/html;q=0.1", "text/plain"),
        of_type("application/jsonl", "text/plain"),
        of_type(
            "text/html,application/xhtml+xml,application/json;q=0.1",
            "text/html",
        ),
        of_type("Text/HTML", "text/html"),
        of_type("APPLICATION/JSON", "application/json"),
        case("nothing else below /-/")
            .get("/-/nothing")
            .refused("no-such-page"),
    ]
}

/// A page that there is in three types.
fn of_type(accept: &str, content_type: &'static str) -> Case {
    case(&format!("what {accept} weighs most"))
        .get("/-/platforms")
        .accept(accept)
        .page(content_type)
}
