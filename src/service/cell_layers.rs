//! The layers of a tool's cell that the kernel enforces on this machine.

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use crate::sandbox::layers::Layers;
use crate::store::Store;
use crate::store::work_dir::WorkDir;

/// The layers of a tool's cell, and what follows from them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CellLayers {
    /// Whether builds share one compile cache.
    pub shared_compile_cache: bool,
    /// The names of the layers that are fully enforced.
    pub enforced: Vec<String>,
    /// The other layers, with their risk.
    pub missing: Vec<String>,
}

impl CellLayers {
    /// Probes a cell. The result is cached for a short time. `None` if the probe fails.
    pub(super) fn probe(store: &Store) -> Option<CellLayers> {
        let probed = store.observe_cached("cells", || {
            // A locked work directory: the sweep removes only unlocked ones.
            let work = WorkDir::create(store, "status-")?;
            Ok(CellLayers::from_layers(&Layers::probe_tool(work.path())?))
        });
        probed
            .inspect_err(|error| log::warn!("cannot probe a tool's cell: {error}"))
            .ok()
    }

    fn from_layers(layers: &Layers) -> CellLayers {
        let is_missing = |name| layers.missing().any(|missing| missing.name == name);
        let names = layers.0.iter().map(|layer| layer.name);
        CellLayers {
            shared_compile_cache: layers.can_share_caches(),
            enforced: names
                .filter(|name| !is_missing(*name))
                .map(|name| name.as_str().to_owned())
                .collect(),
            missing: layers.missing().map(ToString::to_string).collect(),
        }
    }

    /// The layers as sentences.
    pub(super) fn render(&self) -> Markup {
        html! {
            p { "Each compiler runs in its own cell. Fully enforced layers: "
                @if self.enforced.is_empty() { "none" } @else { (self.enforced.join(", ")) } "." }
            @if !self.missing.is_empty() {
                p { "Other layers:" }
                ul { @for layer in &self.missing { li { (layer) } } }
            }
        }
    }
}
