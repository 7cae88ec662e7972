//! The platform of a browser from User-Agent Client Hints (wicg.github.io/ua-client-hints). Chromium sends them over HTTPS, after a
//! response has requested them with [`ACCEPT_CH`].

use super::Platform;

/// The value of Accept-CH that requests the hints.
pub const ACCEPT_CH: &str = "Sec-CH-UA-Platform, Sec-CH-UA-Arch, Sec-CH-UA-Bitness";

/// The values of the three headers, each a quoted string.
#[derive(Debug, Clone, Default)]
pub struct ClientHints {
    /// Sec-CH-UA-Platform: `"macOS"`.
    pub platform: String,
    /// Sec-CH-UA-Arch: `"x86"` or `"arm"`.
    pub arch: String,
    /// Sec-CH-UA-Bitness: `"64"` or `"32"`.
    pub bitness: String,
}

impl ClientHints {
    /// Determines the platform; `None` if a hint is missing or unknown.
    pub fn platform(&self) -> Option<Platform> {
        let unquoted = |value: &str| value.trim_matches('"').to_ascii_lowercase();
        let arch = match (unquoted(&self.arch).as_str(), unquoted(&self.bitness).as_str()) {
            ("x86", "64") => "amd64",
            ("x86", "32") => "386",
            ("arm", "64") => "arm64",
            ("arm", "32") => "arm",
            _ => return None,
        };
        let os = match unquoted(&self.platform).as_str() {
            // Programs for Linux run in its Linux environment.
            "chrome os" | "chromium os" => "linux".to_owned(),
            os => os.to_owned(),
        };
        Platform::new(&os, arch).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_needs_all_hints() {
        for (platform, arch, bitness, expected) in [
            ("\"macOS\"", "\"arm\"", "\"64\"", Some("darwin/arm64")),
            ("\"Windows\"", "\"x86\"", "\"64\"", Some("windows/amd64")),
            ("\"Windows\"", "\"arm\"", "\"64\"", Some("windows/arm64")),
            ("\"Linux\"", "\"x86\"", "\"32\"", Some("linux/386")),
            ("\"Chrome OS\"", "\"arm\"", "\"64\"", Some("linux/arm64")),
            ("\"Linux\"", "\"\"", "\"64\"", None),
            ("\"Linux\"", "\"x86\"", "", None),
            ("\"Fuchsia\"", "\"arm\"", "\"64\"", None),
            ("", "\"arm\"", "\"64\"", None),
        ] {
            let hints = ClientHints {
                platform: platform.to_owned(),
                arch: arch.to_owned(),
                bitness: bitness.to_owned(),
            };
            let found = hints.platform().map(|platform| platform.to_string());
            assert_eq!(found.as_deref(), expected, "{hints:?}");
        }
    }
}
