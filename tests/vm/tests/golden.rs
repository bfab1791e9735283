// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The VM sees no checkout, so the guest tests name the golden streams one by one: no file may be
//! forgotten there.

use std::fs;
use std::path::Path;

#[test]
fn every_golden_stream_is_loaded_in_the_vm() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let suite = fs::read_to_string(tests.join("guest/tests/generations.rs")).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(tests.join("golden/streams")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            suite.contains(&format!("\"{name}\"")),
            "{name} is not in generations.rs"
        );
        count += 1;
    }
    assert!(count > 0);
}
