//! `gox-server fetch TREE`, in a cell: downloads a toolchain's zip and unpacks it. It believes nobody: what comes of it is
//! verified by who started it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use url::Url;
use zip::ZipArchive;

/// A toolchain of 2026 has 70 MB packed, 230 MB in 15,000 files unpacked.
const MOST: Most = Most {
    packed_bytes: 512 << 20,
    unpacked_bytes: 1 << 30,
    files: 100_000,
};

/// The variable that holds the address of the zip.
pub const URL: &str = "FETCH_URL";

struct Most {
    packed_bytes: u64,
    unpacked_bytes: u64,
    files: usize,
}

/// How long a proxy may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// Fetches the zip at `url` (https, http or file), and unpacks it as `tree`, without the name of the module.
pub fn run(url: &str, tree: &Path) -> Result<(), String> {
    let packed = tree.with_extension("zip");
    let file = match Url::parse(url) {
        Ok(url) if url.scheme() == "file" => url.to_file_path().map_err(|()| "no path in it".to_owned())?,
        Ok(_) => {
            download(url, &packed, MOST.packed_bytes)?;
            packed
        }
        Err(error) => return Err(error.to_string()),
    };
    unpack(&file, tree).map_err(|error| format!("cannot unpack it: {error}"))
}

/// Fetches what is at `url` (https or http), if it has no more than `most` bytes.
pub fn download(url: &str, to: &Path, most: u64) -> Result<(), String> {
    let response = agent(None).get(url).call().map_err(|error| error.to_string())?;
    let mut body = response.into_body().into_reader().take(most.saturating_add(1));
    let copied = File::create(to).and_then(|mut file| io::copy(&mut body, &mut file));
    match copied {
        Ok(bytes) if bytes > most => Err(format!("it has more than {most} bytes")),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("it broke off: {error}")),
    }
}

/// Whether a module proxy answers, within a time. Which answer it gives to its own address is its own affair.
pub fn answers(proxy: &str, within: Duration) -> Result<(), String> {
    let url = Url::parse(proxy).map_err(|error| error.to_string())?;
    if url.scheme() == "file" {
        let is_there = url.to_file_path().is_ok_and(|path| path.is_dir());
        return is_there.then_some(()).ok_or("no such directory".to_owned());
    }
    match agent(Some(within)).get(proxy).call() {
        Err(ureq::Error::StatusCode(status @ (401 | 407 | 500..))) => Err(format!("it answers {status}")),
        Ok(_) | Err(ureq::Error::StatusCode(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn agent(within: Option<Duration>) -> ureq::Agent {
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(within)
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("gox-server/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn unpack(packed: &Path, tree: &Path) -> io::Result<()> {
    let mut archive = ZipArchive::new(io::BufReader::new(File::open(packed)?)).map_err(io::Error::other)?;
    if archive.len() > MOST.files {
        return Err(io::Error::other("too many files"));
    }
    let mut left = MOST.unpacked_bytes;
    fs::create_dir(tree)?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(io::Error::other)?;
        let below = below_module(entry.name())
            .ok_or_else(|| io::Error::other("a name that is no file's in a module"))?;
        let path = tree.join(below);
        fs::create_dir_all(path.parent().unwrap_or(tree))?;
        // A name that comes twice is refused; that an entry calls itself a link does not matter: it becomes a file.
        let copied = io::copy(&mut entry.take(left + 1), &mut File::create_new(path)?)?;
        left = left
            .checked_sub(copied)
            .ok_or_else(|| io::Error::other("too many bytes"))?;
    }
    Ok(())
}

/// The path below `golang.org/toolchain@VERSION/`, if it is one that stays there.
fn below_module(name: &str) -> Option<PathBuf> {
    let (module, below) = name.split_once('@')?;
    let (_version, below) = below.split_once('/')?;
    let is_plain = |below: &str| {
        let path = Path::new(below);
        let normal = path.components().all(|part| matches!(part, Component::Normal(_)));
        // Not normalised: `a//b`, `./a` and `a/` are other names than they seem.
        normal && path.iter().map(|part| part.len() + 1).sum::<usize>() == below.len() + 1
    };
    let is_file = module == super::brought::MODULE && is_plain(below) && !below.contains(['\\', '\0']);
    is_file.then(|| below.into())
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
    fn nothing_leaves_the_tree() {
        for below in [
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
            assert_eq!(below_module(&format!("{MODULE}/{below}")), None, "{below}");
        }
        for name in [
            "bin/go",
            "../x",
            "a.b/c@v1.0.0/x",
            "@/x",
            "/golang.org/toolchain@v1/x",
        ] {
            assert_eq!(below_module(name), None, "{name}");
        }
    }

    #[test]
    fn a_link_becomes_a_file_and_a_file_is_no_directory() {
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
