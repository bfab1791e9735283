// SPDX-License-Identifier: GPL-2.0-only

//! Migration of the card: the region of protocol version 1 as a view of the engine.
//!
//! What the fields mean is the model's business ([`vmig_model::v1`]); here are the region, its
//! memory and the lock. The data section is allocated when it is needed first after an open and goes
//! with the last close, so that users of version 2 do not pay for it and nobody sees what another has
//! left.
//!
//! This protocol is not for new drivers: Linux 5.18 has deprecated it, and QEMU 8.0 has dropped it. The
//! module parameter `v1_region` switches it off.
#![forbid(unsafe_code)]

use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};
use kernel_vfio::vfio::{
    region::{
        self,
        Area,
        InfoCap,
        Memory,
        Position, //
    },
    Device,
    Open, //
};
use vmig_model::{
    error,
    v1::{
        Section,
        View,
        HEADER_LEN, //
    },
};

use super::{
    Card,
    State, //
};
use crate::errno;

/// Index of the region: the first one after those of every PCI device.
const INDEX: u32 = region::PCI_COUNT;

/// Where the data section begins: the first page is the structure, which cannot be mapped.
// CAST: A page's size is no more than `u64` holds.
pub(super) const DATA_OFFSET: u64 = PAGE_SIZE as u64;

const _: () = assert!(DATA_OFFSET >= HEADER_LEN);

/// Size of the data section, in bytes.
const DATA_LEN: usize = 1 << 20;

const _: () = assert!(DATA_LEN % PAGE_SIZE == 0);

/// Size of the region, in bytes.
// CAST: 1 MiB. NO-OVERFLOW: Both are small.
pub(super) const END: u64 = DATA_OFFSET + DATA_LEN as u64;

/// Number of regions that a card has beyond those of every PCI device.
pub(super) fn count() -> u32 {
    u32::from(crate::module_parameters::v1_region.value())
}

/// Whether `index` is the migration region of a card that has one.
pub(super) fn is_index(index: u32) -> bool {
    count() > 0 && index == INDEX
}

/// The protocol's state of one card.
pub(super) struct Region {
    view: View,
    section: Window,
}

impl Region {
    /// That of a card that is closed.
    pub(super) const fn new() -> Self {
        Self {
            view: View::new(DATA_OFFSET),
            section: Window(None),
        }
    }
}

/// The data section; `None` until it is needed.
struct Window(Option<Arc<Memory>>);

impl Window {
    fn allocated(&mut self) -> Result<&Arc<Memory>> {
        match self.0 {
            Some(ref memory) => Ok(memory),
            None => Ok(self.0.insert(Memory::new(DATA_LEN)?)),
        }
    }

    /// A session begins with a section, so only access without one comes here without.
    fn memory(&self) -> core::result::Result<&Memory, error::Error> {
        self.0.as_deref().ok_or(error::Error::NoData)
    }
}

impl Section for Window {
    fn len(&self) -> usize {
        DATA_LEN
    }

    fn read(&self, at: usize, out: &mut [u8]) -> core::result::Result<(), error::Error> {
        let read = self.memory()?.read(at, out);
        read.map_err(|_| error::Error::OutOfRange)
    }

    fn write(&self, at: usize, data: &[u8]) -> core::result::Result<(), error::Error> {
        let written = self.memory()?.write(at, data);
        written.map_err(|_| error::Error::OutOfRange)
    }
}

impl State {
    /// Whether the migration session, if there is one, was opened through the region.
    pub(super) fn is_v1(&self) -> bool {
        self.v1.view.owns(&self.engine)
    }
}

/// Describes the region.
pub(super) fn info(_device: &Device<Card, Open>, caps: &mut InfoCap<'_>) -> Result<region::Info> {
    caps.add_type(region::TYPE_MIGRATION, region::SUBTYPE_MIGRATION)?;
    caps.add_sparse_mmap(&[Area {
        offset: DATA_OFFSET,
        // CAST: 1 MiB.
        size: DATA_LEN as u64,
    }])?;
    Ok(region::Info {
        flags: region::Info::READ | region::Info::WRITE | region::Info::MMAP,
        size: END,
    })
}

/// Reads from the region.
pub(super) fn read(device: &Device<Card, Open>, at: u64, out: &mut [u8]) -> Result {
    let mut state = device.state.lock();
    let State { engine, v1, .. } = &mut *state;
    let read = v1.view.access(engine, &v1.section).read(at, out);
    device.settle_unless_data(&mut state, at);
    read.map_err(errno::of)
}

/// Writes to the region. The data section is there before the device is asked for a state.
pub(super) fn write(device: &Device<Card, Open>, at: u64, data: &[u8]) -> Result {
    let mut state = match at {
        // The device may not do by itself what it does now in the state that this leads to.
        ..DATA_OFFSET => device.lock_idle()?,
        _ => device.state.lock(),
    };
    let State { engine, v1, .. } = &mut *state;
    v1.section.allocated()?;
    let written = v1.view.access(engine, &v1.section).write(at, data);
    device.settle_unless_data(&mut state, at);
    written.map_err(errno::of)
}

/// The part of the data section that a user maps.
pub(super) fn map(
    device: &Device<Card, Open>,
    position: Position,
    size: usize,
) -> Result<(Arc<Memory>, usize)> {
    let start = position.offset().checked_sub(DATA_OFFSET).ok_or(EINVAL)?;
    let start = usize::try_from(start)?;
    if size > DATA_LEN.checked_sub(start).ok_or(EINVAL)? {
        return Err(EINVAL);
    }
    let mut state = device.state.lock();
    Ok((state.v1.section.allocated()?.clone(), start))
}

impl Card {
    /// [`Card::settle`], but for access to the data section, of which nothing comes.
    fn settle_unless_data(&self, state: &mut State, at: u64) {
        if at < DATA_OFFSET {
            self.settle(state);
        }
    }
}
