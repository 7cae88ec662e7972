//! Scripts that download one program, check its SHA-256 and install it on PATH.

use super::script::POWERSHELL_QUOTES;
use crate::text::quote;

/// The shell that runs a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// POSIX sh.
    Posix,
    /// Windows PowerShell 5.1, and PowerShell.
    PowerShell,
}

impl Shell {
    /// Splits a request path such as `/-/install/OWNER/REPO` into the shell and the path of the target.
    pub fn parse_path(path: &[u8]) -> Option<(Shell, &[u8])> {
        [Shell::Posix, Shell::PowerShell].into_iter().find_map(|shell| {
            // The slash before the owner belongs to the target.
            let target = path.strip_prefix(shell.path_prefix().as_bytes())?;
            target.starts_with(b"/").then_some((shell, target))
        })
    }

    /// The path prefix of the scripts for this shell, below the mount.
    pub fn path_prefix(self) -> &'static str {
        match self {
            Shell::Posix => "/-/install",
            Shell::PowerShell => "/-/install.ps1",
        }
    }
}

/// The values of an install script. All except the notices are printable and contain no quotes, since the templates quote them.
#[derive(Debug)]
pub struct InstallScript<'a> {
    /// URL of the service: `https://HOST/MOUNT`.
    pub server: &'a str,
    /// The request after `/-/install`: `/OWNER/REPO?strip=1`.
    pub target: &'a str,
    /// Path of the program with its exact version, without a platform.
    pub exact: &'a str,
    /// Build options as a query in canonical form; may be empty.
    pub query: &'a str,
    /// File name of the program; empty if only the script can determine it, by the platform it runs on.
    pub file: &'a str,
    /// Name of the program.
    pub name: &'a str,
    /// Exact version.
    pub version: &'a str,
    /// The author's notices, one sentence each. The text is untrusted.
    pub notices: &'a [String],
}

impl Shell {
    /// Renders the script.
    pub fn render(self, script: &InstallScript<'_>) -> String {
        let text = match self {
            Shell::Posix => include_str!("install.sh"),
            Shell::PowerShell => include_str!("install.ps1"),
        };
        [
            ("{{server}}", script.server),
            ("{{target}}", script.target),
            ("{{exact}}", script.exact),
            ("{{query}}", script.query),
            ("{{file}}", script.file),
            ("{{name}}", script.name),
            ("{{version}}", script.version),
        ]
        .iter()
        .fold(text.to_owned(), |text, (placeholder, value)| {
            text.replace(placeholder, value)
        })
        // Last, because the untrusted text may contain a placeholder.
        .replace("    # {{notices}}\n", &self.render_notices(script.notices))
    }

    /// Renders the lines of a script that print these sentences.
    fn render_notices(self, sentences: &[String]) -> String {
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
