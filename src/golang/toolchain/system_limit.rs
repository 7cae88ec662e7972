//! The oldest systems on which programs of each Go version run.

use crate::parse::{BuildOptions, GoVersion, Platform, SystemRelease};

/// A version of Go that dropped old releases of a system.
struct Requirement {
    os: &'static str,
    /// GOARCH; `None` for all.
    arch: Option<&'static str>,
    /// The first series with the requirement.
    since: (u16, u16),
    /// The oldest release that this series supports.
    oldest: (u16, u16),
    /// The name of that release.
    name: &'static str,
}

const fn requires(
    os: &'static str,
    arch: Option<&'static str>,
    since: (u16, u16),
    oldest: (u16, u16),
    name: &'static str,
) -> Requirement {
    Requirement {
        os,
        arch,
        since,
        oldest,
        name,
    }
}

/// From the release notes of these series (go.dev/doc/go1.21 and so on, "Ports") and go.dev/wiki/MinimumRequirements.
const REQUIREMENTS: &[Requirement] = &[
    requires("windows", None, (1, 21), (10, 0), "Windows 10"),
    requires("darwin", None, (1, 21), (19, 0), "macOS 10.15"),
    requires("darwin", None, (1, 23), (20, 0), "macOS 11"),
    requires("darwin", None, (1, 25), (21, 0), "macOS 12"),
    requires("darwin", None, (1, 27), (22, 0), "macOS 13"),
    requires("linux", Some("loong64"), (1, 19), (5, 19), "Linux 5.19"),
    requires("linux", None, (1, 24), (3, 2), "Linux 3.2"),
];

/// The client's system is too old for newer versions of Go.
#[derive(Clone, Copy, Debug)]
pub struct SystemLimit {
    release: SystemRelease,
    /// The first series of Go that makes programs which do not run on it.
    since: GoVersion,
    /// What that series needs.
    name: &'static str,
}

impl SystemLimit {
    /// The limit for a client that asks for its own system, with any version of Go.
    pub fn of_client(options: &BuildOptions, platform: &Platform, user_agent: &str) -> Option<SystemLimit> {
        if options.os.is_some() || options.go.is_some() {
            return None;
        }
        SystemLimit::of_release(SystemRelease::detect(user_agent)?, platform)
    }

    fn of_release(release: SystemRelease, platform: &Platform) -> Option<SystemLimit> {
        let fails = |row: &&Requirement| {
            row.os == platform.os()
                && row.os == release.os
                && row.arch.is_none_or(|arch| arch == platform.arch())
                && release.number < row.oldest
        };
        let first = REQUIREMENTS.iter().find(fails)?;
        Some(SystemLimit {
            release,
            since: GoVersion::release(first.since.0, first.since.1, 0).series(),
            name: first.name,
        })
    }

    /// Whether programs of this version run on the system.
    pub fn allows(&self, go: GoVersion) -> bool {
        go < self.since
    }

    /// Why no version of Go is available, for the client.
    pub fn explain(&self) -> String {
        format!(
            "This request comes from {}. Since Go {}, programs need {}, and this server has no older Go.",
            self.release, self.since, self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_system_limits_the_version_of_go() {
        for (user_agent, platform, since) in [
            ("MINGW64_NT-6.1-7601 x86_64", "windows/amd64", Some("1.21")),
            ("MINGW64_NT-10.0-19045 x86_64", "windows/amd64", None),
            ("Darwin 17.7.0 x86_64", "darwin/amd64", Some("1.21")),
            ("Darwin 19.6.0 x86_64", "darwin/amd64", Some("1.23")),
            ("Darwin 20.6.0 x86_64", "darwin/amd64", Some("1.25")),
            ("Darwin 21.6.0 arm64", "darwin/arm64", Some("1.27")),
            ("Darwin 22.1.0 arm64", "darwin/arm64", None),
            ("Linux 2.6.32-754.el6.x86_64 x86_64", "linux/amd64", Some("1.24")),
            ("Linux 3.2.0 x86_64", "linux/amd64", None),
            ("Linux 4.19.0 loongarch64", "linux/loong64", Some("1.19")),
            ("Linux 5.19.0 loongarch64", "linux/loong64", None),
            // Android has kernels of its own, and FreeBSD is not in the table.
            ("Linux 3.0.0 aarch64 Android", "android/arm64", None),
            ("Linux x86_64", "linux/amd64", None),
        ] {
            let platform: Platform = platform.parse().unwrap();
            let limit = SystemLimit::of_client(&BuildOptions::default(), &platform, user_agent);
            let series = limit.map(|limit| limit.since.to_string());
            assert_eq!(series.as_deref(), since, "{user_agent}");
        }
    }

    #[test]
    fn client_that_names_a_system_or_a_go_has_no_limit() {
        let windows: Platform = "windows/amd64".parse().unwrap();
        for query in ["os=windows", "os=windows&arch=amd64", "go=1.26"] {
            let options = BuildOptions::parse(query).unwrap();
            assert!(SystemLimit::of_client(&options, &windows, "MINGW64_NT-6.1-7601 x86_64").is_none());
        }
    }

    #[test]
    fn limit_excludes_the_series_and_newer_ones() {
        let windows: Platform = "windows/amd64".parse().unwrap();
        let limit =
            SystemLimit::of_client(&BuildOptions::default(), &windows, "MINGW64_NT-6.1 x86_64").unwrap();
        for (version, is_allowed) in [
            ("1.20.14", true),
            ("1.21rc1", false),
            ("1.21.0", false),
            ("1.26.8", false),
        ] {
            assert_eq!(limit.allows(version.parse().unwrap()), is_allowed, "{version}");
        }
    }
}
