// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! vfio-user: a [`Server`] for the device models of `vmig_model`, and a [`Client`].
//!
//! The protocol is that of QEMU's `docs/interop/vfio-user.rst`: messages on a Unix socket that stand
//! for the calls of `linux/vfio.h`. What the server knows of it:
//!
//! | message | |
//! |---|---|
//! | `VERSION` | 0.1 and 0.0; `max_msg_fds`, `max_data_xfer_size`, `max_dma_maps`, `pgsizes`, `write_multiple`, `twin_socket` |
//! | `DMA_MAP`, `DMA_UNMAP` | with a file (read and written, never mapped: nothing that a client does to its file is a signal here) and without |
//! | `DMA_READ`, `DMA_WRITE` | to the client, for what it maps without a file |
//! | `DEVICE_GET_INFO`, `_REGION_INFO`, `_IRQ_INFO` | sparse areas and their file for regions that the program shares |
//! | `DEVICE_GET_REGION_IO_FDS` | none in any region |
//! | `DEVICE_SET_IRQS` | all actions and data types; INTx unmasked by an eventfd, too |
//! | `REGION_READ`, `REGION_WRITE`, `REGION_WRITE_MULTI` | |
//! | `DEVICE_RESET` | |
//! | `DEVICE_FEATURE` | `MIGRATION` (STOP_COPY and PRE_COPY; the protocol has no P2P states), `MIG_DEVICE_STATE`, `MIG_DATA_SIZE`, `DMA_LOGGING_*` |
//! | `MIG_DATA_READ`, `MIG_DATA_WRITE` | |
//!
//! - **In step**: a message is read as a whole before it is judged, and has exactly one reply, unless
//!   it asks for none. What breaks the framing itself ends the connection.
//! - **Bounded**: no length that a client names is allocated before it is compared with what was
//!   agreed on. A client that does not read its replies is not read from.
//! - **The device outlives its clients.** When one goes, by whatever way, its mappings, eventfds and
//!   transfer end, and the next finds the contents as they were, in `RUNNING`. A transfer into the
//!   device that was not complete leaves a new device.
//!
//! A server has one client at a time; others wait until they are accepted. It takes no thread and
//! makes none.
//!
//! # Deliberately not done
//!
//! - **Memory by messages for QEMU**: its `DMA_READ` and `DMA_WRITE` have another form than the
//!   protocol's, with which a device would read and write other bytes. Such an access is a bus error,
//!   and [`Server::tell`] says why; its guests need memory that is shared.
//! - **Writes to hugetlbfs through the file**: see [`dma`]. They take messages.
//! - **Commands while an answer is waited for**: they wait, 2 s at most for a piece of work; then that
//!   has failed.
//! - **A device that stays stopped without its client**: the protocol would have it so. Here nothing is
//!   mapped any more, and the next client begins with a device that runs.
//!
//! # Layers
//!
//! - [`message`], [`channel`], `files`: structures, and how they travel. `files` has what `unsafe`
//!   there is: it takes over file descriptors.
//! - [`version`], [`dma`], [`dirty`], `irq`: what belongs to one connection.
//! - `session`: the handlers, from message to reply. [`server`]: who calls them.
//! - [`client`]: the other end.
//! - [`pages`], [`work`]: memory and work of the accelerator.
//! - [`program`]: the command line of a program that serves one device.

#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod channel;
pub mod client;
pub mod dirty;
pub mod dma;
mod files;
mod irq;
pub mod message;
pub mod pages;
pub mod program;
pub mod server;
mod session;
pub mod version;
pub mod work;

pub use nix::errno::Errno;

pub use crate::{
    client::Client,
    files::inherited,
    server::{
        Server,
        Shared, //
    },
};
