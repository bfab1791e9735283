// SPDX-License-Identifier: GPL-2.0-only

//! Items in configfs.
//!
//! What [`kernel::configfs`] lacks: items that are no groups, attributes with a mode, and pinning a
//! directory. Nor can its subsystems be used until their failed registration is not undone by an
//! unregistration: that dereferences a null pointer, and all it takes is one allocation that fails
//! while the module is loaded.
//!
//! A [`Subsystem`] is a directory in which `mkdir(2)` makes items of one kind, each with the
//! attributes of that kind. An item keeps the module loaded.
//!
//! This module does not support: groups in a subsystem, attributes of the subsystem, binary
//! attributes, symbolic links.
//!
//! C header: [`include/linux/configfs.h`](srctree/include/linux/configfs.h)

mod item;

pub use item::{
    Attribute,
    AttributeOperations,
    Item,
    ItemOperations,
    Pinned, //
};

use kernel::{
    error::to_result,
    prelude::*,
    static_lock_class,
    types::Opaque, //
};

use crate::{
    bindings,
    compat::lock_name, //
};

/// What a subsystem's directory does.
pub trait Directory: Send + Sync + 'static {
    /// The data of its items.
    type Item: ItemOperations;

    /// Called by `mkdir(2)`: the data of the new item `name`, or the errno.
    fn make_item(&self, name: &CStr) -> Result<impl PinInit<Self::Item, Error>>;
}

/// What the C side refers to.
#[pin_data]
#[repr(C)]
struct Inner<T: Directory> {
    #[pin]
    subsys: Opaque<bindings::configfs_subsystem>,
    own_type: bindings::config_item_type,
    item_type: bindings::config_item_type,
    // Null-terminated.
    attributes: KVec<*mut bindings::configfs_attribute>,
    data: T,
}

/// A directory in the root of configfs. Dropping this removes it; it must be empty by then, which it
/// is when the module is unloaded, because an item keeps the module.
///
/// # Invariants
///
/// The subsystem is registered. The tables in it do not change.
pub struct Subsystem<T: Directory>(Pin<KBox<Inner<T>>>);

// SAFETY: The tables are read by the C side only, and the data is `Send` by its bound.
unsafe impl<T: Directory> Send for Subsystem<T> {}

// SAFETY: There is no method on a shared subsystem.
unsafe impl<T: Directory> Sync for Subsystem<T> {}

impl<T: Directory> Subsystem<T> {
    const GROUP_OPS: bindings::configfs_group_operations = bindings::configfs_group_operations {
        make_item: Some(Self::make_item_callback),
        make_group: None,
        disconnect_notify: None,
        drop_item: None,
        is_visible: None,
        is_bin_visible: None,
    };

    /// Makes the directory `name`.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is such a subsystem; `ENOMEM`.
    pub fn new(name: &'static CStr, module: &'static ThisModule, data: T) -> Result<Self> {
        let attributes = Attribute::table(T::Item::ATTRIBUTES)?;
        let own_type = bindings::config_item_type {
            ct_owner: module.as_ptr(),
            ct_group_ops: &Self::GROUP_OPS,
            ..Default::default()
        };
        let item_type = bindings::config_item_type {
            ct_owner: module.as_ptr(),
            ct_item_ops: Item::<T::Item>::operations(),
            ct_attrs: attributes.as_ptr().cast_mut(),
            ..Default::default()
        };
        let inner = KBox::pin_init(
            pin_init!(Inner {
                subsys <- Opaque::ffi_init(|subsys: *mut bindings::configfs_subsystem| {
                    // SAFETY: All zeroes is what the group's initialisation expects.
                    unsafe { subsys.write_bytes(0, 1) };
                }),
                own_type,
                item_type,
                attributes,
                data,
            }),
            GFP_KERNEL,
        )?;
        let subsys = inner.subsys.get();
        // SAFETY: The subsystem is zeroed, and nobody else has it yet. It and its type are pinned
        // until the destructor has unregistered it; the name is copied.
        unsafe {
            bindings::config_group_init_type_name(
                &raw mut (*subsys).su_group,
                name.as_char_ptr(),
                &raw const inner.own_type,
            );
            bindings::__mutex_init(
                &raw mut (*subsys).su_mutex,
                lock_name!("configfs::Subsystem::su_mutex").as_char_ptr(),
                static_lock_class!().as_ptr(),
            );
        }
        // SAFETY: Initialised just now. If this fails, nothing refers to the subsystem.
        to_result(unsafe { bindings::configfs_register_subsystem(subsys) })?;
        // INVARIANT: Registered just now.
        Ok(Self(inner))
    }

    /// # Safety
    ///
    /// Only called by configfs, for the group of a registered subsystem of this type. `name` must be
    /// a C string.
    unsafe extern "C" fn make_item_callback(
        group: *mut bindings::config_group,
        name: *const c_char,
    ) -> *mut bindings::config_item {
        // CAST: The group is the first member of the subsystem, and that of `Inner`, both `repr(C)`.
        //
        // SAFETY: By the function's requirement; configfs keeps the subsystem during the call.
        let inner = unsafe { &*group.cast::<Inner<T>>() };
        // SAFETY: By the function's requirement.
        let name = unsafe { CStr::from_char_ptr(name) };
        let item = inner
            .data
            .make_item(name)
            .and_then(|data| Item::make(name, &inner.item_type, data));
        match item {
            Ok(item) => item,
            Err(e) => e.to_ptr(),
        }
    }
}

impl<T: Directory> Drop for Subsystem<T> {
    fn drop(&mut self) {
        let subsys = self.0.subsys.get();
        // SAFETY: By the type invariant the subsystem is registered; its mutex was initialised.
        unsafe {
            bindings::configfs_unregister_subsystem(subsys);
            bindings::mutex_destroy(&raw mut (*subsys).su_mutex);
        }
    }
}
