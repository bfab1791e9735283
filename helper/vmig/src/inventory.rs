// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Inventories: what a host offers, as `vmig.inventory/1`.

mod info;

use std::sync::Arc;

use serde::{
    ser,
    Serialize,
    Serializer, //
};

pub use self::info::Info;
pub(crate) use self::info::{
    Known,
    Wanted, //
};
use crate::{
    document::WARNINGS_MAX,
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

/// Implementations of an inventory.
pub const IMPLEMENTATIONS_MAX: usize = 4096;

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
        Self::shared(info.map(Arc::new))
    }

    /// As [`Implementation::bare`], of a document that others have, too.
    pub(crate) fn shared(info: Result<Arc<Info>, Error>) -> Self {
        Self {
            parent: None,
            kind: None,
            program: None,
            name: None,
            device_api: None,
            driver: String::new(),
            driver_version: None,
            free: None,
            info,
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
    pub(crate) fn read(
        at: &At<'_, '_>,
        known: &mut Known,
        warnings: &mut Vec<Error>,
    ) -> Result<Self, Error> {
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
        if items.items()?.len() > IMPLEMENTATIONS_MAX {
            let limit = format!("more than {IMPLEMENTATIONS_MAX} implementations");
            return Err(items.malformed(limit));
        }
        for at in items.items()? {
            implementations.push(read_implementation(&at, known, warnings)?);
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
    known: &mut Known,
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
    let info = known.read_inner(&info);
    if let Ok(info) = &info {
        let room = WARNINGS_MAX.saturating_sub(warnings.len());
        warnings.extend(info.document.warnings.iter().take(room).cloned());
        let digest = info.digest.as_deref().unwrap_or_default();
        if claimed.str()? != digest && warnings.len() < WARNINGS_MAX {
            warnings.push(claimed.malformed(format!("wrong, `info` has {digest}")));
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
        info,
    })
}

fn read_words(at: &At<'_, '_>) -> Result<Vec<String>, Error> {
    at.items()?.map(|at| at.str().map(str::to_owned)).collect()
}

/// The JSON form; implementations whose information could not be read are left out. There is none of
/// documents that were read for verdicts only.
impl Serialize for Inventory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut offers: Vec<&Implementation> = self.implementations.iter().collect();
        offers.sort_by(|a, b| a.order().cmp(&b.order()));
        let forms = offers.into_iter().filter_map(|offer| {
            let info = offer.info.as_ref().ok()?;
            Some(form(offer, info))
        });
        let forms: Result<Vec<Form<'_>>, S::Error> = forms.collect();
        Document1 {
            schema: SCHEMA,
            host: &self.host.name,
            boot_id: self.host.boot_id.as_deref(),
            time: &self.host.time,
            vmig: &self.host.vmig,
            kernel: &self.host.kernel,
            implementations: forms?,
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

fn form<'a, E: ser::Error>(offer: &'a Implementation, info: &'a Info) -> Result<Form<'a>, E> {
    let (Some(digest), Some(json)) = (&info.digest, &info.json) else {
        return Err(E::custom("the document was read for verdicts only"));
    };
    Ok(Form {
        parent: offer.parent.as_deref(),
        kind: offer.kind.as_deref(),
        program: offer.program.as_deref(),
        name: offer.name.as_deref(),
        device_api: offer.device_api.as_deref(),
        driver: &offer.driver,
        driver_version: offer.driver_version.as_deref(),
        free: offer.free,
        digest,
        info: Text(json),
    })
}

/// JSON text as a member of another document.
struct Text<'a>(&'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tree = Tree::parse(self.0.as_bytes(), "info").map_err(ser::Error::custom)?;
        Canonical(tree.root()).serialize(serializer)
    }
}
