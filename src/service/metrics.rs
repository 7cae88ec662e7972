//! `/-/metrics`: counters and gauges for Prometheus (text exposition format 0.0.4).

use super::{artifact_bytes, open, read_error};
use crate::config::Config;
use crate::error::Error;
use crate::response::Response;
use crate::store::Counter;

/// Answers with all metrics.
pub(super) fn answer(config: &Config) -> Result<Response, Error> {
    let store = open(config)?;
    let queue = store.build_queue(config.builds());
    let mut text = String::new();
    for counter in Counter::ALL {
        let name = format!("{}_total", counter.name());
        text += &format_metric(
            &name,
            "counter",
            counter.help(),
            store.read_counter(counter).map_err(read_error)?,
        );
    }
    let running = queue.count_running().map_err(read_error)? as u64;
    text += &format_metric("builds_running", "gauge", "Running builds.", running);
    let waiting = queue.count_waiting().map_err(read_error)? as u64;
    text += &format_metric("builds_waiting", "gauge", "Builds waiting for a slot.", waiting);
    let bytes = artifact_bytes(&store)?;
    text += &format_metric(
        "artifact_bytes",
        "gauge",
        "Bytes of stored programs and their compressed copies.",
        bytes,
    );
    Ok(
        Response::text(200, "text/plain; version=0.0.4; charset=utf-8", text)
            .with("Cache-Control", "no-store"),
    )
}

fn format_metric(name: &str, of_type: &str, help: &str, value: u64) -> String {
    format!("# HELP gox_{name} {help}\n# TYPE gox_{name} {of_type}\ngox_{name} {value}\n")
}
