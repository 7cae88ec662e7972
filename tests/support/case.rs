//! A row of the table: how it is written, and how an answer is held against it.
//!
//! What every answer of a kind must have is checked for every row, so that a row says only what is its own.

use super::answer::{Answer, list, status_of};
use super::ask::Ask;
use super::modproxy::HTTP_TIME;
use super::plain::{self, Wanted};
use super::sha256;
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256, Sha512};
use std::io::Read;
use std::panic::Location;

/// One row.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) shows: String,
    pub(crate) line: u32,
    pub(crate) ask: Ask,
    pub(crate) expect: Expect,
    checks: Vec<Check>,
}

/// What comes back.
#[derive(Clone)]
pub(crate) enum Expect {
    /// The program, bit for bit what `go install` gives.
    Program(Program),
    /// This part of it: first and last byte.
    Part(Program, usize, usize),
    /// An answer of this status, without a body, about the program.
    Bodiless(u16, Program),
    /// A failure for one of these reasons.
    Refused(&'static [&'static str]),
    /// A page of gox-server's own, of this type.
    Page(&'static str),
}

/// What one row promises beyond that.
#[derive(Clone)]
enum Check {
    HeaderHas(&'static str, &'static str),
    HeaderLacks(&'static str, &'static str),
    BodyHas(&'static str),
    BodyLacks(&'static str),
}

/// A program that a row asks for.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) wanted: Wanted,
    module: &'static str,
    /// What its file is called, where that is not as `go install` calls it.
    name: Option<&'static str>,
    /// The content coding in which it comes.
    coding: Option<&'static str>,
    /// The algorithm of its Repr-Digest.
    digest: Option<&'static str>,
}

/// Starts a row: what it shows. A method, a path and what comes back follow.
#[track_caller]
pub(crate) fn case(shows: &str) -> Case {
    let (ask, expect) = (Ask::get("/"), Expect::Refused(&[]));
    Case {
        shows: shows.to_owned(),
        line: Location::caller().line(),
        ask,
        expect,
        checks: Vec::new(),
    }
}

/// A program of the module of the same path.
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
    // Rows live as long as the suite, so nothing is lost.
    program(format!("github.com/tester/{name}").leak(), version)
}

impl Program {
    pub(crate) fn on(mut self, goos: &'static str, goarch: &'static str) -> Program {
        (self.wanted.goos, self.wanted.goarch) = (goos, goarch);
        self
    }

    pub(crate) fn variant(mut self, variant: &'static str) -> Program {
        self.wanted.variant = Some(variant);
        self
    }

    pub(crate) fn of(mut self, module: &'static str) -> Program {
        self.module = module;
        self
    }

    pub(crate) fn called(mut self, name: &'static str) -> Program {
        self.name = Some(name);
        self
    }

    pub(crate) fn coded(mut self, coding: &'static str) -> Program {
        self.coding = Some(coding);
        self
    }

    pub(crate) fn digest(mut self, algorithm: Option<&'static str>) -> Program {
        self.digest = algorithm;
        self
    }

    /// What a client has when it has unpacked what was sent.
    fn unpacked(&self, sent: &[u8]) -> Vec<u8> {
        let unpacked = match self.coding {
            None => return sent.to_vec(),
            Some("zstd") => zstd::decode_all(sent),
            Some(_) => {
                let mut unpacked = Vec::new();
                GzDecoder::new(sent).read_to_end(&mut unpacked).map(|_| unpacked)
            }
        };
        // What cannot be unpacked is not the program either.
        unpacked.unwrap_or_default()
    }
}

impl Case {
    pub(crate) fn shows(mut self, shows: &str) -> Case {
        shows.clone_into(&mut self.shows);
        self
    }

    pub(crate) fn get(mut self, url: &str) -> Case {
        self.ask = Ask::get(url);
        self
    }

    pub(crate) fn method(mut self, method: &'static str) -> Case {
        self.ask = self.ask.method(method);
        self
    }

    pub(crate) fn from(self, agent: &str) -> Case {
        self.header("User-Agent", agent)
    }

    pub(crate) fn accept(self, types: &str) -> Case {
        self.header("Accept", types)
    }

    /// A header of the request. `{etag}` is the ETag of what is sent to who asks for the whole.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Case {
        self.ask = self.ask.header(name, value);
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Case {
        self.ask.body = body.to_vec();
        self
    }

    fn expect(mut self, expect: Expect) -> Case {
        self.expect = expect;
        self
    }

    pub(crate) fn gives(self, program: Program) -> Case {
        self.expect(Expect::Program(program))
    }

    pub(crate) fn part(self, program: Program, first: usize, last: usize) -> Case {
        self.expect(Expect::Part(program, first, last))
    }

    pub(crate) fn bodiless(self, status: u16, program: Program) -> Case {
        self.expect(Expect::Bodiless(status, program))
    }

    pub(crate) fn page(self, content_type: &'static str) -> Case {
        self.expect(Expect::Page(content_type))
    }

    pub(crate) fn refused(self, reason: &'static str) -> Case {
        self.refused_for(vec![reason].leak())
    }

    /// Where the promise is only that it is refused, and well: one of these.
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

/// What differs between a row and an answer, a line each.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn same(&mut self, what: &str, expected: impl AsRef<str>, got: Option<&str>) {
        let expected = expected.as_ref();
        if got != Some(expected) {
            self.0.push(format!(
                "{what}: expected {expected}, got {}",
                got.unwrap_or("none")
            ));
        }
    }

    fn has(&mut self, what: &str, part: &str, got: Option<&str>) {
        if !got.is_some_and(|got| got.contains(part)) {
            self.0.push(format!(
                "{what}: expected …{part}…, got {}",
                got.unwrap_or("none")
            ));
        }
    }

    fn unless(&mut self, fine: bool, what: impl FnOnce() -> String) {
        if !fine {
            self.0.push(what());
        }
    }
}

impl Case {
    /// The request, as it can be made without another before it.
    pub(crate) fn request(&self) -> Ask {
        self.ask.clone()
    }

    /// The request of a client that has got this already.
    pub(crate) fn request_after(&self, whole: &Answer) -> Ask {
        let mut ask = self.ask.clone();
        for (_, value) in &mut ask.headers {
            *value = value.replace("{etag}", whole.header("etag").unwrap_or_default());
        }
        ask
    }

    /// What a client asks for at first: all of it, whatever it has, in the coding in which it comes.
    pub(crate) fn request_of_all(&self) -> Ask {
        let mut ask = self.ask.clone().method("GET");
        let coded = match &self.expect {
            Expect::Program(program) | Expect::Part(program, ..) | Expect::Bodiless(_, program) => {
                program.coding.is_some()
            }
            Expect::Refused(_) | Expect::Page(_) => false,
        };
        ask.headers.retain(|(name, _)| {
            !name.starts_with("If-") && *name != "Range" && (coded || *name != "Accept-Encoding")
        });
        ask
    }

    /// Whether it is about what somebody got before: nothing but a whole GET builds.
    pub(crate) fn has_a_past(&self) -> bool {
        matches!(self.expect, Expect::Part(..) | Expect::Bodiless(..))
    }

    /// What this answer has that it should not, or has not that it should. `whole` is what came to who asked for all before.
    pub(crate) fn differences(&self, answer: &Answer, whole: Option<&Answer>) -> Vec<String> {
        let mut differences = Differences::default();
        differences.same(
            "X-Content-Type-Options",
            "nosniff",
            answer.header("x-content-type-options"),
        );
        match &self.expect {
            Expect::Program(program) => {
                differences.same("status", "200", Some(&answer.status.to_string()));
                let plain = plain::install(&program.wanted);
                let unpacked = sha256(&program.unpacked(&answer.body));
                differences.same("sha256, unpacked", &plain.sha256, Some(&unpacked));
                differences.same(
                    "Content-Length",
                    answer.body.len().to_string(),
                    answer.header("content-length"),
                );
                program.headers(answer, &answer.body, &mut differences);
            }
            Expect::Part(program, first, last) => {
                let whole = whole.expect("a part of something");
                differences.same("status", "206", Some(&answer.status.to_string()));
                differences.unless(answer.body == whole.body[*first..=*last], || {
                    format!("{} bytes that are not bytes {first} to {last}", answer.body.len())
                });
                let range = format!("bytes {first}-{last}/{}", whole.body.len());
                differences.same("Content-Range", range, answer.header("content-range"));
                program.headers(answer, &whole.body, &mut differences);
            }
            Expect::Bodiless(status, program) => {
                let whole = whole.expect("something that is told of without its bytes");
                differences.same("status", status.to_string(), Some(&answer.status.to_string()));
                match status {
                    200 => {
                        let length = whole.body.len().to_string();
                        differences.same("Content-Length", length, answer.header("content-length"));
                        program.headers(answer, &whole.body, &mut differences);
                    }
                    // RFC 9110 section 15.4.5.
                    304 => {
                        for name in ["Cache-Control", "Content-Location", "ETag", "Vary"] {
                            let (before, told) = (whole.header(name), answer.header(name));
                            differences.unless(list(told) == list(before), || {
                                format!("{name}: {before:?} of 200, and {told:?} of 304")
                            });
                        }
                    }
                    416 => {
                        let range = format!("bytes */{}", whole.body.len());
                        differences.same("Content-Range", range, answer.header("content-range"));
                    }
                    _ => {}
                }
                let fine = answer.body.is_empty() || matches!(status, 412 | 416);
                differences.unless(fine, || format!("{} bytes of body", answer.body.len()));
            }
            Expect::Refused(reasons) => self.refusal(reasons, answer, &mut differences),
            Expect::Page(content_type) => {
                differences.same("status", "200", Some(&answer.status.to_string()));
                differences.has("Content-Type", content_type, answer.header("content-type"));
            }
        }
        for check in &self.checks {
            match check {
                Check::HeaderHas(name, text) => differences.has(name, text, answer.header(name)),
                Check::HeaderLacks(name, text) => {
                    let got = answer.header(name).unwrap_or_default();
                    differences.unless(!got.contains(text), || {
                        format!("{name}: has {text:?}, in {got:?}")
                    });
                }
                Check::BodyHas(text) => differences.has("body", text, Some(&answer.text())),
                Check::BodyLacks(text) => {
                    differences.unless(!answer.text().contains(text), || format!("body: has {text:?}"));
                }
            }
        }
        differences.0
    }

    /// What every failure must have: status and name from the closed list, the type that was asked for, and no byte that
    /// could harm a terminal, or tell where the server keeps its things.
    fn refusal(&self, reasons: &[&str], answer: &Answer, differences: &mut Differences) {
        let reason = answer.reason().unwrap_or("none");
        differences.unless(reasons.contains(&reason), || {
            format!("Gox-Reason: expected {}, got {reason}", reasons.join(" or "))
        });
        if reasons.contains(&reason) {
            differences.same(
                "status",
                status_of(reason).to_string(),
                Some(&answer.status.to_string()),
            );
        }
        let accept = self
            .ask
            .headers
            .iter()
            .find(|(name, _)| *name == "Accept")
            .map_or("", |(_, types)| types);
        let content_type = match accept {
            types if types.contains("json") => "application/problem+json",
            types if types.contains("html") => "text/html",
            _ => "text/plain",
        };
        differences.has("Content-Type", content_type, answer.header("content-type"));
        if content_type == "text/html" {
            differences.has(
                "Content-Security-Policy",
                "default-src 'none'",
                answer.header("content-security-policy"),
            );
        }
        if content_type == "application/problem+json" {
            match serde_json::from_slice::<serde_json::Value>(&answer.body) {
                Ok(problem) => {
                    differences.same(
                        "status in JSON",
                        answer.status.to_string(),
                        Some(&problem["status"].to_string()),
                    );
                    differences.unless(problem["title"].is_string(), || "no title in JSON".to_owned());
                }
                Err(error) => differences.0.push(format!("not JSON: {error}")),
            }
        }
        if answer.status == 503 || answer.status == 429 {
            differences.unless(answer.header("retry-after").is_some(), || {
                "no Retry-After".to_owned()
            });
        }
        match str::from_utf8(&answer.body) {
            Ok(text) => {
                let harmful = |letter: &char| letter.is_control() && !matches!(letter, '\n' | '\t');
                let turning = |letter: &char| {
                    ('\u{202a}'..='\u{202e}').contains(letter) || ('\u{2066}'..='\u{2069}').contains(letter)
                };
                let bad = text.chars().find(|letter| harmful(letter) || turning(letter));
                differences.unless(bad.is_none(), || format!("the body has {bad:?}"));
                for place in [
                    super::tmp().to_str().unwrap(),
                    "/cache/modules",
                    "/usr/local/go",
                    "/proc/",
                ] {
                    differences.unless(!text.contains(place), || {
                        format!("the body tells a path: {place}")
                    });
                }
                differences.unless(text.len() < 150_000, || {
                    format!("the body has {} bytes", text.len())
                });
            }
            Err(error) => differences.0.push(format!("the body is not UTF-8: {error}")),
        }
    }
}

impl Program {
    /// What every answer with a program must say of it, and of the bytes that are sent to who wants all.
    fn headers(&self, answer: &Answer, whole: &[u8], differences: &mut Differences) {
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
            ("Gox-Sha256", &plain::install(&self.wanted).sha256),
        ] {
            differences.same(name, expected, answer.header(name));
        }
        // The version's date where the URL means these bytes for ever, else their own.
        let modified = answer.header("last-modified").unwrap_or_default();
        let is_exact = answer
            .header("cache-control")
            .is_some_and(|value| value.contains("immutable"));
        let date = |text| httpdate::parse_http_date(text).ok();
        let is_right = (is_exact && modified == HTTP_TIME) || (!is_exact && date(modified) > date(HTTP_TIME));
        differences.unless(is_right, || format!("Last-Modified: {modified:?}"));
        differences.unless(answer.header("content-encoding") == self.coding, || {
            format!("Content-Encoding: {:?}", answer.header("content-encoding"))
        });
        let digest = self.digest.map(|algorithm| repr_digest(algorithm, whole));
        differences.unless(answer.header("repr-digest") == digest.as_deref(), || {
            format!(
                "Repr-Digest: expected {digest:?}, got {:?}",
                answer.header("repr-digest")
            )
        });
        for (name, part) in [
            ("Vary", "Accept-Encoding"),
            ("Gox-Go", plain::go_version()),
            ("Gox-Platform", &format!("{goos}/{goarch}")),
            (
                "Gox-Platform",
                variant
                    .and_then(|variant| variant.split_once('='))
                    .map_or("", |(_, value)| value),
            ),
            ("Gox-Verify", "go install -trimpath"),
            ("Gox-Verify", &format!("{package}@{version}")),
            ("Content-Location", &format!("@{version}?")),
            ("Content-Location", goos),
        ] {
            differences.has(name, part, answer.header(name));
        }
        for name in ["Gox-Recipe", "Cache-Control"] {
            differences.unless(answer.header(name).is_some(), || format!("no {name}"));
        }
    }

    /// As Go names it: the last folder of the package, or the one before if that is a major version.
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
