//! Majors that only a module proxy by HTTP tells of, in the words with which it refuses another.

use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::plain;
use crate::support::proxy::{Manner, Proxy};
use crate::support::scratch::Scratch;

#[test]
fn a_branch_that_has_become_another_major() {
    let proxy = Proxy::start(Manner::Serve);
    let store = Scratch::new().set("GOX_GOPROXY", proxy.url());
    let answer = store.ask(&Ask::get("/tester/major-without-tag@main"));
    let wanted = tester("major-without-tag/v2", "v2.0.0-20250102030405-0123456789ab").wanted;
    answer.program();
    assert_eq!(
        answer.header("Gox-Module"),
        Some("github.com/tester/major-without-tag/v2")
    );
    assert_eq!(answer.sha256(), plain::install(&wanted).sha256);
    // What is released is meant where no branch is named.
    let released = store.ask(&Ask::get("/tester/major-without-tag"));
    assert_eq!(released.header("Gox-Version"), Some("v1.0.0"), "{released}");
}
