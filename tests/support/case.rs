//! A row of the table in `cases`: how it is written, and how a response is compared with it.
//!
//! Properties of all responses of a kind are checked for every row, so that a row states only its own.

use super::modproxy::HTTP_TIME;
use super::plain_go::{self, Wanted};
use super::request::Request;
use super::response::{Response, list, status_of};
use super::sha256;
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256, Sha512};
use std::io::Read;
use std::panic::Location;

/// A row.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) shows: String,
    pub(crate) line: u32,
    pub(crate) request: Request,
    pub(crate) expect: Expect,
    pub(crate) effect: Option<Effect>,
    checks: Vec<Check>,
}

/// What a request leaves behind. The program of such a row belongs to no other row.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Effect {
    /// The program is neither built nor queued.
    NoBuild,
    /// The program is built.
    Build,
}

/// The expected response.
#[derive(Clone)]
pub(crate) enum Expect {
    /// The program, byte for byte as from `go install`.
    Program(Program),
    /// A range of the program: first and last byte.
    Part(Program, usize, usize),
    /// This status without a body, with the headers of the program.
    Bodiless(u16, Program),
    /// A failure with one of these reasons.
    Refused(&'static [&'static str]),
    /// A page of gox-server with this content type.
    Page(&'static str),
    /// A redirect to this path with GET.
    Redirect(&'static str),
}

/// An additional check of a row.
#[derive(Clone)]
enum Check {
    HeaderHas(&'static str, &'static str),
    HeaderLacks(&'static str, &'static str),
    BodyHas(&'static str),
    BodyLacks(&'static str),
}

/// The program that a row expects.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) wanted: Wanted,
    module: &'static str,
    /// File name, if it differs from that of `go install`.
    name: Option<&'static str>,
    /// Content coding of the response.
    coding: Option<&'static str>,
    /// Algorithm of Repr-Digest.
    digest: Option<&'static str>,
}

/// Starts a row with its description. Request and expected response follow.
#[track_caller]
pub(crate) fn case(shows: &str) -> Case {
    let (request, expect) = (Request::get("/"), Expect::Refused(&[]));
    Case {
        shows: shows.to_owned(),
        line: Location::caller().line(),
        request,
        expect,
        effect: None,
        checks: Vec::new(),
    }
}

/// A program at the root of its module.
pub(crate) fn program(package: &'static str, version: &'static str) -> Program {
    let wanted = Wanted {
        package,
        version,
        goos: "linux",
        goarch: "amd64",
        variant: None,
    };
    Program {
        wanted,
        module: package,
        name: None,
        coding: None,
        digest: Some("sha-256"),
    }
}

/// A program of github.com/tester.
pub(crate) fn tester(name: &str, version: &'static str) -> Program {
    // Rows live as long as the suite.
    program(format!("github.com/tester/{name}").leak(), version)
}

impl Program {
    pub(crate) fn on_platform(mut self, goos: &'static str, goarch: &'static str) -> Program {
        (self.wanted.goos, self.wanted.goarch) = (goos, goarch);
        self
    }

    pub(crate) fn with_variant(mut self, variant: &'static str) -> Program {
        self.wanted.variant = Some(variant);
        self
    }

    pub(crate) fn in_module(mut self, module: &'static str) -> Program {
        self.module = module;
        self
    }

    pub(crate) fn with_file_name(mut self, name: &'static str) -> Program {
        self.name = Some(name);
        self
    }

    pub(crate) fn with_coding(mut self, coding: &'static str) -> Program {
        self.coding = Some(coding);
        self
    }

    pub(crate) fn with_digest(mut self, algorithm: Option<&'static str>) -> Program {
        self.digest = algorithm;
        self
    }

    /// Decodes a body by the content coding.
    fn decode(&self, sent: &[u8]) -> Vec<u8> {
        let unpacked = match self.coding {
            None => return sent.to_vec(),
            Some("zstd") => zstd::decode_all(sent),
            Some(_) => {
                let mut unpacked = Vec::new();
                GzDecoder::new(sent).read_to_end(&mut unpacked).map(|_| unpacked)
            }
        };
        // An invalid body decodes to nothing, which differs from the program.
        unpacked.unwrap_or_default()
    }
}

impl Case {
    pub(crate) fn describe(mut self, shows: &str) -> Case {
        shows.clone_into(&mut self.shows);
        self
    }

    pub(crate) fn get(mut self, url: &str) -> Case {
        self.request = Request::get(url);
        self
    }

    pub(crate) fn method(mut self, method: &'static str) -> Case {
        self.request = self.request.method(method);
        self
    }

    pub(crate) fn user_agent(self, agent: &str) -> Case {
        self.header("User-Agent", agent)
    }

    pub(crate) fn accept(self, types: &str) -> Case {
        self.header("Accept", types)
    }

    /// A header of the request. `{etag}` is replaced by the ETag of the complete response.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Case {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Case {
        self.request.body = body.to_vec();
        self
    }

    fn expect(mut self, expect: Expect) -> Case {
        self.expect = expect;
        self
    }

    pub(crate) fn gives(self, program: Program) -> Case {
        self.expect(Expect::Program(program))
    }

    pub(crate) fn gives_range(self, program: Program, first: usize, last: usize) -> Case {
        self.expect(Expect::Part(program, first, last))
    }

    pub(crate) fn gives_status_only(self, status: u16, program: Program) -> Case {
        self.expect(Expect::Bodiless(status, program))
    }

    pub(crate) fn page(self, content_type: &'static str) -> Case {
        self.expect(Expect::Page(content_type))
    }

    pub(crate) fn redirects(self, path: &'static str) -> Case {
        self.expect(Expect::Redirect(path))
    }

    pub(crate) fn starts_no_build(mut self) -> Case {
        self.effect = Some(Effect::NoBuild);
        self
    }

    pub(crate) fn starts_build(mut self) -> Case {
        self.effect = Some(Effect::Build);
        self
    }

    pub(crate) fn refused(self, reason: &'static str) -> Case {
        self.refused_for(vec![reason].leak())
    }

    /// Expects a failure with one of these reasons, where the exact reason may depend on the transport.
    pub(crate) fn refused_for(self, reasons: &'static [&'static str]) -> Case {
        self.expect(Expect::Refused(reasons))
    }

    pub(crate) fn header_has(mut self, name: &'static str, text: &'static str) -> Case {
        self.checks.push(Check::HeaderHas(name, text));
        self
    }

    pub(crate) fn header_lacks(mut self, name: &'static str, text: &'static str) -> Case {
        self.checks.push(Check::HeaderLacks(name, text));
        self
    }

    pub(crate) fn body_has(mut self, text: &'static str) -> Case {
        self.checks.push(Check::BodyHas(text));
        self
    }

    pub(crate) fn body_lacks(mut self, text: &'static str) -> Case {
        self.checks.push(Check::BodyLacks(text));
        self
    }
}

/// Differences between a row and a response, one line each.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn expect_equal(&mut self, what: &str, expected: impl AsRef<str>, got: Option<&str>) {
        let expected = expected.as_ref();
        if got != Some(expected) {
            self.0.push(format!(
                "{what}: expected {expected}, got {}",
                got.unwrap_or("none")
            ));
        }
    }

    fn expect_contains(&mut self, what: &str, part: &str, got: Option<&str>) {
        if !got.is_some_and(|got| got.contains(part)) {
            self.0.push(format!(
                "{what}: expected …{part}…, got {}",
                got.unwrap_or("none")
            ));
        }
    }

    fn expect_true(&mut self, fine: bool, what: impl FnOnce() -> String) {
        if !fine {
            self.0.push(what());
        }
    }
}

impl Case {
    /// The request, for rows that need no earlier response.
    pub(crate) fn request(&self) -> Request {
        self.request.clone()
    }

    /// The request of a client that has received the complete response before.
    pub(crate) fn request_after(&self, whole: &Response) -> Request {
        let mut request = self.request.clone();
        for (_, value) in &mut request.headers {
            *value = value.replace("{etag}", whole.header("etag").unwrap_or_default());
        }
        request
    }

    /// The preceding request for the complete response, in the same coding.
    pub(crate) fn request_of_all(&self) -> Request {
        let mut request = self.request.clone().method("GET");
        let coded = match &self.expect {
            Expect::Program(program) | Expect::Part(program, ..) | Expect::Bodiless(_, program) => {
                program.coding.is_some()
            }
            Expect::Refused(_) | Expect::Page(_) | Expect::Redirect(_) => false,
        };
        request.headers.retain(|(name, _)| {
            !name.starts_with("If-") && *name != "Range" && (coded || *name != "Accept-Encoding")
        });
        request
    }

    /// Whether the request refers to an earlier complete response.
    pub(crate) fn needs_earlier_response(&self) -> bool {
        matches!(self.expect, Expect::Part(..) | Expect::Bodiless(..))
    }

    /// Compares a response with the row. `whole` is the earlier complete response.
    pub(crate) fn differences(&self, response: &Response, whole: Option<&Response>) -> Vec<String> {
        let mut differences = Differences::default();
        differences.expect_equal(
            "X-Content-Type-Options",
            "nosniff",
            response.header("x-content-type-options"),
        );
        match &self.expect {
            Expect::Program(program) => {
                differences.expect_equal("status", "200", Some(&response.status.to_string()));
                let plain = plain_go::install(&program.wanted);
                let decoded = sha256(&program.decode(&response.body));
                differences.expect_equal("sha256, decoded", &plain.sha256, Some(&decoded));
                differences.expect_equal(
                    "Content-Length",
                    response.body.len().to_string(),
                    response.header("content-length"),
                );
                program.check_headers(response, &response.body, &mut differences);
            }
            Expect::Part(program, first, last) => {
                let whole = whole.expect("a range needs the complete response");
                differences.expect_equal("status", "206", Some(&response.status.to_string()));
                differences.expect_true(response.body == whole.body[*first..=*last], || {
                    format!(
                        "{} bytes that are not bytes {first} to {last}",
                        response.body.len()
                    )
                });
                let range = format!("bytes {first}-{last}/{}", whole.body.len());
                differences.expect_equal("Content-Range", range, response.header("content-range"));
                program.check_headers(response, &whole.body, &mut differences);
            }
            Expect::Bodiless(status, program) => {
                let whole = whole.expect("a bodiless response needs the complete response");
                differences.expect_equal("status", status.to_string(), Some(&response.status.to_string()));
                match status {
                    200 => {
                        let length = whole.body.len().to_string();
                        differences.expect_equal("Content-Length", length, response.header("content-length"));
                        program.check_headers(response, &whole.body, &mut differences);
                    }
                    // RFC 9110 section 15.4.5.
                    304 => {
                        for name in ["Cache-Control", "Content-Location", "ETag", "Vary"] {
                            let (before, now) = (whole.header(name), response.header(name));
                            differences.expect_true(list(now) == list(before), || {
                                format!("{name}: {before:?} in 200, {now:?} in 304")
                            });
                        }
                    }
                    416 => {
                        let range = format!("bytes */{}", whole.body.len());
                        differences.expect_equal("Content-Range", range, response.header("content-range"));
                    }
                    _ => {}
                }
                let fine = response.body.is_empty() || matches!(status, 412 | 416);
                differences.expect_true(fine, || format!("{} bytes of body", response.body.len()));
            }
            Expect::Refused(reasons) => self.check_failure(reasons, response, &mut differences),
            Expect::Page(content_type) => {
                differences.expect_equal("status", "200", Some(&response.status.to_string()));
                differences.expect_contains("Content-Type", content_type, response.header("content-type"));
            }
            Expect::Redirect(path) => {
                differences.expect_equal("status", "303", Some(&response.status.to_string()));
                differences.expect_equal("Location", path, response.header("location"));
                differences.expect_equal("Cache-Control", "no-store", response.header("cache-control"));
            }
        }
        for check in &self.checks {
            match check {
                Check::HeaderHas(name, text) => {
                    differences.expect_contains(name, text, response.header(name))
                }
                Check::HeaderLacks(name, text) => {
                    let got = response.header(name).unwrap_or_default();
                    differences.expect_true(!got.contains(text), || {
                        format!("{name}: has {text:?}, in {got:?}")
                    });
                }
                Check::BodyHas(text) => differences.expect_contains("body", text, Some(&response.text())),
                Check::BodyLacks(text) => {
                    differences
                        .expect_true(!response.text().contains(text), || format!("body: has {text:?}"));
                }
            }
        }
        differences.0
    }

    /// Checks of every failure: status and reason from the closed list, the requested content type, no control characters, and
    /// no path of the server.
    fn check_failure(&self, reasons: &[&str], response: &Response, differences: &mut Differences) {
        let reason = response.reason().unwrap_or("none");
        differences.expect_true(reasons.contains(&reason), || {
            format!("Gox-Reason: expected {}, got {reason}", reasons.join(" or "))
        });
        if reasons.contains(&reason) {
            differences.expect_equal(
                "status",
                status_of(reason).to_string(),
                Some(&response.status.to_string()),
            );
        }
        let accept = self
            .request
            .headers
            .iter()
            .find(|(name, _)| *name == "Accept")
            .map_or("", |(_, types)| types);
        let content_type = match accept {
            types if types.contains("json") => "application/problem+json",
            types if types.contains("html") => "text/html",
            _ => "text/plain",
        };
        differences.expect_contains("Content-Type", content_type, response.header("content-type"));
        if content_type == "text/html" {
            differences.expect_contains(
                "Content-Security-Policy",
                "default-src 'none'",
                response.header("content-security-policy"),
            );
        }
        if content_type == "application/problem+json" {
            match serde_json::from_slice::<serde_json::Value>(&response.body) {
                Ok(problem) => {
                    differences.expect_equal(
                        "status in JSON",
                        response.status.to_string(),
                        Some(&problem["status"].to_string()),
                    );
                    differences.expect_true(problem["title"].is_string(), || "no title in JSON".to_owned());
                }
                Err(error) => differences.0.push(format!("not JSON: {error}")),
            }
        }
        if response.status == 503 || response.status == 429 {
            differences.expect_true(response.header("retry-after").is_some(), || {
                "no Retry-After".to_owned()
            });
        }
        match str::from_utf8(&response.body) {
            Ok(text) => {
                let is_control = |letter: &char| letter.is_control() && !matches!(letter, '\n' | '\t');
                let is_bidi = |letter: &char| {
                    ('\u{202a}'..='\u{202e}').contains(letter) || ('\u{2066}'..='\u{2069}').contains(letter)
                };
                let bad = text.chars().find(|letter| is_control(letter) || is_bidi(letter));
                differences.expect_true(bad.is_none(), || format!("the body has {bad:?}"));
                for path in [
                    super::tmp().to_str().unwrap(),
                    "/cache/modules",
                    "/usr/local/go",
                    "/proc/",
                ] {
                    differences.expect_true(!text.contains(path), || {
                        format!("the body contains a path: {path}")
                    });
                }
                differences.expect_true(text.len() < 150_000, || {
                    format!("the body has {} bytes", text.len())
                });
            }
            Err(error) => differences.0.push(format!("the body is not UTF-8: {error}")),
        }
    }
}

impl Program {
    /// Checks of every response with a program: headers about the program and the complete body.
    fn check_headers(&self, response: &Response, whole: &[u8], differences: &mut Differences) {
        let Wanted {
            package,
            version,
            goos,
            goarch,
            variant,
        } = &self.wanted;
        let sha256 = sha256(whole);
        let exe = if *goos == "windows" { ".exe" } else { "" };
        let disposition = format!("attachment; filename=\"{}{exe}\"", self.file_name());
        for (name, expected) in [
            ("Content-Type", "application/octet-stream"),
            ("ETag", &format!("\"{sha256}\"")),
            ("Accept-Ranges", "bytes"),
            ("Content-Disposition", &disposition),
            ("Gox-Module", self.module),
            ("Gox-Version", version),
            ("Gox-Sha256", &plain_go::install(&self.wanted).sha256),
        ] {
            differences.expect_equal(name, expected, response.header(name));
        }
        // An immutable URL has the date of the version, others the date of the build.
        let modified = response.header("last-modified").unwrap_or_default();
        let is_exact = response
            .header("cache-control")
            .is_some_and(|value| value.contains("immutable"));
        let date = |text| httpdate::parse_http_date(text).ok();
        let is_right = (is_exact && modified == HTTP_TIME) || (!is_exact && date(modified) > date(HTTP_TIME));
        differences.expect_true(is_right, || format!("Last-Modified: {modified:?}"));
        differences.expect_true(response.header("content-encoding") == self.coding, || {
            format!("Content-Encoding: {:?}", response.header("content-encoding"))
        });
        let digest = self.digest.map(|algorithm| repr_digest(algorithm, whole));
        differences.expect_true(response.header("repr-digest") == digest.as_deref(), || {
            format!(
                "Repr-Digest: expected {digest:?}, got {:?}",
                response.header("repr-digest")
            )
        });
        for (name, part) in [
            ("Vary", "Accept-Encoding"),
            ("Gox-Go", plain_go::go_version()),
            ("Gox-Platform", &format!("{goos}/{goarch}")),
            (
                "Gox-Platform",
                variant
                    .and_then(|variant| variant.split_once('='))
                    .map_or("", |(_, value)| value),
            ),
            ("Gox-Verify", "go install -trimpath"),
            ("Gox-Verify", &format!("{package}@{version}")),
            ("Content-Location", &format!("@{version}/")),
            ("Content-Location", goos),
        ] {
            differences.expect_contains(name, part, response.header(name));
        }
        for name in ["Gox-Recipe", "Cache-Control"] {
            differences.expect_true(response.header(name).is_some(), || format!("no {name}"));
        }
    }

    /// The name that Go gives the program: the last element of the package path, or the one before a major version.
    fn file_name(&self) -> &str {
        if let Some(name) = self.name {
            return name;
        }
        let mut folders = self.wanted.package.rsplit('/');
        let last = folders.next().unwrap_or_default();
        let major = last
            .strip_prefix('v')
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        if major {
            folders.next().unwrap_or(last)
        } else {
            last
        }
    }
}

fn repr_digest(algorithm: &str, bytes: &[u8]) -> String {
    use base64::Engine;
    let engine = base64::engine::general_purpose::STANDARD;
    let hash = match algorithm {
        "sha-512" => engine.encode(Sha512::digest(bytes)),
        _ => engine.encode(Sha256::digest(bytes)),
    };
    format!("{algorithm}=:{hash}:")
}
