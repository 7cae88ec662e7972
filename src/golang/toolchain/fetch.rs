//! `gox-server fetch TREE`: downloads the zip of a toolchain and unpacks it, in a cell. The process that started it verifies the
//! result.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use ureq::Body;
use ureq::http::Response;
use url::Url;
use zip::ZipArchive;

/// The environment variable with the URL of the zip.
pub const URL: &str = "FETCH_URL";

/// Limits of a zip. A toolchain of 2026 has 70 MB packed, and 230 MB in 15,000 files unpacked.
const MAX_PACKED_BYTES: u64 = 512 << 20;
const MAX_UNPACKED_BYTES: u64 = 1 << 30;
const MAX_FILES: usize = 100_000;

/// Timeout to connect to a server, and for each read from it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Downloads the zip at `url` (https, http or file), and unpacks it to `tree`, without the directory of the module.
pub fn run(url: &str, tree: &Path) -> Result<(), String> {
    let packed = tree.with_extension("zip");
    let file = match Url::parse(url) {
        Ok(url) if url.scheme() == "file" => url
            .to_file_path()
            .map_err(|()| "the URL has no path".to_owned())?,
        Ok(_) => {
            let response = agent(None).get(url).call().map_err(|error| error.to_string())?;
            save_body(response, &packed, MAX_PACKED_BYTES)?;
            packed
        }
        Err(error) => return Err(error.to_string()),
    };
    unpack(&file, tree).map_err(|error| format!("cannot unpack the zip: {error}"))
}

/// Saves the body of a response, of at most `max_bytes` bytes, as a new file.
pub fn save_body(response: Response<Body>, to: &Path, max_bytes: u64) -> Result<(), String> {
    let mut body = response
        .into_body()
        .into_reader()
        .take(max_bytes.saturating_add(1));
    let copied = File::create(to).and_then(|mut file| io::copy(&mut body, &mut file));
    match copied {
        Ok(bytes) if bytes > max_bytes => Err(format!("the file has more than {max_bytes} bytes")),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the download failed: {error}")),
    }
}

/// Checks that a module proxy answers within `timeout`. Statuses that do not depend on the path, such as 401 and 5xx, are errors;
/// a proxy may answer 404 to its own URL.
pub fn check_proxy(proxy: &str, timeout: Duration) -> Result<(), String> {
    let url = Url::parse(proxy).map_err(|error| error.to_string())?;
    if url.scheme() == "file" {
        let is_dir = url.to_file_path().is_ok_and(|path| path.is_dir());
        return is_dir
            .then_some(())
            .ok_or("the directory does not exist".to_owned());
    }
    match agent(Some(timeout)).get(proxy).call() {
        Err(ureq::Error::StatusCode(status @ (401 | 407 | 500..))) => Err(format!("it answers {status}")),
        Ok(_) | Err(ureq::Error::StatusCode(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns a client with the certificates of the system. `timeout` is that of a whole request.
pub fn agent(timeout: Option<Duration>) -> ureq::Agent {
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(timeout)
        .timeout_connect(Some(IDLE_TIMEOUT))
        .timeout_recv_response(Some(IDLE_TIMEOUT))
        .timeout_per_read(Some(IDLE_TIMEOUT))
        .user_agent(concat!("gox-server/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn unpack(packed: &Path, tree: &Path) -> io::Result<()> {
    let mut archive = ZipArchive::new(io::BufReader::new(File::open(packed)?)).map_err(io::Error::other)?;
    if archive.len() > MAX_FILES {
        return Err(io::Error::other("too many files"));
    }
    let mut bytes_left = MAX_UNPACKED_BYTES;
    fs::create_dir(tree)?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(io::Error::other)?;
        let name = strip_module(entry.name())
            .ok_or_else(|| io::Error::other("invalid name of a file of the module"))?;
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap_or(tree))?;
        // Fails for a duplicate name. An entry of another type, such as a link, becomes a regular file.
        let copied = io::copy(&mut entry.take(bytes_left + 1), &mut File::create_new(path)?)?;
        bytes_left = bytes_left
            .checked_sub(copied)
            .ok_or_else(|| io::Error::other("too many bytes"))?;
    }
    Ok(())
}

/// The path of an entry below `golang.org/toolchain@VERSION/`, if it is a valid one.
fn strip_module(name: &str) -> Option<PathBuf> {
    let (module, path) = name.split_once('@')?;
    let (_version, path) = path.split_once('/')?;
    let is_normal = |path: &str| {
        let components = Path::new(path).components();
        let all_normal = components
            .clone()
            .all(|part| matches!(part, Component::Normal(_)));
        // `components` normalizes `a//b`, `./a` and `a/`, which are invalid too.
        let length = components.map(|part| part.as_os_str().len() + 1).sum::<usize>();
        all_normal && length == path.len() + 1
    };
    let is_valid = module == super::managed::MODULE && is_normal(path) && !path.contains(['\\', '\0']);
    is_valid.then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::{SimpleFileOptions, ZipWriter};

    const MODULE: &str = "golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64";

    fn packed(dir: &Path, names: &[&str]) -> PathBuf {
        let path = dir.join("x.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(b"x").unwrap();
        }
        zip.finish().unwrap();
        path
    }

    #[test]
    fn files_of_the_module_are_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let zip = packed(
            dir.path(),
            &[&format!("{MODULE}/bin/go"), &format!("{MODULE}/src/_go.mod")],
        );
        unpack(&zip, &dir.path().join("tree")).unwrap();
        assert!(dir.path().join("tree/bin/go").is_file() && dir.path().join("tree/src/_go.mod").is_file());
    }

    #[test]
    fn invalid_names_are_rejected() {
        for path in [
            "../x",
            "a/../../x",
            "/etc/x",
            "a//b",
            "./a",
            "a/.",
            "..",
            "",
            "a/",
            "a\\..\\b",
            "a\0b",
        ] {
            assert_eq!(strip_module(&format!("{MODULE}/{path}")), None, "{path}");
        }
        for name in [
            "bin/go",
            "../x",
            "a.b/c@v1.0.0/x",
            "@/x",
            "/golang.org/toolchain@v1/x",
        ] {
            assert_eq!(strip_module(name), None, "{name}");
        }
    }

    #[test]
    fn link_is_unpacked_as_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        zip.add_symlink(format!("{MODULE}/bin"), "/etc", SimpleFileOptions::default())
            .unwrap();
        zip.start_file(format!("{MODULE}/bin/passwd"), SimpleFileOptions::default())
            .unwrap();
        zip.finish().unwrap();
        assert!(unpack(&path, &dir.path().join("tree")).is_err());
        assert!(dir.path().join("tree/bin").symlink_metadata().unwrap().is_file());
    }
}
