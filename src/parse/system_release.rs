//! Detects the release of the client's operating system from a User-Agent, if it shows one.

use std::fmt;

/// A release of an operating system. Of macOS it is that of its kernel, Darwin; of Windows that of NT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemRelease {
    /// GOOS.
    pub os: &'static str,
    /// The first two numbers of the release.
    pub number: (u16, u16),
}

impl SystemRelease {
    /// Detects the release from the output of `uname`, or from a browser. All browsers on macOS 10.15 and newer send 10.15, and all on
    /// Windows 10 and newer send 10.0.
    pub fn detect(user_agent: &str) -> Option<SystemRelease> {
        let words = user_agent.split(|c: char| c.is_whitespace() || ";,()".contains(c));
        let words: Vec<String> = words
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        (0..words.len()).find_map(|at| match words.get(at..).unwrap_or_default() {
            [word, ..] if word.contains("_nt-") => release("windows", word.split("_nt-").nth(1)?),
            [windows, nt, number, ..] if windows == "windows" && nt == "nt" => release("windows", number),
            [os, x, number, ..] if os == "os" && x == "x" => macos_release(number),
            [kernel, rest @ ..] if kernel == "darwin" => kernel_release("darwin", rest),
            [kernel, rest @ ..] if kernel == "linux" => kernel_release("linux", rest),
            [..] => None,
        })
    }
}

/// The release in the output of `uname` after the system; with `-a` and `-n` the name of the host precedes it.
fn kernel_release(os: &'static str, rest: &[String]) -> Option<SystemRelease> {
    rest.iter().take(2).find_map(|word| release(os, word))
}

fn release(os: &'static str, text: &str) -> Option<SystemRelease> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let number = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some(SystemRelease { os, number })
}

/// The kernel of a macOS release: macOS 10.14 has Darwin 18, macOS 11 has Darwin 20.
fn macos_release(text: &str) -> Option<SystemRelease> {
    let kernel = match release("darwin", text)?.number {
        (10, minor @ ..=14) => minor + 4,
        (major @ 11..=15, _) => major + 9,
        _ => return None,
    };
    Some(SystemRelease {
        os: "darwin",
        number: (kernel, 0),
    })
}

/// Prints `Windows NT 6.1`, `Darwin 19.6`, `Linux 2.6`.
impl fmt::Display for SystemRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.os {
            "windows" => "Windows NT",
            "darwin" => "Darwin",
            _ => "Linux",
        };
        write!(f, "{name} {}.{}", self.number.0, self.number.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_is_detected_where_a_user_agent_shows_it() {
        for (user_agent, expected) in [
            ("Linux 2.6.32-754.el6.x86_64 x86_64", "Linux 2.6"),
            ("Linux box 6.1.0 #1 SMP Debian x86_64 GNU/Linux", "Linux 6.1"),
            ("Linux 5.10.149-android13-4 aarch64 Android", "Linux 5.10"),
            ("Linux x86_64", ""),
            ("Darwin arm64", ""),
            ("Darwin 19.6.0 x86_64", "Darwin 19.6"),
            (
                "Darwin mac.local 20.6.0 Darwin Kernel Version 20.6.0: x",
                "Darwin 20.6",
            ),
            ("MINGW64_NT-6.1-7601 x86_64", "Windows NT 6.1"),
            ("MSYS_NT-10.0-19045 x86_64", "Windows NT 10.0"),
            ("MS AMD64", ""),
            (
                "Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:115.0) Gecko/20100101",
                "Windows NT 6.1",
            ),
            (
                "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1",
                "Windows NT 10.0",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15",
                "",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:128.0) Gecko/20100101",
                "",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_6) AppleWebKit/605.1.15",
                "Darwin 17.0",
            ),
            (
                "Homebrew/4.6 (Macintosh; Intel Mac OS X 11.7.10) curl/8.7.1",
                "Darwin 20.0",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0.0.0",
                "",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/126.0.0.0",
                "",
            ),
            ("curl/8.5.0", ""),
            ("Linux 99999.1", ""),
            ("", ""),
        ] {
            let release = SystemRelease::detect(user_agent);
            let shown = release.map_or(String::new(), |release| release.to_string());
            assert_eq!(shown, expected, "{user_agent}");
        }
    }
}
