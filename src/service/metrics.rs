//! `/-/metrics`: counters, gauges and histograms for Prometheus (text exposition format 0.0.4).

use super::{open, read_error};
use crate::config::Config;
use crate::error::Error;
use crate::response::Response;
use crate::store::Counter;
use crate::store::counters::Histogram;

/// A histogram of durations.
struct DurationMetric {
    name: &'static str,
    help: &'static str,
    /// The counters that it shows, each with its label.
    counters: &'static [(&'static str, Counter)],
}

const DURATIONS: [DurationMetric; 2] = [
    DurationMetric {
        name: "response_duration_seconds",
        help: "Time from the request to the start of the response.",
        counters: &[
            ("hit", Counter::Hits),
            ("miss", Counter::Misses),
            ("refusal", Counter::Refusals),
        ],
    },
    DurationMetric {
        name: "build_duration_seconds",
        help: "Duration of builds.",
        counters: &[("success", Counter::Builds), ("failure", Counter::FailedBuilds)],
    },
];

/// Answers with all metrics.
pub(super) fn answer(config: &Config) -> Result<Response, Error> {
    let store = open(config)?;
    let queue = store.build_queue(config.builds());
    let read = |counter| store.read_counter(counter).map_err(read_error);
    let mut text = String::new();
    for counter in Counter::ALL {
        let name = format!("{}_total", counter.name());
        text += &format_metric(&name, "counter", counter.help(), read(counter)?.count());
    }
    for DurationMetric { name, help, counters } in DURATIONS {
        text += &format_header(name, "histogram", help);
        for (result, counter) in counters {
            text += &format_histogram(name, result, &read(*counter)?);
        }
    }
    for (name, help, value) in [
        (
            "builds_running",
            "Running builds.",
            queue.count_running().map_err(read_error)? as u64,
        ),
        ("build_slots", "Builds that may run.", config.builds() as u64),
        (
            "builds_waiting",
            "Builds waiting for a slot.",
            queue.count_waiting().map_err(read_error)? as u64,
        ),
        (
            "artifact_bytes",
            "Bytes of stored programs and their compressed copies.",
            store.artifact_bytes().map_err(read_error)?,
        ),
        (
            "cache_limit_bytes",
            "Size limit of the programs, caches and toolchains.",
            config.cache_bytes,
        ),
    ] {
        text += &format_metric(name, "gauge", help, value);
    }
    Ok(
        Response::text(200, "text/plain; version=0.0.4; charset=utf-8", text)
            .with("Cache-Control", "no-store"),
    )
}

fn format_header(name: &str, of_type: &str, help: &str) -> String {
    format!("# HELP gox_{name} {help}\n# TYPE gox_{name} {of_type}\n")
}

fn format_metric(name: &str, of_type: &str, help: &str, value: u64) -> String {
    format!("{}gox_{name} {value}\n", format_header(name, of_type, help))
}

fn format_histogram(name: &str, result: &str, histogram: &Histogram) -> String {
    let (count, seconds) = (histogram.count(), histogram.seconds());
    let bounds = histogram
        .cumulative()
        .map(|(bound, events)| (bound.to_string(), events));
    let mut text = String::new();
    for (bound, events) in bounds.chain([("+Inf".to_owned(), count)]) {
        text += &format!("gox_{name}_bucket{{result=\"{result}\",le=\"{bound}\"}} {events}\n");
    }
    text + &format!(
        "gox_{name}_sum{{result=\"{result}\"}} {seconds}\ngox_{name}_count{{result=\"{result}\"}} {count}\n"
    )
}
