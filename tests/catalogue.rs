//! The table of known attacks in SECURITY.md is complete, and every test that it names exists.

use crate::cases::cases;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const REQUESTS: u32 = 35;
const MODULES: u32 = 36;
const MACHINES: u32 = 15;

/// The rows: case, result, tests.
fn rows() -> Vec<[String; 3]> {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, table) = text.split_once("## Every known case").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table
        .lines()
        .filter(|line| ["| R", "| M", "| S"].iter().any(|kind| line.starts_with(kind)));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [case, happens, shown] = cells[..] else {
            panic!("not three columns: {row}")
        };
        [case, happens, shown].map(str::to_owned)
    })
    .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_case_has_a_row() {
    let listed: Vec<_> = rows()
        .iter()
        .map(|[case, ..]| case.split(' ').next().unwrap().to_owned())
        .collect();
    let kinds = [("R", REQUESTS), ("M", MODULES), ("S", MACHINES)];
    let all = kinds.map(|(kind, last)| (1..=last).map(move |number| format!("{kind}{number}")));
    assert_eq!(listed, all.into_iter().flatten().collect::<Vec<_>>());
}

#[test]
fn every_named_test_exists() {
    let shown: BTreeSet<String> = cases()
        .iter()
        .filter_map(|case| Some(case.shows.split_once(':')?.0.to_owned()))
        .collect();
    for [case, happens, shows] in rows() {
        assert!(!happens.is_empty(), "{case}");
        let names: Vec<&str> = shows.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{case}: no test");
        for name in names {
            let exists = if let Some(id) = name.strip_prefix("cases: ") {
                shown.contains(id)
            } else if let Some((file, function)) = name.split_once(": ") {
                is_test(&root().join(file), function)
            } else {
                let (module, function) = name.split_once("::").unwrap();
                is_test(&root().join(format!("tests/{module}.rs")), function)
            };
            assert!(exists, "{case}: no such test: {name}");
        }
    }
}

/// Whether the file contains this function with `#[test]`.
fn is_test(file: &Path, function: &str) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    let (before, _) = text.split_once(&format!("fn {function}()")).unwrap_or_default();
    before.trim_end().ends_with("#[test]")
}
