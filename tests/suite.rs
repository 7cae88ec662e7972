//! Black-box tests: the built program, the real `go`, real processes. The module proxy and the object store are servers of the suite.
//! Tests wait for events. The suite needs root.
//!
//! Start with `cases`: one row for each promise about a request. `transports` sends every row through every transport. What
//! needs more than one request has a module of its own. `make test` runs all of it but `well_known`, `real_stores` and most of `corpus`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test stops at the line that names the reason"
)]

// Shared helpers: fixtures, transports, temporary stores, the real `go`.
mod support;

// The table of requests and the responses that gox-server promises for them.
mod cases;
// Every case through every transport; checks of the harness itself.
mod transports;
// Environment variables of a CGI program, and which of them reach a build.
mod environment;
// Raw HTTP sockets to the front.
mod front;
// Raw FastCGI sockets to a responder; how a responder starts and stops.
mod fastcgi;
// Laws for all parsers of untrusted bytes, tested on a corpus and mutations.
mod fuzz;
// Failure pages run by sh; the commands that a user types.
mod scripts;
// The sidecars of a program.
mod sidecars;
// Concurrent requests for the same program cause one build.
mod single_flight;
// Compressed copies of a program for clients that accept zstd or gzip.
mod content_coding;
// HTTP clients, directly and through caches.
mod clients;
// A program of 100 MB: every transport, and memory use.
mod large_program;
// Processes that are killed during a build.
mod crashes;
// Web servers that are reloaded, restarted or killed during a build.
mod server_restarts;
// Web servers without a file in conf/, and incomplete configurations.
mod other_servers;
// The front as process 1 of a container, stopped at any time.
mod container;
// Builds before they are requested.
mod warm;
// The compile cache that an image contains.
mod image_cache;
// Responses that start before the build ends.
mod early_response;
// Slots, budgets and caps.
mod queue;
// Pages of programs, and the button on them.
mod page_requests;
// Server-sent events of a build, through every server.
mod events;
// Random faults at times that a seed decides.
mod campaign;
// The `Gox-Verify` command builds the same bytes.
mod verify;
// Versions as releases of GitHub's API.
mod github_releases;
// Commands of docs/clients.md, and action.yml.
mod clients_document;
// Builds with the author's release configuration.
mod release;
// Attacks by a hostile compiler, and by `go`, from inside a cell.
mod sandbox_attacks;
// Cells with one layer of the sandbox switched off.
mod sandbox_layers;
// Whole builds of hostile modules and with a hostile compiler.
mod hostile_builds;
// Install scripts.
mod install;
// The first page and the dashboard.
mod service_pages;
// Images for a README.
mod badge;
// Pages in a real browser.
mod browser;
// Many clients at once.
mod load;
// The reason of a failure depends on `go`, not on text in a module.
mod reasons;
// The recorded text of every failure.
mod failures;
// The answer to each URL that people paste.
mod pasted;
// The table of known attacks in SECURITY.md.
mod catalogue;
// Known vulnerabilities of linked modules; bills of materials.
mod advisories;
// Deprecations and retractions.
mod notices;
// Several machines that share an object store.
mod object_store;
// Real object stores; `make stores`.
mod real_stores;
// Faulty or unusual hosts: full disks, missing resources, clock jumps.
mod host;
// Major versions that only an HTTP module proxy reports.
mod majors;
// What a resolution costs.
mod lookups;
// Every limit, reached.
mod limits;
// Real programs through the real module proxy.
mod corpus;
// Which program OWNER/REPO resolves to, for well-known repositories.
mod well_known;
// Go versions: installed and downloaded.
mod toolchains;
// Which module of src/ may import which.
mod architecture;
// Settings are documented in three places that agree.
mod settings;
// The systemd unit: systemd's own checks, and builds under its system call filter.
mod systemd;
