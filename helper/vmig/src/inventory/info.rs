// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration information with what identifies it, and what of it was read before.

use std::{
    collections::HashMap,
    sync::Arc, //
};

use sha2::{
    Digest,
    Sha256, //
};

use crate::{
    document::Document,
    error::Error,
    json::{
        Canonical,
        Tree, //
    },
    read::At,
    recent::Recent,
};

/// Migration information with what identifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// What it says.
    pub document: Document,
    /// The document as it came, keys in byte order, no spaces; `None`: only verdicts are wanted.
    pub json: Option<String>,
    /// `sha256:` and the digest of that text in hexadecimal; `None`: nobody asks for it.
    pub digest: Option<String>,
}

/// What is wanted of documents that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Verdicts about them. Their text is not kept.
    Verdicts,
    /// The documents themselves.
    Documents,
}

impl Info {
    /// Reads a document; `path` names it in errors.
    ///
    /// # Errors
    ///
    /// As [`Document::parse`].
    pub fn parse(text: &[u8], path: &str) -> Result<Self, Error> {
        let tree = Tree::parse(text, path)?;
        let at = At::root(tree.root(), path);
        Self::read(&at, Wanted::Documents, &mut Recent::default())
    }

    fn read(at: &At<'_, '_>, wanted: Wanted, recent: &mut Recent) -> Result<Self, Error> {
        let document = Document::read(at, recent)?;
        let json = match wanted {
            Wanted::Verdicts => None,
            Wanted::Documents => Some(canonical(at)?),
        };
        Ok(Self {
            document,
            digest: json.as_deref().map(digest),
            json,
        })
    }
}

fn canonical(at: &At<'_, '_>) -> Result<String, Error> {
    serde_json::to_string(&Canonical(at.node)).map_err(|error| at.malformed(error.to_string()))
}

fn digest(canonical: &str) -> String {
    format!("sha256:{:x}", Sha256::digest(canonical))
}

/// Text of bare documents that is remembered, in bytes; and that of one.
const TEXTS_MAX: usize = 16 << 20;
const TEXT_MAX: usize = 1 << 20;

/// What was read before, so that the same thing is read, kept and judged once.
///
/// What has warnings is not remembered: these name the source that they are about.
#[derive(Debug)]
pub(crate) struct Known {
    wanted: Wanted,
    /// Bare documents by their text.
    texts: HashMap<Box<[u8]>, Arc<Info>, foldhash::quality::RandomState>,
    /// How much text that is.
    remembered: usize,
    /// Documents of inventories by their digest.
    digests: HashMap<String, Arc<Info>>,
    recent: Recent,
}

impl Known {
    pub(crate) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            texts: HashMap::default(),
            remembered: 0,
            digests: HashMap::new(),
            recent: Recent::default(),
        }
    }

    /// The bare document with this text, if it was read before.
    pub(crate) fn text(&self, text: &[u8]) -> Option<Arc<Info>> {
        self.texts.get(text).map(Arc::clone)
    }

    /// Reads the bare document `at`, which has this text.
    pub(crate) fn read(&mut self, at: &At<'_, '_>, text: &[u8]) -> Result<Arc<Info>, Error> {
        let info = Arc::new(Info::read(at, self.wanted, &mut self.recent)?);
        let room = TEXT_MAX.min(TEXTS_MAX - self.remembered);
        if info.document.warnings.is_empty() && text.len() <= room {
            self.remembered += text.len();
            self.texts.insert(text.into(), Arc::clone(&info));
        }
        Ok(info)
    }

    /// Reads a document in an inventory, whose digest is wanted in any case.
    pub(super) fn read_inner(&mut self, at: &At<'_, '_>) -> Result<Arc<Info>, Error> {
        let json = canonical(at)?;
        let digest = digest(&json);
        if let Some(known) = self.digests.get(&digest) {
            return Ok(Arc::clone(known));
        }
        let info = Arc::new(Info {
            document: Document::read(at, &mut self.recent)?,
            json: (self.wanted == Wanted::Documents).then_some(json),
            digest: Some(digest.clone()),
        });
        if info.document.warnings.is_empty() {
            self.digests.insert(digest, Arc::clone(&info));
        }
        Ok(info)
    }
}
