//! Well-known repositories by OWNER/REPO alone, through the real module proxy. tests/data/well_known.tsv lists the programs that a
//! public package registry names for each. Nothing is built. `make names` prints each result with its evidence.

use crate::corpus::operators_store;
use crate::support::request::Request;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many repositories may give a list instead of a program.
const MOST_LISTS: usize = 2;

/// Concurrent requests; they mostly wait for the module proxy.
const AT_ONCE: usize = 4;

#[test]
fn owner_and_repo_resolve_to_a_listed_program() {
    let rows: Vec<(&str, Vec<&str>)> = include_str!("data/well_known.tsv")
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'))
        .map(|(repository, programs)| (repository, programs.split(',').collect()))
        .collect();
    let store = operators_store().set("GOX_LOOKUPS_PER_HOUR", "0");
    let (next, kinds) = (
        AtomicUsize::new(0),
        Mutex::new(BTreeMap::<&str, Vec<&str>>::new()),
    );
    let work = || {
        while let Some((repository, programs)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let url = format!("/{repository}?os=linux&arch=amd64");
            let mut response = store.ask(&Request::get(&url).method("HEAD"));
            if response.status != 200 {
                response = store.ask(&Request::get(&url));
            }
            let listed = listed(&String::from_utf8_lossy(&response.body));
            let has = |name: &str| programs.contains(&name);
            let (kind, evidence) = match response.status {
                200 if has(file_name(response.header("content-disposition"))) => (
                    "program",
                    response.header("gox-command").unwrap_or_default().to_owned(),
                ),
                300 if listed.first().is_some_and(|name| has(name)) => ("list-first", listed.join(" ")),
                300 if listed.iter().any(|name| has(name)) => ("list", listed.join(" ")),
                _ => ("neither", format!("{response:.300}")),
            };
            println!("{kind}\t{repository}\t{evidence}");
            kinds.lock().unwrap().entry(kind).or_default().push(repository);
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let kinds = kinds.into_inner().unwrap();
    for (kind, repositories) in &kinds {
        println!("{kind}: {} of {}", repositories.len(), rows.len());
    }
    let programs = kinds.get("program").map_or(0, Vec::len);
    assert!(programs + MOST_LISTS >= rows.len(), "{kinds:?}");
}

fn file_name(disposition: Option<&str>) -> &str {
    disposition
        .and_then(|value| value.split('"').nth(1))
        .unwrap_or_default()
}

/// The last path elements of the URLs in a list, without major versions.
fn listed(body: &str) -> Vec<String> {
    let addresses = body.lines().filter_map(|line| line.split("'  /").nth(1));
    let last = |address: &str| {
        let path = address.split(['?', '\'', '@']).next().unwrap_or_default();
        let mut elements = path.rsplit('/');
        elements
            .find(|element| {
                element
                    .strip_prefix('v')
                    .is_none_or(|n| n.parse::<u32>().is_err())
            })
            .unwrap_or_default()
            .to_owned()
    };
    addresses.map(last).collect()
}
