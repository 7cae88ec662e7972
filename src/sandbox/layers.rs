//! Measures which layers of a cell the kernel enforces. `gox-server probe` enters a cell and attempts what an exploited compiler
//! would attempt. This is more reliable than the kernel's version or configuration.

use std::io;
use std::path::Path;
use std::process::Stdio;

use super::cell::{Cell, Role};
use super::layer::{Enforcement, Layer, LayerName};
use super::probe::{ProbePaths, ProbeResult};
use super::self_exe::self_exe;
use crate::hidden_command::HiddenCommand;

/// The layers of one kind of cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers(pub Vec<Layer>);

impl Layers {
    /// Probes a driver's cell without TCP ports. `dir` is a private directory of the caller, such as a `WorkDir`.
    pub fn probe_driver(dir: &Path) -> io::Result<Layers> {
        probe(dir, Role::Driver { ports: vec![] })
    }

    /// Probes a tool's cell.
    pub fn probe_tool(dir: &Path) -> io::Result<Layers> {
        probe(dir, Role::Tool)
    }

    /// The layers that are not fully enforced.
    pub fn missing(&self) -> impl Iterator<Item = &Layer> {
        self.0
            .iter()
            .filter(|layer| layer.enforcement != Enforcement::Full)
    }

    /// Whether builds can share caches: a tool can change neither other files nor a process that can.
    pub fn can_share_caches(&self) -> bool {
        self.missing()
            .all(|layer| !matches!(layer.name, LayerName::Files | LayerName::Processes))
    }

    fn from_results(results: &[ProbeResult]) -> Layers {
        let layer = |name| {
            let of_layer = || results.iter().filter(|result| result.layer == name);
            let allowed: Vec<_> = of_layer()
                .filter(|result| !result.denied)
                .map(|result| result.attempt.clone())
                .collect();
            let enforcement = match allowed.len() {
                0 => Enforcement::Full,
                all if all == of_layer().count() => Enforcement::None,
                _ => Enforcement::Partial(allowed),
            };
            Layer { name, enforcement }
        };
        Layers(LayerName::ALL.map(layer).into())
    }
}

fn probe(dir: &Path, role: Role) -> io::Result<Layers> {
    let dir = tempfile::Builder::new().prefix("probe-").tempdir_in(dir)?;
    let paths = ProbePaths {
        inside: dir.path().join("inside"),
        outside: dir.path().join("outside/file"),
    };
    std::fs::create_dir(&paths.inside)?;
    std::fs::create_dir(dir.path().join("outside"))?;
    std::fs::write(paths.inside.join("file"), "may be read")?;
    std::fs::write(&paths.outside, "may not be read")?;

    let self_exe = self_exe(dir.path())?;
    let cell = Cell {
        role,
        read: vec![],
        execute: vec![self_exe.clone()],
        write: vec![paths.inside.clone()],
        limits: None,
        must_enforce: false,
    };
    let probe = HiddenCommand::Probe {
        cell: serde_json::to_string(&cell)?,
        paths: serde_json::to_string(&paths)?,
    };
    let output = probe
        .command(&self_exe)
        .env_clear()
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!(
            "{}: {}",
            output.status,
            stderr.trim_end()
        )));
    }
    Ok(Layers::from_results(&serde_json::from_slice::<Vec<ProbeResult>>(
        &output.stdout,
    )?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_allowed_attempt_makes_a_layer_partial() {
        let result = |layer, attempt: &str, denied| ProbeResult {
            layer,
            attempt: attempt.to_owned(),
            denied,
        };
        let layers = Layers::from_results(&[
            result(LayerName::Files, "read", true),
            result(LayerName::Files, "write", false),
            result(LayerName::Network, "UDP", false),
            result(LayerName::Kernel, "bpf", true),
        ]);
        let missing: Vec<_> = layers.missing().cloned().collect();
        assert_eq!(
            missing,
            [
                Layer {
                    name: LayerName::Files,
                    enforcement: Enforcement::Partial(vec!["write".to_owned()])
                },
                Layer {
                    name: LayerName::Network,
                    enforcement: Enforcement::None
                },
            ]
        );
        assert!(!layers.can_share_caches());
    }
}
