// SPDX-License-Identifier: GPL-2.0-only

//! Pinning configfs directories, which [`kernel::configfs`] lacks.
//!
//! A group whose data contains an [`Anchor`] can keep its directory from being removed: `rmdir(2)`
//! returns `EBUSY` as long as a [`Pinned`] lives. Such a group is made by [`group`] instead of
//! `kernel::configfs::Group::new`.
//!
//! C header: [`include/linux/configfs.h`](srctree/include/linux/configfs.h)

use core::{
    cell::Cell,
    marker::PhantomPinned,
    ptr::{
        null,
        NonNull, //
    },
};

use kernel::{
    configfs::{
        Group,
        HasGroup,
        ItemType, //
    },
    error::to_result,
    prelude::*,
    str::CString,
    sync::SetOnce, //
};

use crate::bindings;

/// The address of a C group.
#[derive(Clone, Copy)]
struct Address(NonNull<bindings::config_group>);

// SAFETY: An address; what is done with it has its own reasons.
unsafe impl Send for Address {}

// SAFETY: As above.
unsafe impl Sync for Address {}

/// Where data knows the group that it belongs to.
///
/// # Invariants
///
/// - An anchor is pinned from the beginning: it is made in place only.
/// - If `group` is set, the anchor is part of the data of that group, which lives until the anchor
///   is dropped.
#[pin_data]
pub struct Anchor {
    group: SetOnce<Address>,
    #[pin]
    _pin: PhantomPinned,
}

impl Anchor {
    /// An anchor for the data of a group that [`group`] makes.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            group: SetOnce::new(),
            _pin: PhantomPinned,
        })
    }

    /// Keeps the group's directory from being removed. To be called from an attribute of the group
    /// or of another group of the same subsystem.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the directory is just being made or removed.
    pub fn pin(&self) -> Result<Pinned> {
        let group = self.group.copy().ok_or(ENOENT)?.0;
        // SAFETY: By the type invariant the group lives.
        let subsys = unsafe { (*group.as_ptr()).cg_subsys };
        if subsys.is_null() {
            return Err(ENOENT);
        }
        // SAFETY: As above.
        let item = unsafe { NonNull::new_unchecked(&raw mut (*group.as_ptr()).cg_item) };
        // SAFETY: The group belongs to the subsystem, whose callback we are in; it is part of the
        // hierarchy since `cg_subsys` is set.
        to_result(unsafe { bindings::configfs_depend_item_unlocked(subsys, item.as_ptr()) })?;
        // INVARIANT: Pinned just now.
        Ok(Pinned(item))
    }
}

/// Data of a group that has an anchor.
pub trait Anchored {
    /// The anchor, which must be part of `self`.
    fn anchor(&self) -> &Anchor;
}

/// A directory that cannot be removed as long as this lives.
///
/// # Invariants
///
/// The item has a dependency that this owns, hence stays in the hierarchy.
pub struct Pinned(NonNull<bindings::config_item>);

// SAFETY: The dependency may be given up on any thread.
unsafe impl Send for Pinned {}

// SAFETY: There is no method on a shared one.
unsafe impl Sync for Pinned {}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::configfs_undepend_item(self.0.as_ptr()) };
    }
}

/// Initialises a group as `kernel::configfs::Group::new` does, and its anchor.
///
/// # Errors
///
/// Those of `data`; `EINVAL` if the anchor is not part of the data.
pub fn group<D: Anchored + 'static>(
    name: CString,
    item_type: &'static ItemType<Group<D>, D>,
    data: impl PinInit<D, Error>,
) -> impl PinInit<Group<D>, Error> {
    pin_init::pin_init_scope(move || {
        // `Group` does not give its data away, so its address is taken when it is made.
        let place = kernel::sync::Arc::new(Place(Cell::new(null())), GFP_KERNEL)?;
        let seen = place.clone();
        let data = data.pin_chain(move |data: Pin<&mut D>| {
            seen.0.set(&raw const *data);
            Ok(())
        });
        let group = Group::new(name, item_type, data);
        Ok(group.pin_chain(move |group: Pin<&mut Group<D>>| {
            // SAFETY: The group is not moved out of.
            let this: *mut Group<D> = unsafe { group.get_unchecked_mut() };
            // SAFETY: `this` is a valid allocation.
            let raw = unsafe { Group::<D>::group(this) }.cast_mut();
            let offset = place.0.get().addr().wrapping_sub(this.addr());
            // SAFETY: The data was initialised at this offset in the group before this.
            let data = unsafe { &*this.byte_add(offset).cast::<D>() };
            let anchor = data.anchor();
            let start = core::ptr::from_ref(data).addr();
            let inside = core::ptr::from_ref(anchor).addr().wrapping_sub(start) < size_of::<D>();
            if !inside {
                return Err(EINVAL);
            }
            // INVARIANT: The anchor is part of the data of this very group, and pinned in it. So it
            // is dropped with the group at the latest.
            anchor
                .group
                .populate(Address(NonNull::new(raw).ok_or(EINVAL)?));
            Ok(())
        }))
    })
}

/// Address of the data of a group under construction.
struct Place<D>(Cell<*const D>);
