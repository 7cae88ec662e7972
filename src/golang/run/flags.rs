//! Flags of `go` that are part of a recipe, and how a shell command contains them.

use std::path::Path;

use crate::golang::run::platform::platform_variables;
use crate::parse::Platform;
use crate::text::quote;

/// Flags to build the copy of a module: `go` may add requirements to its go.mod, and looks for no version control.
pub const COPY_FLAGS: [&str; 2] = ["-mod=mod", "-buildvcs=false"];

/// The flags that affect the bytes of a program.
pub fn recipe_flags(tags: &[String], ldflags: &[String]) -> Vec<String> {
    let mut flags = vec!["-trimpath".to_owned(), "-pgo=off".to_owned()];
    if !ldflags.is_empty() {
        flags.push(format!("-ldflags={}", ldflags.join(" ")));
    }
    if !tags.is_empty() {
        flags.push(format!("-tags={}", tags.join(",")));
    }
    flags
}

/// Formats the environment variables that affect the bytes of a program, for a shell command.
///
/// A level that is Go's default is omitted, except GOARM: its default is that of the machine on which Go was built, which is 6
/// for some small boards, not 7.
pub fn format_variables(go: &str, platform: &Platform) -> String {
    let is_needed = |name: &str| matches!(name, "GOOS" | "GOARCH" | "GOARM") || !platform.is_default_level();
    let variables: String = platform_variables(platform)
        .into_iter()
        .filter(|(name, _)| is_needed(name))
        .map(|(name, value)| format!(" {name}={value}"))
        .collect();
    format!("CGO_ENABLED=0{variables} GOTOOLCHAIN={go}")
}

/// Formats flags for a shell command.
pub fn format_flags(flags: &[String]) -> String {
    let quoted = |flag: &String| {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-=_.,/".contains(&b);
        if flag.bytes().all(is_plain) {
            flag.clone()
        } else {
            quote(flag)
        }
    };
    flags.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Runs a shell command with this module cache, for a program that contains the path of the module cache in which it was built.
/// The compile cache is a new one, because cached packages may contain another path.
pub fn with_module_cache(modules: &Path, command: &str) -> String {
    let modules = quote(&modules.display().to_string());
    format!("(export GOMODCACHE={modules} GOCACHE=\"$(mktemp -d)\" && {command})")
}
