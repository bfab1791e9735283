// SPDX-License-Identifier: GPL-2.0-only

//! Parents and the types that they offer.

use core::{
    cell::Cell,
    marker::{
        PhantomData,
        PhantomPinned, //
    },
};

use kernel::{
    device::{
        self,
        Bound, //
    },
    error::to_result,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        Arc, //
    },
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
    /// Has a reference of ours. Only for whoever takes the parent down.
    held: Cell<bool>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The mdev core synchronises its access to the C part; the data is `Send`.
unsafe impl<T: Driver> Send for Type<T> {}

// SAFETY: As above; the data is `Sync`, and `held` is used by one task.
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
                held: Cell::new(false),
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

/// What the mdev core uses of a parent as long as anybody refers to one of its types: the data of a
/// `struct device`, so that it is freed by the last reference to that.
///
/// # Invariants
///
/// `pointers` are those of `types`. Neither changes.
#[pin_data]
struct Parent<T: Driver> {
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

impl<T: Driver> Parent<T> {
    fn new(
        driver: &Arc<Registration<T>>,
        types: KVec<Pin<KBox<Type<T>>>>,
    ) -> Result<impl PinInit<Self, Error>> {
        let mut pointers = KVec::with_capacity(types.len(), GFP_KERNEL)?;
        for ty in &types {
            pointers.push(ty.raw.get(), GFP_KERNEL)?;
        }
        let driver = driver.clone();
        Ok(try_pin_init!(Self {
            raw: Opaque::zeroed(),
            types,
            pointers,
            driver,
        }))
    }

    /// Registers `dev` as a parent that offers the types.
    ///
    /// # Safety
    ///
    /// - To be called once. After a success the parent must be unregistered before it is freed.
    /// - `dev` must be valid, and referred to until then.
    /// - The parent must be kept as long as anybody refers to one of its types.
    unsafe fn register(self: Pin<&Self>, dev: *mut bindings::device) -> Result {
        let count = c_uint::try_from(self.pointers.len())?;
        // SAFETY:
        // - The parent's struct is initialised by this call; it is pinned, as the types and their
        //   list are.
        // - By the function's requirements device, parent, types and with them the driver are kept.
        // - The driver is registered, by its type invariant.
        to_result(unsafe {
            bindings::mdev_register_parent(
                self.raw.get(),
                dev,
                self.driver.as_raw(),
                self.pointers.as_ptr().cast_mut(),
                count,
            )
        })
    }
}

/// Memory of a parent that is a device of somebody else.
///
/// Each type has a reference to the parent's device, which the mdev core gives up as the last thing
/// it does with the type. Of a class device of ours the last of them frees the types. A foreign
/// device may live much longer, or be a parent again, and nobody tells when its types are gone.
/// Therefore the memory is that of a second device, `home`, which is never in sysfs; when the parent
/// has been unregistered, types that somebody still refers to are made to refer to `home` instead.
struct Foreign<T: Driver> {
    home: ARef<class::Device<Parent<T>>>,
    dev: ARef<device::Device>,
}

impl<T: Driver> Foreign<T> {
    fn parent(&self) -> Pin<&Parent<T>> {
        self.home.data()
    }

    /// Takes a reference to each type that has one.
    fn hold_types(&self) {
        for ty in &self.parent().get_ref().types {
            // SAFETY: The kobject is initialised, or all zeroes and then counts as released.
            let kobj = unsafe { bindings::kobject_get_unless_zero(&raw mut (*ty.raw.get()).kobj) };
            ty.held.set(!kobj.is_null());
        }
    }

    /// Lets the held types refer to `home`, and gives up what [`Self::hold_types`] took.
    ///
    /// # Safety
    ///
    /// The parent must have been unregistered, or its registration have failed, and
    /// [`Self::hold_types`] have been called: before in the first case, after in the second.
    unsafe fn move_types(&self) {
        let (home, dev) = (
            compat::device_as_raw((*self.home).as_ref()),
            compat::device_as_raw(&*self.dev),
        );
        let parent = self.parent().get_ref();
        // SAFETY: By the function's requirement the mdev core has no use for this any more but to
        // give up the references of types. It does not do that now: those that are left are held.
        unsafe { (*parent.raw.get()).dev = home };
        for ty in parent.types.iter().filter(|ty| ty.held.take()) {
            // SAFETY: Both devices are valid. What the type has of `dev` it has of `home` now; that is
            // not the last reference of `dev`, which `self` has one of.
            unsafe {
                bindings::get_device(home);
                bindings::put_device(dev);
            }
            // SAFETY: The reference is ours. If it was the last one, the type gives up its reference
            // of `home`, which is not the last, for `self` has one.
            unsafe { bindings::kobject_put(&raw mut (*ty.raw.get()).kobj) };
        }
    }
}

/// What a parent is.
enum Place<T: Driver> {
    /// A class device, which owns the memory.
    Own(class::Registration<Parent<T>>),
    /// Another device.
    Foreign(Foreign<T>),
}

/// A registered parent of mediated devices. Dropping this removes all its devices and waits until
/// nobody uses them.
///
/// # Invariants
///
/// The parent in `place` is registered.
pub struct ParentRegistration<'bound, T: Driver> {
    place: Place<T>,
    _bound: PhantomData<&'bound ()>,
}

impl<T: Driver> ParentRegistration<'static, T> {
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
        let own = class::Registration::new(class, name, Parent::new(driver, types)?)?;
        let dev = compat::device_as_raw((*own).as_ref());
        // SAFETY: The parent was made just now. The device is kept by `own` until the parent is
        // unregistered, and the parent by the device, which each type refers to.
        unsafe { own.data().register(dev) }?;
        // INVARIANT: Registered just now.
        Ok(Self {
            place: Place::Own(own),
            _bound: PhantomData,
        })
    }
}

impl<'bound, T: Driver> ParentRegistration<'bound, T> {
    /// Registers `dev`, which is bound to a driver, as a parent that offers `types`. User space may
    /// create devices before this returns. The destructor of `class` waits until nobody refers to
    /// one of the types.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if `dev` is a parent already.
    pub fn for_device(
        class: &class::Class,
        dev: &'bound device::Device<Bound>,
        driver: &Arc<Registration<T>>,
        types: KVec<Pin<KBox<Type<T>>>>,
    ) -> Result<Self> {
        let foreign = Foreign {
            home: class::Device::new(class, dev.name(), Parent::new(driver, types)?)?,
            dev: (&**dev).into(),
        };
        // SAFETY: The parent was made just now. The device is referred to by `foreign`. So is the
        // parent until it is unregistered, and from then on by what `move_types` does.
        let registered = unsafe { foreign.parent().register(compat::device_as_raw(dev)) };
        if let Err(error) = registered {
            // The first types may have been there long enough for somebody to create a device, which
            // the mdev core leaves behind. All it knows of the others is forgotten.
            foreign.hold_types();
            // SAFETY: The registration has failed.
            unsafe { foreign.move_types() };
            return Err(error);
        }
        // INVARIANT: Registered just now.
        Ok(Self {
            place: Place::Foreign(foreign),
            _bound: PhantomData,
        })
    }

    fn parent(&self) -> &Parent<T> {
        match &self.place {
            Place::Own(own) => own.data().get_ref(),
            Place::Foreign(foreign) => foreign.parent().get_ref(),
        }
    }

    /// The types, in the order in which they were given.
    pub fn types(&self) -> impl Iterator<Item = &Type<T>> {
        self.parent().types.iter().map(|ty| &**ty)
    }
}

impl<T: Driver> Drop for ParentRegistration<'_, T> {
    fn drop(&mut self) {
        if let Place::Foreign(foreign) = &self.place {
            foreign.hold_types();
        }
        // SAFETY: By the type invariant the parent is registered, and nobody else unregisters it.
        unsafe { bindings::mdev_unregister_parent(self.parent().raw.get()) };
        if let Place::Foreign(foreign) = &self.place {
            // SAFETY: Unregistered just now; the types were held before.
            unsafe { foreign.move_types() };
        }
    }
}
