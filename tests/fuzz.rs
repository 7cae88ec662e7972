//! The laws of fuzz/laws.rs on the corpus and on a fixed sequence of mutations. `make fuzz` searches further.

#[path = "../fuzz/laws.rs"]
#[allow(unreachable_pub, reason = "public for the fuzzer, which uses it as a crate")]
mod laws;

use laws::LAWS;
use mutatis::check::Check;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Mutations for each law. All laws together take seconds on a slow host.
const TRIES: usize = 3_000;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn read_corpus(name: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(corpus().join(name)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn laws_hold_for_saved_and_mutated_inputs() {
    for (name, law) in LAWS {
        let holds = |bytes: &Vec<u8>| catch_unwind(AssertUnwindSafe(|| law(bytes))).map_err(|_| "broken");
        let corpus = read_corpus(name);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        for bytes in &corpus {
            assert_eq!(holds(bytes), Ok(()), "{name}: {}", bytes.escape_ascii());
        }
        let tried = Check::new().seed(1).iters(TRIES).run_with(
            mutatis::mutators::default::<Vec<u8>>(),
            corpus,
            holds,
        );
        if let Err(broken) = tried {
            panic!("{name}: {broken}");
        }
    }
}

/// Without a corpus or a target a law would not be fuzzed.
#[test]
fn every_law_has_inputs_and_a_target() {
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
