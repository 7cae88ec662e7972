//! Scripts that install one program, for people who do not want to think about PATH and checksums.

/// What a script is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// POSIX sh.
    Posix,
    /// Windows PowerShell 5.1, and PowerShell.
    PowerShell,
}

/// What a script says. All of it is printable and has no quotes: it stands in quotes.
#[derive(Debug)]
pub struct Installed<'a> {
    /// Where the service is: `https://HOST/MOUNT`.
    pub server: &'a str,
    /// What was typed behind `/-/install`: `/OWNER/REPO`.
    pub target: &'a str,
    /// The path of the exact program, without a platform.
    pub exact: &'a str,
    /// What the program is called.
    pub name: &'a str,
    /// Its exact version.
    pub version: &'a str,
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
            ("{{name}}", installed.name),
            ("{{version}}", installed.version),
        ]
        .iter()
        .fold(text.to_owned(), |text, (place, value)| text.replace(place, value))
    }
}
