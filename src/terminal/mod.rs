//! The commands `build` and `warm`: the path of a request without HTTP, with a progress bar.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::builder::BuildState;
use crate::config::Config;
use crate::error::{Error, Reason, internal_error};
use crate::store::Store;
use crate::store::file::disk_usage;

mod build;
mod warm;

pub use build::build;
pub use warm::{warm, warm_used};

/// Advice for the operator, where the advice for clients is to ask the operator or to request a URL.
const ADVICE: [(Reason, &str); 12] = [
    (Reason::BadPath, "Type OWNER/REPO, such as junegunn/fzf."),
    (
        Reason::UnknownPlatform,
        "Type another, such as ?os=windows&arch=arm64. `go tool dist list` lists them all.",
    ),
    (Reason::Denied, "Change GOX_ALLOW or GOX_DENY."),
    (Reason::TooLarge, "Try ?strip=1, or a larger GOX_ARTIFACT_BYTES."),
    (
        Reason::MissingDependency,
        "Try an earlier version, as in OWNER/REPO@v1.2.3.",
    ),
    (
        Reason::Internal,
        "Run gox-server doctor to check the installation.",
    ),
    (
        Reason::ProxyFailed,
        "Run gox-server doctor to check the module proxy.",
    ),
    (Reason::NoGo, "Run gox-server doctor to see what is missing."),
    (Reason::NoSandbox, "Run gox-server doctor to see what is missing."),
    (
        Reason::OutOfTime,
        "Try a larger GOX_BUILD_SECONDS or GOX_CPU_SECONDS.",
    ),
    (Reason::OutOfMemory, "Try a larger GOX_MEMORY_BYTES."),
    (
        Reason::TooMuchDisk,
        "Try a larger GOX_WORK_BYTES or GOX_WORK_FILES.",
    ),
];

/// Prints an error for the operator, with the details that a server would only log.
pub fn print_error(error: &Error) {
    eprintln!("{}", error.reason.sentence());
    let is_fault = matches!(error.reason.status(), 500 | 502);
    let log = error.log.lines().filter(|_| is_fault || error.detail.is_empty());
    let advice = ADVICE.iter().find(|(reason, _)| *reason == error.reason);
    let advice = advice.map_or(error.reason.advice(), |(_, advice)| advice);
    for line in error.detail.lines().chain(log).chain([advice]) {
        eprintln!("{line}");
    }
    for line in &error.suggestions {
        // A link without its slash is a target for this command.
        eprintln!("  {}", line.trim_start_matches('/'));
    }
}

fn open_store(config: &Config) -> Result<Store, Error> {
    Store::open(&config.dir).map_err(|e| internal_error(format!("open {}", config.dir.display()), &e))
}

/// A progress bar on stderr, below the current step. It is hidden if that is not a terminal.
fn new_progress_bar() -> ProgressBar {
    // With a length of 0 the bar would be full.
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{wide_msg}\n{bar:30.green} {elapsed}{prefix}") {
        bar.set_style(style);
    }
    if io::stderr().is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}

/// Shows the state of a build in the words of its page.
fn show_state(bar: &ProgressBar, state: &BuildState, name: &str) {
    if let BuildState::Building {
        progress: Some(progress),
        ..
    } = state
    {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    }
    // A build that has just ended has no words.
    if state.is_pending() {
        bar.set_message(format!("{name}: {}", state.describe()));
    }
}

/// Shows the download of a toolchain by the disk usage of its directory.
fn show_download(bar: &ProgressBar, tree: &Path) -> bool {
    const MIB: u64 = 1 << 20;
    // The zip has 70 MB, and the unpacked files beside it 230 MB.
    const TOTAL: u64 = 300;
    let done = disk_usage(tree).unwrap_or(0) / MIB;
    bar.set_length(TOTAL);
    bar.set_position(done);
    bar.set_message(format!("Downloading Go: {done} of about {TOTAL} MiB."));
    true
}
