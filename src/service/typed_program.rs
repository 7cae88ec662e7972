//! The text in the field of the first page: the name of a program, or anything that `parse::pasted` corrects.

use crate::error::Error;
use crate::parse::{BuildOptions, NamedFile, Target, correct};
use crate::request_errors::{bad_path_error, bad_query_error};

/// Returns the path and query of the program's page. A correction is followed, because a page starts no build. A valid name is
/// never corrected: its page suggests the correction if there is no such program. `service` is the URL of this service.
pub(super) fn page_url(typed: &str, service: &str) -> Result<String, Error> {
    let typed = typed.trim();
    let below = without_scheme(typed).strip_prefix(without_scheme(service));
    let typed = below.filter(|path| path.starts_with('/')).unwrap_or(typed);
    let (name, query) = typed.split_once('?').unwrap_or((typed, ""));
    let path = format!("/{}", name.trim_start_matches('/'));
    let path = path.as_bytes();
    let corrected = || correct(path, query);
    let options = BuildOptions::parse(query);
    let (target, options) = match NamedFile::parse(path) {
        Some(Ok(NamedFile { target, platform, .. })) => (
            Ok(target),
            options.and_then(|options| options.with_platform(&platform)),
        ),
        Some(Err(_)) | None => (Target::parse(path), options),
    };
    let target = match target {
        Ok(target) => target,
        Err(bad) => return corrected().ok_or_else(|| bad_path_error(&bad, path, query)),
    };
    match options {
        Ok(options) => Ok(options.url(&target.to_string())),
        Err(bad) => corrected().ok_or_else(|| bad_query_error(&bad, path, query)),
    }
}

fn without_scheme(url: &str) -> &str {
    let mut schemes = ["https://", "http://"].iter();
    schemes.find_map(|scheme| url.strip_prefix(scheme)).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_text_leads_to_the_page_of_its_program() {
        for (typed, url) in [
            ("o/r", Ok("/o/r")),
            ("  /o/r\n", Ok("/o/r")),
            ("//o/r", Ok("/o/r")),
            ("o/r@v1.2.3", Ok("/o/r@v1.2.3")),
            ("o/r@latest", Ok("/o/r")),
            ("o/r/cmd/x", Ok("/o/r/cmd/x")),
            ("github.com/o/r", Ok("/o/r")),
            ("golang.org/x/tools/gopls", Ok("/golang.org/x/tools/gopls")),
            ("o/r?platform=linux/arm/v6", Ok("/o/r?os=linux&arch=armv6")),
            ("https://github.com/o/r", Ok("/o/r")),
            ("https://github.com/o/r?tab=readme-ov-file#install", Ok("/o/r")),
            ("https://github.com/o/r/releases/tag/v1.2.3", Ok("/o/r@v1.2.3")),
            ("https://github.com/o/r.git", Ok("/o/r")),
            ("git@github.com:o/r.git", Ok("/o/r")),
            ("git clone https://github.com/o/r", Ok("/o/r")),
            ("go install github.com/o/r/cmd/x@latest", Ok("/o/r/cmd/x")),
            ("$ go install -v github.com/o/r@v1.2.3", Ok("/o/r@v1.2.3")),
            ("https://pkg.go.dev/github.com/o/r/cmd/x", Ok("/o/r/cmd/x")),
            ("`o/r`", Ok("/o/r")),
            ("\u{201c}o/r\u{201d}", Ok("/o/r")),
            ("o/r==1.2.3", Ok("/o/r@v1.2.3")),
            ("https://evil.example/x/y", Ok("/evil.example/x/y")),
            // URLs of this service
            ("https://gox.example.org/go/o/r@v1?strip=1", Ok("/o/r@v1?strip=1")),
            ("http://gox.example.org/go/o/r", Ok("/o/r")),
            ("gox.example.org/go/o/r", Ok("/o/r")),
            ("https://gox.example.org/go/https://github.com/o/r", Ok("/o/r")),
            (
                "https://gox.example.org/go/-/bin/linux-arm-6/o/r@v1.2.3/r?go=1.26.8",
                Ok("/o/r@v1.2.3?os=linux&arch=armv6&go=1.26.8"),
            ),
            (
                "https://gox.example.org/good/o/r",
                Ok("/gox.example.org/good/o/r"),
            ),
            ("https://gox.example.org/go/", Err("bad-path")),
            ("r", Err("bad-path")),
            ("", Err("bad-path")),
            ("../../etc/passwd", Err("bad-path")),
            ("-/status", Err("bad-path")),
            ("<script>alert(1)</script>", Err("bad-path")),
            ("javascript:alert(1)", Err("bad-path")),
            ("o/r\r\nSet-Cookie: x=1", Err("bad-path")),
            ("\u{202e}o/r", Err("bad-path")),
            ("o/r?strip=yes", Err("bad-query")),
        ] {
            let found = page_url(typed, "https://gox.example.org/go");
            let found = found.as_deref().map_err(|error| error.reason.name());
            assert_eq!(found, url, "{typed:?}");
        }
    }
}
