// SPDX-License-Identifier: GPL-2.0-only

//! Items and their attributes.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    error::{
        from_result,
        to_result, //
    },
    page::PAGE_SIZE,
    prelude::*,
    str::Formatter,
    types::Opaque, //
};

use crate::{
    bindings,
    sysfs::Mode, //
};

/// Most bytes that configfs takes from an attribute (`SIMPLE_ATTR_SIZE`).
const ATTRIBUTE_MAX: usize = 4096;
const _: () = assert!(ATTRIBUTE_MAX <= PAGE_SIZE);

/// Data of items.
pub trait ItemOperations: Sized + Send + Sync + 'static {
    /// The attributes of each.
    const ATTRIBUTES: &'static [Attribute<Self>];
}

/// What an attribute does.
pub trait AttributeOperations {
    /// The data of the items that have it.
    type Data: ItemOperations;

    /// Writes the content of the attribute to `out`.
    fn show(item: &Item<Self::Data>, out: &mut Formatter<'_>) -> Result;

    /// Takes what was written to the attribute, less than a page.
    fn store(item: &Item<Self::Data>, data: &[u8]) -> Result;
}

/// An attribute of items whose data is `T`.
#[repr(transparent)]
pub struct Attribute<T>(bindings::configfs_attribute, PhantomData<fn(&T)>);

impl<T: ItemOperations> Attribute<T> {
    /// The attribute `name`, which does what `A` says.
    pub const fn new<A: AttributeOperations<Data = T>>(name: &'static CStr, mode: Mode) -> Self {
        let attribute = bindings::configfs_attribute {
            ca_name: kernel::str::as_char_ptr_in_const_context(name),
            ca_owner: core::ptr::null_mut(),
            ca_mode: mode.bits(),
            show: Some(Self::show_callback::<A>),
            store: Some(Self::store_callback::<A>),
        };
        Self(attribute, PhantomData)
    }

    /// The null-terminated list that the C side wants.
    pub(super) fn table(list: &'static [Self]) -> Result<KVec<*mut bindings::configfs_attribute>> {
        let mut table = KVec::new();
        for attribute in list {
            // The C side does not write to attributes.
            table.push((&raw const attribute.0).cast_mut(), GFP_KERNEL)?;
        }
        table.push(core::ptr::null_mut(), GFP_KERNEL)?;
        Ok(table)
    }

    /// # Safety
    ///
    /// Only called by configfs, with the `item` of an [`Item<T>`] and a page.
    unsafe extern "C" fn show_callback<A: AttributeOperations<Data = T>>(
        item: *mut bindings::config_item,
        page: *mut c_char,
    ) -> isize {
        // CAST: `item` is the first member of a `repr(C)` struct.
        //
        // SAFETY: By the function's requirement; configfs keeps the item during the call.
        let item = unsafe { &*item.cast::<Item<T>>() };
        // SAFETY: By the function's requirement; nobody else has the page, which was cleared.
        let page = unsafe { core::slice::from_raw_parts_mut(page.cast::<u8>(), ATTRIBUTE_MAX) };
        from_result(|| {
            let mut out = Formatter::new(page);
            A::show(item, &mut out)?;
            Ok(isize::try_from(out.bytes_written().min(ATTRIBUTE_MAX))?)
        })
    }

    /// # Safety
    ///
    /// Only called by configfs, with the `item` of an [`Item<T>`] and `count` bytes at `page`.
    unsafe extern "C" fn store_callback<A: AttributeOperations<Data = T>>(
        item: *mut bindings::config_item,
        page: *const c_char,
        count: usize,
    ) -> isize {
        // CAST: `item` is the first member of a `repr(C)` struct.
        //
        // SAFETY: By the function's requirement; configfs keeps the item during the call.
        let item = unsafe { &*item.cast::<Item<T>>() };
        // SAFETY: By the function's requirement; it is configfs' own copy.
        let data = unsafe { core::slice::from_raw_parts(page.cast::<u8>(), count) };
        from_result(|| {
            A::store(item, data)?;
            Ok(isize::try_from(count)?)
        })
    }
}

/// An item: a directory that user space made, and its data.
///
/// # Invariants
///
/// `item` is initialised, and frees the whole allocation, which `KBox` made, when it is released.
#[pin_data]
#[repr(C)]
pub struct Item<T> {
    #[pin]
    item: Opaque<bindings::config_item>,
    #[pin]
    data: T,
}

impl<T: ItemOperations> Item<T> {
    const OPERATIONS: bindings::configfs_item_operations = bindings::configfs_item_operations {
        release: Some(Self::release_callback),
        allow_link: None,
        drop_link: None,
    };

    /// The operations of items of this kind.
    pub(super) fn operations() -> *const bindings::configfs_item_operations {
        &Self::OPERATIONS
    }

    /// Makes an item, whose only reference is the caller's.
    pub(super) fn make(
        name: &CStr,
        item_type: &bindings::config_item_type,
        data: impl PinInit<T, Error>,
    ) -> Result<*mut bindings::config_item> {
        let this = KBox::try_pin_init(
            try_pin_init!(Self {
                item <- Opaque::ffi_init(|item: *mut bindings::config_item| {
                    // SAFETY: All zeroes is what the item's initialisation expects.
                    unsafe { item.write_bytes(0, 1) };
                }),
                data <- data,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The box is not moved out of; it stays where it is until the release callback.
        let this = KBox::into_raw(unsafe { Pin::into_inner_unchecked(this) });
        // SAFETY: `this` is valid.
        let item = unsafe { (*this).item.get() };
        // INVARIANT: From here on the item is freed by its release callback only.
        //
        // SAFETY: The item is zeroed and nobody else has it yet; the type is part of the subsystem,
        // which outlives its items.
        unsafe { bindings::config_item_init_type_name(item, name.as_char_ptr(), item_type) };
        Ok(item)
    }

    /// # Safety
    ///
    /// Only called by configfs, with the `item` of an [`Item<T>`] that has no reference left.
    unsafe extern "C" fn release_callback(item: *mut bindings::config_item) {
        // CAST: `item` is the first member of a `repr(C)` struct.
        //
        // SAFETY: By the function's requirement. It was taken out of a pinned box in `Self::make`.
        drop(unsafe { Pin::new_unchecked(KBox::from_raw(item.cast::<Self>())) });
    }
}

impl<T> Item<T> {
    /// The data.
    pub fn data(&self) -> Pin<&T> {
        // SAFETY: `data` is structurally pinned, and an item is never moved.
        unsafe { Pin::new_unchecked(&self.data) }
    }

    /// Keeps the item's directory from being removed: `rmdir(2)` returns `EBUSY` as long as the
    /// result lives. To be called from an attribute of the subsystem.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the directory is just being made or removed.
    pub fn pin(&self) -> Result<Pinned> {
        let item = NonNull::new(self.item.get()).ok_or(ENOENT)?;
        // SAFETY: By the type invariant the item is initialised. Its group is set before its
        // attributes can be used, and does not change until it is removed.
        let group = unsafe { (*item.as_ptr()).ci_group };
        if group.is_null() {
            return Err(ENOENT);
        }
        // SAFETY: The item is in the directory of the subsystem, whose callback we are in.
        to_result(unsafe {
            bindings::configfs_depend_item_unlocked((*group).cg_subsys, item.as_ptr())
        })?;
        // INVARIANT: Pinned just now.
        Ok(Pinned(item))
    }
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
