//! The settings of Go's garbage collector.

/// Memory of a Go process, in bytes, from which it collects garbage only near its GOMEMLIMIT.
const MIN_MEMORY_WITHOUT_COLLECTOR: u64 = 2 << 30;

/// Returns the variables of the garbage collector for a process of Go with this much memory. Near GOMEMLIMIT, Go collects garbage more
/// often. That limit is half of the memory, or all but a GiB: the heap grows by arenas of 64 MB, and memory outside of the heap counts
/// too.
pub fn collector_variables(memory_bytes: u64) -> Vec<(&'static str, String)> {
    const OTHER_MAX: u64 = 1 << 30;
    let limit = memory_bytes - (memory_bytes / 2).min(OTHER_MAX);
    let mut variables = vec![("GOMEMLIMIT", limit.to_string())];
    // `go` and its tools end before garbage matters. With little memory, fzf would need more than a machine of 256 MB has.
    if memory_bytes >= MIN_MEMORY_WITHOUT_COLLECTOR {
        variables.push(("GOGC", "off".to_owned()));
    }
    variables
}
