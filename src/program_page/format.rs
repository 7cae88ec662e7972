//! How the page shows paths, commands, checksums and times.

use std::time::{Duration, UNIX_EPOCH};

use maud::{Markup, html};

/// A path that is broken between lines after its slashes and before its version.
pub(super) fn breakable(path: &str) -> Markup {
    let parts = path.split_inclusive('/').flat_map(|part| {
        let version = part.find('@').unwrap_or(0);
        let (name, version) = part.split_at(version);
        [name, version]
    });
    html! { @for part in parts.filter(|part| !part.is_empty()) { (part) wbr; } }
}

/// A command to copy. It is broken between lines at spaces only, if its words fit.
pub(super) fn render_command(command: &str) -> Markup {
    html! {
        pre.command {
            @for (number, word) in command.split(' ').enumerate() {
                @if number > 0 { " " }
                span { (word) }
            }
        }
    }
}

/// A checksum that is broken between lines into equal parts.
pub(super) fn render_checksum(sha256: &str) -> Markup {
    let parts = sha256
        .as_bytes()
        .chunks(16)
        .filter_map(|part| str::from_utf8(part).ok());
    html! { @for part in parts { (part) wbr; } }
}

/// Formats a duration.
pub(super) fn format_seconds(seconds: f64) -> String {
    match seconds {
        ..10.0 => format!("{seconds:.1} s"),
        ..100.0 => format!("{seconds:.0} s"),
        _ => format!("{:.0} min", seconds / 60.0),
    }
}

/// Formats seconds since 1970 as a date.
pub(super) fn format_date(seconds: u64) -> String {
    let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    time.chars().take(10).collect()
}
