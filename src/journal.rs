//! The log, on stderr: one line per request and per build, as text or as JSON, which no stranger's text can split.

use std::io::Write;
use std::time::SystemTime;

use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Record};

use crate::answer::Response;
use crate::answer::refusal::turns;
use crate::config::LogFormat;
use crate::request::Request;

/// Starts it for this process.
pub fn start(format: LogFormat) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Info).parse_default_env();
    builder.format(move |out, record| match format {
        LogFormat::Text => writeln!(out, "{}", text(record)),
        LogFormat::Json => writeln!(out, "{}", json(record)),
    });
    // A second start would be a second mode in one process, which there is not.
    builder.try_init().ok();
}

/// The line of a request that has its answer. `client` is who asked, as far as proxies are trusted.
pub fn answered(request: &Request, client: &str, response: &Response, seconds: f64) {
    let path = String::from_utf8_lossy(&request.path);
    let reason = response.header("Gox-Reason").unwrap_or("-");
    let query = if request.query.is_empty() { "" } else { "?" };
    log::info!(
        method = request.method,
        path = format!("{}{path}{query}{}", request.mount, request.query),
        status = response.status.0,
        reason = reason,
        seconds = format!("{seconds:.3}"),
        client = client;
        "request"
    );
}

fn text(record: &Record<'_>) -> String {
    let fields = Fields::of(record);
    let level = record.level().as_str().to_lowercase();
    let pairs = fields.0.iter().map(|(name, value)| format!(" {name}={value}"));
    let pairs = pairs.collect::<String>();
    one_line(&format!("{} {level} {}{pairs}", now(), record.args()))
}

fn json(record: &Record<'_>) -> String {
    let mut object = serde_json::Map::new();
    let known = [
        ("time", now()),
        ("level", record.level().to_string()),
        ("message", record.args().to_string()),
    ];
    let pairs = known.map(|(name, value)| (name.to_owned(), value));
    object.extend(
        pairs
            .into_iter()
            .chain(Fields::of(record).0)
            .map(|(name, value)| (name, one_line(&value).into())),
    );
    serde_json::Value::Object(object).to_string()
}

/// Seconds are enough to find a line by; in UTC (RFC 3339).
fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// No control character, so no second line and no moved cursor; and nothing that turns the direction of writing around.
fn one_line(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() || turns(c) {
            c.escape_default().collect()
        } else {
            vec![c]
        }
    };
    text.chars().flat_map(shown).collect()
}

#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(record: &Record<'_>) -> Fields {
        let mut fields = Fields::default();
        // The visitor below has no failure to report.
        record.key_values().visit(&mut fields).ok();
        fields
    }
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(one_line("a\nb\x1b[31m\u{9b}"), "a\\nb\\u{1b}[31m\\u{9b}");
        assert_eq!(one_line("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
    }
}
