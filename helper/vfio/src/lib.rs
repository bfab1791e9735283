// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A VFIO client: opens a device, uses its regions and interrupts, moves its migration state.
//!
//! It works with any VFIO device, not only with vmig's: what is special to vmig (parameters,
//! `vmig/keep`, the stream format) is not known here.
//!
//! ```no_run
//! use vmig_vfio::{Attach, Device, Roots};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let roots = Roots::default();
//! let directory = roots.mdev("5c0f1a8e-3f44-4b5c-9f29-0d7d3a1c2b3e");
//! let device = Device::open(&roots, &directory, Attach::Auto)?;
//! let mut stream = Vec::new();
//! vmig_vfio::save(&device, &mut stream, &mut |progress| eprintln!("{}", progress.bytes))?;
//! # Ok(())
//! # }
//! ```
//!
//! Not covered: no-IOMMU groups, SPAPR containers, PASIDs, nested translation, low power,
//! IOMMU dirty tracking (only the device's own is), hot reset.
//!
//! # Layers
//!
//! - `sys`, `call`, `iommufd`: ioctl(2) and its arguments. With `memory` (mmap(2)), `dma` and
//!   `logging` (arguments that hold addresses) these are the files with `unsafe`; five calls
//!   elsewhere pass bytes without addresses or take over a new file descriptor.
//! - `location`, `cdev`, `group`, `device`: finding and opening.
//! - `region`, `irq`, `feature`, `migration`, `logging`, `dma`: one part of the uAPI each.
//! - `transfer`: whole saves and loads.
//!
//! C headers: `include/uapi/linux/vfio.h`, `include/uapi/linux/iommufd.h`.

mod call;
mod caps;
mod cdev;
mod device;
mod dma;
mod error;
mod feature;
mod group;
mod iommufd;
mod irq;
mod location;
mod logging;
mod memory;
mod migration;
mod region;
mod sys;
mod transfer;

pub use nix::errno::Errno;
/// Structures and constants of `linux/vfio.h`.
pub use vfio_bindings::bindings::vfio as uapi;

pub use crate::call::Call;
pub use crate::caps::{Area, Capability};
pub use crate::cdev::{Cdev, Iommufd};
pub use crate::device::{Attach, Device, DeviceInfo};
pub use crate::dma::DmaMapping;
pub use crate::error::{Access, Error, Result};
pub use crate::feature::Direction;
pub use crate::group::Group;
pub use crate::irq::IrqInfo;
pub use crate::location::{Location, Roots};
pub use crate::logging::IovaRange;
pub use crate::memory::Memory;
pub use crate::migration::{DataFile, MigrationFlags, PrecopyInfo, State};
pub use crate::region::{Region, RegionInfo};
pub use crate::transfer::{load, save, Cause, Data, Migrate, Phase, Progress, TransferError};
