// SPDX-License-Identifier: GPL-2.0-only

//! Parents and the types that they offer.

use core::marker::PhantomPinned;

use kernel::{
    error::to_result,
    prelude::*,
    str::CString,
    sync::Arc,
    types::Opaque, //
};

use super::{
    Driver,
    Registration, //
};
use crate::{
    bindings,
    class,
    compat,
    sysfs::Kobject, //
};

/// A type of mediated device that a parent offers.
///
/// # Invariants
///
/// `raw` refers to the names, and to the parent once that is registered.
#[pin_data]
#[repr(C)]
pub struct Type<T: Driver> {
    #[pin]
    raw: Opaque<bindings::mdev_type>,
    name: CString,
    pretty: CString,
    data: T::TypeData,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The mdev core synchronises its access to the C part; the data is `Send`.
unsafe impl<T: Driver> Send for Type<T> {}

// SAFETY: As above; the data is `Sync`.
unsafe impl<T: Driver> Sync for Type<T> {}

impl<T: Driver> Type<T> {
    /// A type that has the directory `<driver or class>-<name>` in sysfs and is called `pretty` in
    /// its attribute `name`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is a NUL in a name; `ENOMEM`.
    pub fn new(name: &str, pretty: &str, data: T::TypeData) -> Result<Pin<KBox<Self>>> {
        let this = KBox::try_pin_init(
            try_pin_init!(Self {
                raw <- Opaque::ffi_init(|raw: *mut bindings::mdev_type| {
                    // SAFETY: All zeroes is what the mdev core expects of a new type.
                    unsafe { raw.write_bytes(0, 1) };
                }),
                name: CString::try_from_fmt(fmt!("{name}"))?,
                pretty: CString::try_from_fmt(fmt!("{pretty}"))?,
                data,
                _pin: PhantomPinned,
            }),
            GFP_KERNEL,
        )?;
        // INVARIANT: The names are on the heap and stay as they are.
        //
        // SAFETY: The C part was initialised just now, and nobody else has it yet.
        unsafe {
            (*this.raw.get()).sysfs_name = this.name.as_char_ptr();
            (*this.raw.get()).pretty_name = this.pretty.as_char_ptr();
        }
        Ok(this)
    }

    /// # Safety
    ///
    /// `raw` must point to the C part of a [`Type<T>`] that lives during `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::mdev_type) -> &'a Self {
        // CAST: `raw` is the first member of a `repr(C)` struct.
        //
        // SAFETY: By the function's requirement.
        unsafe { &*raw.cast::<Self>() }
    }

    /// What the driver keeps with the type.
    pub fn data(&self) -> &T::TypeData {
        &self.data
    }

    /// The kobject of a registered type.
    ///
    /// # Safety
    ///
    /// The parent must be registered, or have been.
    pub(super) unsafe fn kobject(&self) -> &Kobject {
        // SAFETY: By the function's requirement the kobject was initialised. It is part of the
        // type.
        unsafe { Kobject::from_raw(&raw mut (*self.raw.get()).kobj) }
    }
}

/// Data of the class device that is a parent.
///
/// # Invariants
///
/// `pointers` are those of `types`. Neither changes.
#[pin_data]
pub struct Parent<T: Driver> {
    #[pin]
    raw: Opaque<bindings::mdev_parent>,
    types: KVec<Pin<KBox<Type<T>>>>,
    pointers: KVec<*mut bindings::mdev_type>,
    // The mdev core looks at the driver's struct as long as there are devices and types.
    driver: Arc<Registration<T>>,
}

// SAFETY: The mdev core synchronises its access to the C part; all else is `Send` and `Sync`.
unsafe impl<T: Driver> Send for Parent<T> {}

// SAFETY: As above.
unsafe impl<T: Driver> Sync for Parent<T> {}

/// A registered parent of mediated devices: a class device in sysfs. Dropping this removes all its
/// devices and waits until nobody uses them.
///
/// # Invariants
///
/// The parent in the device's data is registered.
pub struct ParentRegistration<T: Driver>(class::Registration<Parent<T>>);

impl<T: Driver> ParentRegistration<T> {
    /// Makes the device `name` of `class` and registers it as a parent that offers `types`. User
    /// space may create devices before this returns.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` as of [`class::Registration::new`].
    pub fn new(
        class: &class::Class,
        name: &CStr,
        driver: &Arc<Registration<T>>,
        types: KVec<Pin<KBox<Type<T>>>>,
    ) -> Result<Self> {
        let mut pointers = KVec::with_capacity(types.len(), GFP_KERNEL)?;
        for ty in &types {
            pointers.push(ty.raw.get(), GFP_KERNEL)?;
        }
        let count = c_uint::try_from(pointers.len())?;
        let driver = driver.clone();
        let dev = class::Registration::new(
            class,
            name,
            try_pin_init!(Parent {
                raw: Opaque::uninit(),
                types,
                pointers,
                driver,
            }),
        )?;
        let parent = dev.data().get_ref();
        // SAFETY:
        // - The parent's struct is uninitialised memory that this call initialises; it is pinned,
        //   as the types and their list are.
        // - The device is kept by `dev` until the parent is unregistered, and parent, types and
        //   driver by the device.
        // - The driver is registered, by its type invariant.
        to_result(unsafe {
            bindings::mdev_register_parent(
                parent.raw.get(),
                compat::device_as_raw(dev.as_ref()),
                parent.driver.as_raw(),
                parent.pointers.as_ptr().cast_mut(),
                count,
            )
        })?;
        // INVARIANT: Registered just now.
        Ok(Self(dev))
    }

    /// The types, in the order in which they were given.
    pub fn types(&self) -> impl Iterator<Item = &Type<T>> {
        self.0.data().get_ref().types.iter().map(|ty| &**ty)
    }
}

impl<T: Driver> Drop for ParentRegistration<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the parent is registered, and nobody else unregisters it.
        unsafe { bindings::mdev_unregister_parent(self.0.data().get_ref().raw.get()) };
    }
}
