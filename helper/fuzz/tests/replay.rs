// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The corpora, replayed.

use std::fs;

use vmig_fuzz::{
    corpus,
    inputs,
    line,
    TARGETS, //
};

#[test]
fn corpora() {
    for (name, run) in TARGETS {
        let text = fs::read_to_string(corpus(name)).unwrap();
        let inputs = inputs(&text).unwrap_or_else(|| panic!("{name}: not hexadecimal"));
        assert!(inputs.len() >= 16, "{name} has {} inputs", inputs.len());
        run(b"");
        for input in inputs {
            // What libtest shows of a panic has this line, which is the one of the corpus.
            println!("{name}: {}", line(&input));
            run(&input);
        }
    }
}

#[test]
fn lines_are_inputs() {
    assert_eq!(
        inputs("# comment\n00ff\n7b\n"),
        Some(vec![vec![0, 255], vec![0x7b]])
    );
    for bad in ["0\n", "0g\n", " 00\n", "00 11\n"] {
        assert_eq!(inputs(bad), None, "{bad}");
    }
    assert_eq!(line(&[0, 255]), "00ff");
}
