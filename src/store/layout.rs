//! The layout of the state directory, `GOX_DIR`. Pass a constant to [`Store::path`](super::Store::path).

/// Published programs. `artifacts/AB/ABC…/` holds the files of the build with key `ABC…`.
pub const ARTIFACTS: &str = "artifacts";
/// A [`Table`](super::Table) of failed builds and failed downloads of Go.
pub const FAILURES: &str = "failures";
/// A [`Table`](super::Table) of resolved targets.
pub const RESOLUTIONS: &str = "resolutions";
/// One lock file for each key that is being built, and for each client that waits for it.
pub const BUILD_LOCKS: &str = "locks/builds";
/// One lock file for each target that is being resolved again.
pub const REFRESH_LOCKS: &str = "locks/refreshes";
/// Lock files of the build slots. The date of a slot is the start of its build.
pub const BUILD_SLOTS: &str = "slots";
/// Tickets of requests that wait for a build slot.
pub const BUILD_QUEUE: &str = "queue";
/// Slots of lookups.
pub const LOOKUP_SLOTS: &str = "locks/lookups";
/// Tickets of requests that wait for a lookup slot.
pub const LOOKUP_QUEUE: &str = "locks/lookups/queue";
/// Slots of refreshes.
pub const REFRESH_SLOTS: &str = "locks/refreshing";
/// Tickets of processes that wait for a refresh slot.
pub const REFRESH_QUEUE: &str = "locks/refreshing/queue";
/// Slots of event streams.
pub const STREAM_SLOTS: &str = "locks/streams";
/// The queue for these slots, which stays empty: no process waits for one.
pub const STREAM_QUEUE: &str = "locks/streams/queue";
/// A [`Table`](super::Table) of how long the last build of each package took.
pub const DURATIONS: &str = "durations";
/// A [`Table`](super::Table) of the addresses by which clients requested programs.
pub const REQUESTS: &str = "requests";
/// Budgets of clients.
pub const CLIENTS: &str = "clients";
/// Event counters.
pub const COUNTERS: &str = "counters";
/// What the last requests to the object store have shown.
pub const OBJECT_STORE: &str = "object-store";
/// Work directories of running processes.
pub const WORK: &str = "work";
/// Downloaded toolchains, and records about these and installed ones.
pub const TOOLCHAINS: &str = "go";
/// The compile cache that builds share.
pub const COMPILE_CACHE: &str = "cache/compile";
/// The module cache that all processes share.
pub const MODULE_CACHE: &str = "cache/modules";

/// Bytes of all programs.
pub const ARTIFACT_BYTES: &str = "artifact-bytes.json";
/// The log of background processes.
pub const LOG: &str = "builders.log";
/// The log before it was rotated.
pub const OLD_LOG: &str = "builders.log.old";

/// Directory of all lock files.
pub const LOCKS: &str = "locks";
/// Exclusive while the list of Go versions is downloaded.
pub const VERSIONS_LOCK: &str = "locks/listing";
/// Shared by lookups that read unpacked modules, exclusive for an eviction that removes modules.
pub const MODULES_LOCK: &str = "locks/modules";
/// Shared by builds that read unpacked modules, exclusive for an eviction that removes the whole module cache.
pub const BUILD_MODULES_LOCK: &str = "locks/modules-of-builds";
/// Exclusive while an eviction waits for [`MODULES_LOCK`], so that no new lookup acquires that lock.
pub const MODULES_GATE: &str = "locks/modules-gate";
/// Exclusive for the process that evicts.
pub const EVICTION_LOCK: &str = "locks/evicting";
/// Limits how often requests start an eviction.
pub const EVICTION_INTERVAL_LOCK: &str = "locks/evict";
/// Its date is when an eviction last removed something that a running build may use.
pub const EVICTION_MARK: &str = "locks/evicted";
/// Shared while a work directory is created, exclusive while abandoned ones are swept.
pub const WORK_LOCK: &str = "locks/work";

/// All directories, in the order of creation.
pub(super) const DIRECTORIES: [&str; 19] = [
    ARTIFACTS,
    FAILURES,
    RESOLUTIONS,
    DURATIONS,
    REQUESTS,
    BUILD_LOCKS,
    REFRESH_LOCKS,
    LOOKUP_QUEUE,
    REFRESH_QUEUE,
    STREAM_QUEUE,
    BUILD_SLOTS,
    BUILD_QUEUE,
    CLIENTS,
    COUNTERS,
    OBJECT_STORE,
    WORK,
    TOOLCHAINS,
    COMPILE_CACHE,
    // The last one: if it exists, all directories were created once.
    MODULE_CACHE,
];

/// A directory that is about to be published: this prefix, then its key. In [`ARTIFACTS`].
pub(super) const UNPUBLISHED_PREFIX: &str = ".new-";
/// The program, in its directory below [`ARTIFACTS`].
pub(super) const PROGRAM: &str = "bin";
/// The metadata of a program.
pub(super) const META: &str = "meta.json";
/// The name of the client that caused the build. Other users cannot read it.
pub(super) const CLIENT: &str = "client";
