//! What a server builds for: one system and architecture a line, with its levels.

use maud::html;
use serde_json::json;

use super::page::frame;
use crate::asked::Platform;

/// How a platform is asked for.
const HOW: [&str; 2] = [
    "Ask for one by ?os=OS&arch=ARCH.",
    "A level stands behind the architecture, as in arch=armv6 or arch=amd64v3; the first of a line goes without saying.",
];

/// For `curl`: what is no platform is a comment.
pub fn text(pairs: &[Platform]) -> String {
    let line = |pair: &Platform| format!("{:18}{}", pair.to_string(), levels(pair).join(" "));
    let lines = pairs.iter().map(|pair| format!("{}\n", line(pair).trim_end()));
    let how = HOW.iter().map(|line| format!("# {line}\n"));
    how.chain(lines).collect()
}

/// For a program: each platform by its parts, and the queries that ask for each of its levels.
pub fn json(pairs: &[Platform]) -> String {
    let one = |pair: &Platform| {
        let queries: Vec<_> = pair.at_each_level().iter().map(Platform::query).collect();
        json!({ "os": pair.os(), "arch": pair.arch(), "levels": levels(pair), "queries": queries })
    };
    format!("{:#}\n", json!(pairs.iter().map(one).collect::<Vec<_>>()))
}

/// For a browser.
pub fn page(pairs: &[Platform]) -> String {
    frame(
        "Platforms",
        html! {
            h1 { "What this server builds for" }
            p { (HOW.join(" ")) }
            @for pair in pairs {
                h2 { (pair) }
                p { code { "?" (pair.query()) } @if !levels(pair).is_empty() { " " small { (levels(pair).join(" ")) } } }
            }
        },
    )
}

/// The levels of its architecture as Go calls them, the one that goes without saying first.
fn levels(pair: &Platform) -> Vec<&'static str> {
    let all = pair.at_each_level();
    all.iter()
        .filter_map(|platform| platform.level().map(|level| level.value()))
        .collect()
}
