//! The closed list of failures. Each has one name, which is the same in the log, in `Gox-Reason` and in the tests.
//!
//! A row of the table below is one failure. A row without all of its columns does not compile.

use std::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($variant:ident $name:literal $status:literal $cached:ident $retry:literal $sentence:literal $advice:literal;)*) => {
        /// Why a request failed. On disk a reason is its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)] // The sentence of each variant is its documentation.
        pub enum Reason { $(#[serde(rename = $name)] $variant,)* }

        impl Reason {
            /// All reasons, in the order of the table.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            /// The name in the log, in `Gox-Reason` and in the tests.
            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// The HTTP status (RFC 9110 section 15).
            pub fn status(self) -> u16 {
                match self { $(Reason::$variant => $status,)* }
            }

            /// What happened, in one sentence for the client.
            pub fn sentence(self) -> &'static str {
                match self { $(Reason::$variant => $sentence,)* }
            }

            /// What to do next, in one sentence for the client.
            pub fn advice(self) -> &'static str {
                match self { $(Reason::$variant => $advice,)* }
            }

            fn caching(self) -> Caching {
                match self { $(Reason::$variant => Caching::$cached,)* }
            }

            /// Suggested delay before the next attempt (RFC 9110 section 10.2.3); `None` if a retry does not help.
            pub fn retry_after(self) -> Option<Duration> {
                match self { $(Reason::$variant => ($retry > 0).then_some(Duration::from_secs($retry)),)* }
            }
        }
    };
}

/// How long a failed build is cached.
#[derive(PartialEq)]
enum Caching {
    /// Not cached.
    Never,
    /// Until `retry_after`: the same build exceeds the same limits again, but not with certainty.
    UntilRetry,
    /// For as long as the cache has space: the same build always fails.
    Permanent,
}

impl Reason {
    /// Whether the same build always fails.
    pub fn is_permanent(self) -> bool {
        self.caching() == Caching::Permanent
    }

    /// How long a failure that is cached for a limited time is cached.
    pub fn cached_for(self) -> Option<Duration> {
        self.retry_after()
            .filter(|_| self.caching() == Caching::UntilRetry)
    }

    /// Whether the failure is cached, permanently or for a limited time.
    pub fn is_cacheable(self) -> bool {
        self.caching() != Caching::Never
    }
}

// Variant, name, status, caching, Retry-After in seconds (0: none), sentence, advice. Advice that ends with a colon precedes
// suggestions, which are particular to the request.
reasons! {
    SeveralCommands "several-commands" 300 Never 0 "This repository contains several programs." "Choose one:";
    BadPath "bad-path" 400 Never 0 "The path is invalid." "Use /OWNER/REPO or /HOST/PATH, with @VERSION at the end.";
    BadVersion "bad-version" 400 Never 0 "The version is invalid." "Use @latest, @v1.2.3, @v1, a branch or a commit.";
    BadQuery "bad-query" 400 Never 0 "The query is invalid." "The keys for a program are os, arch, arm, go, tags, strip, cgo, name, recipe, min-age, wait and download.";
    UndetectedPlatform "platform-untold" 400 Never 0 "Cannot detect your platform from this request." "Specify the platform:";
    UnknownPlatform "unknown-platform" 400 Never 0 "Go does not support this platform." "See /-/platforms for the supported platforms.";
    BadHost "bad-host" 400 Never 0 "The Host header is invalid." "Send one Host header: a name or an address, with or without a port.";
    Denied "denied" 403 Never 0 "The operator of this server does not allow this module." "Use another server, or run your own.";
    KnownVulnerabilities "known-vulnerabilities" 403 Never 0 "The program has known vulnerabilities, and this server does not serve such programs." "Request a newer version, or run your own server with GOX_VULNERABLE=tell.";
    NoSuchModule "no-such-module" 404 Never 0 "The module proxy does not serve this Go module." "Check the spelling and the letter case; a private repository cannot be built here.";
    NoSuchVersion "no-such-version" 404 Never 0 "The module has no such version." "Omit the version to get the latest one.";
    NoSuchPackage "no-such-package" 404 Permanent 0 "The module has no such package." "Correct the path, or omit the package.";
    NoCommand "no-command" 404 Permanent 0 "This is a library, not a program." "Add the path of a package main, for example /OWNER/REPO/cmd/NAME.";
    NotBuilt "not-built" 404 Never 0 "This program has not been built yet, and this request does not start a build." "Request the program first, or add wait=1 to the query.";
    WrongFileName "wrong-file-name" 404 Never 0 "The URL does not end in the file name of the program." "Request this URL:";
    NoSuchPage "no-such-page" 404 Never 0 "This page does not exist." "Start at /.";
    MethodNotAllowed "method-not-allowed" 405 Never 0 "The method is not supported here." "Use GET.";
    TooLarge "too-large" 422 Permanent 0 "The program exceeds the size limit of this server." "Try ?strip=1, or run your own server.";
    DoesNotCompile "does-not-compile" 422 Permanent 0 "The program does not compile." "Try another version or another platform.";
    NeedsCgo "needs-cgo" 422 Permanent 0 "The program requires cgo, which this server does not support." "Build it on your own machine with CGO_ENABLED=1.";
    NeedsNewerGo "needs-newer-go" 422 Never 0 "The program requires a newer Go version than this server has." "Try an older version of the program.";
    NeedsTags "needs-tags" 422 Permanent 0 "The program builds only with tags or Go experiments that its author sets." "Add its tags, for example ?tags=TAG; this server does not support GOEXPERIMENT.";
    SystemTooOld "system-too-old" 422 Never 0 "Your system is too old for the Go versions of this server." "To get the program anyway, name the Go, as in ?go=1.26.";
    NotForThisPlatform "not-for-this-platform" 422 Permanent 0 "The program does not support this platform." "Try another platform.";
    ReplaceDirectives "replace-directives" 422 Permanent 0 "The program's go.mod has replace or exclude directives, which go install rejects." "Try another version, or build the program from a clone of its repository.";
    DeclaresAnotherPath "declares-another-path" 422 Permanent 0 "The module's go.mod declares a different module path." "Request the module by the path that go.mod declares.";
    InvalidModule "invalid-module" 422 Permanent 0 "Go cannot unpack this module or one of its dependencies." "Try another version; only the author of the module can fix this one.";
    MissingEmbed "missing-embed" 422 Permanent 0 "The program embeds generated files that its module does not contain." "Download the author's release, or try another version.";
    MissingReplacement "missing-replacement" 422 Permanent 0 "The program's go.mod replaces a dependency with a directory that the module does not contain." "Try another version, or build the program from a clone of its repository.";
    MissingDependency "missing-dependency" 422 Never 0 "The module proxy does not have a dependency of this program." "Try an earlier version, for example /OWNER/REPO@v1.2.3, or try again another day.";
    NoReleaseRecipe "no-release-recipe" 422 Never 0 "This server cannot reproduce the author's release build of this program." "Request the plain build:";
    TooManyBuilds "too-many-builds" 429 Never 600 "You have requested too many new programs." "Try again later; programs that are already built are still available.";
    ForbiddenCall "forbidden-call" 500 Never 0 "A compiler or the linker made a forbidden system call and was killed." "Try another version; if other programs fail too, report it to the operator.";
    Internal "internal" 500 Never 0 "The server had an internal error." "Try again; if the error persists, report it to the operator.";
    NoPathInfo "no-path-info" 500 Never 0 "The web server does not set PATH_INFO, so the requested path is unknown." "Add this to the web server's configuration:";
    ProxyFailed "proxy-failed" 502 Never 30 "The module proxy failed or sent an invalid response." "Try again in a minute.";
    ChecksumMismatch "checksum-mismatch" 502 Never 0 "The module does not match its checksum in the checksum database." "Do not use this version; report it to its author.";
    QueueFull "queue-full" 503 Never 60 "Too many programs are waiting to be built." "Try again in a minute.";
    StillBuilding "still-building" 503 Never 10 "The program is still being compiled." "Try again; the build continues (curl --retry 20).";
    NoSuchGo "no-such-go" 400 Never 0 "This server does not have this Go version." "Remove ?go= from the URL.";
    NoGo "no-go" 503 Never 300 "This server has no Go toolchain." "Ask the operator to run gox-server doctor.";
    NoStateDirectory "no-state-directory" 503 Never 300 "This server cannot use its state directory." "Ask the operator to run gox-server doctor as the user that runs gox-server.";
    NoSandbox "no-sandbox" 503 Never 300 "The sandbox of this server does not work, and this server does not build without it." "Ask the operator to run gox-server doctor.";
    OutOfTime "out-of-time" 503 UntilRetry 3600 "The build exceeded the time limit and was stopped." "Run your own server with a larger GOX_BUILD_SECONDS.";
    OutOfMemory "out-of-memory" 503 UntilRetry 3600 "The build exceeded the memory limit and was stopped." "Run your own server with a larger GOX_MEMORY_BYTES.";
    TooMuchDisk "too-much-disk" 422 Permanent 0 "The build exceeded the disk limit and was stopped." "Run your own server with a larger GOX_WORK_BYTES.";
    DiskFull "disk-full" 507 Never 60 "The server's disk is full." "Try again later.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_into_a_reason_phrase() {
        for reason in Reason::ALL {
            let phrase = crate::error::Error::new(*reason).reason_phrase();
            assert!(
                phrase.len() <= 200 && phrase.bytes().all(|b| (b' '..=b'~').contains(&b)),
                "{phrase}"
            );
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|r| r.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
