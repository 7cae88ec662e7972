//! Verifies the compile cache entries that a build reads.
//!
//! Go checks only the size of a cache entry (cmd/go/internal/cache, `GetFile`). Without this check it would link an entry that
//! the disk has corrupted, and gox-server would serve the program. The name of an output, `XX/SHA256-d`, contains its hash, and
//! each tool records the outputs that it reads before it starts, unless an earlier tool of the build has.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::golang::run::build_id::{ArchiveError, check_cached_archive};
use crate::store::key::hex;
use crate::store::remove::remove;

/// Hashes each output that one build reads.
pub struct CacheVerifier {
    /// GOCACHE.
    cache: PathBuf,
    /// The file in which the tools record the outputs that they read, one a line.
    inputs: PathBuf,
    /// Number of bytes of `inputs` that have been read.
    inputs_read: u64,
    verified: HashSet<PathBuf>,
    damaged: Vec<PathBuf>,
}

impl CacheVerifier {
    /// Creates a verifier for a build that reads `cache`. The build's tools record what they read in `inputs`.
    pub fn new(cache: &Path, inputs: &Path) -> CacheVerifier {
        CacheVerifier {
            cache: cache.to_owned(),
            inputs: inputs.to_owned(),
            inputs_read: 0,
            verified: HashSet::new(),
            damaged: Vec::new(),
        }
    }

    /// Hashes the outputs recorded since the last call. The builder calls it while the build runs: the last outputs are read by
    /// the linker, which takes longer than the hashes.
    pub fn verify_new(&mut self) -> io::Result<()> {
        let mut inputs = File::open(&self.inputs)?;
        inputs.seek(SeekFrom::Start(self.inputs_read))?;
        let mut text = String::new();
        inputs.read_to_string(&mut text)?;
        // A tool may still be writing the text after the last newline.
        let complete = text.rfind('\n').map_or(0, |end| end + 1);
        self.inputs_read += complete as u64;
        for path in text[..complete].lines().map(PathBuf::from) {
            // Where tools are not confined, one of them may have written other paths here.
            if is_below(&path, &self.cache) && !self.verified.contains(&path) {
                if !is_intact(&path)? {
                    self.damaged.push(path.clone());
                }
                self.verified.insert(path);
            }
        }
        Ok(())
    }

    /// The outputs with a content that does not match their name. Call it when the build has ended.
    pub fn damaged(&mut self) -> io::Result<Vec<PathBuf>> {
        self.verify_new()?;
        Ok(self.damaged.clone())
    }

    /// The outputs with a build ID that does not match their content, which tools refuse to read. Call it when the build has failed.
    pub fn forged(&self) -> Vec<PathBuf> {
        let is_forged = |path: &&PathBuf| matches!(check_cached_archive(path), Err(ArchiveError::Forged));
        self.verified.iter().filter(is_forged).cloned().collect()
    }
}

fn is_below(path: &Path, dir: &Path) -> bool {
    let is_normal = |part| matches!(part, Component::Normal(_));
    path.strip_prefix(dir)
        .is_ok_and(|rest| rest.components().all(is_normal))
}

/// Whether the output's hash is the one in its name. A file that was removed meanwhile counts as intact: a tool that needed it
/// has failed.
fn is_intact(output: &Path) -> io::Result<bool> {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    match has_sha256(output, name.strip_suffix("-d").unwrap_or_default()) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        read => read,
    }
}

/// Whether a file has this SHA-256, in hexadecimal.
pub fn has_sha256(file: &Path, sha256: &str) -> io::Result<bool> {
    let mut file = File::open(file)?;
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 1 << 17]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hex(&hash.finalize()) == sha256),
            Ok(n) => hash.update(&chunk[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A file that the disk cannot read is damaged.
            Err(_) => return Ok(false),
        }
    }
}

/// Invalidates the compile cache: removes its index, the files `XX/ID-a`, and the damaged outputs. It is not known which outputs
/// were compiled against a damaged one, so everything is compiled again. Running builds keep the outputs that they have found.
pub fn invalidate_cache(cache: &Path, damaged: &[PathBuf]) -> io::Result<()> {
    let actions = cache_files(cache, b"-a")?;
    actions.iter().chain(damaged).try_for_each(|path| remove(path))
}

/// Removes Go's index of module files, so that Go reads the modules again. The index consists of outputs with a magic number
/// (cmd/go/internal/modindex).
pub fn remove_module_index(cache: &Path) -> io::Result<()> {
    const MAGIC: &[u8] = b"go index v";
    for path in cache_files(cache, b"-d")? {
        let mut magic = [0; MAGIC.len()];
        let read = File::open(&path).and_then(|mut file| file.read_exact(&mut magic));
        // A file that is shorter, or was removed meanwhile, is no index.
        if read.is_ok() && magic == MAGIC {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Makes this `go` read the modules themselves instead of its index of them.
pub fn disable_module_index(command: &mut Command) {
    command.env("GODEBUG", "goindex=0");
}

/// The files in the cache's subdirectories with a name that ends with `suffix`.
fn cache_files(cache: &Path, suffix: &[u8]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for subdirectory in fs::read_dir(cache)? {
        let subdirectory = subdirectory?;
        if subdirectory.file_type()?.is_dir() {
            for entry in fs::read_dir(subdirectory.path())? {
                files.push(entry?.path());
            }
        }
    }
    files.retain(|path| path.as_os_str().as_encoded_bytes().ends_with(suffix));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_verified_when_its_line_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let subdirectory = dir.path().join("ba");
        fs::create_dir(&subdirectory).unwrap();
        // SHA-256 of "abc", FIPS 180-2 appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad-d";
        let [good, bad] = [abc, &abc.replace('7', "8")].map(|name| subdirectory.join(name));
        for path in [&good, &bad, &subdirectory.join("01-a")] {
            fs::write(path, "abc").unwrap();
        }
        let inputs = dir.path().join("inputs");
        let mut verifier = CacheVerifier::new(dir.path(), &inputs);
        let line = |path: &Path| path.display().to_string();
        fs::write(
            &inputs,
            format!("{}\n/elsewhere-d\n{0}/../x-d\n{}", line(&good), line(&bad)),
        )
        .unwrap();
        verifier.verify_new().unwrap();
        assert_eq!(verifier.damaged, Vec::<PathBuf>::new());
        fs::write(
            &inputs,
            format!("{}\n/elsewhere-d\n{0}/../x-d\n{}\n", line(&good), line(&bad)),
        )
        .unwrap();
        let damaged = verifier.damaged().unwrap();
        assert_eq!(damaged, [bad]);

        let left = || cache_files(dir.path(), b"").unwrap();
        invalidate_cache(dir.path(), &damaged).unwrap();
        assert_eq!(left(), std::slice::from_ref(&good));
        fs::write(subdirectory.join("02-d"), "go index v2\n").unwrap();
        remove_module_index(dir.path()).unwrap();
        assert_eq!(left(), [good]);
    }
}
