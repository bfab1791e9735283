// SPDX-License-Identifier: GPL-2.0-only

//! The files that vmig adds to the directory of a device: `migration/<param>` and
//! `vmig/{in_use,keep,refusal}`; with faults on purpose also `vmig/fault`, see `device/faults.rs`.
#![forbid(unsafe_code)]

use kernel::{
    device::Bound,
    fmt::Write as _,
    new_mutex,
    prelude::*,
    str::Formatter,
    sync::{
        aref::ARef,
        Arc,
        Mutex, //
    },
};
use kernel_vfio::{
    sysfs::{
        Attribute,
        Group,
        GroupOperations,
        Mode, //
    },
    vfio, //
};
use vmig_model::{
    capacity::Capacity,
    types::DeviceType, //
};

use super::text;
use crate::{
    device::Card,
    staging::Claim, //
};

/// A device, as its files see it.
#[pin_data]
pub(crate) struct Attributes {
    ty: &'static DeviceType,
    card: ARef<vfio::Device<Card>>,
    /// The device's share of its parent's capacity.
    claim: Arc<Claim>,
    /// One parameter write at a time, so that what is taken of the parent follows the values.
    #[pin]
    writes: Mutex<()>,
}

impl Attributes {
    pub(crate) fn new(
        ty: &'static DeviceType,
        card: ARef<vfio::Device<Card>>,
        claim: Arc<Claim>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            ty,
            card,
            claim,
            writes <- new_mutex!((), "vmig::Attributes"),
        })
    }

    /// Writes a parameter: what it needs more is taken first, what it needs less is given back
    /// after.
    fn set_param(&self, i: usize, text: &str) -> Result {
        let _writes = self.writes.lock();
        let before = self.card.values();
        let after = Card::values_after(&self.card, i, text)?;
        let (before, after) = (self.ty.need(&before), self.ty.need(&after));
        self.claim.resize(Capacity {
            ports: before.ports.max(after.ports),
            memory_mb: before.memory_mb.max(after.memory_mb),
        })?;
        let written = Card::param_store(&self.card, i, text);
        let now = if written.is_ok() { after } else { before };
        self.claim.resize(now)?;
        written
    }
}

/// The files of a device.
pub(crate) struct DeviceNodes {
    _params: Group<Params>,
    _status: Group<Status>,
}

impl DeviceNodes {
    pub(crate) fn new(
        dev: &kernel::device::Device<Bound>,
        attributes: Arc<Attributes>,
    ) -> Result<Self> {
        let params = Arc::new(Params(attributes.clone()), GFP_KERNEL)?;
        let status = Arc::new(Status(attributes), GFP_KERNEL)?;
        Ok(Self {
            _params: Group::for_device(dev, "migration", params.files()?, params)?,
            _status: Group::for_device(dev, "vmig", Status::files()?, status)?,
        })
    }
}

/// `migration/`: the parameters, an attribute's index is the parameter's.
struct Params(Arc<Attributes>);

impl Params {
    fn files(&self) -> Result<KVec<Attribute>> {
        let mut files = KVec::new();
        for param in self.0.ty.params {
            files.push(Attribute::new(param.name, Mode::ReadWrite)?, GFP_KERNEL)?;
        }
        Ok(files)
    }
}

impl GroupOperations for Params {
    fn show(&self, attribute: usize, out: &mut Formatter<'_>) -> Result {
        self.0.card.param_show(attribute, out)
    }

    fn store(&self, attribute: usize, data: &[u8]) -> Result {
        self.0.set_param(attribute, text(data)?)
    }
}

/// `vmig/`
struct Status(Arc<Attributes>);

impl Status {
    const IN_USE: usize = 0;
    const KEEP: usize = 1;
    const REFUSAL: usize = 2;
    #[cfg(vmig_faults)]
    const FAULT: usize = 3;

    fn files() -> Result<KVec<Attribute>> {
        let mut files = KVec::new();
        files.push(Attribute::new("in_use", Mode::Read)?, GFP_KERNEL)?;
        files.push(Attribute::new("keep", Mode::ReadWrite)?, GFP_KERNEL)?;
        files.push(Attribute::new("refusal", Mode::Read)?, GFP_KERNEL)?;
        #[cfg(vmig_faults)]
        files.push(Attribute::new("fault", Mode::ReadWrite)?, GFP_KERNEL)?;
        Ok(files)
    }
}

impl GroupOperations for Status {
    fn show(&self, attribute: usize, out: &mut Formatter<'_>) -> Result {
        let card = &self.0.card;
        match attribute {
            Self::IN_USE => Ok(writeln!(out, "{}", u32::from(card.in_use()))?),
            Self::KEEP => Ok(writeln!(out, "{}", u32::from(card.keep()))?),
            Self::REFUSAL => card.refusal(out),
            #[cfg(vmig_faults)]
            Self::FAULT => card.fault_show(out),
            _ => Err(EIO),
        }
    }

    fn store(&self, attribute: usize, data: &[u8]) -> Result {
        let keep = match (attribute, text(data)?) {
            (Self::KEEP, "0") => false,
            (Self::KEEP, "1") => true,
            #[cfg(vmig_faults)]
            (Self::FAULT, name) => return self.0.card.fault_store(name),
            _ => return Err(EINVAL),
        };
        self.0.card.set_keep(keep);
        Ok(())
    }
}
