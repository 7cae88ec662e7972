//! The black-box suite: the built program, the real `go`, real processes. Nothing is mocked, nothing sleeps, nothing is skipped.
//!
//! Start with `cases`: one row for each thing that gox-server promises about a request. `doors` sends every row through every way
//! in. What is no single request has a file of its own. `make test` runs it all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops at the line that says why"
)]

// What every test stands on: fixtures, doors, a store of one's own.
mod support;

// The one table: what gox-server promises about a request.
mod cases;
// The table through every way in; and the checks of the harness itself.
mod doors;
// What a web server may do to a CGI program's environment, and what of it may reach a build.
mod environment;
// What only a socket can do to the front.
mod front;
// What only a socket can do to a FastCGI responder; how one is started and ended.
mod fastcgi;
// Laws of whatever reads a stranger's bytes, tried on many.
mod fuzz;
// Failures, saved and run by sh; and the commands that a person types.
mod scripts;
// Many who want the same thing at once.
mod single_flight;
// Copies of a program for who accepts zstd or gzip.
mod copies;
// HTTP clients, alone and behind caches.
mod clients;
// A large program, and how little of it is held.
mod large;
// Whoever is killed in the middle of a build.
mod killed;
// Web servers that are reloaded, restarted or killed in the middle of a build.
mod servers;
// Web servers without a file in conf/, and configurations that leave something out.
mod other_servers;
// The first process of a container, told to stop at any moment.
mod container;
// What an image brings, compiled ahead.
mod warmed;
// Answers that begin before their program is there.
mod first_byte;
// Turns, budgets, caps.
mod queue;
// Faults of all kinds, at moments that a seed decides.
mod campaign;
// The line that an answer carries makes its bytes.
mod verify;
// Programs as their authors release them.
mod release;
// What a compiler could do that was taken over, and what `go` could.
mod cells;
// Each layer of a cell, switched off.
mod layers;
// Hostile modules and a compiler that was taken over, in whole builds.
mod hostile_builds;
// The scripts that install a program, and what is told beside it.
mod install;
// A person with a browser.
mod browser;
// Many at once.
mod load;
// Every failure has its right name, whatever its author writes.
mod names;
// Every failure, and what a person reads.
mod failures;
// The table of known attacks.
mod catalogue;
// Known vulnerabilities of what is linked, and bills of materials.
mod advisories;
// What authors say of their versions.
mod notices;
// A machine in trouble.
mod machine;
// What only a proxy by HTTP says.
mod majors;
// Every limit, reached.
mod limits;
// Real programs, through the real module proxy.
mod corpus;
// Which program OWNER/REPO means, of well-known repositories.
mod well_known;
// Versions of Go, those that are here and those that are brought.
mod toolchains;
// Which room of src/ may know which.
mod rooms;
// Settings are told three times, alike.
mod settings;
// What systemd says of its unit, and what of a build works in it.
mod systemd;
