//! The page of `/-/status`: the values of its JSON.

use maud::{Markup, html};

use super::server_status::{ObjectStoreStatus, ServerStatus};
use crate::object_store::record::Conflict;
use crate::response::page::Page;
use crate::store::Counter;
use crate::text::format_bytes;

/// Renders the page.
pub(super) fn render(status: &ServerStatus, mount: &str) -> String {
    let ServerStatus {
        version,
        go,
        known_vulnerability,
        downloaded,
        builds,
        queue,
        cells,
        store,
        counts,
        cache_bytes,
    } = status;
    let bytes = |bytes: u64| html! { data value=(bytes) { (format_bytes(bytes)) } };
    Page {
        title: "Status",
        mount,
        reloads_without_script: false,
        main: html! {
            h1 { "Status" }
            p.soft { "gox-server " (version) ". The same values as JSON: " code { "curl" } " this address. For Prometheus: "
                a href={ (mount) "/-/metrics" } { "metrics" } "." }
            (render_gauge("builds", "Running builds", builds.running as u64, builds.slots as u64,
                &html! { (builds.running) " of " (builds.slots) }))
            (render_gauge("queue", "Builds that wait for a slot", queue.waiting as u64, queue.most as u64,
                &html! { (queue.waiting) " of " (queue.most) }))
            (render_gauge("cache", "Stored programs", cache_bytes.artifacts, cache_bytes.most,
                &html! { (bytes(cache_bytes.artifacts)) " of " (bytes(cache_bytes.most)) }))
            h2 { "Since the installation" }
            table {
                @for counter in Counter::ALL {
                    @if let Some(count) = counts.get(counter.name()) {
                        tr { th scope="row" { (counter.help()) } td id={ "count-" (counter.name()) } { (count) } }
                    }
                }
            }
            h2 { "Go" }
            dl {
                dt { "Default" } dd { @if let Some(go) = go { (go) } @else { "none" } }
                @if let Some(known_vulnerability) = known_vulnerability {
                    dt { "Vulnerabilities" } dd { (known_vulnerability) }
                }
                dt { "Downloaded" } dd { @if downloaded.is_empty() { "none" } @else { (downloaded.join(", ")) } }
            }
            @if let Some(store) = store {
                (render_object_store(store))
            }
            h2 { "Sandbox" }
            @if let Some(cells) = cells {
                (cells.render())
                p { @if cells.shared_compile_cache { "Builds share one compile cache." }
                    @else { "Each build has its own compile cache and compiles everything." } }
            } @else {
                p { "The cell of a compiler cannot be probed. The log has the reason; " code { "gox-server doctor" } " checks it." }
            }
        },
    }
    .render()
}

fn render_object_store(store: &ObjectStoreStatus) -> Markup {
    html! {
        h2 { "Object store" }
        dl {
            dt { "Store" } dd { (store.url) }
            dt { "State" } dd { @match &store.error {
                Some(error) => { "The last request failed, so programs are built without it. " (error) }
                None => "The last request succeeded.",
            } }
            @if let Some(probed) = &store.probed {
                dt { "Probed" } dd { (probed.describe()) }
            }
            @if let Some(Conflict { key, program, platform, built_sha256, stored_sha256 }) = &store.conflict {
                dt { "Conflict" } dd { (program) " for " (platform) " has SHA-256 " code { (built_sha256) } " here and "
                    code { (stored_sha256) } " in the store, build " code { (key) } ". The log explains it." }
            }
        }
    }
}

/// A value and its limit, as text and as a bar.
fn render_gauge(id: &str, name: &str, value: u64, most: u64, text: &Markup) -> Markup {
    html! {
        p { label for=(id) { (name) } ": " (text)
            // A gauge with its minimum as maximum is invalid; a queue of no places is full.
            meter id=(id) min="0" max=(most.max(1)) value=(value) {} }
    }
}
