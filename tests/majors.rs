//! Major versions that only an HTTP module proxy reports, in the text of its error for another version.

use crate::support::case::tester;
use crate::support::plain_go;
use crate::support::proxy::{Behavior, Proxy};
use crate::support::request::Request;
use crate::support::test_store::TestStore;

#[test]
fn branch_with_new_major_is_resolved() {
    let proxy = Proxy::start(Behavior::Serve);
    let store = TestStore::new().set("GOX_GOPROXY", proxy.url());
    let response = store.ask(&Request::get("/tester/major-without-tag@main"));
    let wanted = tester("major-without-tag/v2", "v2.0.0-20250102030405-0123456789ab").wanted;
    response.program();
    assert_eq!(
        response.header("Gox-Module"),
        Some("github.com/tester/major-without-tag/v2")
    );
    assert_eq!(response.sha256(), plain_go::install(&wanted).sha256);
    // Without a branch the release is used.
    let released = store.ask(&Request::get("/tester/major-without-tag"));
    assert_eq!(released.header("Gox-Version"), Some("v1.0.0"), "{released}");
}
