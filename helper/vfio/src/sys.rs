// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! System calls: the only file of the crate that calls ioctl(2).
//!
//! Nearly every argument of VFIO and IOMMUFD is a structure that starts with its own size
//! (`argsz` or `size`), and the kernel touches no byte beyond that size. [`ioctl`] writes the
//! size itself, from the type, so that no caller can claim more than there is.

use std::ffi::CStr;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use vfio_bindings::bindings::vfio::{
    vfio_device_attach_iommufd_pt, vfio_device_bind_iommufd, vfio_device_feature_mig_data_size,
    vfio_device_feature_mig_state, vfio_device_feature_migration, vfio_device_info,
    vfio_group_status, vfio_irq_info, vfio_precopy_info,
};

use crate::call::Call;
use crate::error::{Error, Result};
use crate::iommufd::{IommuDestroy, IommuIoasAlloc, IommuIoasUnmap};

/// An ioctl argument that starts with its size and holds no address.
///
/// # Safety
///
/// - `repr(C)`, every bit pattern is valid, and the first four bytes are the `argsz` or `size`
///   member.
/// - No member is an address through which the kernel writes, now or later.
/// - The kernel writes nothing beyond the size given, for each ioctl that the type is used with.
pub(crate) unsafe trait Argument {}

/// The payload of a `VFIO_DEVICE_FEATURE`.
///
/// # Safety
///
/// `repr(C)`, alignment of at most 8, every bit pattern is valid, no address inside.
pub(crate) unsafe trait Payload: Copy {}

/// `struct vfio_device_feature` with its payload.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Feature<T> {
    pub(crate) argsz: u32,
    pub(crate) flags: u32,
    pub(crate) payload: T,
}

macro_rules! plain {
    ($marker:ident: $($type:ty),* $(,)?) => {
        $(
            // SAFETY: A structure of the uAPI made of integers only; it has the size member that
            // `Argument` asks for, resp. it is a feature payload, none is an address that the
            // kernel writes through, and the kernel honours the size.
            unsafe impl $marker for $type {}
        )*
    };
}

plain!(Argument:
    vfio_device_attach_iommufd_pt,
    // `token_uuid_ptr` is only read, and only with a flag that this crate never sets.
    vfio_device_bind_iommufd,
    vfio_device_info,
    vfio_group_status,
    vfio_irq_info,
    vfio_precopy_info,
    IommuDestroy,
    IommuIoasAlloc,
    IommuIoasUnmap,
    TypeOneUnmap,
);

plain!(Payload:
    (),
    vfio_device_feature_migration,
    vfio_device_feature_mig_data_size,
    vfio_device_feature_mig_state,
);

// SAFETY: The header has two words, the first is the size; the rest is as `Payload` promises, and
// has no padding before it because its alignment is at most 8.
unsafe impl<T: Payload> Argument for Feature<T> {}

/// `struct vfio_iommu_type1_dma_unmap` without a bitmap.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TypeOneUnmap {
    pub(crate) argsz: u32,
    pub(crate) flags: u32,
    pub(crate) iova: u64,
    pub(crate) size: u64,
}

/// Issues `call` with a structure; fills in its size. Returns what ioctl(2) returns.
pub(crate) fn ioctl<T: Argument>(fd: BorrowedFd<'_>, call: Call, argument: &mut T) -> Result<i32> {
    // SAFETY: By the contract of `Argument` the structure holds no address.
    unsafe { ioctl_with_address(fd, call, argument) }
}

/// As [`ioctl`], for structures that hold an address.
///
/// # Safety
///
/// `T` is `repr(C)`, begins with its `argsz` or `size` member, every bit pattern of it is valid,
/// and what the kernel writes through the addresses inside is memory that may be written, for as
/// long as the kernel may do so.
pub(crate) unsafe fn ioctl_with_address<T>(
    fd: BorrowedFd<'_>,
    call: Call,
    argument: &mut T,
) -> Result<i32> {
    const { assert!(size_of::<T>() >= size_of::<u32>() && size_of::<T>() <= u16::MAX as usize) };
    let argument: *mut T = argument;
    // SAFETY: The pointer comes from a reference to a structure whose first member is a u32.
    unsafe { argument.cast::<u32>().write(size_of::<T>() as u32) };
    // SAFETY: `fd` is open. The argument is exclusively ours and the kernel writes at most the
    // size just given; the caller vouches for the addresses inside.
    let ret = unsafe { libc::ioctl(fd.as_raw_fd(), call.request(), argument) };
    check(call, ret)
}

/// Issues `call` with raw bytes that start with their size, which is filled in.
///
/// # Safety
///
/// As for [`ioctl_with_address`], for the addresses that the bytes may contain.
pub(crate) unsafe fn ioctl_bytes(fd: BorrowedFd<'_>, call: Call, bytes: &mut [u8]) -> Result<i32> {
    let len = bytes.len();
    // SAFETY: As promised by our caller; the size is the true one.
    unsafe { ioctl_bytes_claiming(fd, call, bytes, len) }
}

/// As [`ioctl_bytes`], with a size that may be smaller than what is there, as tests of the
/// kernel's own checks need it. A larger one is `EINVAL` without asking the kernel.
///
/// # Safety
///
/// As for [`ioctl_with_address`], for the addresses that the bytes may contain.
pub(crate) unsafe fn ioctl_bytes_claiming(
    fd: BorrowedFd<'_>,
    call: Call,
    bytes: &mut [u8],
    claimed: usize,
) -> Result<i32> {
    let refused = Error::Call {
        call,
        errno: Errno::EINVAL,
    };
    if claimed > bytes.len() || bytes.len() < 8 {
        return Err(refused);
    }
    let claimed = u32::try_from(claimed).map_err(|_| refused)?;
    bytes[..4].copy_from_slice(&claimed.to_ne_bytes());
    // SAFETY: `fd` is open; the kernel writes at most the claimed size, which is not more than
    // the slice has; the caller vouches for the addresses inside.
    let ret = unsafe { libc::ioctl(fd.as_raw_fd(), call.request(), bytes.as_mut_ptr()) };
    check(call, ret)
}

/// Issues `call` with a number as its argument.
pub(crate) fn ioctl_number(fd: BorrowedFd<'_>, call: Call, number: u32) -> Result<i32> {
    // SAFETY: `fd` is open; the calls that are issued this way take no pointer.
    let ret = unsafe { libc::ioctl(fd.as_raw_fd(), call.request(), libc::c_ulong::from(number)) };
    check(call, ret)
}

/// Issues `call` with a pointer to a file descriptor number.
pub(crate) fn ioctl_fd(fd: BorrowedFd<'_>, call: Call, other: BorrowedFd<'_>) -> Result<i32> {
    let number: libc::c_int = other.as_raw_fd();
    let pointer: *const libc::c_int = &number;
    // SAFETY: Both are open; the kernel reads one int from the pointer, which lives long enough.
    let ret = unsafe { libc::ioctl(fd.as_raw_fd(), call.request(), pointer) };
    check(call, ret)
}

/// Issues `call` with a string; the result is a new file descriptor.
pub(crate) fn ioctl_open(fd: BorrowedFd<'_>, call: Call, name: &CStr) -> Result<OwnedFd> {
    // SAFETY: `fd` is open; the string ends with NUL and is only read.
    let ret = unsafe { libc::ioctl(fd.as_raw_fd(), call.request(), name.as_ptr()) };
    let new = check(call, ret)?;
    // SAFETY: The kernel has just installed this number for us.
    Ok(unsafe { own(new) })
}

/// Takes over a file descriptor that the kernel has just handed out.
///
/// # Safety
///
/// Nobody else owns `fd`, and it is open.
pub(crate) unsafe fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: As promised by the caller.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn check(call: Call, ret: i32) -> Result<i32> {
    Errno::result(ret).map_err(|errno| Error::Call { call, errno })
}

#[cfg(test)]
mod tests {
    use std::mem::{align_of, offset_of};

    use vfio_bindings::bindings::vfio::vfio_iommu_type1_dma_unmap;

    use super::*;

    #[test]
    fn a_feature_has_no_gap_before_its_payload() {
        assert_eq!(size_of::<Feature<()>>(), 8);
        assert_eq!(size_of::<Feature<vfio_device_feature_mig_state>>(), 16);
        assert_eq!(
            offset_of!(Feature<vfio_device_feature_migration>, payload),
            8
        );
        assert!(align_of::<vfio_device_feature_migration>() <= 8);
    }

    #[test]
    fn the_unmap_structure_is_the_one_of_the_header() {
        assert_eq!(
            size_of::<TypeOneUnmap>(),
            size_of::<vfio_iommu_type1_dma_unmap>()
        );
        assert_eq!(
            offset_of!(TypeOneUnmap, size),
            offset_of!(vfio_iommu_type1_dma_unmap, size)
        );
    }
}
