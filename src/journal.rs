//! The log on stderr, as text or JSON. Each record is one line, even if it quotes untrusted text.

use std::io::Write;
use std::time::SystemTime;

use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Record};

use crate::config::{Config, LogFormat};
use crate::request::{Request, decode_at_and_plus};
use crate::response::Response;
use crate::text::is_bidi_control;

/// Reads the settings and starts the log in the format that they name.
pub fn configure() -> Result<Config, String> {
    let config = Config::from_env().map_err(|bad| bad.to_string())?;
    start(config.log);
    Ok(config)
}

/// Starts the log of this process.
pub fn start(format: LogFormat) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Info);
    // Its warnings may contain credentials of a metadata server. RUST_LOG=reqsign=debug shows them.
    builder.filter_module("reqsign", LevelFilter::Off);
    builder.parse_default_env();
    builder.format(move |out, record| match format {
        LogFormat::Text => writeln!(out, "{}", format_text(record)),
        LogFormat::Json => writeln!(out, "{}", format_json(record)),
    });
    // Fails only if it was started before, and a process starts it once.
    builder.try_init().ok();
}

/// Logs a request and its response. `client` is the address from [`Request::client_address`].
pub fn log_request(request: &Request, client: &str, response: &Response, seconds: f64) {
    let reason = response.header("Gox-Reason").unwrap_or("-");
    let path = whole_path(&request.mount, &request.path, &request.query);
    log_line(&request.method, &path, response.status.0, reason, seconds, client);
}

/// Logs a request that the front answers without a program, as [`log_request`] would.
pub fn log_without_program(method: &str, mount: &str, target: &str, status: u16, client: &str) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = whole_path(mount, &decode_at_and_plus(path.as_bytes()), query);
    log_line(method, &path, status, "-", 0.0, client);
}

fn whole_path(mount: &str, path: &[u8], query: &str) -> String {
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{mount}{}{separator}{query}", String::from_utf8_lossy(path))
}

fn log_line(method: &str, path: &str, status: u16, reason: &str, seconds: f64, client: &str) {
    log::info!(
        method = method,
        path = path,
        status = status,
        reason = reason,
        seconds = format!("{seconds:.3}"),
        client = client;
        "request"
    );
}

fn format_text(record: &Record<'_>) -> String {
    let fields = RecordFields::read(record);
    let level = record.level().as_str().to_lowercase();
    let pairs = fields.0.iter().map(|(name, value)| format!(" {name}={value}"));
    let pairs = pairs.collect::<String>();
    escape_controls(&format!("{} {level} {}{pairs}", now(), record.args()))
}

fn format_json(record: &Record<'_>) -> String {
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
            .chain(RecordFields::read(record).0)
            .map(|(name, value)| (name, escape_controls(&value).into())),
    );
    serde_json::Value::Object(object).to_string()
}

/// The time in UTC (RFC 3339), in seconds.
fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// Escapes control characters, which could start a line or move the cursor, and bidirectional controls.
fn escape_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_bidi_control(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[derive(Default)]
struct RecordFields(Vec<(String, String)>);

impl RecordFields {
    fn read(record: &Record<'_>) -> RecordFields {
        let mut fields = RecordFields::default();
        // The visitor below never fails.
        record.key_values().visit(&mut fields).ok();
        fields
    }
}

impl<'kvs> VisitSource<'kvs> for RecordFields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::escape_controls;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escape_controls("a\nb\x1b[31m\u{9b}"), "a\\nb\\u{1b}[31m\\u{9b}");
        assert_eq!(escape_controls("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
    }
}
