//! Names that Windows keeps for devices: Go refuses them in paths and versions, since its module cache makes files of them.

/// File names that Windows reserves, with any extension; Go refuses them, for module caches on Windows.
const WINDOWS_NAMES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
    "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Whether Windows would open a device when asked for a file of this name.
pub(super) fn is_device(element: &str) -> bool {
    let stem = element.split('.').next().unwrap_or(element);
    WINDOWS_NAMES.iter().any(|name| stem.eq_ignore_ascii_case(name))
}
