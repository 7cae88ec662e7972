//! What gox-server promises about a request, one row each: the request and the expected response.
//!
//! `transports` sends every row through every transport, `scripts` runs the failures with sh. Rows are independent. Modules are
//! fixtures of tests/modules. R and M numbers are those of the attack table in SECURITY.md.

use crate::support::case::{Case, case, program, tester};
use crate::support::modproxy::HTTP_TIME;
use crate::support::plain_go;

const MAC: &str = "Darwin arm64";
const WINDOWS: &str = "MINGW64_NT-10.0-19045 x86_64";
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// The whole table.
pub(crate) fn cases() -> Vec<Case> {
    [
        versions(),
        platforms(),
        named_files(),
        min_ages(),
        version_lists(),
        commands(),
        unusual_modules(),
        paths(),
        versions_with_special_meaning(),
        queries(),
        pasted(),
        requests(),
        browsers(),
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
        case("OWNER/REPO alone gives the newest release")
            .get("/tester/hello")
            .gives(hello("v1.1.0")),
        case("with a host")
            .get("/github.com/tester/hello")
            .gives(hello("v1.1.0")),
        case("with any host")
            .get("/example.org/vanity")
            .gives(program("example.org/vanity", "v1.0.0")),
        case("an exact version")
            .get("/tester/hello@v1.0.0")
            .gives(hello("v1.0.0")),
        case("a version without its v")
            .get("/tester/hello@1.0.0")
            .gives(hello("v1.0.0")),
        case("a major version")
            .get("/tester/hello@v1")
            .gives(hello("v1.1.0")),
        case("a minor version")
            .get("/tester/hello@v1.0")
            .gives(hello("v1.0.0")),
        case("@latest").get("/tester/hello@latest").gives(hello("v1.1.0")),
        case("a pre-release by its version")
            .get("/tester/hello@v1.2.0-rc.1")
            .gives(hello("v1.2.0-rc.1")),
        case("a branch").get("/tester/hello@main").gives(hello("v1.1.0")),
        case("a commit")
            .get("/tester/hello@0123456789ab")
            .gives(hello("v1.1.0")),
        case("a tag without a v")
            .get("/tester/bare-tags@1.2.0")
            .gives(tester("bare-tags", "v0.0.0-20250102030405-0123456789ab")),
        case("the same tag with a v")
            .get("/tester/bare-tags@v1.2.0")
            .gives(tester("bare-tags", "v0.0.0-20250102030405-0123456789ab")),
        case("a missing tag without a v")
            .get("/tester/bare-tags@1.2.1")
            .refused("no-such-version"),
        case("a missing version")
            .get("/tester/hello@v9.9.9")
            .refused("no-such-version"),
        case("a missing branch")
            .get("/tester/hello@no-such-branch")
            .refused("no-such-version"),
        case("the newest major version is used")
            .get("/tester/majors")
            .gives(tester("majors/v3", "v3.0.1")),
        case("a major version by its path")
            .get("/tester/majors/v2")
            .gives(tester("majors/v2", "v2.1.0")),
        case("a major version by its version")
            .get("/tester/majors@v2")
            .gives(tester("majors/v2", "v2.1.0")),
        case("the first major version by its version")
            .get("/tester/majors@v1")
            .gives(tester("majors", "v1.0.0")),
        case("R34: v2 as +incompatible")
            .get("/tester/incompatible")
            .gives(tester("incompatible", "v2.0.0+incompatible")),
        case("a release tag with a module version of another form")
            .get("/tester/release-tags@v3.5.0")
            .gives(tester("release-tags", "v0.305.0")),
        case("a release tag that Go ignores: the answer names versions of the module")
            .get("/tester/release-tags@v2.53.0")
            .refused("no-such-version")
            .body_has("  /tester/release-tags@v0.53.0")
            .body_has("  /tester/release-tags@v0.305.0"),
        case("a missing version: the answer names the newest one")
            .get("/tester/majors@v9.9.9")
            .refused("no-such-version")
            .body_has("  /tester/majors@v3.0.1"),
        case("a missing version of the newest major: the answer does not say that Go ignores its tags")
            .get("/tester/majors@v3.9.9")
            .refused("no-such-version")
            .body_has("The newest version of github.com/tester/majors/v3 is v3.0.1.")
            .body_lacks("Go ignores"),
        case("a missing version before v1")
            .get("/tester/release-tags@v0.999.0")
            .refused("no-such-version")
            .body_has("  /tester/release-tags@v0.305.0"),
        case("a missing version of a nested module")
            .get("/tester/nested-module/tool@v9.9.9")
            .refused("no-such-version")
            .body_has("  /tester/nested-module/tool@v0.3.0"),
        case("a missing version: the newest one is not a version that Go ignores")
            .get("/tester/ignored-versions@v2.9.9")
            .refused("no-such-version")
            .body_has("  /tester/ignored-versions@v1.1.0"),
        case("a missing version of an unknown module")
            .get("/tester/nosuch@v3.5.0")
            .refused("no-such-version"),
        case("a retracted release is not the latest")
            .get("/tester/retracted")
            .gives(tester("retracted", "v1.0.0"))
            .header_has("gox-deprecated", "use github.com/tester/hello."),
        case("a major of which all releases are retracted is not the latest")
            .get("/tester/withdrawn-major")
            .gives(tester("withdrawn-major", "v1.0.0")),
        case("a retracted release by its version")
            .get("/tester/retracted@v1.1.0")
            .gives(tester("retracted", "v1.1.0"))
            .header_has("gox-retracted", "published by mistake ?[31m"),
    ]
}

fn platforms() -> Vec<Case> {
    let hello = tester("hello", "v1.1.0");
    let mac = hello.clone().on_platform("darwin", "arm64");
    vec![
        case("uname -sm of a Mac")
            .get("/tester/hello")
            .user_agent(MAC)
            .gives(mac.clone()),
        case("a variant in Docker's notation")
            .get("/tester/hello?os=linux&arch=arm/v6")
            .gives(hello.clone().on_platform("linux", "arm").with_variant("GOARM=6")),
        case("common aliases")
            .get("/tester/hello?os=macos&arch=aarch64")
            .gives(mac.clone()),
        case("the query overrides the User-Agent")
            .get("/tester/hello?os=darwin&arch=arm64")
            .user_agent("curl/8.5.0")
            .gives(mac),
        case("uname -sm of a first Raspberry Pi")
            .get("/tester/hello")
            .user_agent("Linux armv6l")
            .gives(hello.clone().on_platform("linux", "arm").with_variant("GOARM=6")),
        case("uname -a")
            .get("/tester/hello")
            .user_agent("Linux box 6.1.0 #1 SMP Debian x86_64 GNU/Linux")
            .gives(hello.clone()),
        case("Git for Windows")
            .get("/tester/hello")
            .user_agent(WINDOWS)
            .gives(hello.on_platform("windows", "amd64")),
        case("a Windows program on Windows")
            .get("/tester/windows-only")
            .user_agent(WINDOWS)
            .gives(tester("windows-only", "v1.0.0").on_platform("windows", "amd64")),
        case("a Windows program on Linux")
            .get("/tester/windows-only")
            .refused("not-for-this-platform"),
        case("what `uname -sp` prints on Debian")
            .get("/tester/hello")
            .user_agent("Linux unknown")
            .refused("platform-untold")
            .body_has("uname -sm"),
        case("a bare curl")
            .get("/tester/hello")
            .user_agent("curl/8.5.0")
            .refused("platform-untold")
            .body_has("curl"),
        case("a bare wget")
            .get("/tester/hello")
            .user_agent("Wget/1.21.3")
            .refused("platform-untold")
            .body_has("wget -U \"$(uname -sm)\""),
        case("a bare PowerShell")
            .get("/tester/hello")
            .user_agent("Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621.963")
            .refused("platform-untold")
            .body_has("iwr -UserAgent \"MS $env:PROCESSOR_ARCHITECTURE\""),
        case("a bare curl that asks for a checksum: the hint does not overwrite the program")
            .get("/tester/hello@v1.0.0.sha256")
            .user_agent("curl/8.5.0")
            .refused("platform-untold")
            .body_has("/tester/hello@v1.0.0.sha256 > hello.sha256"),
        case("a bare PowerShell that asks for a checksum: the name is that in the checksum file")
            .get("/tester/hello.sha256")
            .user_agent("Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621.963")
            .refused("platform-untold")
            .body_has("-OutFile hello.exe.sha256"),
        case("an ambiguous machine name: the hint does not ask for uname again")
            .get("/tester/hello")
            .user_agent("Linux mips")
            .refused("platform-untold")
            .body_has("?os=linux&arch=mipsle")
            .body_lacks("uname"),
        case("uname -sm of illumos is ambiguous: the hint names uname -smv")
            .get("/tester/hello")
            .user_agent("SunOS i86pc")
            .refused("platform-untold")
            .body_has("uname -smv"),
        case("an empty User-Agent")
            .get("/tester/hello")
            .user_agent("")
            .refused("platform-untold"),
        case("R16: an unknown architecture")
            .get("/tester/hello")
            .user_agent("Linux vax")
            .refused("unknown-platform"),
        case("R16: an unknown OS")
            .get("/tester/hello?os=templeos&arch=amd64")
            .refused("unknown-platform"),
        case("R16: an unsupported pair")
            .get("/tester/hello?os=darwin&arch=386")
            .refused("unknown-platform"),
        case("R16: an unknown variant")
            .get("/tester/hello?os=linux&arch=armv99")
            .refused("unknown-platform"),
    ]
}

/// URLs that end in the file name of the program.
fn named_files() -> Vec<Case> {
    let hello = || tester("hello", "v1.0.0");
    let windows = || hello().on_platform("windows", "amd64");
    vec![
        case("a URL that ends in the file's name needs no User-Agent")
            .get("/-/bin/linux-amd64/tester/hello@v1.0.0/hello")
            .user_agent("")
            .gives(hello())
            .header_has(
                "content-location",
                "/-/bin/linux-amd64/tester/hello@v1.0.0/hello?go=",
            )
            .header_lacks("vary", "User-Agent"),
        case("its checksum names the same file")
            .get("/-/bin/linux-amd64/tester/hello@v1.0.0/hello.sha256?wait=1")
            .user_agent("")
            .page("text/plain")
            .body_has("  hello\n"),
        case("its metadata")
            .get("/-/bin/linux-amd64/tester/hello@v1.0.0/hello.json?wait=1")
            .page("application/json")
            .body_has("/-/bin/linux-amd64/tester/hello@v1.0.0/hello?go="),
        case("its modules")
            .get("/-/bin/linux-amd64/tester/hello@v1.0.0/hello.cdx.json?wait=1")
            .page("application/vnd.cyclonedx+json")
            .body_has("CycloneDX"),
        case("its log")
            .get("/-/bin/linux-amd64/tester/hello@v1.0.0/hello.log?wait=1")
            .page("text/plain")
            .body_has("without output"),
        case("names that templates of other tools print")
            .get("/-/bin/macos-x64/tester/hello@1.0.0/hello")
            .gives(hello().on_platform("darwin", "amd64")),
        case("an architecture level")
            .get("/-/bin/linux-arm-6/github.com/tester/hello@v1.0.0/hello")
            .gives(hello().on_platform("linux", "arm").with_variant("GOARM=6"))
            .header_has(
                "content-location",
                "/-/bin/linux-arm-6/tester/hello@v1.0.0/hello?go=",
            ),
        case("a file name without a version is that of the newest release")
            .get("/-/bin/linux-amd64/tester/hello/hello")
            .gives(tester("hello", "v1.1.0")),
        case("a file in a directory of the module")
            .get("/-/bin/linux-amd64/tester/several-commands/cmd/two@v1.0.0/two")
            .gives(
                tester("several-commands/cmd/two", "v1.0.0").in_module("github.com/tester/several-commands"),
            ),
        case("the author's name for the file")
            .get("/-/bin/linux-amd64/tester/release-config@v1.2.0/tool-b")
            .gives(
                tester("release-config/cmd/b", "v1.2.0")
                    .in_module("github.com/tester/release-config")
                    .with_file_name("tool-b"),
            ),
        case("the client's name for the file")
            .get("/-/bin/linux-amd64/tester/hello@v1.0.0/hi?name=hi")
            .gives(hello().with_file_name("hi")),
        case("a file for Windows")
            .get("/-/bin/windows-amd64/tester/hello@v1.0.0/hello.exe")
            .gives(windows()),
        case("a file for Windows without .exe")
            .get("/-/bin/windows-amd64/tester/hello@v1.0.0/hello")
            .refused("wrong-file-name")
            .body_has("  /-/bin/windows-amd64/tester/hello@v1.0.0/hello.exe'"),
        case("another file name: the link keeps version, suffix and query")
            .get("/-/bin/linux-amd64/tester/hello@v1/fzf.sha256?strip=1")
            .refused("wrong-file-name")
            .body_has("  /-/bin/linux-amd64/tester/hello@v1/hello.sha256?strip=1'"),
        case("a missing file name")
            .get("/-/bin/linux-amd64/tester/hello@v1.0.0")
            .refused("wrong-file-name")
            .body_has("  /-/bin/linux-amd64/tester/hello@v1.0.0/hello'"),
        case("a missing file name and version")
            .get("/-/bin/linux-amd64/tester/hello")
            .refused("wrong-file-name")
            .body_has("  /-/bin/linux-amd64/tester/hello/hello'"),
        case("a version before the directory of the program")
            .get("/-/bin/linux-amd64/tester/several-commands@v1.0.0/cmd/two/two")
            .refused("wrong-file-name")
            .body_has("  /-/bin/linux-amd64/tester/several-commands/cmd/two@v1.0.0/two'"),
        case("links to several programs name the platform")
            .get("/-/bin/linux-arm64/tester/several-commands@v1.0.0/x?strip=1")
            .refused("several-commands")
            .body_has("/tester/several-commands/cmd/one@v1.0.0?os=linux&arch=arm64&strip=1"),
        case("a platform in the path and the query")
            .get("/-/bin/linux-amd64/tester/hello@v1.0.0/hello?arch=arm64")
            .refused("bad-query")
            .body_has("leave out os, arch and arm"),
        case("R16: a path in a platform of a path")
            .get("/-/bin/linux-../tester/hello@v1.0.0/hello")
            .refused("unknown-platform"),
        case("a platform without an architecture")
            .get("/-/bin/linux/tester/hello@v1.0.0/hello")
            .refused("unknown-platform")
            .body_has("OS-ARCH"),
        case("R1: parent directory in a named file")
            .get("/-/bin/linux-amd64/../../etc/passwd")
            .refused_for(&["bad-path", "no-such-page", "no-such-module"]),
        case("R5: a flag as version of a named file")
            .get("/-/bin/linux-amd64/tester/hello@-x/hello")
            .refused("bad-version"),
        case("a named file of a missing version")
            .get("/-/bin/linux-amd64/tester/hello@v9.9.9/hello")
            .refused("no-such-version"),
    ]
}

/// The newest version of a minimum age.
fn min_ages() -> Vec<Case> {
    let aged = || tester("aged", "v1.10.0");
    vec![
        case("the newest version, without min-age")
            .get("/tester/aged")
            .gives(tester("aged/v2", "v2.0.0")),
        case("the newest release that is a week old, of any major")
            .get("/tester/aged?min-age=7d")
            .gives(aged())
            .header_has("cache-control", "max-age=60")
            .header_has("content-location", "/tester/aged@v1.10.0/aged?go="),
        case("the same by a URL that ends in the file's name")
            .get("/-/bin/linux-amd64/tester/aged/aged?min-age=1w")
            .gives(aged()),
        case("of one major")
            .get("/tester/aged@v1?min-age=36h")
            .gives(aged()),
        case("of one minor version")
            .get("/tester/aged@v1.9?min-age=36h")
            .gives(tester("aged", "v1.9.0")),
        case("of a nested module")
            .get("/tester/aged/tool?min-age=7d")
            .gives(tester("aged/tool", "v0.1.0")),
        case("neither a version that Go ignores nor a library is the newest version")
            .get("/tester/ignored-versions?min-age=7d")
            .gives(tester("ignored-versions", "v1.0.0")),
        case("the newest version is old enough")
            .get("/tester/hello?min-age=1h")
            .gives(tester("hello", "v1.1.0")),
        case("no version of this major is old enough")
            .get("/tester/aged/v2?min-age=1d")
            .refused("no-such-version")
            .body_has("No version of github.com/tester/aged/v2 is 1d old."),
        case("no version is old enough")
            .get("/tester/aged?min-age=65535w")
            .refused("no-such-version"),
        case("min-age with an exact version")
            .get("/tester/hello@v1.0.0?min-age=7d")
            .refused("bad-query")
            .body_has("@v1.0.0"),
        case("min-age with a branch")
            .get("/tester/hello@main?min-age=7d")
            .refused("bad-query"),
        case("min-age without a unit")
            .get("/tester/hello?min-age=7")
            .refused("bad-query")
            .body_has("min-age=36h"),
    ]
}

fn version_lists() -> Vec<Case> {
    vec![
        case("the versions of a module, oldest first, in all majors")
            .get("/tester/aged.versions")
            .user_agent("")
            .page("text/plain")
            .header_has("cache-control", "max-age=60")
            .body_has("v1.0.0\nv1.9.0\nv1.10.0\nv1.11.0\nv1.12.0-rc.1\nv2.0.0\n"),
        case("the versions of one major by its path")
            .get("/tester/majors/v2.versions")
            .page("text/plain")
            .body_has("v2.1.0\n")
            .body_lacks("v1.0.0"),
        case("the versions of one major by its version")
            .get("/tester/aged@v1.versions")
            .page("text/plain")
            .body_has("v1.0.0\n")
            .body_lacks("v2.0.0"),
        case("the versions as JSON")
            .get("/tester/majors.versions")
            .accept("application/json")
            .page("application/json")
            .body_has("\"v1.0.0\""),
        case("the versions of a library")
            .get("/tester/library.versions")
            .page("text/plain")
            .body_has("v1.0.0\n"),
        case("the versions of a module with several programs")
            .get("/tester/several-commands.versions")
            .page("text/plain")
            .body_has("v1.0.0\n"),
        case("a retracted version is not listed")
            .get("/tester/retracted.versions")
            .page("text/plain")
            .body_has("v1.0.0\n")
            .body_lacks("v1.1.0"),
        case("a version that Go ignores is not listed")
            .get("/tester/ignored-versions.versions")
            .page("text/plain")
            .body_has("v1.0.0\nv1.1.0\nv3.0.0\n"),
        case("a module without tags has the version of its newest commit")
            .get("/tester/bare-tags@1.2.0.versions")
            .page("text/plain")
            .body_has("v0.0.0-20250102030405-0123456789ab\n"),
        case("the versions of a missing module")
            .get("/tester/no-such-module-here.versions")
            .refused("no-such-module"),
        case("the versions of an invalid path")
            .get("/o/../r.versions")
            .refused("bad-path"),
        case("a list of versions has no query")
            .get("/tester/hello.versions?min-age=30d")
            .refused("bad-query")
            .body_has("/tester/hello.versions' >&2"),
    ]
}

fn commands() -> Vec<Case> {
    vec![
        case("the command at the root")
            .get("/tester/root-and-cmd")
            .gives(tester("root-and-cmd", "v1.0.0")),
        case("a command by its path")
            .get("/tester/root-and-cmd/cmd/other")
            .gives(tester("root-and-cmd/cmd/other", "v1.0.0").in_module("github.com/tester/root-and-cmd")),
        case("the only public command")
            .get("/tester/only-command-in-cmd")
            .gives(
                tester("only-command-in-cmd/cmd/tool", "v1.0.0")
                    .in_module("github.com/tester/only-command-in-cmd"),
            ),
        case("the command named like the repository")
            .get("/tester/cmd-named-like-repo")
            .gives(
                tester("cmd-named-like-repo/cmd/cmd-named-like-repo", "v1.0.0")
                    .in_module("github.com/tester/cmd-named-like-repo"),
            ),
        case("two equal commands")
            .get("/tester/several-commands")
            .refused("several-commands")
            .body_has("/tester/several-commands/cmd/one")
            .body_has("/tester/several-commands/cmd/two"),
        case("one of them").get("/tester/several-commands/cmd/two").gives(
            tester("several-commands/cmd/two", "v1.0.0").in_module("github.com/tester/several-commands"),
        ),
        case("a nested module")
            .get("/tester/nested-module/tool")
            .gives(tester("nested-module/tool", "v0.3.0")),
        case("the newest major version needs a newer Go")
            .get("/tester/newest-needs-newer-go")
            .refused("needs-newer-go"),
        case("the newest major version has no release")
            .get("/tester/next-major-is-candidate")
            .gives(tester("next-major-is-candidate", "v1.0.0")),
        case("a command that became a module")
            .get("/tester/command-became-module/cmd/tool@v1.0.0")
            .gives(tester("command-became-module/cmd/tool", "v1.0.0")),
        case("the only command is in a nested module")
            .get("/tester/nested-module")
            .gives(tester("nested-module/tool", "v0.3.0")),
        case("commands of nested modules are listed")
            .get("/tester/nested-modules")
            .refused("several-commands")
            .body_has("/tester/nested-modules/one")
            .body_has("/tester/nested-modules/cmd/three")
            .body_has("/tester/nested-modules/cmd/newer"),
        case("paths of nested modules do not contain the major version of the outer one")
            .get("/tester/nested-modules/v2")
            .refused("several-commands")
            .body_has("/tester/nested-modules/v2/one")
            .body_has("/tester/nested-modules/cmd/three"),
        case("a newer nested module with the repository's name replaces the root")
            .get("/tester/nested-majors")
            .gives(tester("nested-majors/nested-majors/v5", "v5.8.1"))
            .header_has("gox-command", ".; by=name"),
        case("a root as new as the nested module is preferred")
            .get("/tester/nested-beside")
            .gives(tester("nested-beside", "v1.0.0"))
            .header_has("gox-command", ".; by=root"),
        case("a nested module by its major version")
            .get("/tester/nested-majors/nested-majors@v5")
            .gives(tester("nested-majors/nested-majors/v5", "v5.8.1")),
        case("a version of a nested module by the repository")
            .get("/tester/nested-majors@v5.8.1")
            .gives(tester("nested-majors/nested-majors/v5", "v5.8.1")),
        case("the old root by its version")
            .get("/tester/nested-majors@v1.0.0")
            .gives(tester("nested-majors", "v1.0.0")),
        case("nested modules that go.mod requires and replaces")
            .get("/tester/nested-required")
            .refused("several-commands")
            .body_has("/tester/nested-required/server/v3")
            .body_has("/tester/nested-required/ctl/v2"),
        case("one of them without its major version")
            .get("/tester/nested-required/server")
            .gives(tester("nested-required/server/v3", "v3.0.0").with_file_name("nested-required")),
        case("the author's release configuration names the command")
            .get("/tester/release-config")
            .gives(
                tester("release-config/cmd/b", "v1.2.0")
                    .in_module("github.com/tester/release-config")
                    .with_file_name("tool-b"),
            )
            .header_has("gox-command", "cmd/b; by=release-config"),
        case("the client chooses the file name")
            .get("/tester/hello?name=hi.1")
            .gives(tester("hello", "v1.1.0").with_file_name("hi.1")),
        case("the README installs one of two")
            .get("/tester/installed-command")
            .gives(tester("installed-command/two", "v1.0.0").in_module("github.com/tester/installed-command"))
            .header_has("gox-command", "two; by=readme"),
        case("development directories are skipped, and a generic directory name is not the file name")
            .get("/tester/command-beside-tools")
            .gives(
                tester("command-beside-tools/app", "v1.0.0")
                    .in_module("github.com/tester/command-beside-tools")
                    .with_file_name("command-beside-tools"),
            )
            .header_has("gox-command", "app; by=not-development"),
        case("the likely command is listed first, with the reason")
            .get("/tester/likely-command")
            .refused("several-commands")
            .body_has("The first is likely the one you want: the README names it most often.")
            .body_has("/tester/likely-command/two' \\\n  '  /tester/likely-command/one"),
        // tests/modules/bare-host.txtar
        case("a module path that is only a host")
            .get("/bare.example")
            .gives(program("bare.example/cmd/x", "v1.0.0").in_module("bare.example")),
        case("a command in it")
            .get("/bare.example/cmd/x@v1.0.0")
            .gives(program("bare.example/cmd/x", "v1.0.0").in_module("bare.example")),
        // In tests/modules/version-in-path.txtar.
        case("a path element that looks like an invalid major version")
            .get("/example.org/v1/plot/cmd/tool")
            .gives(program("example.org/v1/plot/cmd/tool", "v0.17.0").in_module("example.org/v1/plot")),
        case("a missing package below it")
            .get("/example.org/v1/plot/cmd/nosuch")
            .refused("no-such-package")
            .body_has("example.org/v1/plot has no cmd/nosuch"),
        case("a module path with an invalid major version")
            .get("/tester/hello/v1")
            .refused_for(&["no-such-package", "no-such-module"]),
        case("gopkg.in needs a version in the path")
            .get("/gopkg.in/yaml")
            .refused("no-such-module"),
        case("browser icons are not modules")
            .get("/apple-touch-icon.png")
            .refused("bad-path"),
        case("a release build of a module without release configuration")
            .get("/tester/hello?recipe=release")
            .refused("no-release-recipe")
            .body_has("/tester/hello@v1.1.0?")
            .body_has("recipe=install"),
        case("a hostile release configuration does not affect a plain build")
            .get("/tester/release-config-hostile@v1.0.0")
            .gives(tester("release-config-hostile", "v1.0.0")),
        case("M36: control characters in a value")
            .get("/tester/release-config-hostile@v1.0.1?recipe=release")
            .refused("no-release-recipe")
            .body_has("control characters"),
        case("M36: a template without a value")
            .get("/tester/release-config-hostile@v1.0.2?recipe=release")
            .refused("no-release-recipe")
            .body_has("if eq .Os"),
        case("M36: exponential aliases")
            .get("/tester/release-config-hostile@v1.0.3?recipe=release")
            .refused("no-release-recipe"),
        case("M36: a configuration of 300 KB")
            .get("/tester/release-config-hostile@v1.0.4?recipe=release")
            .refused("no-release-recipe")
            .body_has("larger than"),
        case("M36: a configuration that needs a C compiler")
            .get("/tester/release-config-hostile@v1.0.5?recipe=release")
            .refused("needs-cgo"),
        case("M36: deeply nested configuration")
            .get("/tester/release-config-hostile@v1.0.6?recipe=release")
            .refused("no-release-recipe"),
        case("M36: values longer than an argument do not affect a plain build")
            .get("/tester/release-config-hostile@v1.0.7")
            .gives(tester("release-config-hostile", "v1.0.7")),
        case("a replacement in a nested module at an unknown commit")
            .get("/tester/replace-nested@v1.0.0")
            .refused("missing-replacement")
            .body_has("github.com/tester/replace-nested/sub => ./sub")
            .body_has("does not report the commit of v1.0.0"),
        case("a nested module has its own versions")
            .get("/tester/nested-module@v1.0.0")
            .refused("no-command")
            .body_has(
                "Its README installs github.com/tester/nested-module/tool, which is not part of this module.",
            )
            .body_has("  /tester/nested-module/tool'"),
        case("the search for commands in many major versions is bounded")
            .get("/tester/many-majors")
            .refused("no-command"),
        case("M28: a library")
            .get("/tester/library")
            .refused("no-command"),
        case("M28: only an internal command")
            .get("/tester/internal-command")
            .refused("no-command"),
        case("a file with `//go:build ignore` is not a command")
            .get("/tester/ignored-main")
            .refused("no-command"),
        case("M28: a missing package")
            .get("/tester/hello/cmd/nothing@v1.0.0")
            .refused("no-such-package")
            .body_has("  /tester/hello@v1.0.0"),
        case("a missing package: the command of this name is suggested first")
            .get("/tester/several-commands/two@v1.0.0")
            .refused("no-such-package")
            .body_has("/cmd/two@v1.0.0' \\\n  '  /tester/several-commands/cmd/one@v1.0.0"),
        case("a path copied from GitHub")
            .get("/tester/hello/tree/main/cmd/x")
            .refused("no-such-package")
            .body_has("  /tester/hello/cmd/x@main"),
        case("a library in the repository of a program")
            .get("/tester/root-and-library/src")
            .refused("no-command")
            .body_has("  /tester/root-and-library'"),
        case("a missing repository")
            .get("/tester/nosuch")
            .refused("no-such-module"),
        case("a missing owner")
            .get("/nobody/nothing")
            .refused("no-such-module"),
        case("M29: a folder v2 is not the file name")
            .get("/tester/v2-package-name/tool/v2")
            .gives(tester("v2-package-name/tool/v2", "v1.0.0").in_module("github.com/tester/v2-package-name"))
            .header_has("content-disposition", "\"tool\""),
        case("M29: a folder named main.exe")
            .get("/tester/odd-command-names/main.exe")
            .gives(
                tester("odd-command-names/main.exe", "v1.0.0")
                    .in_module("github.com/tester/odd-command-names"),
            ),
        case("M29: a folder with a plus")
            .get("/tester/odd-command-names/plus+plus")
            .gives(
                tester("odd-command-names/plus+plus", "v1.0.0")
                    .in_module("github.com/tester/odd-command-names"),
            ),
        case("R13, M28: the module path in go.mod is followed")
            .get("/tester/declares-another-path")
            .gives(program("example.org/vanity", "v1.0.0")),
        case("R13: capitals are part of a name")
            .get("/tester/Capitals")
            .gives(tester("Capitals", "v1.0.0")),
        case("R13: different capitals are a different module")
            .get("/tester/CAPITALS")
            .refused("no-such-module"),
    ]
}

fn unusual_modules() -> Vec<Case> {
    let plain = |name: &'static str| {
        case(name)
            .get(&format!("/tester/{name}"))
            .gives(tester(name, "v1.0.0"))
    };
    vec![
        plain("no-go-mod").describe("a module from before go.mod"),
        plain("asm-honest").describe("assembler with its own includes"),
        plain("pgo-garbage").describe("M17: an invalid profile"),
        plain("generate").describe("M6: generators, makefiles and tests are not run"),
        plain("planted-files").describe("M9: a workspace and a vendor folder in the zip are ignored"),
        plain("toolchain-line-newer").describe("M7: a newer toolchain line is ignored"),
        plain("toolchain-line-run-sh").describe("M7: a toolchain line with a path runs nothing"),
        plain("deprecated-with-escapes")
            .describe("M21: terminal escapes in a deprecation")
            .header_has(
                "gox-deprecated",
                "use ?]0;pwned? <script>alert(1)</script> instead.",
            ),
        plain("needs-tag")
            .describe("R15: GOFLAGS of a client is ignored")
            .header("GOFLAGS", "-tags=evil"),
        plain("syso-elf").describe("M3: a valid object is linked by Go"),
        plain("zip-symlink").describe("M11: a symbolic link in a zip is a text file"),
    ]
}

fn paths() -> Vec<Case> {
    let long_owner = format!("/{}/r", "o".repeat(40));
    let long_repo = format!("/o/{}", "r".repeat(101));
    [
        ("an owner alone", "/o"),
        ("R1: above the root", "/../../etc/passwd"),
        ("R1: parent directory", "/o/../r"),
        ("R1: current directory", "/o/./r"),
        ("R1: an empty element", "/o//r"),
        ("R1: an empty first element", "//o/r"),
        ("R2: encoded dots", "/%2e%2e/%2e%2e/etc/passwd"),
        ("R2: an encoded slash", "/o/r%2f..%2f..%2fetc"),
        ("R2: an encoded percent sign", "/o/%252e%252e"),
        (
            "R2: an encoded letter is refused too: no name needs it",
            "/tester/%68ello",
        ),
        ("R3: NUL", "/tester/hello%00.png"),
        ("R4: a header", "/o/r%0d%0aSet-Cookie:x"),
        ("R4: a terminal escape", "/o/r%1b[31m"),
        ("R4: C1", "/o/r%c2%9b31m"),
        ("R4: right to left", "/o/r%e2%80%ae"),
        ("R5: a flag as owner", "/-toolexec=x/r"),
        ("R5: a flag as repository", "/o/-r"),
        ("R9: a wildcard", "/tester/several-commands/..."),
        (
            "R9: a wildcard below a path",
            "/tester/several-commands/cmd/...@v1.0.0",
        ),
        ("R11: a git URL", "/o/r.git"),
        ("R11: a name reserved by Windows", "/o/CON"),
        ("R11: a hidden repository", "/o/.r"),
        ("R11: a trailing dot", "/o/r."),
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
        case("R1: a trailing slash")
            .get("/tester/hello/")
            .refused_for(&["bad-path", "no-such-package"]),
        case("R10: a command of Go is not a repository")
            .get("/cmd/go")
            .refused_for(&["no-such-module", "bad-path"]),
        case("R10: a toolchain is not a program")
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

fn versions_with_special_meaning() -> Vec<Case> {
    [
        ("R5: a flag as version", "-x"),
        ("R5: a flag of git", "--upload-pack=touch"),
        ("R6: a command", "v1;id"),
        ("R6: a substitution", "$(id)"),
        ("R6: a backquote substitution", "%60id%60"),
        ("R6: braces", "%7blatest%7d"),
        ("R6: an at sign", "@"),
        ("R6: empty", ""),
        ("R6: a space", "%20"),
        ("R6: an encoded at sign", "%40"),
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
        case("R7: a version query of go get")
            .get(&format!("/tester/hello@{word}"))
            .refused_for(&["bad-version", "no-such-version"])
    }))
    .chain([
        case("only the version is invalid")
            .get("/tester/hello@-x")
            .refused("bad-version"),
        case("R6: a version with a parent directory")
            .get("/tester/hello@v1.0.0/../../x")
            .refused_for(&["bad-version", "bad-path"]),
    ])
    .collect()
}

fn queries() -> Vec<Case> {
    [
        ("R15: a go-get request", "go-get=1"),
        ("R15: flags for the linker", "ldflags=-X%20main.x=y"),
        ("R15: a variable of Go", "GOFLAGS=-toolexec=x"),
        ("R15: a path as tag", "tags=../x"),
        ("R15: a flag as tag", "tags=-x"),
        ("R15: a path as Go version", "go=1.26.8/../x"),
        ("a key twice", "os=linux&os=windows"),
        ("an unknown key", "x"),
        ("strip must be 1", "strip=2"),
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

/// Other notations of a URL. Those with one meaning work; the others get the corrected URL. tests/data/pasted.txt has the answers.
fn pasted() -> Vec<Case> {
    let hello = |version| tester("hello", version);
    let works = [
        (
            "wget2, quote() and encodeURIComponent encode the @",
            "/tester/hello%40v1.0.0",
        ),
        (
            "an encoded @ beside a query",
            "/tester/hello%40v1.0.0?os=linux&arch=amd64",
        ),
        ("Go's variables", "/tester/hello@v1.0.0?GOOS=linux&GOARCH=amd64"),
        ("letter case of keys", "/tester/hello@v1.0.0?OS=linux&Arch=amd64"),
        (
            "Docker's variables",
            "/tester/hello@v1.0.0?TARGETOS=linux&TARGETARCH=amd64&TARGETVARIANT=",
        ),
        ("Docker's platform", "/tester/hello@v1.0.0?platform=linux/amd64"),
        (
            "empty values",
            "/tester/hello@v1.0.0?os=&arch=&arm=&tags=&strip=&go=&name=&recipe=",
        ),
    ];
    let on_arm = [
        (
            "Docker's variant",
            "/tester/hello@v1.0.0?os=linux&arch=arm&arm=v6",
        ),
        (
            "Docker's platform with a variant",
            "/tester/hello@v1.0.0?platform=linux/arm/v6",
        ),
        (
            "Go's variable for ARM",
            "/tester/hello@v1.0.0?goos=linux&goarch=arm&GOARM=6",
        ),
    ];
    // What is pasted, the reason, and the corrected URL.
    let corrected = [
        (
            "/tester/hello/releases/tag/v1.2.3",
            "bad-path",
            "/tester/hello@v1.2.3",
        ),
        (
            "/tester/hello/releases/download/v1.2.3/hello.tar.gz",
            "bad-path",
            "/tester/hello@v1.2.3",
        ),
        ("/tester/hello/v1.2.3", "bad-path", "/tester/hello@v1.2.3"),
        (
            "/tester/hello/v1.2.3?os=darwin&arch=arm64",
            "bad-path",
            "/tester/hello@v1.2.3?os=darwin&arch=arm64",
        ),
        (
            "/tester/hello/releases/latest",
            "no-such-package",
            "/tester/hello'",
        ),
        (
            "/tester/hello/blob/main/README.md",
            "no-such-package",
            "/tester/hello'",
        ),
        ("/tester/hello/tree/main", "no-such-package", "/tester/hello@main"),
        ("/git@github.com:tester/hello.git", "bad-path", "/tester/hello'"),
        ("/https://github.com/tester/hello", "bad-path", "/tester/hello'"),
        ("/https://codeberg.org/o/r", "bad-path", "/codeberg.org/o/r'"),
        ("/tester/hello:v1.2.3", "bad-path", "/tester/hello@v1.2.3"),
        ("/tester/hello==1.2.3", "bad-path", "/tester/hello@v1.2.3"),
        ("/tester/hello)", "bad-path", "/tester/hello'"),
        (
            "/tester/hello,?os=linux&arch=arm64",
            "bad-path",
            "/tester/hello?os=linux&arch=arm64",
        ),
        (
            "/tester/hello/linux/amd64",
            "no-such-package",
            "/tester/hello?os=linux&arch=amd64",
        ),
        (
            "/tester/hello/darwin-arm64?strip=1",
            "no-such-package",
            "/tester/hello?os=darwin&arch=arm64&strip=1",
        ),
        ("/tester/hello.exe", "no-such-module", "/tester/hello?os=windows"),
        ("/tester/hello.tar.gz", "no-such-module", "/tester/hello'"),
        (
            "/go%20install%20github.com/tester/hello@v1.2.3",
            "bad-path",
            "/tester/hello@v1.2.3",
        ),
        (
            "/tester/hello?os=linux&arch=arm64.sha256",
            "bad-query",
            "/tester/hello.sha256?os=linux&arch=arm64",
        ),
        (
            "/tester/hello?os=linux&arch=arm64&x=y",
            "bad-query",
            "/tester/hello?os=linux&arch=arm64",
        ),
        (
            "/tester/hello?version=v1.2.3",
            "bad-query",
            "/tester/hello@v1.2.3",
        ),
        (
            "/tester/hello/info/refs?service=git-upload-pack",
            "bad-path",
            "no git repository: git clone https://github.com/tester/hello'",
        ),
        (
            "/tester/nosuch",
            "no-such-module",
            "a private repository cannot be built here",
        ),
    ];
    let works = works.map(|(shows, url)| case(shows).get(url).gives(hello("v1.0.0")));
    let on_arm = on_arm.map(|(shows, url)| {
        let program = hello("v1.0.0").on_platform("linux", "arm");
        case(shows).get(url).gives(program.with_variant("GOARM=6"))
    });
    let corrected =
        corrected.map(|(url, reason, has)| case("the corrected URL").get(url).refused(reason).body_has(has));
    let others = [
        case("an encoded + in a version")
            .get("/tester/incompatible%40v2.0.0%2Bincompatible")
            .gives(tester("incompatible", "v2.0.0+incompatible")),
        case("GitHub's tag of a nested module")
            .get("/tester/nested-majors@nested-majors/v5.8.1")
            .gives(tester("nested-majors/nested-majors/v5", "v5.8.1")),
        case("a directory v1 is not a module path: no query for it fails")
            .get("/tester/hello/v1")
            .refused("no-such-package"),
        case("a platform in the path, by a client without one")
            .get("/tester/hello/linux/arm64")
            .user_agent("curl/8.5.0")
            .refused("platform-untold")
            .body_has("  /tester/hello?os=linux&arch=arm64'"),
        case("a corrected URL for a browser is a link")
            .get("/tester/hello:v1.2.3?os=linux&x=y")
            .accept(BROWSER)
            .refused("bad-path")
            .body_has("href=\"/tester/hello@v1.2.3?os=linux\""),
    ];
    works
        .into_iter()
        .chain(on_arm)
        .chain(corrected)
        .chain(others)
        .collect()
}

fn requests() -> Vec<Case> {
    let hello = || tester("hello", "v1.1.0");
    let methods = ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"].map(|method| {
        case("R17: only GET, HEAD and POST")
            .get("/tester/hello")
            .method(method)
            .refused("method-not-allowed")
            .header_has("allow", "GET, HEAD, POST")
    });
    let pages = [
        "/",
        "/robots.txt",
        "/-/platforms",
        "/-/install/tester/hello",
        "/-/bin/linux-amd64/tester/hello@v1.0.0/hello",
        "/tester/hello.sha256",
        "/tester/hello.events",
        "/tester/hello.versions",
    ]
    .map(|path| {
        case("R17: POST is only for programs")
            .get(path)
            .method("POST")
            .refused("method-not-allowed")
            .header_has("allow", "GET, HEAD")
            .header_lacks("allow", "POST")
    });
    methods
        .into_iter()
        .chain(pages)
        .chain([
            // Caddy passes it as POST, which this page does not accept either.
            case("R17: methods are case-sensitive")
                .get("/-/platforms")
                .method("get")
                .refused("method-not-allowed"),
            case("R15: no method override")
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
            case("R24: forged forwarding headers")
                .get("/tester/hello")
                .header("X-Forwarded-For", "1.2.3.4")
                .header("X-Forwarded-Host", "evil.example")
                .header("X-Forwarded-Proto", "gopher")
                .gives(hello()),
            case("R15: a cookie is ignored")
                .get("/tester/hello")
                .header("Cookie", "os=windows")
                .gives(hello()),
        ])
        .collect()
}

/// What browsers request: a program's page, the form on it, downloads, and what other sites make them request.
fn browsers() -> Vec<Case> {
    // No other row builds for this platform: the page shows how long the last build took.
    let page = "/tester/hello@v1.0.0?os=plan9&arch=amd64";
    let tagged = |tag: &str| format!("/tester/hello@v1.0.0?os=linux&arch=amd64&tags={tag}");
    let from_other_site = |case: Case, destination| {
        case.header("Sec-Fetch-Site", "cross-site")
            .header("Sec-Fetch-Dest", destination)
            .starts_no_build()
    };
    vec![
        case("the page of a program")
            .get(page)
            .accept(BROWSER)
            .page("text/html")
            .header_has("cache-control", "no-store")
            .header_has("vary", "Accept")
            .header_has("content-security-policy", "default-src 'none'")
            .body_has("Not built yet")
            .body_has("<form method=\"post\" action=\"/tester/hello@v1.0.0?os=plan9&amp;arch=amd64\">")
            .starts_no_build(),
        case("its head")
            .get(page)
            .accept(BROWSER)
            .method("HEAD")
            .page("text/html")
            .starts_no_build(),
        case("a prefetch of it")
            .get(page)
            .accept(BROWSER)
            .header("Sec-Purpose", "prefetch;prerender")
            .page("text/html")
            .starts_no_build(),
        case("a link to it on another site")
            .get(page)
            .accept(BROWSER)
            .header("Sec-Fetch-Site", "cross-site")
            .header("Sec-Fetch-Dest", "document")
            .page("text/html")
            .starts_no_build(),
        case("a URL that ends in the file's name, before the build")
            .get("/-/bin/plan9-amd64/tester/hello@v1.0.0/hello")
            .accept(BROWSER)
            .page("text/html")
            .body_has("Not built yet")
            .starts_no_build(),
        case("?download=1 is for the program")
            .get("/tester/hello@v1.0.0?download=1")
            .accept(BROWSER)
            .gives(tester("hello", "v1.0.0")),
        case("the button")
            .get(&tagged("pressed"))
            .method("POST")
            .accept(BROWSER)
            .header("Sec-Fetch-Site", "same-origin")
            .redirects("/tester/hello@v1.0.0?os=linux&arch=amd64&tags=pressed")
            .starts_build(),
        case("the button, in a browser without Sec-Fetch-Site")
            .get("/tester/hello@v1?strip=1&os=linux&arch=amd64")
            .method("POST")
            .body(b"x=y")
            .redirects("/tester/hello@v1.1.0?os=linux&arch=amd64&strip=1")
            .starts_build(),
        from_other_site(
            case("R35: a form on another site").get(&tagged("form")),
            "document",
        )
        .method("POST")
        .accept(BROWSER)
        .redirects("/tester/hello@v1.0.0?os=linux&arch=amd64&tags=form"),
        case("R35: a prefetch")
            .get(&tagged("prefetched"))
            .header("Sec-Purpose", "prefetch")
            .refused("not-built")
            .starts_no_build(),
        from_other_site(
            case("R35: an image on another site").get(&tagged("image")),
            "image",
        )
        .accept("image/avif,image/webp,*/*")
        .header("Sec-Fetch-Mode", "no-cors")
        .refused("not-built"),
        from_other_site(
            case("R35: a script on another site").get(&tagged("fetch")),
            "empty",
        )
        .header("Sec-Fetch-Mode", "cors")
        .refused("not-built"),
        from_other_site(
            case("R35: a frame on another site").get(&format!("{}&download=1", tagged("frame"))),
            "iframe",
        )
        .accept(BROWSER)
        .refused("not-built"),
        from_other_site(
            case("R35: a checksum on another site")
                .get("/tester/hello@v1.0.0.sha256?os=linux&arch=amd64&tags=checksum&wait=1"),
            "image",
        )
        .refused("not-built"),
        case("the events of a program that is built")
            .get("/tester/hello@v1.0.0.events?wait=1")
            .page("text/event-stream")
            .header_has("cache-control", "no-store, no-transform")
            .body_has("data: {\"sha256\":"),
        case("the events of a program that does not compile")
            .get("/tester/does-not-compile.events?wait=1")
            .page("text/event-stream")
            .body_has("\"reason\":\"does-not-compile\",\"stage\":\"failed\""),
    ]
}

fn failures() -> Vec<Case> {
    vec![
        case("a module that does not compile")
            .get("/tester/does-not-compile")
            .refused("does-not-compile")
            .body_has("cannot use"),
        case("the same, for a browser")
            .get("/tester/does-not-compile?download=1")
            .accept(BROWSER)
            .refused("does-not-compile")
            .body_has("cannot use"),
        case("the same as JSON")
            .get("/tester/does-not-compile")
            .accept("application/json")
            .refused("does-not-compile")
            .body_has("cannot use"),
        case("M4: a module that needs C")
            .get("/tester/needs-cgo")
            .refused("needs-cgo"),
        case("a program with the build tag cgo beside a helper")
            .get("/tester/root-behind-cgo")
            .refused("needs-cgo"),
        case("the helper by its path")
            .get("/tester/root-behind-cgo/cmd/helper")
            .gives(
                tester("root-behind-cgo/cmd/helper", "v1.0.0").in_module("github.com/tester/root-behind-cgo"),
            ),
        case("the only command has the build tag cgo")
            .get("/tester/command-behind-cgo")
            .refused("needs-cgo"),
        case("a platform that needs a C compiler to link")
            .get("/tester/hello?os=ios&arch=arm64")
            .refused("needs-cgo")
            .body_has("ios/arm64"),
        case("the same with HEAD")
            .get("/tester/hello?os=android&arch=arm")
            .method("HEAD")
            .refused("needs-cgo"),
        case("Android on an architecture that Go links itself")
            .get("/tester/hello?os=android&arch=arm64")
            .gives(tester("hello", "v1.1.0").on_platform("android", "arm64")),
        case("M7: a module that needs a future Go")
            .get("/tester/needs-newer-go")
            .refused("needs-newer-go")
            .body_has("1.99"),
        case("a missing dependency")
            .get("/tester/dependency-missing")
            .refused("missing-dependency")
            .body_has("github.com/tester/nosuch"),
        case("code that needs cgo is left out, and a header names its package")
            .get("/tester/partly-cgo")
            .gives(tester("partly-cgo", "v1.0.0"))
            .header_has(
                "gox-without-cgo",
                "github.com/tester/Partly-cgo-library, github.com/tester/partly-cgo/fast",
            )
            .header_lacks("gox-without-cgo", "plain"),
        case("the same for Windows, where other files need cgo")
            .get("/tester/partly-cgo?os=windows&arch=amd64")
            .gives(tester("partly-cgo", "v1.0.0").on_platform("windows", "amd64"))
            .header_has(
                "gox-without-cgo",
                "partly-cgo/fast, github.com/tester/partly-cgo/plain",
            )
            .header_lacks("gox-without-cgo", "library"),
        case("a dependency that is a stub without cgo")
            .get("/tester/stub-without-cgo")
            .refused("needs-cgo")
            .body_has("github.com/mattn/go-sqlite3")
            .body_has("/tester/stub-without-cgo@v1.0.0/stub-without-cgo?")
            .body_has("&cgo=0"),
        case("the same with the stub")
            .get("/tester/stub-without-cgo?cgo=0")
            .gives(tester("stub-without-cgo", "v1.0.0"))
            .header_has("gox-without-cgo", "github.com/mattn/go-sqlite3"),
        case("generated files that the release recipe leaves out")
            .get("/tester/embed-left-out-by-tag")
            .refused("missing-embed")
            .body_has("all:dist")
            .body_has("/tester/embed-left-out-by-tag@v1.0.0?os=linux&arch=amd64&recipe=release"),
        case("Windows 7 is too old for the Go of this server")
            .get("/tester/hello")
            .user_agent("MINGW64_NT-6.1-7601 x86_64")
            .refused("system-too-old")
            .body_has("Windows NT 6.1")
            .body_has("Windows 10"),
        case("macOS 10.14 is too old")
            .get("/tester/hello")
            .user_agent("Darwin 18.7.0 x86_64")
            .refused("system-too-old")
            .body_has("macOS 10.15"),
        case("a client with an old system that names the Go")
            .get("/tester/hello?go=1.26")
            .user_agent("MINGW64_NT-6.1-7601 x86_64")
            .gives(tester("hello", "v1.1.0").on_platform("windows", "amd64")),
        case("a client with an old system that asks for another")
            .get("/tester/hello?os=linux&arch=amd64")
            .user_agent("Linux 2.6.32-754.el6.x86_64 x86_64")
            .gives(tester("hello", "v1.1.0")),
        case("a failure for a browser")
            .get("/tester/library")
            .accept(BROWSER)
            .refused("no-command"),
        case("a failure as JSON")
            .get("/tester/library")
            .accept("application/problem+json")
            .refused("no-command"),
        case("a list of commands keeps the requested version")
            .get("/tester/several-commands@v1.0.0")
            .refused("several-commands")
            .body_has("/tester/several-commands/cmd/one@v1.0.0"),
        case("a list for a browser has links that keep the query")
            .get("/tester/several-commands?os=linux&arch=arm64")
            .accept(BROWSER)
            .refused("several-commands")
            .body_has("href=\"/tester/several-commands/cmd/one?os=linux&amp;arch=arm64\""),
        case("an undetected platform: the hint keeps the query")
            .get("/tester/hello?strip=1")
            .user_agent("Linux unknown")
            .refused("platform-untold")
            .body_has("/tester/hello?os=linux&arch=ARCH&strip=1"),
        case("a list as JSON")
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
        case("M2: a linker script does not run a linker")
            .get("/tester/syso-text")
            .refused("needs-cgo")
            .body_lacks("root:"),
        case("M4: flags for a C compiler")
            .get("/tester/import-c-flags")
            .refused("needs-cgo"),
        case("M5: pragmas reserved for cgo")
            .get("/tester/cgo-pragmas")
            .refused("does-not-compile"),
        case("M8: replacements by directories of the server")
            .get("/tester/replace-escaped")
            .refused("replace-directives"),
        case("M8: replacements by directories of the server")
            .get("/tester/replace-outside")
            .refused("replace-directives")
            .body_lacks("root:"),
        case("M16: parentheses").get("/tester/bomb-parens").refused_for(&[
            "does-not-compile",
            "out-of-memory",
            "out-of-time",
        ]),
        case("M19: internal addresses")
            .get("/tester/vanity-dependency-internal-url")
            .refused_for(&["no-such-module", "missing-dependency", "does-not-compile"]),
        case("M22: escapes in compiler errors")
            .get("/tester/line-directive-escapes")
            .refused("does-not-compile"),
        case("M22: the same, for a browser")
            .get("/tester/line-directive-escapes?download=1")
            .accept(BROWSER)
            .refused("does-not-compile")
            .body_lacks("<script>alert"),
        case("M21: markup in a retraction and a deprecation")
            .get("/tester/markup@v1.0.0")
            .gives(tester("markup", "v1.0.0"))
            .header_has("gox-retracted", "<iframe srcdoc="),
        case("M22: markup in compiler errors")
            .get("/tester/markup@v1.1.0")
            .refused("does-not-compile")
            .body_has("<script>"),
        case("M23: an identifier of five megabytes")
            .get("/tester/long-identifier")
            .refused("does-not-compile"),
        case("M23: errors in twenty packages")
            .get("/tester/many-errors")
            .refused("does-not-compile"),
        case("M24: invalid bytes")
            .get("/tester/odd-bytes")
            .refused("does-not-compile"),
        case("M25: errors contain no path of the server")
            .get("/tester/compile-error-paths")
            .refused("does-not-compile")
            .body_has("inner.go:3"),
        case("M27: a listed version without a zip")
            .get("/tester/zip-missing")
            .refused_for(&["missing-dependency", "no-such-version", "no-such-module"]),
        case("M27: a proxy that responds with HTML")
            .get("/tester/proxy-speaks-html@v1.0.0")
            .refused("proxy-failed")
            .body_lacks("hotel"),
        case("M34: imports that look like the standard library")
            .get("/tester/standard-library-names")
            .refused("does-not-compile"),
    ];
    asm.into_iter().chain(zips).chain(others).collect()
}

/// A URL that pins version, platform and Go: its bytes never change.
fn exact() -> String {
    let go = plain_go::go_version();
    format!("/tester/hello@v1.0.0?os=linux&arch=amd64&go={go}")
}

fn http() -> Vec<Case> {
    let hello = || tester("hello", "v1.0.0");
    let length = || plain_go::install(&hello().wanted).bytes;
    let get = |shows| case(shows).get("/tester/hello@v1.0.0");
    vec![
        get("HEAD after GET")
            .method("HEAD")
            .gives_status_only(200, hello()),
        get("If-None-Match with the current ETag")
            .header("If-None-Match", "{etag}")
            .gives_status_only(304, hello()),
        get("a weak tag matches too")
            .header("If-None-Match", "\"other\", W/{etag}")
            .gives_status_only(304, hello()),
        get("any tag")
            .header("If-None-Match", "*")
            .gives_status_only(304, hello()),
        get("If-None-Match with another ETag")
            .header("If-None-Match", "\"other\"")
            .gives(hello()),
        get("four bytes")
            .header("Range", "bytes=0-3")
            .gives_range(hello(), 0, 3),
        get("to the end")
            .header("Range", "bytes=1000-")
            .gives_range(hello(), 1000, length() - 1),
        get("the last five")
            .header("Range", "bytes=-5")
            .gives_range(hello(), length() - 5, length() - 1),
        get("a range beyond the end")
            .header("Range", "bytes=10-99999999999")
            .gives_range(hello(), 10, length() - 1),
        get("a range after the end")
            .header("Range", "bytes=99999999999-")
            .gives_status_only(416, hello()),
        get("resumed and unchanged")
            .header("Range", "bytes=7-9")
            .header("If-Range", "{etag}")
            .gives_range(hello(), 7, 9),
        get("resumed and changed: the whole program")
            .header("Range", "bytes=7-9")
            .header("If-Range", "\"other\"")
            .gives(hello()),
        get("R25: an invalid range")
            .header("Range", "bytes=9-7")
            .gives(hello()),
        get("R25: another unit")
            .header("Range", "lines=1-2")
            .gives(hello()),
        get("R25: a thousand ranges")
            .header("Range", &format!("bytes=0-0{}", ",2-2".repeat(999)))
            .gives(hello()),
        get("R25: a thousand unknown codings")
            .header("Accept-Encoding", &"x,".repeat(1000))
            .gives(hello()),
        get("If-Match fails")
            .header("Range", "bytes=7-9")
            .header("If-Match", "\"other\"")
            .gives_status_only(412, hello()),
        get("If-Match succeeds")
            .header("Range", "bytes=7-9")
            .header("If-Match", "{etag}")
            .gives_range(hello(), 7, 9),
        get("If-Match: *").header("If-Match", "*").gives(hello()),
        get("not modified since that date")
            .get(&exact())
            .header("If-Modified-Since", HTTP_TIME)
            .gives_status_only(304, hello()),
        get("without a pinned Go the date of the version does not count")
            .header("If-Modified-Since", HTTP_TIME)
            .gives(hello()),
        get("If-Unmodified-Since succeeds")
            .get(&exact())
            .header("If-Unmodified-Since", HTTP_TIME)
            .gives(hello()),
        get("If-Unmodified-Since fails")
            .get(&exact())
            .header("If-Unmodified-Since", "Thu, 02 Jan 2025 03:04:04 GMT")
            .gives_status_only(412, hello()),
        get("If-None-Match overrides If-Modified-Since")
            .header("If-None-Match", "\"other\"")
            .header("If-Modified-Since", HTTP_TIME)
            .gives(hello()),
        get("HEAD and a tag")
            .method("HEAD")
            .header("If-None-Match", "{etag}")
            .gives_status_only(304, hello()),
        case("an exact URL is immutable")
            .get(&exact())
            .gives(hello())
            .header_has("cache-control", "immutable")
            // Apache removes the space after the comma.
            .header_has("vary", "Accept,"),
        case("a detected platform varies by User-Agent")
            .get("/tester/hello")
            .gives(tester("hello", "v1.1.0"))
            .header_has("vary", "User-Agent"),
        case("an explicit platform does not vary by User-Agent")
            .get("/tester/hello?os=linux&arch=amd64")
            .gives(tester("hello", "v1.1.0"))
            // Apache removes the space after the comma.
            .header_has("vary", "Accept,")
            .header_lacks("vary", "User-Agent")
            .header_has("cache-control", "max-age=60"),
    ]
}

/// RFC 9110 section 12.5.3, RFC 9530 section 4.
fn representations() -> Vec<Case> {
    let hello = || tester("hello", "v1.0.0");
    let zstd = || hello().with_coding("zstd");
    let get = |shows| case(shows).get("/tester/hello@v1.0.0");
    let accept = |shows, codings| get(shows).header("Accept-Encoding", codings);
    let want = |shows, digests| get(shows).header("Want-Repr-Digest", digests);
    vec![
        accept("what curl --compressed sends", "deflate, gzip, br, zstd").gives(zstd()),
        accept("what Safari sends", "gzip, deflate, br").gives(hello().with_coding("gzip")),
        accept("what Go's client, Caddy and Varnish add", "gzip").gives(hello()),
        accept("what Python's requests and Node's fetch add", "gzip, deflate").gives(hello()),
        accept("what w3m sends", "gzip, compress, bzip, bzip2, deflate").gives(hello()),
        accept("any coding, none by name", "*").gives(hello()),
        accept("br and zstd excluded", "gzip, br;q=0, zstd;q=0").gives(hello()),
        accept("the preferred coding", "gzip;q=1.0, zstd;q=0.5").gives(hello().with_coding("gzip")),
        accept("identity is preferred", "identity, *;q=0.5").gives(hello()),
        accept("an excluded coding", "zstd;q=0").gives(hello()),
        accept("nothing is acceptable: uncompressed", "identity;q=0, br").gives(hello()),
        accept("invalid weights", "zstd;q=high, gzip;q=2").gives(hello()),
        accept("HEAD where GET is not compressed", "gzip")
            .method("HEAD")
            .gives_status_only(200, hello()),
        accept("HEAD, compressed", "zstd")
            .method("HEAD")
            .gives_status_only(200, zstd()),
        accept("If-None-Match with the ETag of the compressed copy", "zstd")
            .header("If-None-Match", "{etag}")
            .gives_status_only(304, zstd()),
        accept(
            "a range without If-Range: of the uncompressed program",
            "gzip, zstd",
        )
        .header("Range", "bytes=0-99")
        .gives_range(hello(), 0, 99),
        accept("a range beyond the end of the compressed copy", "br, gzip, zstd")
            .header("Range", "bytes=1200000-1200999")
            .gives_range(hello(), 1_200_000, 1_200_999),
        accept("a suffix range", "gzip, deflate, br")
            .header("Range", "bytes=-7")
            .gives_range(
                hello(),
                plain_go::install(&hello().wanted).bytes - 7,
                plain_go::install(&hello().wanted).bytes - 1,
            ),
        accept(
            "resumed without If-Range: offsets of the uncompressed program, as curl counts",
            "zstd",
        )
        .header("Range", "bytes=1000-")
        .gives_range(hello(), 1000, plain_go::install(&hello().wanted).bytes - 1),
        accept("resumed, compressed and changed: the whole copy", "zstd")
            .header("Range", "bytes=1000-")
            .header("If-Range", "\"other\"")
            .gives(zstd()),
        accept("resumed, compressed and unchanged", "zstd")
            .header("Range", "bytes=7-9")
            .header("If-Range", "{etag}")
            .gives_range(zstd(), 7, 9),
        accept("a range after the end of the program", "zstd")
            .header("Range", "bytes=99999999999-99999999999")
            .gives_status_only(416, hello()),
        accept("a range after the end of the compressed copy", "zstd")
            .header("Range", "bytes=99999999999-99999999999")
            .header("If-Range", "{etag}")
            .gives_status_only(416, zstd()),
        case("an exact URL, compressed")
            .get(&exact())
            .header("Accept-Encoding", "gzip, br")
            .gives(hello().with_coding("gzip"))
            .header_has("cache-control", "immutable"),
        want("SHA-512", "sha-512=10, sha-256=1").gives(hello().with_digest(Some("sha-512"))),
        want("the usual digest", "sha-256=10, sha-512=3").gives(hello()),
        want("no digest", "sha-256=0").gives(hello().with_digest(None)),
        want("an unknown digest", "unixsum=10").gives(hello()),
        want("invalid preferences", "sha-512=eleven").gives(hello()),
        want("the digest of the compressed copy", "sha-512=1")
            .header("Accept-Encoding", "zstd")
            .gives(zstd().with_digest(Some("sha-512"))),
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
        case("a page that contains Host is private")
            .get("/")
            .page("text/plain")
            .header_has("cache-control", "private"),
        case("the field of the landing page")
            .get("/")
            .accept(BROWSER)
            .page("text/html")
            .body_has("name=\"program\"")
            .body_has("action=\"/\""),
        case("a name in the field that is no name, for curl")
            .get("/?program=hello")
            .refused("bad-path"),
        case("the badge of a program")
            .get("/-/badge/tester/library.svg")
            .page("image/svg+xml")
            .header_has("cache-control", "max-age=")
            .header_has("gox-reason", "no-command")
            .body_has("<title>This is a library, not a program.</title>"),
        case("a badge with an encoded version")
            .get("/-/badge/tester/library%40v1.0.0.svg?platform=windows/arm64")
            .page("image/svg+xml")
            .body_has("no-command"),
        case("the icon that browsers ask for")
            .get("/favicon.ico")
            .page("image/svg+xml"),
        case("robots.txt disallows everything")
            .get("/robots.txt")
            .page("text/plain")
            .body_has("Disallow: /"),
        case("health check").get("/-/health").page("text/plain"),
        case("the list of reasons, for a browser")
            .get("/-/reasons")
            .accept(BROWSER)
            .page("text/html")
            .body_has("id=\"does-not-compile\""),
        case("the list of reasons, for curl")
            .get("/-/reasons")
            .page("text/plain")
            .body_has("does-not-compile (422)"),
        case("the list of platforms, for curl")
            .get("/-/platforms")
            .page("text/plain")
            .body_has("\nlinux/arm         7 5 6\n")
            .body_has("\nlinux/s390x\n")
            .body_lacks("ios/arm64"),
        case("the list of platforms as JSON")
            .get("/-/platforms")
            .accept("application/json")
            .page("application/json")
            .body_has("\"os=linux&arch=amd64v3\""),
        case("the list of platforms, for a browser")
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
        case("an unknown page below /-/")
            .get("/-/nothing")
            .refused("no-such-page"),
    ]
}

/// A page that exists in three content types.
fn of_type(accept: &str, content_type: &'static str) -> Case {
    case(&format!("content type for Accept: {accept}"))
        .get("/-/platforms")
        .accept(accept)
        .page(content_type)
}
