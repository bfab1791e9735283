// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Parameters that were read last. The documents of a fleet differ in little: what the next one has
//! in common with those before is neither read nor kept again.

use std::{
    collections::{
        HashMap,
        VecDeque, //
    },
    sync::Arc,
};

use crate::document::Param;

/// As many different texts of a name are compared with a new one.
const TEXTS_MAX: usize = 4;

/// As many names are known at a time.
const NAMES_MAX: usize = 1 << 16;

/// Text that is worth to be remembered, in bytes.
const LENGTH_MAX: usize = 1 << 12;

/// After so many texts in a row that nobody had seen, no more of that name are learnt.
const MISSES_MAX: usize = 32;

/// The parameters that were read last, by name and text.
#[derive(Debug, Default)]
pub(crate) struct Recent(HashMap<String, Known, foldhash::quality::RandomState>);

#[derive(Debug, Default)]
struct Known {
    /// Newest first.
    texts: VecDeque<(Box<str>, Arc<Param>)>,
    misses: usize,
}

impl Recent {
    /// The parameter `name` that was read from this text without a warning.
    pub(crate) fn get(&mut self, name: &str, text: &str) -> Option<Arc<Param>> {
        let known = self.0.get_mut(name)?;
        let found = known.texts.iter().find(|(other, _)| **other == *text);
        match found {
            Some((_, param)) => {
                known.misses = 0;
                Some(Arc::clone(param))
            }
            None => {
                known.misses = known.misses.saturating_add(1);
                None
            }
        }
    }

    /// Remembers that the parameter `name` was read from this text without a warning.
    pub(crate) fn learn(&mut self, name: &str, text: &str, param: &Arc<Param>) {
        if text.len() > LENGTH_MAX {
            return;
        }
        if !self.0.contains_key(name) {
            if self.0.len() >= NAMES_MAX {
                self.0.clear();
            }
            self.0.insert(name.to_owned(), Known::default());
        }
        let Some(known) = self.0.get_mut(name) else {
            return;
        };
        if known.misses < MISSES_MAX {
            known.texts.truncate(TEXTS_MAX - 1);
            known.texts.push_front((text.into(), Arc::clone(param)));
        }
    }
}
