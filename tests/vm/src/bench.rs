// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The figures of the benchmarks, for whoever wants to compare or draw them.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::paths::Paths;
use crate::verdict::MARK;

/// Writes the figures to `target/bench/devices.json`. `guest/src/bin/bench/report.rs` says what is in
/// it; a run that has left none is an error.
pub(crate) fn keep(paths: &Paths, channel: &str) -> Result<bool> {
    let figures = figures(channel).context("the benchmarks have left no figures")?;
    let directory = paths.checkout.join("target/bench");
    fs::create_dir_all(&directory)?;
    let place = directory.join("devices.json");
    fs::write(&place, serde_json::to_string_pretty(&figures)? + "\n")
        .with_context(|| format!("cannot write {}", place.display()))?;
    println!("\nAll figures of all runs: {}", place.display());
    Ok(true)
}

/// What init has passed on.
fn figures(channel: &str) -> Option<Value> {
    let mut events = channel.lines().filter_map(|line| line.strip_prefix(MARK));
    let figures = events.find_map(|event| event.strip_prefix("figures "))?;
    serde_json::from_str(figures).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_that_init_passes_on() {
        let channel =
            "\u{1e}run bench\nfigures {}\n\u{1e}exit bench code 0\n\u{1e}figures {\"a\":1}\n";
        assert_eq!(figures(channel), Some(serde_json::json!({"a": 1})));
        assert_eq!(figures("figures {}\n"), None);
        assert_eq!(figures("\u{1e}figures {\n"), None);
    }
}
