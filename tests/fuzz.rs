//! The laws of fuzz/laws.rs, tried on the kept corpus and on what mutations make of it: always the same ones. `make fuzz` looks
//! further.

#[path = "../fuzz/laws.rs"]
#[allow(unreachable_pub, reason = "public for the fuzzer, which has it as a crate")]
mod laws;

use laws::LAWS;
use mutatis::check::Check;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Seconds for all laws together, on a slow machine.
const TRIES: usize = 3_000;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn kept(name: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(corpus().join(name)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn the_laws_hold() {
    for (name, law) in LAWS {
        let holds = |bytes: &Vec<u8>| catch_unwind(AssertUnwindSafe(|| law(bytes))).map_err(|_| "broken");
        let kept = kept(name);
        assert!(!kept.is_empty(), "{name} has no corpus");
        for bytes in &kept {
            assert_eq!(holds(bytes), Ok(()), "{name}: {}", bytes.escape_ascii());
        }
        let tried =
            Check::new()
                .seed(1)
                .iters(TRIES)
                .run_with(mutatis::mutators::default::<Vec<u8>>(), kept, holds);
        if let Err(broken) = tried {
            panic!("{name}: {broken}");
        }
    }
}

/// What is not in all of the places is tried by nobody.
#[test]
fn every_law_has_its_corpus_and_its_target() {
    let names: BTreeSet<String> = LAWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let of = |folder: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(of(&corpus()), names);
    assert_eq!(of(&corpus().with_file_name("fuzz_targets")), names);
}
