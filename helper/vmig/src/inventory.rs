// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Inventories: what a host offers, as `vmig.inventory/1`.

use std::sync::Arc;

use serde::{
    Serialize,
    Serializer, //
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
    time::is_time,
};

/// The schema.
pub const SCHEMA: &str = "vmig.inventory/1";

/// Migration information with what identifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// What it says.
    pub document: Document,
    /// The document as it came, keys in byte order, no spaces.
    pub json: String,
    /// `sha256:` and the digest of `json` in hexadecimal.
    pub digest: String,
}

impl Info {
    /// Reads a document; `path` names it in errors.
    ///
    /// # Errors
    ///
    /// As [`Document::parse`].
    pub fn parse(text: &[u8], path: &str) -> Result<Self, Error> {
        let tree = Tree::parse(text, path)?;
        Self::read(&At::root(tree.root(), path))
    }

    pub(crate) fn read(at: &At<'_, '_>) -> Result<Self, Error> {
        let document = Document::read(at)?;
        let json = serde_json::to_string(&Canonical(at.node))
            .map_err(|error| at.malformed(error.to_string()))?;
        let digest = format!("{:x}", Sha256::digest(&json));
        Ok(Self {
            document,
            json,
            digest: format!("sha256:{digest}"),
        })
    }
}

/// The host that an inventory describes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Which boot it was; documents may change with the next one.
    pub boot_id: Option<String>,
    /// When it was: `2026-11-22T18:00:00Z`.
    pub time: String,
    /// Version of the vmig that wrote it.
    pub vmig: String,
    /// Release of its kernel.
    pub kernel: String,
}

/// A device implementation of a host: an mdev type, or a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Implementation {
    /// Name of the parent device; `None` for a program or a bare document.
    pub parent: Option<String>,
    /// Full name of the mdev type; `None` for a program or a bare document.
    pub kind: Option<String>,
    /// The program and its arguments.
    pub program: Option<Vec<String>>,
    /// Name for people.
    pub name: Option<String>,
    /// Such as `vfio-pci`.
    pub device_api: Option<String>,
    /// Name of the driver; empty if not known.
    pub driver: String,
    /// Its version.
    pub driver_version: Option<String>,
    /// How many more devices can be made.
    pub free: Option<u64>,
    /// The migration information, or why there is none.
    pub info: Result<Arc<Info>, Error>,
}

impl Implementation {
    /// A bare document, about which nothing else is known.
    pub fn bare(info: Result<Info, Error>) -> Self {
        Self {
            parent: None,
            kind: None,
            program: None,
            name: None,
            device_api: None,
            driver: String::new(),
            driver_version: None,
            free: None,
            info: info.map(Arc::new),
        }
    }

    fn order(&self) -> impl Ord + '_ {
        (&self.parent, &self.kind, &self.program)
    }
}

/// An inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The host.
    pub host: Host,
    /// What it offers.
    pub implementations: Vec<Implementation>,
}

impl Inventory {
    pub(crate) fn read(at: &At<'_, '_>, warnings: &mut Vec<Error>) -> Result<Self, Error> {
        let text = |key| at.get(key)?.str().map(str::to_owned);
        let time = at.get("time")?;
        if !is_time(time.str()?) {
            return Err(time.malformed("not a time like 2026-11-22T18:00:00Z"));
        }
        let host = Host {
            name: text("host")?,
            boot_id: at.get("boot_id")?.str_or_null()?.map(str::to_owned),
            time: time.str()?.to_owned(),
            vmig: text("vmig")?,
            kernel: text("kernel")?,
        };
        let items = at.get("implementations")?;
        let mut implementations = Vec::new();
        for at in items.items()? {
            implementations.push(read_implementation(&at, warnings)?);
        }
        implementations.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(Self {
            host,
            implementations,
        })
    }
}

fn read_implementation(
    at: &At<'_, '_>,
    warnings: &mut Vec<Error>,
) -> Result<Implementation, Error> {
    let nullable = |key| Ok(at.get(key)?.str_or_null()?.map(str::to_owned));
    let optional = |key| match at.find(key)? {
        Some(at) => at.str().map(|text| Some(text.to_owned())),
        None => Ok(None),
    };
    let program = match at.find("program")? {
        Some(words) => Some(read_words(&words)?),
        None => None,
    };
    let free = match at.find("free")? {
        Some(free) => Some(free.int()?),
        None => None,
    };
    let claimed = at.get("digest")?;
    let info = at.get("info")?;
    // A document that is bad inside hides no other implementation.
    let info = Info::read(&info);
    if let Ok(info) = &info {
        warnings.extend(info.document.warnings.iter().cloned());
        if claimed.str()? != info.digest {
            warnings.push(claimed.malformed(format!("wrong, `info` has {}", info.digest)));
        }
    }
    Ok(Implementation {
        parent: nullable("parent")?,
        kind: nullable("type")?,
        program,
        name: optional("name")?,
        device_api: optional("device_api")?,
        driver: at.get("driver")?.str()?.to_owned(),
        driver_version: optional("driver_version")?,
        free,
        info: info.map(Arc::new),
    })
}

fn read_words(at: &At<'_, '_>) -> Result<Vec<String>, Error> {
    at.items()?.map(|at| at.str().map(str::to_owned)).collect()
}

/// The JSON form; implementations whose information could not be read are left out.
impl Serialize for Inventory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut offers: Vec<&Implementation> = self.implementations.iter().collect();
        offers.sort_by(|a, b| a.order().cmp(&b.order()));
        let forms = offers.into_iter().filter_map(form);
        Document1 {
            schema: SCHEMA,
            host: &self.host.name,
            boot_id: self.host.boot_id.as_deref(),
            time: &self.host.time,
            vmig: &self.host.vmig,
            kernel: &self.host.kernel,
            implementations: forms.collect(),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct Document1<'a> {
    schema: &'static str,
    host: &'a str,
    boot_id: Option<&'a str>,
    time: &'a str,
    vmig: &'a str,
    kernel: &'a str,
    implementations: Vec<Form<'a>>,
}

#[derive(Serialize)]
struct Form<'a> {
    parent: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_api: Option<&'a str>,
    driver: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u64>,
    digest: &'a str,
    info: Text<'a>,
}

fn form(offer: &Implementation) -> Option<Form<'_>> {
    let info = offer.info.as_ref().ok()?;
    Some(Form {
        parent: offer.parent.as_deref(),
        kind: offer.kind.as_deref(),
        program: offer.program.as_deref(),
        name: offer.name.as_deref(),
        device_api: offer.device_api.as_deref(),
        driver: &offer.driver,
        driver_version: offer.driver_version.as_deref(),
        free: offer.free,
        digest: &info.digest,
        info: Text(&info.json),
    })
}

/// JSON text as a member of another document.
struct Text<'a>(&'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tree = Tree::parse(self.0.as_bytes(), "info").map_err(serde::ser::Error::custom)?;
        Canonical(tree.root()).serialize(serializer)
    }
}
