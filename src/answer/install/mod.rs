//! Scripts that install one program, for people who do not want to think about PATH and checksums.

use super::script::{POWERSHELL_QUOTES, quote};

/// What a script is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// POSIX sh.
    Posix,
    /// Windows PowerShell 5.1, and PowerShell.
    PowerShell,
}

impl Shell {
    /// Whose script a path asks for, and for which target.
    pub fn of(path: &[u8]) -> Option<(Shell, &[u8])> {
        [Shell::Posix, Shell::PowerShell].into_iter().find_map(|shell| {
            // The slash before the owner is the target's.
            let target = path.strip_prefix(shell.place().as_bytes())?;
            target.starts_with(b"/").then_some((shell, target))
        })
    }

    /// Where its scripts are, below the mount.
    pub fn place(self) -> &'static str {
        match self {
            Shell::Posix => "/-/install",
            Shell::PowerShell => "/-/install.ps1",
        }
    }
}

/// What a script says. All of it but the notices is printable and has no quotes: it stands in quotes.
#[derive(Debug)]
pub struct Installed<'a> {
    /// Where the service is: `https://HOST/MOUNT`.
    pub server: &'a str,
    /// What was typed behind `/-/install`: `/OWNER/REPO?strip=1`.
    pub target: &'a str,
    /// The path of the exact program, without a platform.
    pub exact: &'a str,
    /// What else was asked for, as a query in its canonical form; it may be empty.
    pub query: &'a str,
    /// What the program is called as a file; empty where only its machine tells that.
    pub file: &'a str,
    /// What the program is called.
    pub name: &'a str,
    /// Its exact version.
    pub version: &'a str,
    /// What its author says of it, a sentence each, in any words.
    pub notices: &'a [String],
}

impl Shell {
    /// The script.
    pub fn script(self, installed: &Installed<'_>) -> String {
        let text = match self {
            Shell::Posix => include_str!("install.sh"),
            Shell::PowerShell => include_str!("install.ps1"),
        };
        [
            ("{{server}}", installed.server),
            ("{{target}}", installed.target),
            ("{{exact}}", installed.exact),
            ("{{query}}", installed.query),
            ("{{file}}", installed.file),
            ("{{name}}", installed.name),
            ("{{version}}", installed.version),
        ]
        .iter()
        .fold(text.to_owned(), |text, (place, value)| text.replace(place, value))
        // Last, since a stranger's words may look like a place.
        .replace("    # {{notices}}\n", &self.says(installed.notices))
    }

    /// Lines that print these sentences.
    fn says(self, sentences: &[String]) -> String {
        let line = |sentence: &String| match self {
            Shell::Posix => format!("    say {}\n", quote(sentence)),
            Shell::PowerShell => {
                let repeat = |c| vec![c; if POWERSHELL_QUOTES.contains(&c) { 2 } else { 1 }];
                let text: String = sentence.chars().flat_map(repeat).collect();
                format!("    Write-Host '{text}'\n")
            }
        };
        sentences.iter().map(line).collect()
    }
}
