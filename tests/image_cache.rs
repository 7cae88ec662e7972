//! The precompiled standard library of an image (`GOX_WARMED`) is used without copying it.

use crate::support::case::tester;
use crate::support::request::Request;
use crate::support::response::Response;
use crate::support::test_store::TestStore;
use crate::support::{plain_go, walk};
use std::fs;

fn assert_program(response: &Response, version: &'static str) {
    assert_eq!(
        response.sha256(),
        plain_go::install(&tester("hello", version).wanted).sha256,
        "{response}"
    );
}

fn hello() -> Request {
    Request::get("/tester/hello@v1.0.0")
}

/// The number of archives in the store's own compile cache.
fn count_archives(store: &TestStore) -> usize {
    let files = walk(&store.dir.join("cache/compile")).into_iter();
    files
        .filter(|path| !path.is_symlink() && path.is_file())
        .filter(|path| fs::read(path).unwrap().starts_with(b"!<arch>"))
        .count()
}

/// The control, a build without an image cache, is in `sandbox_layers::builds_share_no_cache_without_landlock`.
#[test]
fn image_cache_avoids_compiling_the_standard_library() {
    let store = TestStore::with_image_cache();
    assert_program(&store.ask(&hello()), "v1.0.0");
    assert_eq!(count_archives(&store), 1, "hello itself");
    // v1.1.0 is in the image.
    assert_program(&store.ask(&Request::get("/tester/hello@v1.1.0")), "v1.1.0");
    assert_eq!(count_archives(&store), 1);
}

#[test]
fn missing_image_cache_does_not_prevent_builds() {
    let store = TestStore::new().set("GOX_WARMED", "/nonexistent/compile");
    assert_program(&store.ask(&hello()), "v1.0.0");
    let output_text = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert!(
        output_text.contains("cannot use /nonexistent/compile"),
        "{output_text}"
    );
}
