//! Platforms as `go` selects them, and those that it supports.

use crate::error::{Error, Reason};
use crate::golang::Toolchain;
use crate::parse::{ArchFamily, Platform};

/// The platforms for which Go's linker cannot link programs, and a C compiler is needed (internal/platform, MustLinkExternal,
/// DefaultPIE and InternalLinkPIESupported; Go 1.26).
const EXTERNALLY_LINKED: &[&str] = &[
    "android/386",
    "android/amd64",
    "android/arm",
    "ios/amd64",
    "ios/arm64",
];

/// Checks that this Go builds programs for this platform without a C compiler.
pub fn check_platform(toolchain: &Toolchain, platform: &Platform) -> Result<(), Error> {
    let pair = format!("{}/{}", platform.os(), platform.arch());
    if !toolchain.platforms.contains(&pair) {
        return Err(Error::new(Reason::UnknownPlatform)
            .detail(format!("{} cannot build for {pair}.", toolchain.version)));
    }
    if EXTERNALLY_LINKED.contains(&pair.as_str()) {
        return Err(Error::new(Reason::NeedsCgo)
            .detail(format!("Programs for {pair} must be linked by a C compiler.")));
    }
    Ok(())
}

/// The platforms for which this Go builds programs without a C compiler.
pub fn supported_platforms(toolchain: &Toolchain) -> Vec<Platform> {
    let platforms = toolchain.platforms.iter().filter_map(|pair| pair.parse().ok());
    platforms
        .filter(|platform| check_platform(toolchain, platform).is_ok())
        .collect()
}

/// The environment variables that select a platform: GOOS, GOARCH, and the one for the architecture level, if any.
pub fn platform_variables(platform: &Platform) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("GOOS", platform.os().to_owned()),
        ("GOARCH", platform.arch().to_owned()),
    ];
    variables.extend(level_variable(platform));
    variables
}

fn level_variable(platform: &Platform) -> Option<(&'static str, String)> {
    let level = platform.level()?;
    let name = match level.family() {
        ArchFamily::I386 => "GO386",
        ArchFamily::Amd64 => "GOAMD64",
        ArchFamily::Arm => "GOARM",
        ArchFamily::Arm64 => "GOARM64",
        ArchFamily::Mips => "GOMIPS",
        ArchFamily::Mips64 => "GOMIPS64",
        ArchFamily::Ppc64 => "GOPPC64",
        ArchFamily::Riscv64 => "GORISCV64",
    };
    Some((name, level.value().to_owned()))
}
