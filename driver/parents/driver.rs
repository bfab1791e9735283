// SPDX-License-Identifier: GPL-2.0-only

//! The mdev driver: from a type and a UUID to a device.
#![forbid(unsafe_code)]

use kernel::{
    device::Core,
    prelude::*,
    sync::Arc, //
};
use kernel_vfio::mdev::{
    self,
    DeviceApi, //
};
use vmig_model::{
    types::DeviceType,
    uuid::Uuid, //
};

use super::Parent;
use crate::{
    device,
    sysfs::device::{
        Attributes,
        DeviceNodes, //
    },
};

/// A type of a parent: what its files and the creation of a device go by.
#[derive(Clone)]
pub(crate) struct Offered {
    pub(crate) ty: &'static DeviceType,
    pub(crate) parent: Arc<Parent>,
}

/// What belongs to a device, as long as the driver is bound to it.
#[pin_data]
pub(crate) struct Data {
    // In the order in which they have to go: VFIO waits for the device's users, who may look at the
    // files meanwhile; the share of the parent's capacity goes with the last of the files.
    _registered: device::Registered,
    _nodes: DeviceNodes,
}

/// The driver `vmig` on the mdev bus.
pub(crate) struct MdevDriver;

impl mdev::Driver for MdevDriver {
    type Data<'bound> = Data;
    type TypeData = Offered;

    const DEVICE_API: DeviceApi = DeviceApi::Pci;

    fn probe<'bound>(
        dev: &'bound mdev::Device<Core<'_>>,
        ty: &'bound mdev::Type<Self>,
    ) -> impl PinInit<Data, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let Offered { ty, parent } = ty.data();
            if parent.gate.is_closed() {
                return Err(ENODEV);
            }
            let uuid = Uuid::from_bytes(dev.uuid());
            let claim = Arc::new(parent.share.claim(ty, uuid)?, GFP_KERNEL)?;
            let registered = device::create(dev, ty, claim.values(), parent.clone())?;
            let attributes = Attributes::new(ty, registered.card(), claim.clone());
            let nodes = DeviceNodes::new(dev.as_ref(), Arc::pin_init(attributes, GFP_KERNEL)?)?;
            Ok(try_pin_init!(Data {
                _registered: registered,
                _nodes: nodes,
                _: { claim.commit() },
            }))
        })
    }

    fn available(ty: &mdev::Type<Self>) -> u32 {
        let Offered { ty, parent } = ty.data();
        parent.share.available(ty)
    }
}
