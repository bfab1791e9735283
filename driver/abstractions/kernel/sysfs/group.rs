// SPDX-License-Identifier: GPL-2.0-only

//! Groups of text attributes: one value per file, at most a page each.

use kernel::{
    container_of,
    device,
    error::{
        from_result,
        to_result, //
    },
    page::PAGE_SIZE,
    prelude::*,
    str::{
        CString,
        Formatter, //
    },
    sync::{
        aref::ARef,
        Arc, //
    },
    types::Opaque, //
};

use super::{
    Dir,
    Mode, //
};
use crate::{
    bindings,
    compat, //
};

/// What the attributes of a group do. An attribute is known by its index in the list that the group
/// was made from.
pub trait GroupOperations: Send + Sync + 'static {
    /// Writes the content of the attribute to `out`; more than a page less one byte is an error.
    fn show(&self, attribute: usize, out: &mut Formatter<'_>) -> Result;

    /// Takes what was written to the attribute. `data` is never empty and at most a page, beyond
    /// which sysfs cuts. Not called unless the mode lets somebody write.
    fn store(&self, attribute: usize, data: &[u8]) -> Result {
        let _ = (attribute, data);
        Err(EIO)
    }
}

/// Name and mode of an attribute.
pub struct Attribute {
    name: CString,
    mode: Mode,
}

impl Attribute {
    /// An attribute called `name`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is a NUL in the name; `ENOMEM`.
    pub fn new(name: &str, mode: Mode) -> Result<Self> {
        Ok(Self {
            name: CString::try_from_fmt(fmt!("{name}"))?,
            mode,
        })
    }
}

/// The attribute as the C side has it: which one it is depends on the directory.
#[repr(C)]
union Raw {
    kobj: core::mem::ManuallyDrop<bindings::kobj_attribute>,
    dev: core::mem::ManuallyDrop<bindings::device_attribute>,
}

/// One attribute of a group.
#[repr(C)]
struct Slot<T> {
    raw: Opaque<Raw>,
    index: usize,
    data: Arc<T>,
    // Points to from `raw`.
    _name: CString,
}

/// Where a group stands.
enum Place {
    Dir(Arc<Dir>),
    Device(ARef<device::Device>),
}

impl Place {
    fn kobject(&self) -> *mut bindings::kobject {
        match self {
            Self::Dir(dir) => dir.kobject().as_raw(),
            // SAFETY: A reference to a device is a reference to its kobject.
            Self::Device(dev) => unsafe { &raw mut (*compat::device_as_raw(dev)).kobj },
        }
    }
}

/// Text attributes that share their data, in a directory of their own or among others.
///
/// # Invariants
///
/// `group` is registered at `place`; it, `pointers` and `slots` do not move and do not change.
pub struct Group<T: GroupOperations> {
    place: Place,
    group: KBox<bindings::attribute_group>,
    // Null-terminated, as the C side wants it.
    _pointers: KVec<*mut bindings::attribute>,
    _slots: KVec<Slot<T>>,
    _name: Option<CString>,
}

impl<T: GroupOperations> Group<T> {
    /// Makes attributes in `dir`: in a directory `name` there, or in `dir` itself.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `dir` is not one that [`Dir::new`] made; `ENOMEM`; `EEXIST`.
    pub fn new(
        dir: &Arc<Dir>,
        name: Option<&str>,
        attributes: KVec<Attribute>,
        data: Arc<T>,
    ) -> Result<Self> {
        if !dir.takes_kobj_attributes() {
            return Err(EINVAL);
        }
        Self::register(Place::Dir(dir.clone()), name, attributes, data)
    }

    /// Makes the directory `name` with attributes in the directory of a device. It has to be
    /// dropped before the device is deleted, at the latest when its driver is unbound.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST`.
    pub fn for_device(
        dev: &device::Device<device::Bound>,
        name: &str,
        attributes: KVec<Attribute>,
        data: Arc<T>,
    ) -> Result<Self> {
        Self::register(Place::Device(dev.into()), Some(name), attributes, data)
    }

    fn register(
        place: Place,
        name: Option<&str>,
        attributes: KVec<Attribute>,
        data: Arc<T>,
    ) -> Result<Self> {
        let name = match name {
            Some(name) => Some(CString::try_from_fmt(fmt!("{name}"))?),
            None => None,
        };
        let mut slots = KVec::with_capacity(attributes.len(), GFP_KERNEL)?;
        for (index, Attribute { name, mode }) in attributes.into_iter().enumerate() {
            let raw = Self::raw(&place, attribute(name.as_char_ptr(), mode));
            let slot = Slot {
                raw: Opaque::new(raw),
                index,
                data: data.clone(),
                _name: name,
            };
            slots.push(slot, GFP_KERNEL)?;
        }
        let mut pointers = KVec::new();
        for slot in &slots {
            // CAST: Both members of the union begin with a `struct attribute`.
            pointers.push(slot.raw.get().cast::<bindings::attribute>(), GFP_KERNEL)?;
        }
        pointers.push(core::ptr::null_mut(), GFP_KERNEL)?;
        let group = bindings::attribute_group {
            name: name.as_ref().map_or(core::ptr::null(), |n| n.as_char_ptr()),
            __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
                attrs: pointers.as_mut_ptr(),
            },
            ..Default::default()
        };
        let group = KBox::new(group, GFP_KERNEL)?;
        // SAFETY: The kobject is valid. All that the group points to is on the heap and stays there
        // until the destructor has removed the group. The attributes are of the kind that the
        // kobject's `sysfs_ops` expect.
        to_result(unsafe { bindings::sysfs_create_group(place.kobject(), &raw const *group) })?;
        // INVARIANT: Registered just now; the vectors are not touched any more.
        Ok(Self {
            place,
            group,
            _pointers: pointers,
            _slots: slots,
            _name: name,
        })
    }

    /// The C attribute for this place. With kCFI the two variants of a callback are two members, for
    /// their types differ; else they share one.
    fn raw(place: &Place, attr: bindings::attribute) -> Raw {
        match place {
            Place::Dir(_) => Raw {
                kobj: core::mem::ManuallyDrop::new(bindings::kobj_attribute {
                    attr,
                    __bindgen_anon_1: bindings::kobj_attribute__bindgen_ty_1 {
                        show: Some(Self::kobj_show_callback),
                        #[cfg(CONFIG_CFI)]
                        show_const: None,
                    },
                    __bindgen_anon_2: bindings::kobj_attribute__bindgen_ty_2 {
                        store: Some(Self::kobj_store_callback),
                        #[cfg(CONFIG_CFI)]
                        store_const: None,
                    },
                }),
            },
            Place::Device(_) => Raw {
                dev: core::mem::ManuallyDrop::new(bindings::device_attribute {
                    attr,
                    __bindgen_anon_1: bindings::device_attribute__bindgen_ty_1 {
                        show: Some(Self::dev_show_callback),
                        #[cfg(CONFIG_CFI)]
                        show_const: None,
                    },
                    __bindgen_anon_2: bindings::device_attribute__bindgen_ty_2 {
                        store: Some(Self::dev_store_callback),
                        #[cfg(CONFIG_CFI)]
                        store_const: None,
                    },
                }),
            },
        }
    }

    /// # Safety
    ///
    /// `raw` must be the `raw` of a [`Slot<T>`] that lives during `'a`.
    unsafe fn slot<'a>(raw: *mut Raw) -> &'a Slot<T> {
        let raw = raw.cast::<Opaque<Raw>>();
        // SAFETY: By the function's requirement.
        unsafe { &*container_of!(raw, Slot<T>, raw) }
    }

    /// # Safety
    ///
    /// `raw` as for [`Self::slot`]; `buf` must point to a page that nobody else has.
    unsafe fn show(raw: *mut Raw, buf: *mut c_char) -> isize {
        // SAFETY: By the function's requirement.
        let slot = unsafe { Self::slot(raw) };
        // A count of a whole page would be taken for an overflow.
        //
        // SAFETY: By the function's requirement; sysfs has cleared the page.
        let page = unsafe { core::slice::from_raw_parts_mut(buf.cast::<u8>(), PAGE_SIZE - 1) };
        from_result(|| {
            let mut out = Formatter::new(page);
            slot.data.show(slot.index, &mut out)?;
            Ok(isize::try_from(out.bytes_written().min(PAGE_SIZE - 1))?)
        })
    }

    /// # Safety
    ///
    /// `raw` as for [`Self::slot`]; `buf` must point to `count` bytes that nobody changes.
    unsafe fn store(raw: *mut Raw, buf: *const c_char, count: usize) -> isize {
        // SAFETY: By the function's requirement.
        let slot = unsafe { Self::slot(raw) };
        // SAFETY: By the function's requirement.
        let data = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), count) };
        from_result(|| {
            slot.data.store(slot.index, data)?;
            Ok(isize::try_from(count)?)
        })
    }

    /// # Safety
    ///
    /// Only called by sysfs, for an attribute of this type.
    unsafe extern "C" fn kobj_show_callback(
        _kobj: *mut bindings::kobject,
        attr: *mut bindings::kobj_attribute,
        buf: *mut c_char,
    ) -> isize {
        // SAFETY: sysfs passes the registered attribute and a page; removal waits for this call.
        unsafe { Self::show(attr.cast(), buf) }
    }

    /// # Safety
    ///
    /// Only called by sysfs, for an attribute of this type.
    unsafe extern "C" fn kobj_store_callback(
        _kobj: *mut bindings::kobject,
        attr: *mut bindings::kobj_attribute,
        buf: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: sysfs passes the registered attribute and its own copy of the user's bytes;
        // removal waits for this call.
        unsafe { Self::store(attr.cast(), buf, count) }
    }

    /// # Safety
    ///
    /// Only called by sysfs, for an attribute of this type.
    unsafe extern "C" fn dev_show_callback(
        _dev: *mut bindings::device,
        attr: *mut bindings::device_attribute,
        buf: *mut c_char,
    ) -> isize {
        // SAFETY: sysfs passes the registered attribute and a page; removal waits for this call.
        unsafe { Self::show(attr.cast(), buf) }
    }

    /// # Safety
    ///
    /// Only called by sysfs, for an attribute of this type.
    unsafe extern "C" fn dev_store_callback(
        _dev: *mut bindings::device,
        attr: *mut bindings::device_attribute,
        buf: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: sysfs passes the registered attribute and its own copy of the user's bytes;
        // removal waits for this call.
        unsafe { Self::store(attr.cast(), buf, count) }
    }
}

impl<T: GroupOperations> Drop for Group<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the group is registered there. After this no callback runs.
        unsafe { bindings::sysfs_remove_group(self.place.kobject(), &raw const *self.group) };
    }
}

// SAFETY: What the C side points to is only read after the group was made; the data is `Send` and
// `Sync` by its bound, and so are the references to the place.
unsafe impl<T: GroupOperations> Send for Group<T> {}

// SAFETY: As above; there is no method on a shared group.
unsafe impl<T: GroupOperations> Sync for Group<T> {}

/// The `struct attribute` at the head of every kind of attribute. `name` has to live as long as the
/// attribute is registered.
#[allow(
    clippy::needless_update,
    reason = "the members depend on CONFIG_DEBUG_LOCK_ALLOC"
)]
pub(super) fn attribute(name: *const c_char, mode: Mode) -> bindings::attribute {
    bindings::attribute {
        name,
        mode: mode.bits(),
        // An attribute on the heap has to bring its lock class; one is enough, because no callback
        // of ours removes a file of ours.
        #[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
        key: kernel::static_lock_class!().as_ptr(),
        ..Default::default()
    }
}
