// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Staged entries of the default parent.

use crate::{uuid, Type};

/// Everything that a write to `stage` could change: the entries of all types of the default
/// parent, and how many devices of each type can still be made.
#[track_caller]
pub fn world() -> (Vec<String>, Vec<u32>) {
    let types = ["serial-1", "serial-2", "serial-var"].map(Type::default_parent);
    let staged = types.iter().flat_map(Type::staged).collect();
    (staged, types.iter().map(Type::available).collect())
}

/// An entry. Dropping it drops the entry, unless a device came of it.
#[derive(Debug)]
pub struct Entry<'a> {
    kind: &'a Type,
    /// Its UUID.
    pub uuid: String,
}

impl<'a> Entry<'a> {
    /// Stages `list` for a fresh UUID.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[track_caller]
    pub fn new(kind: &'a Type, list: &str) -> Self {
        let uuid = uuid();
        kind.stage(format!("{uuid} {list}\n")).expect("stage");
        Self { kind, uuid }
    }

    /// Takes over an entry that the caller stages.
    pub fn of(kind: &'a Type, uuid: String) -> Self {
        Self { kind, uuid }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let _ = self.kind.unstage(&self.uuid);
    }
}
