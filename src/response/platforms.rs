//! `/-/platforms`: the platforms that a server builds for, with the levels of each architecture.

use maud::html;
use serde_json::json;

use super::page::Page;
use crate::parse::Platform;

/// How to request a platform.
const USAGE: [&str; 2] = [
    "Request a platform with the query os=OS&arch=ARCH.",
    "To select a level, append it to the architecture, for example arch=armv6 or arch=amd64v3. The first level of a line is the default.",
];

/// Renders the list as text: one platform and its levels a line, and comments that begin with `#`.
pub fn render_text(pairs: &[Platform]) -> String {
    let line = |pair: &Platform| format!("{:18}{}", pair.to_string(), levels(pair).join(" "));
    let lines = pairs.iter().map(|pair| format!("{}\n", line(pair).trim_end()));
    let usage = USAGE.iter().map(|line| format!("# {line}\n"));
    usage.chain(lines).collect()
}

/// Renders the list as JSON, with the query for each level of a platform.
pub fn render_json(pairs: &[Platform]) -> String {
    let one = |pair: &Platform| {
        let queries: Vec<_> = pair.all_levels().iter().map(Platform::query).collect();
        json!({ "os": pair.os(), "arch": pair.arch(), "levels": levels(pair), "queries": queries })
    };
    format!("{:#}\n", json!(pairs.iter().map(one).collect::<Vec<_>>()))
}

/// Renders the list as a web page.
pub fn render_page(pairs: &[Platform], mount: &str) -> String {
    Page {
        title: "Platforms",
        mount,
        reloads_without_script: false,
        main: html! {
            h1 { "Supported platforms" }
            p { (USAGE.join(" ")) }
            dl {
                @for pair in pairs {
                    dt { (pair) }
                    dd {
                        code { "?" (pair.query()) }
                        @if !levels(pair).is_empty() { br; small { (levels(pair).join(" ")) } }
                    }
                }
            }
        },
    }
    .render()
}

/// The levels of a platform's architecture by their Go names, the default first.
fn levels(pair: &Platform) -> Vec<&'static str> {
    let all = pair.all_levels();
    all.iter()
        .filter_map(|platform| platform.level().map(|level| level.value()))
        .collect()
}
