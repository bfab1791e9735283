// SPDX-License-Identifier: GPL-2.0-only

//! The table itself: no lock, no device, nothing that waits.
#![forbid(unsafe_code)]

use kernel::prelude::*;
use vmig_model::{
    capacity::{
        Capacity,
        PARENT, //
    },
    stage::Entry,
    types::DeviceType,
    uuid::Uuid,
    values::Values, //
};

/// Most entries of one type.
pub(super) const MAX_ENTRIES: usize = 16;

/// A parent, as the table knows it. No number is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParentId(u64);

/// A device in the table, from the beginning of its creation on. No number is used twice, so a late
/// holder cannot touch another device of the same UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// A type of a parent.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    pub(super) parent: ParentId,
    pub(super) ty: &'static DeviceType,
}

impl Offer {
    fn is(&self, other: &Offer) -> bool {
        self.parent == other.parent && self.ty.name == other.ty.name
    }
}

/// What is known of a UUID.
enum State {
    /// Waits for its creation with these values.
    Staged(Values),
    /// A create runs. It leaves the entry in place if it fails; without an entry, nothing.
    Creating(Ticket, Option<Values>),
    /// There is such a device.
    Device(Ticket),
}

/// A UUID that is in use.
struct Slot {
    uuid: Uuid,
    at: Offer,
    /// What it takes of the parent.
    need: Capacity,
    state: State,
}

impl Slot {
    /// The staged values, also while a create runs that may give them back.
    fn entry(&self) -> Option<&Values> {
        match &self.state {
            State::Staged(values) | State::Creating(_, Some(values)) => Some(values),
            State::Creating(_, None) | State::Device(_) => None,
        }
    }

    fn ticket(&self) -> Option<Ticket> {
        match self.state {
            State::Creating(ticket, _) | State::Device(ticket) => Some(ticket),
            State::Staged(_) => None,
        }
    }
}

/// All UUIDs in use, those of a parent in the order in which they came.
pub(super) struct Table {
    slots: KVec<Slot>,
    next: u64,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self {
            slots: KVec::new(),
            next: 0,
        }
    }

    fn number(&mut self) -> Result<u64> {
        let number = self.next;
        self.next = number.checked_add(1).ok_or(EOVERFLOW)?;
        Ok(number)
    }

    pub(super) fn add_parent(&mut self) -> Result<ParentId> {
        Ok(ParentId(self.number()?))
    }

    /// Forgets all that the parent has.
    pub(super) fn remove_parent(&mut self, id: ParentId) {
        self.slots.retain(|slot| slot.at.parent != id);
    }

    fn device(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        self.slots
            .iter_mut()
            .find(|slot| slot.ticket() == Some(ticket))
    }

    fn slot(&mut self, uuid: Uuid) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.uuid == uuid)
    }

    /// What is left of a parent, `except` a UUID.
    fn left(&self, id: ParentId, except: Option<Uuid>) -> Capacity {
        let taken = self
            .slots
            .iter()
            .filter(|slot| slot.at.parent == id && Some(slot.uuid) != except)
            .try_fold(Capacity::NONE, |sum, slot| sum.checked_add(slot.need));
        // Nothing is ever taken beyond what is left, so neither of these fails.
        taken
            .and_then(|taken| PARENT.checked_sub(taken))
            .unwrap_or(Capacity::NONE)
    }

    fn push(&mut self, uuid: Uuid, at: Offer, values: &Values, state: State) -> Result {
        let need = at.ty.need(values);
        self.left(at.parent, None).checked_sub(need).ok_or(EUSERS)?;
        let slot = Slot {
            uuid,
            at,
            need,
            state,
        };
        Ok(self.slots.push(slot, GFP_KERNEL)?)
    }

    fn remove(&mut self, uuid: Uuid) {
        if let Some(i) = self.slots.iter().position(|slot| slot.uuid == uuid) {
            // The index was found just now, so there is something to remove.
            drop(self.slots.remove(i));
        }
    }

    pub(super) fn stage(&mut self, at: Offer, entry: Entry) -> Result {
        let Entry { uuid, values } = entry;
        if let Some(slot) = self.slot(uuid) {
            return match &slot.state {
                State::Creating(..) => Err(EBUSY),
                State::Staged(own) if *own == values && slot.at.is(&at) => Ok(()),
                State::Staged(_) | State::Device(_) => Err(EEXIST),
            };
        }
        let mut entries = 0;
        self.for_each(at, |_| {
            entries += 1;
            if entries < MAX_ENTRIES {
                Ok(())
            } else {
                Err(ENOSPC)
            }
        })?;
        self.push(uuid, at, &values, State::Staged(values))
    }

    pub(super) fn unstage(&mut self, at: Offer, uuid: Uuid) -> Result {
        match self.slot(uuid) {
            Some(slot) if slot.at.is(&at) => match slot.state {
                State::Creating(..) => return Err(EBUSY),
                State::Device(_) => return Err(ENOENT),
                State::Staged(_) => self.remove(uuid),
            },
            Some(_) | None => return Err(ENOENT),
        }
        Ok(())
    }

    pub(super) fn for_each<E>(
        &self,
        at: Offer,
        mut f: impl FnMut(&Entry) -> core::result::Result<(), E>,
    ) -> core::result::Result<(), E> {
        let of_type = self.slots.iter().filter(|slot| slot.at.is(&at));
        for (slot, values) in of_type.filter_map(|slot| Some((slot, slot.entry()?))) {
            f(&Entry {
                uuid: slot.uuid,
                values: *values,
            })?;
        }
        Ok(())
    }

    pub(super) fn available(&self, at: Offer) -> u32 {
        self.left(at.parent, None).count(at.ty.smallest_need())
    }

    pub(super) fn begin(&mut self, at: Offer, uuid: Uuid) -> Result<(Ticket, Values)> {
        let ticket = Ticket(self.number()?);
        let Some(slot) = self.slot(uuid) else {
            let values = Values::init(at.ty);
            self.push(uuid, at, &values, State::Creating(ticket, None))?;
            return Ok((ticket, values));
        };
        match slot.state {
            State::Staged(values) if slot.at.is(&at) => {
                slot.state = State::Creating(ticket, Some(values));
                Ok((ticket, values))
            }
            State::Staged(_) | State::Creating(..) | State::Device(_) => Err(EEXIST),
        }
    }

    pub(super) fn commit(&mut self, ticket: Ticket) {
        if let Some(slot) = self.device(ticket) {
            slot.state = State::Device(ticket);
        }
    }

    pub(super) fn resize(&mut self, ticket: Ticket, need: Capacity) -> Result {
        let Slot { uuid, at, .. } = self.device(ticket).ok_or(ENODEV)?;
        let (uuid, parent) = (*uuid, at.parent);
        self.left(parent, Some(uuid))
            .checked_sub(need)
            .ok_or(EUSERS)?;
        self.device(ticket).ok_or(ENODEV)?.need = need;
        Ok(())
    }

    /// The device is gone, or its creation failed.
    pub(super) fn end(&mut self, ticket: Ticket) {
        let Some(slot) = self.device(ticket) else {
            return;
        };
        match slot.state {
            State::Creating(_, Some(values)) => {
                slot.need = slot.at.ty.need(&values);
                slot.state = State::Staged(values);
            }
            State::Staged(_) | State::Creating(_, None) | State::Device(_) => {
                let uuid = slot.uuid;
                self.remove(uuid);
            }
        }
    }
}
