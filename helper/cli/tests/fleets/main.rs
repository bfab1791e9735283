// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The verbs about fleets: each option, and inputs as fleets have them.

mod baseline;
mod compare;
mod input;
mod label;
mod narrow;
mod plan;
#[path = "../support/mod.rs"]
mod support;

use std::fs;

use serde_json::{
    json,
    Value, //
};
use support::{
    Machine,
    Said, //
};
use tempfile::TempDir;

/// A machine, and a directory of sources.
struct Fleet {
    machine: Machine,
    directory: TempDir,
}

impl Fleet {
    fn new<T: ToString>(files: impl IntoIterator<Item = (&'static str, T)>) -> Self {
        let fleet = Self {
            machine: Machine::bare(),
            directory: tempfile::tempdir().unwrap(),
        };
        for (name, text) in files {
            fleet.write(name, &text.to_string());
        }
        fleet
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a command; `@NAME` is a file of the directory, and is shown so.
    fn run(&self, words: &str) -> Said {
        let path = self.directory.path().to_str().unwrap();
        let words: Vec<String> = words
            .split(' ')
            .map(|word| word.replace('@', &format!("{path}/")))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = self.machine.run(&words);
        let shown = |text: &str| text.replace(&format!("{path}/"), "@");
        Said {
            status: said.status,
            out: shown(&said.out),
            err: shown(&said.err),
        }
    }

    /// Exit status and output, where nothing else is said.
    fn says(&self, words: &str) -> (u8, String) {
        let said = self.run(words);
        assert_eq!(said.err, "", "{words}");
        (said.status, said.out)
    }

    fn json(&self, words: &str) -> Value {
        self.run(&format!("{words} -o json")).json()
    }
}

/// A document of the model `a/b`: an int `n`, off at 1, which starts at 4 or else as near below as
/// it may be.
fn ints(allowed: Value) -> Value {
    let covers = |n: &u64| {
        let mut items = allowed.as_array().unwrap().iter();
        items.any(|item| match item.as_str() {
            Some(range) => {
                let (min, max) = range.split_once('-').unwrap();
                (min.parse().unwrap()..=max.parse().unwrap()).contains(n)
            }
            None => item.as_u64() == Some(*n),
        })
    };
    let init = [4, 3, 2, 1, 9].into_iter().find(covers).unwrap();
    let n = json!({"type": "int", "init_value": init, "off_value": 1, "allowed_values": allowed});
    json!({"models": {"a/b": {"params": {"n": n}}}})
}

/// A document of the model `a/b` with RFC v4's versions.
fn versions(versions: Value) -> Value {
    json!({"models": {"a/b": {"versions": versions}}})
}

/// An inventory: a host and its types.
fn host(name: &str, time: &str, types: &[(&str, u32, Value)]) -> Value {
    let offer = |(kind, free, info): &(&str, u32, Value)| {
        json!({"parent": "p", "type": kind, "driver": "d", "free": free,
               "digest": vmig::inventory::Info::parse(info.to_string().as_bytes(), "").unwrap().digest,
               "info": info})
    };
    let offers: Vec<Value> = types.iter().map(offer).collect();
    json!({"schema": "vmig.inventory/1", "host": name, "boot_id": null, "time": time,
           "vmig": "0.1.0", "kernel": "7.3", "implementations": offers})
}

/// Half an hour before the machine's clock.
const TIME: &str = "2026-11-22T17:30:00Z";
