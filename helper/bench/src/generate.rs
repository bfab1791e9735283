// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Documents of 16 parameters, as many as wanted.

use std::{
    io::{
        BufWriter,
        Write, //
    },
    str::FromStr,
};

use anyhow::{bail, Result};
use serde_json::{json, Value};

/// What the documents have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// No two are alike: in each, one set of ints ends elsewhere.
    Distinct,
    /// No two have even a parameter alike: in each, every set and every description is another.
    Apart,
    /// All are the same bytes.
    Equal,
    /// Inventories of as many hosts, which offer the same.
    Inventories,
}

impl FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "distinct" => Self::Distinct,
            "apart" => Self::Apart,
            "equal" => Self::Equal,
            "inventories" => Self::Inventories,
            _ => bail!("not a shape: {text}"),
        })
    }
}

/// The device model of all documents.
pub(crate) const MODEL: &str = "example.org/bench";

/// The list that `check` and `plan` are asked about.
pub(crate) fn list() -> String {
    let params = (0..16).map(|n| match n % 3 {
        0 => format!("int-{n:02}=4\n"),
        1 => format!("bool-{n:02}=on\n"),
        _ => format!("str-{n:02}=fast\n"),
    });
    let mut lines: Vec<String> = params.collect();
    lines.sort();
    format!("model: {MODEL}\n{}", lines.concat())
}

/// The document in which the `changed` parameters show that it is the `n`-th.
fn document(n: usize, changed: impl Fn(usize) -> bool) -> Value {
    let mut params = serde_json::Map::new();
    for i in 0..16 {
        let n = if changed(i) { n } else { 0 };
        let of = if n == 0 {
            String::new()
        } else {
            format!(" (revision {n})")
        };
        let (name, param) = match i % 3 {
            0 => (
                format!("int-{i:02}"),
                json!({
                    "type": "int", "init_value": 4, "off_value": 1,
                    "allowed_values": [1, 2, format!("4-{}", 8 + n)],
                    "description": format!("Number of something that this device has several of{of}"),
                }),
            ),
            1 => (
                format!("bool-{i:02}"),
                json!({
                    "type": "bool", "init_value": true, "off_value": false,
                    "allowed_values": [true, false],
                    "description": format!("Whether this device does something in addition{of}"),
                }),
            ),
            _ => (
                format!("str-{i:02}"),
                json!({
                    "type": "str", "init_value": "fast", "off_value": "none",
                    "allowed_values": ["fast", "none", format!("small{of}")],
                    "description": format!("The way in which this device does something{of}"),
                }),
            ),
        };
        params.insert(name, param);
    }
    json!({"models": {MODEL: {"params": params}}})
}

/// Writes `n` documents of a shape.
pub(crate) fn write(shape: Shape, n: usize, out: &mut impl Write) -> Result<()> {
    let mut out = BufWriter::new(out);
    let same = document(0, |_| false);
    for i in 0..n {
        let document = match shape {
            Shape::Distinct => document(i, |param| param == 3),
            Shape::Apart => document(i, |_| true),
            Shape::Equal => same.clone(),
            Shape::Inventories => json!({
                "schema": "vmig.inventory/1", "host": format!("host-{i:06}"),
                "boot_id": "83c3fb1a-0000-4000-8000-000000000000", "time": "2026-11-22T18:00:00Z",
                "vmig": "0.1.0", "kernel": "7.3.4",
                "implementations": [{
                    "parent": "vmig", "type": "vmig-bench", "driver": "vmig", "free": 12,
                    // Made by no vmig: a wrong digest would be a warning each.
                    "digest": digest(&same), "info": same,
                }],
            }),
        };
        serde_json::to_writer_pretty(&mut out, &document)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// The digest of an inventory's document: keys sorted, no spaces.
fn digest(info: &Value) -> String {
    use std::fmt::Write as _;
    let mut digest = "sha256:".to_owned();
    for byte in <sha2::Sha256 as sha2::Digest>::digest(info.to_string()) {
        // Writing to a String cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}
