//! A failure as text that is also a POSIX sh script: people save it as the program, and run it.

use super::Refusal;

/// Prints the failure on stderr and exits 1. The first line, which `head` shows, is the sentence itself.
pub fn script(refusal: &Refusal) -> String {
    let text = text(refusal);
    let quoted = text.lines().map(quote).collect::<Vec<_>>().join(" \\\n  ");
    // Within braces: sh runs nothing of a group that has lost its end.
    format!(
        "#!/bin/sh\n# gox-server: {}\n{{\nprintf '%s\\n' \\\n  {quoted} >&2\nexit 1\n}}\n",
        refusal.reason.name()
    )
}

/// Typographic single quotes are single quotes to PowerShell (about_Quoting_Rules).
pub const POWERSHELL_QUOTES: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201A}', '\u{201B}'];

/// The same for PowerShell. Only a line that begins with its end ends a here-string (about_Quoting_Rules).
pub fn powershell(refusal: &Refusal) -> String {
    let defused = |text: String, quote| text.replace(&format!("\n{quote}@"), &format!("\n {quote}@"));
    let text = POWERSHELL_QUOTES.into_iter().fold(text(refusal), defused);
    format!("# gox-server: {}\nthrow @'\n{text}'@\n", refusal.reason.name())
}

/// What a person reads.
fn text(refusal: &Refusal) -> String {
    let mut text = format!("{}\n", refusal.reason.sentence());
    if !refusal.detail.is_empty() {
        text += &format!("{}\n", refusal.detail.trim_end());
    }
    text += &format!("{}\n", refusal.reason.advice());
    for line in &refusal.instead {
        text += &format!("  {line}\n");
    }
    text
}

/// A word for sh: within single quotes only a single quote means something (POSIX XCU 2.2.2).
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
