//! The closed list of everything that can go wrong. One name for each, the same in the log, in `Gox-Reason`, in the tests.
//!
//! To add one is to answer every question below, or the program does not compile.

use std::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($variant:ident $name:literal $status:literal $kept:ident $retry:literal $sentence:literal $try:literal;)*) => {
        /// Why there is no program.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[allow(missing_docs)] // Each variant's sentence says what it is.
        pub enum Reason { $($variant,)* }

        impl Reason {
            /// All of them.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            /// The name in the log, in `Gox-Reason` and in the tests.
            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// The HTTP status (RFC 9110 section 15).
            pub fn status(self) -> u16 {
                match self { $(Reason::$variant => $status,)* }
            }

            /// One sentence for the person who asked.
            pub fn sentence(self) -> &'static str {
                match self { $(Reason::$variant => $sentence,)* }
            }

            /// What to try next.
            pub fn advice(self) -> &'static str {
                match self { $(Reason::$variant => $try,)* }
            }

            /// Whether the same request fails for ever, so that the failure may be kept.
            pub fn is_for_ever(self) -> bool {
                match self { $(Reason::$variant => stringify!($kept) == "kept",)* }
            }

            /// How long the same request fails as long as the limits are the same, so that the failure may be kept until it may be tried again.
            pub fn holds_for(self) -> Option<Duration> {
                self.retry_after().filter(|_| match self { $(Reason::$variant => stringify!($kept) == "holds",)* })
            }

            /// Whether the failure may be kept at all.
            pub fn is_kept(self) -> bool {
                self.is_for_ever() || self.holds_for().is_some()
            }

            /// When to try again, for a failure that passes.
            pub fn retry_after(self) -> Option<Duration> {
                match self { $(Reason::$variant => ($retry > 0).then_some(Duration::from_secs($retry)),)* }
            }
        }
    };
}

// Variant, name, status, kept or passes (or holds until it may be tried again), Retry-After in seconds (0: none), sentence, what to try.
reasons! {
    SeveralCommands "several-commands" 300 passes 0 "This repository holds several programs." "Ask for one of these:";
    BadPath "bad-path" 400 passes 0 "This is not the path of a program." "Type /OWNER/REPO, such as /junegunn/fzf.";
    BadVersion "bad-version" 400 passes 0 "This is not a version." "Type @latest, @v1.2.3, @v1, a branch or a commit.";
    BadQuery "bad-query" 400 passes 0 "The part behind the ? cannot be understood." "The keys are os, arch, arm, go, tags, strip, name and recipe.";
    PlatformUntold "platform-untold" 400 passes 0 "Your machine cannot be told from this request." "Say what it is:";
    UnknownPlatform "unknown-platform" 400 passes 0 "There is no Go for this platform." "The list is at /-/platforms.";
    BadHost "bad-host" 400 passes 0 "The Host header is invalid." "Send one Host header: a name or an address, with or without a port.";
    Denied "denied" 403 passes 0 "This server's operator does not serve this module." "Ask another server, or run your own.";
    KnownVulnerabilities "known-vulnerabilities" 403 passes 0 "The program has known vulnerabilities, and this server does not serve such programs." "Ask for a newer version, or run your own server with GOX_VULNERABLE=tell.";
    NoSuchModule "no-such-module" 404 passes 0 "There is no such Go module." "Check the spelling: letter case counts.";
    NoSuchVersion "no-such-version" 404 passes 0 "The module has no such version." "Leave the version out for the newest one.";
    NoSuchPackage "no-such-package" 404 kept 0 "The module has no such package." "Leave it out to see what there is.";
    NoCommand "no-command" 404 kept 0 "This is a library: there is no program here." "Name what holds a program.";
    NotBuilt "not-built" 404 passes 0 "Nobody has asked for this program yet, and this page builds nothing." "Ask for the program first.";
    NoSuchPage "no-such-page" 404 passes 0 "There is no such page." "The first page is /.";
    MethodNotAllowed "method-not-allowed" 405 passes 0 "Only GET and HEAD are understood." "Ask with GET.";
    TooLarge "too-large" 422 kept 0 "The program is larger than this server serves." "Try ?strip=1, or run your own server.";
    DoesNotCompile "does-not-compile" 422 kept 0 "The program does not compile." "Try another version, or another platform.";
    NeedsCgo "needs-cgo" 422 kept 0 "The program needs a C compiler, which is never used here." "Build it yourself with CGO_ENABLED=1.";
    NeedsNewerGo "needs-newer-go" 422 passes 0 "The program needs a newer Go than this server has." "Try an older version of it.";
    NeedsTags "needs-tags" 422 kept 0 "The program is built with tags or experiments of Go that only its author sets." "Name its tags, as in ?tags=TAG; GOEXPERIMENT is never set here.";
    NotForThisPlatform "not-for-this-platform" 422 kept 0 "The program does not support this platform." "Try another platform.";
    OwnDirectives "replace-directives" 422 kept 0 "Its go.mod has replace or exclude directives, which go install refuses." "Try another version.";
    OtherPath "declares-another-path" 422 kept 0 "The module says that its name is another." "Ask for it by that name.";
    InvalidModule "invalid-module" 422 kept 0 "Go cannot unpack this module or one of its dependencies." "Try another version; only the module's author can mend this one.";
    MissingEmbed "missing-embed" 422 kept 0 "The program embeds files that its author generates, and the module does not contain them." "Take the release of its author, or try another version.";
    MissingReplacement "missing-replacement" 422 kept 0 "Its go.mod replaces a dependency with a directory that the module does not contain." "Try another version, or build it from a clone of the repository.";
    MissingDependency "missing-dependency" 422 passes 0 "The program needs modules that the module proxy has not got." "Try an earlier version, as in /OWNER/REPO@v1.2.3, or ask again another day.";
    NoReleaseRecipe "no-release-recipe" 422 passes 0 "The author's release build of this program cannot be repeated here." "Ask for the plain build:";
    TooManyBuilds "too-many-builds" 429 passes 600 "You have asked for many new programs." "Wait a while; what is built already is served at once.";
    ForbiddenCall "forbidden-call" 500 passes 0 "A compiler or the linker made a system call that it never needs, and was stopped." "Try another version; if other programs fail too, tell the operator.";
    Internal "internal" 500 passes 0 "Something went wrong here." "Try again; if it stays so, tell the operator.";
    NoPathInfo "no-path-info" 500 passes 0 "The web server does not say which program is asked for: PATH_INFO is missing." "The operator adds to the web server's configuration:";
    ProxyFailed "proxy-failed" 502 passes 30 "The module proxy did not answer as it should." "Try again in a minute.";
    ChecksumMismatch "checksum-mismatch" 502 passes 0 "The module's content is not what the checksum database says." "Do not use it; tell its author.";
    QueueFull "queue-full" 503 passes 60 "Too many programs wait to be built." "Try again in a minute.";
    StillBuilding "still-building" 503 passes 10 "The program is still being compiled." "Ask again: the build goes on (curl --retry 20).";
    NoSuchGo "no-such-go" 400 passes 0 "This server does not have this version of Go." "Leave ?go= out.";
    NoGo "no-go" 503 passes 300 "This server has no Go toolchain." "Tell the operator to run gox-server doctor.";
    NoStateDirectory "no-state-directory" 503 passes 300 "This server cannot use its state directory." "Tell the operator to run gox-server doctor as the user that runs gox-server.";
    NoSandbox "no-sandbox" 503 passes 300 "This server refuses to build without its sandbox." "Tell the operator to run gox-server doctor.";
    OutOfTime "out-of-time" 503 holds 3600 "The build took too long, and was stopped." "Run your own server with a larger GOX_BUILD_SECONDS.";
    OutOfMemory "out-of-memory" 503 holds 3600 "The build needed too much memory, and was stopped." "Run your own server with a larger GOX_MEMORY_BYTES.";
    TooMuchDisk "too-much-disk" 422 kept 0 "The build wrote more than it may, and was stopped." "Run your own server with a larger GOX_WORK_BYTES.";
    DiskFull "disk-full" 507 passes 60 "The server's disk is full." "Try again later.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_are_what_is_written_to_disk() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|r| r.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
