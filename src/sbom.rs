//! Renders the software bill of materials of a program as CycloneDX 1.6 (ECMA-424, second edition). The source is the build
//! information that the linker wrote, so the SBOM lists what the program contains.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use humantime::format_rfc3339_seconds;
use serde_json::{Value, json};

use crate::golang::build_info::{BuildInfo, LinkedModule};
use crate::store::Meta;
use crate::store::key::hex;

/// The media type of CycloneDX JSON (registered with IANA).
pub const MEDIA_TYPE: &str = "application/vnd.cyclonedx+json; version=1.6";

/// Renders the document. It is reproducible: serial number and timestamp derive from the program.
pub fn render(meta: &Meta, info: &BuildInfo) -> String {
    let program = program_component(meta, info);
    let reference = program["bom-ref"].clone();
    let libraries: Vec<Value> = info
        .dependencies
        .iter()
        .map(library_component)
        .chain([standard_library_component(&meta.description.go)])
        .collect();
    let linked: Vec<&Value> = libraries.iter().map(|library| &library["bom-ref"]).collect();
    let mut metadata = json!({
        "component": program,
        "tools": { "components": [{
            "type": "application",
            "name": "gox-server",
            "version": env!("CARGO_PKG_VERSION"),
        }] },
    });
    if meta.description.module_time > 0 {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(meta.description.module_time);
        metadata["timestamp"] = json!(format_rfc3339_seconds(time).to_string());
    }
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial_number(&meta.fingerprint.sha256),
        "version": 1,
        "metadata": metadata,
        "dependencies": [{ "ref": reference, "dependsOn": linked }],
        "components": libraries,
    });
    format!("{document:#}\n")
}

/// The program itself. The version is the requested one, because the main module of a copy has version `(devel)`.
fn program_component(meta: &Meta, info: &BuildInfo) -> Value {
    let description = &meta.description;
    let url = package_url(&description.module, &description.version);
    let below = description.package.strip_prefix(&description.module);
    let url = match below.map(|below| below.trim_start_matches('/')) {
        None | Some("") => url,
        Some(below) => format!("{url}#{}", percent_encode(below)),
    };
    let settings = info.settings.iter().map(|(key, value)| {
        // Names from the CycloneDX property taxonomy, `cdx:gomod`.
        let name = match key.starts_with('-') {
            true => format!("cdx:gomod:build:flag:{}", key.trim_start_matches('-')),
            false => format!("cdx:gomod:build:env:{key}"),
        };
        json!({ "name": name, "value": value })
    });
    let main = info.main.iter().flat_map(hash_properties);
    let mut hashes = vec![json!({ "alg": "SHA-256", "content": meta.fingerprint.sha256 })];
    hashes.extend(
        meta.fingerprint
            .sha512
            .iter()
            .map(|hash| json!({ "alg": "SHA-512", "content": hash })),
    );
    json!({
        "type": "application",
        "bom-ref": url,
        "name": description.package,
        "version": description.version,
        "purl": url,
        "hashes": hashes,
        "properties": main.chain(settings).collect::<Vec<_>>(),
    })
}

/// A linked module. If a replace directive applies, this is the replacement.
fn library_component(module: &LinkedModule) -> Value {
    let linked = module.effective();
    let url = package_url(&linked.path, &linked.version);
    let mut library = json!({
        "type": "library",
        "bom-ref": url,
        "name": linked.path,
        "version": linked.version,
        "purl": url,
    });
    let mut properties = hash_properties(linked);
    if module.replacement.is_some() {
        let replaced = format!("{}@{}", module.path, module.version);
        properties.push(json!({ "name": "gox-server:replaces", "value": replaced }));
    }
    if let Some(bytes) = linked
        .sum
        .strip_prefix("h1:")
        .and_then(|sum| STANDARD.decode(sum).ok())
        && bytes.len() == 32
    {
        // As in cyclonedx-gomod: Go's h1 hash is the SHA-256 of a list of file hashes.
        library["hashes"] = json!([{ "alg": "SHA-256", "content": hex(&bytes) }]);
    }
    if !properties.is_empty() {
        library["properties"] = json!(properties);
    }
    library
}

fn standard_library_component(go: &str) -> Value {
    let version = go.trim_start_matches("go").split(' ').next().unwrap_or_default();
    let url = package_url("std", version);
    json!({ "type": "library", "bom-ref": url, "name": "std", "version": version, "purl": url })
}

/// The hash in the form of go.sum, if the build information has one.
fn hash_properties(module: &LinkedModule) -> Vec<Value> {
    match module.sum.as_str() {
        "" => Vec::new(),
        sum => vec![json!({ "name": "gox-server:h1", "value": sum })],
    }
}

/// `pkg:golang/PATH@VERSION` (package-url/purl-spec).
fn package_url(path: &str, version: &str) -> String {
    format!("pkg:golang/{}@{}", percent_encode(path), percent_encode(version))
}

fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(byte.into())
            }
            // Writing to a String cannot fail.
            other => write!(encoded, "%{other:02X}").unwrap_or_default(),
        }
        encoded
    })
}

/// A UUID from the program's hash (RFC 9562, version 8: the content is implementation-specific).
fn serial_number(sha256: &str) -> String {
    let digits = |from: usize, to: usize| sha256.get(from..to).unwrap_or_default();
    format!(
        "urn:uuid:{}-{}-8{}-a{}-{}",
        digits(0, 8),
        digits(8, 12),
        digits(12, 15),
        digits(15, 18),
        digits(18, 30)
    )
}
