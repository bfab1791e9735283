// SPDX-License-Identifier: GPL-2.0-only

//! Parents: what offers the types of one generation.
//!
//! [`Live`] is a parent in sysfs, [`Parent`] what its types and devices know of it.
#![forbid(unsafe_code)]

pub(crate) mod driver;
mod gate;
pub(crate) mod items;
pub(crate) mod pci;

use kernel::{
    device::{
        self,
        Bound, //
    },
    prelude::*,
    sync::Arc,
    workqueue::Queue, //
};
use kernel_vfio::{
    class::{
        self,
        Class, //
    },
    mdev::{
        self,
        type_dir, //
    },
    workqueue::OwnedQueue,
};
use vmig_model::types::{
    types,
    Generation, //
};

use crate::{
    staging::{
        Share,
        Staging, //
    },
    sysfs::TypeNodes,
};
use driver::{
    MdevDriver,
    Offered, //
};
use gate::Gate;
pub(crate) use gate::OpenGuard;

/// The types that a parent offers.
type Types = KVec<Pin<KBox<mdev::Type<MdevDriver>>>>;

/// What all parents share.
#[pin_data]
pub(crate) struct Host {
    // Dropped first: it waits until no parent is referred to, then the driver may go.
    #[pin]
    class: Class,
    driver: Arc<mdev::Registration<MdevDriver>>,
    staging: Arc<Staging>,
    // Dropped last: here the queue goes, and what runs in it has returned. All other references to it
    // belong to parents, so that none is dropped by work of the queue as the last one.
    queue: Arc<OwnedQueue>,
}

impl Host {
    /// Makes the class and the queue, and registers the driver.
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            class <- Class::new(c"vmig"),
            driver: Arc::pin_init(mdev::Registration::new(c"vmig", module), GFP_KERNEL)?,
            staging: Arc::pin_init(Staging::new(), GFP_KERNEL)?,
            queue: Arc::new(OwnedQueue::unbound(c"vmig")?, GFP_KERNEL)?,
        })
    }
}

/// A parent, as its types and devices know it.
#[pin_data]
pub(crate) struct Parent {
    /// Its part of the staging table.
    pub(crate) share: Share,
    #[pin]
    gate: Gate,
    queue: Arc<OwnedQueue>,
    // Dropped last. Devices keep their parent until VFIO releases them, which may be a little after
    // their removal: the release is code of the module, which must not go before.
    _hold: class::Hold,
}

impl Parent {
    /// Opens one of the parent's devices: between `open_device` and `close_device` the device holds
    /// the guard.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the parent is going away.
    pub(crate) fn try_open(self: &Arc<Self>) -> Result<OpenGuard> {
        OpenGuard::new(self.clone())
    }

    /// The queue that devices do their work in.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }
}

/// A parent in sysfs. Dropping it removes its devices and waits until nobody uses them; no lock may
/// be held that an attribute or a probe takes.
pub(crate) struct Live<'bound> {
    // In the order in which they have to go: files in the types' directories, then the types, then
    // the entries, which a device that is being created may still give back.
    _nodes: KVec<TypeNodes>,
    _registration: mdev::ParentRegistration<'bound, MdevDriver>,
    parent: Present,
}

/// A parent that may have entries. Whoever still refers to it after this is dropped finds none.
struct Present(Arc<Parent>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.share.clear();
    }
}

impl Live<'static> {
    /// Makes the class device `name`, a parent that offers the types of `generation`.
    pub(crate) fn new(host: &Host, name: &CStr, generation: Generation) -> Result<Self> {
        Self::with(host, generation, |types| {
            mdev::ParentRegistration::new(&host.class, name, &host.driver, types)
        })
    }
}

impl<'bound> Live<'bound> {
    /// Makes `dev` a parent that offers the types of `generation`, as long as it is bound.
    pub(crate) fn for_device(
        host: &Host,
        dev: &'bound device::Device<Bound>,
        generation: Generation,
    ) -> Result<Self> {
        Self::with(host, generation, |types| {
            mdev::ParentRegistration::for_device(&host.class, dev, &host.driver, types)
        })
    }

    fn with(
        host: &Host,
        generation: Generation,
        register: impl FnOnce(Types) -> Result<mdev::ParentRegistration<'bound, MdevDriver>>,
    ) -> Result<Self> {
        let parent = Present(Arc::pin_init(
            try_pin_init!(Parent {
                share: host.staging.add_parent()?,
                gate <- Gate::new(),
                queue: host.queue.clone(),
                _hold: host.class.hold(),
            }),
            GFP_KERNEL,
        )?);
        let mut offers = KVec::new();
        for ty in types(generation) {
            let offered = Offered {
                ty,
                parent: parent.0.clone(),
            };
            let offer = mdev::Type::new(ty.name, ty.pretty, offered)?;
            offers.push(offer, GFP_KERNEL)?;
        }
        let registration = register(offers)?;
        let mut nodes = KVec::new();
        for (ty, dir) in registration
            .types()
            .zip(type_dir::directories(&registration)?)
        {
            nodes.push(TypeNodes::new(&dir, ty.data())?, GFP_KERNEL)?;
        }
        Ok(Self {
            _nodes: nodes,
            _registration: registration,
            parent,
        })
    }

    /// Lets no device be opened any more.
    ///
    /// # Errors
    ///
    /// `EBUSY` if one is open; then nothing changes.
    pub(crate) fn close(&self) -> Result {
        self.parent.0.gate.close()
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        // Those who have a device open are waited for, one device after the other. Nobody may open
        // another one meanwhile, else there would be no end to it.
        self.parent.0.gate.shut();
    }
}
