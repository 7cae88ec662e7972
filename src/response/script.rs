//! Errors as shell scripts: many clients save the response as the program and run it, or pipe it into a shell.

use crate::error::Error;
use crate::text::quote;

/// Renders an error as text that is also a POSIX sh script. The script prints the error on stderr and exits with 1.
pub fn render_sh(error: &Error) -> String {
    let text = render_text(error);
    let quoted = text.lines().map(quote).collect::<Vec<_>>().join(" \\\n  ");
    // The braces protect against a truncated download: sh does not run a group without its end.
    format!(
        "#!/bin/sh\n# gox-server: {}\n{{\nprintf '%s\\n' \\\n  {quoted} >&2\nexit 1\n}}\n",
        error.reason.name()
    )
}

/// The characters that PowerShell treats as single quotes (about_Quoting_Rules).
pub const POWERSHELL_QUOTES: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201A}', '\u{201B}'];

/// Renders an error as a PowerShell script that throws the text of the error.
pub fn render_powershell(error: &Error) -> String {
    // A line that begins with `'@` ends a here-string (about_Quoting_Rules).
    let escape = |text: String, quote| text.replace(&format!("\n{quote}@"), &format!("\n {quote}@"));
    let text = POWERSHELL_QUOTES.into_iter().fold(render_text(error), escape);
    format!("# gox-server: {}\nthrow @'\n{text}'@\n", error.reason.name())
}

fn render_text(error: &Error) -> String {
    let mut text = format!("{}\n", error.reason.sentence());
    if !error.detail.is_empty() {
        text += &format!("{}\n", error.detail.trim_end());
    }
    text += &format!("{}\n", error.reason.advice());
    for line in &error.suggestions {
        text += &format!("  {line}\n");
    }
    text
}
