// SPDX-License-Identifier: GPL-2.0-only

//! Staged entries and the capacity of parents.
//!
//! One table for the whole module, under one lock: it knows every UUID that is staged, being
//! created or a device, and what each of them takes of its parent. What is left of a parent is
//! computed from it, so that nothing can get lost. The lock is never held across a wait for
//! anything else.
#![forbid(unsafe_code)]

mod table;
mod tests;

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use vmig_model::{
    capacity::Capacity,
    stage::Entry,
    types::DeviceType,
    uuid::Uuid,
    values::Values, //
};

pub(crate) use table::ParentId;
use table::{
    Offer,
    Table,
    Ticket, //
};

/// The table of the module.
#[pin_data]
pub(crate) struct Staging {
    #[pin]
    table: Mutex<Table>,
}

impl Staging {
    /// An empty table.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            table <- new_mutex!(Table::new(), "vmig::Staging"),
        })
    }

    /// A parent that has all its capacity.
    pub(crate) fn add_parent(self: &Arc<Self>) -> Result<Share> {
        let id = self.table.lock().add_parent()?;
        Ok(Share {
            staging: self.clone(),
            id,
        })
    }
}

/// A parent's part of the table.
pub(crate) struct Share {
    staging: Arc<Staging>,
    id: ParentId,
}

impl Share {
    fn offer(&self, ty: &'static DeviceType) -> Offer {
        Offer {
            parent: self.id,
            ty,
        }
    }

    /// Keeps `entry` for the creation of its UUID as `ty`; the same entry again changes nothing.
    ///
    /// # Errors
    ///
    /// `EBUSY` while the UUID is being created; `EEXIST` if it is a device or staged otherwise;
    /// `ENOSPC` if the type has as many entries as it may; `EUSERS` if the parent's capacity does
    /// not suffice; `ENOMEM`.
    pub(crate) fn stage(&self, ty: &'static DeviceType, entry: Entry) -> Result {
        self.staging.table.lock().stage(self.offer(ty), entry)
    }

    /// Drops the entry of `uuid`.
    ///
    /// # Errors
    ///
    /// `ENOENT` if it is not staged at this type; `EBUSY` while it is being created.
    pub(crate) fn unstage(&self, ty: &'static DeviceType, uuid: Uuid) -> Result {
        self.staging.table.lock().unstage(self.offer(ty), uuid)
    }

    /// Shows the entries of a type to `f`, in the order of staging.
    pub(crate) fn for_each<E>(
        &self,
        ty: &'static DeviceType,
        f: impl FnMut(&Entry) -> core::result::Result<(), E>,
    ) -> core::result::Result<(), E> {
        self.staging.table.lock().for_each(self.offer(ty), f)
    }

    /// How many devices of the smallest kind could be created as `ty`.
    pub(crate) fn available(&self, ty: &'static DeviceType) -> u32 {
        self.staging.table.lock().available(self.offer(ty))
    }

    /// Begins the creation of `uuid` as `ty`, with its staged values or the initial ones.
    ///
    /// # Errors
    ///
    /// `EEXIST` if it is staged at another type or exists; `EUSERS` if the parent's capacity does
    /// not suffice; `ENOMEM`.
    pub(crate) fn claim(&self, ty: &'static DeviceType, uuid: Uuid) -> Result<Claim> {
        let (ticket, values) = self.staging.table.lock().begin(self.offer(ty), uuid)?;
        Ok(Claim {
            staging: self.staging.clone(),
            ticket,
            values,
        })
    }

    /// Drops all that the parent has. Nothing is staged or created there any more.
    pub(crate) fn clear(&self) {
        self.staging.table.lock().remove_parent(self.id);
    }
}

/// A device in the table, from the beginning of its creation to its removal. Dropped before
/// [`Claim::commit`], an entry that it was made from stays.
pub(crate) struct Claim {
    staging: Arc<Staging>,
    ticket: Ticket,
    values: Values,
}

impl Claim {
    /// The values to create the device with.
    pub(crate) fn values(&self) -> Values {
        self.values
    }

    /// The device exists now; its entry is consumed.
    pub(crate) fn commit(&self) {
        self.staging.table.lock().commit(self.ticket);
    }

    /// The device takes `need` from now on.
    ///
    /// # Errors
    ///
    /// `EUSERS` if the parent's capacity does not suffice; then nothing changes.
    pub(crate) fn resize(&self, need: Capacity) -> Result {
        self.staging.table.lock().resize(self.ticket, need)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.staging.table.lock().end(self.ticket);
    }
}
