//! What of a cell is in force on this machine, told by trying: `gox-server probe` enters a cell, and does there what
//! a compiler that was taken over would do. A version number or a kernel's configuration would only be a promise.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::cell::{Cell, Inmate};
use super::layer::{Holds, Layer, Name};
use super::own_binary::own_binary;
use super::probe::{Place, Tried};

/// The layers of one kind of cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers(pub Vec<Layer>);

impl Layers {
    /// Tries a driver's cell that may connect nowhere. `room` is a directory of the caller's own: see `golang/work.rs`.
    pub fn of_driver(room: &Path) -> io::Result<Layers> {
        probe(room, Inmate::Driver { ports: vec![] })
    }

    /// Tries a tool's cell.
    pub fn of_tool(room: &Path) -> io::Result<Layers> {
        probe(room, Inmate::Tool)
    }

    /// Those that are not fully in force.
    pub fn missing(&self) -> impl Iterator<Item = &Layer> {
        self.0.iter().filter(|layer| layer.holds != Holds::Fully)
    }

    /// Whether a tool in such a cell can be trusted beside a cache that all builds share: it can change no file but its
    /// own, and no process that can.
    pub fn guard_caches(&self) -> bool {
        self.missing()
            .all(|layer| !matches!(layer.name, Name::Files | Name::Processes))
    }

    fn from_attempts(tried: &[Tried]) -> Layers {
        let layer = |name| {
            let of_it = || tried.iter().filter(|attempt| attempt.layer == name);
            let through: Vec<_> = of_it().filter(|a| !a.denied).map(|a| a.what.clone()).collect();
            let holds = match through.len() {
                0 => Holds::Fully,
                all if all == of_it().count() => Holds::Not,
                _ => Holds::Partly(through),
            };
            Layer { name, holds }
        };
        Layers(Name::ALL.map(layer).into())
    }
}

fn probe(room: &Path, inmate: Inmate) -> io::Result<Layers> {
    let dir = tempfile::Builder::new().prefix("probe-").tempdir_in(room)?;
    let place = Place {
        inside: dir.path().join("inside"),
        outside: dir.path().join("outside/file"),
    };
    std::fs::create_dir(&place.inside)?;
    std::fs::create_dir(dir.path().join("outside"))?;
    std::fs::write(place.inside.join("file"), "may be read")?;
    std::fs::write(&place.outside, "may not be read")?;

    let own_binary = own_binary(dir.path())?;
    let cell = Cell {
        inmate,
        read: vec![],
        execute: vec![own_binary.clone()],
        write: vec![place.inside.clone()],
        limits: None,
        must_hold: false,
    };
    let output = Command::new(&own_binary)
        .arg("probe")
        .arg(serde_json::to_string(&cell)?)
        .arg(serde_json::to_string(&place)?)
        .env_clear()
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!(
            "{}: {}",
            output.status,
            words.trim_end()
        )));
    }
    Ok(Layers::from_attempts(&serde_json::from_slice::<Vec<Tried>>(
        &output.stdout,
    )?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hole_is_enough_for_partly() {
        let tried = |layer, what: &str, denied| Tried {
            layer,
            what: what.to_owned(),
            denied,
        };
        let layers = Layers::from_attempts(&[
            tried(Name::Files, "read", true),
            tried(Name::Files, "write", false),
            tried(Name::Network, "UDP", false),
            tried(Name::Kernel, "bpf", true),
        ]);
        let missing: Vec<_> = layers.missing().cloned().collect();
        assert_eq!(
            missing,
            [
                Layer {
                    name: Name::Files,
                    holds: Holds::Partly(vec!["write".to_owned()])
                },
                Layer {
                    name: Name::Network,
                    holds: Holds::Not
                },
            ]
        );
        assert!(!layers.guard_caches());
    }
}
