// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `tests/CONFORMANCE.md` has the catalogue as `vmig conform --list` prints it.

use std::{
    fs,
    path::Path, //
};

use vmig_conform::{
    output::catalogue_page,
    select, //
};

const BEGIN: &str = "<!-- catalogue: vmig conform --list -->\n\n";

#[test]
fn the_page_has_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/CONFORMANCE.md");
    let page = fs::read_to_string(path).unwrap();
    let (_, shown) = page
        .split_once(BEGIN)
        .expect("the mark before the catalogue");
    let expected = catalogue_page(&select(None, None));
    let differing = shown.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert_eq!(
        differing, None,
        "put in the output of `vmig conform --list`"
    );
    assert_eq!(shown.len(), expected.len());
}
