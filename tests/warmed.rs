//! What an image brings, compiled ahead, is used where it lies.

use crate::support::answer::Answer;
use crate::support::ask::Ask;
use crate::support::case::tester;
use crate::support::scratch::Scratch;
use crate::support::{plain, walk};
use std::fs;

fn right(answer: &Answer, version: &'static str) {
    assert_eq!(
        answer.sha256(),
        plain::install(&tester("hello", version).wanted).sha256,
        "{answer}"
    );
}

fn hello() -> Ask {
    Ask::get("/tester/hello@v1.0.0")
}

/// The outputs that were written to the store's own compile cache.
fn compiled(store: &Scratch) -> usize {
    let files = walk(&store.dir.join("cache/compile")).into_iter();
    files
        .filter(|path| !path.is_symlink() && path.is_file())
        .filter(|path| fs::read(path).unwrap().starts_with(b"!<arch>"))
        .count()
}

#[test]
fn the_standard_library_is_not_compiled_again() {
    let store = Scratch::in_image();
    right(&store.ask(&hello()), "v1.0.0");
    assert_eq!(compiled(&store), 1, "hello itself");
    // The image knows this one.
    right(&store.ask(&Ask::get("/tester/hello@v1.1.0")), "v1.1.0");
    assert_eq!(compiled(&store), 1);
}

/// The control.
#[test]
fn without_it_all_is_compiled() {
    let store = Scratch::in_image().unset("GOX_WARMED");
    right(&store.ask(&hello()), "v1.0.0");
    assert!(compiled(&store) > 10);
}

#[test]
fn an_image_without_it_still_builds() {
    let store = Scratch::new().set("GOX_WARMED", "/nonexistent/compile");
    right(&store.ask(&hello()), "v1.0.0");
    let said = fs::read_to_string(store.dir.join("builders.log")).unwrap();
    assert!(said.contains("cannot use /nonexistent/compile"), "{said}");
}
