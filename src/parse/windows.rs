//! Reserved device names of Windows. Go refuses them in paths and versions, because its module cache uses them as file names.

/// File names that Windows reserves, with any extension.
const DEVICE_NAMES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
    "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Whether a file of this name is a device on Windows.
pub fn is_device(element: &str) -> bool {
    let stem = element.split('.').next().unwrap_or(element);
    DEVICE_NAMES.iter().any(|name| stem.eq_ignore_ascii_case(name))
}
