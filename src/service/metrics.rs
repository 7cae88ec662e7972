//! `/-/metrics`: counters, gauges and histograms for Prometheus (text exposition format 0.0.4).

use super::{open, read_error};
use crate::config::Config;
use crate::error::Error;
use crate::object_store::record::Record;
use crate::response::Response;
use crate::store::counters::Histogram;
use crate::store::{Counter, Store, Total};

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
        help: "Time until the program was found or built, or the request was refused.",
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
    if config.object_store.is_some() {
        text += &format_object_store(&store)?;
    }
    Ok(
        Response::text(200, "text/plain; version=0.0.4; charset=utf-8", text)
            .with("Cache-Control", "no-store"),
    )
}

/// The object store, as the last builders found it.
fn format_object_store(store: &Store) -> Result<String, Error> {
    let mut text = String::new();
    for total in Total::ALL {
        let name = format!("{}_total", total.name());
        let sum = store.read_total(total).map_err(read_error)?;
        text += &format_metric(&name, "counter", total.help(), sum);
    }
    let record = Record::of(store);
    let works = u64::from(record.outage().is_none());
    let help = "Whether the last request to the object store succeeded.";
    text += &format_metric("store_works", "gauge", help, works);
    if let Some((probed, _)) = record.probe() {
        let (create_only, latency) = (u64::from(probed.is_create_only), probed.latency_ms);
        let help = "Whether the object store refuses to replace an object (If-None-Match).";
        text += &format_metric("store_create_only", "gauge", help, create_only);
        let help = "Milliseconds of one write when the object store was probed.";
        text += &format_metric("store_latency_milliseconds", "gauge", help, latency);
    }
    Ok(text)
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
