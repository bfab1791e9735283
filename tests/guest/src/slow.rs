// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Memory that does not come: a page whose content another one has to deliver, and does not.
//!
//! That is how a user stops a copy from or to user memory half way, for as long as it likes. The
//! page is one of a file that this process serves to the kernel by 9P (as `userfaultfd` would
//! do, which needs a kernel with it); the server answers all requests but the reads of the file,
//! until [`Slow::release`].
//!
//! Protocol: 9P2000.L, as in `net/9p` of the kernel.

#![allow(unsafe_code)]

mod server;

use std::ffi::c_void;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::libc;
use nix::mount::{mount, umount2, MntFlags, MsFlags};
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};

use self::server::Server;
use crate::uuid;
use crate::wait::SOON;

/// Size of the file, and of the mapping.
pub const LENGTH: usize = 4096;

/// What the page holds when it has come.
pub const CONTENT: u8 = 0x5a;

/// A private mapping of the first page of a file.
///
/// # Invariants
///
/// `base` is a mapping of [`LENGTH`] bytes, readable and writable, that lives as long as this value
/// and that nothing refers to.
#[derive(Debug)]
pub struct Page {
    base: NonNull<c_void>,
}

// SAFETY: The mapping belongs to the process; only system calls touch it.
unsafe impl Send for Page {}
// SAFETY: As above. What concurrent calls see of each other nobody looks at.
unsafe impl Sync for Page {}

impl Page {
    /// Maps the first page of `file`. Nothing of it is read yet.
    ///
    /// # Errors
    ///
    /// Those of open(2) and mmap(2).
    pub fn map(file: &Path) -> io::Result<Self> {
        let file = fs::File::open(file)?;
        let length = NonZeroUsize::new(LENGTH).ok_or(io::ErrorKind::InvalidInput)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: The kernel chooses the address, so no memory of ours is replaced.
        let base = unsafe { mmap(None, length, prot, MapFlags::MAP_PRIVATE, file, 0) }?;
        // INVARIANT: As mmap(2) has just said.
        Ok(Self { base })
    }

    /// read(2) of `file`, of a whole page into this one.
    ///
    /// # Errors
    ///
    /// The errno of the call; so for those below.
    pub fn read(&self, file: &impl AsFd) -> Result<usize, Errno> {
        // SAFETY: By the invariant there is room, and nobody looks at it meanwhile.
        let got = unsafe { libc::read(raw(file), self.base.as_ptr(), LENGTH) };
        Errno::result(got).map(|n| n as usize)
    }

    /// pread(2) of `length` bytes at most a page, at `offset` of `file`.
    pub fn read_at(&self, file: &impl AsFd, offset: u64, length: usize) -> Result<usize, Errno> {
        let offset = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        let length = length.min(LENGTH);
        // SAFETY: As in `read`.
        let got = unsafe { libc::pread(raw(file), self.base.as_ptr(), length, offset) };
        Errno::result(got).map(|n| n as usize)
    }

    /// write(2) of this page to `file`.
    pub fn write(&self, file: &impl AsFd) -> Result<usize, Errno> {
        // SAFETY: By the invariant all of it can be read.
        let put = unsafe { libc::write(raw(file), self.base.as_ptr(), LENGTH) };
        Errno::result(put).map(|n| n as usize)
    }
}

fn raw(file: &impl AsFd) -> i32 {
    let fd: BorrowedFd<'_> = file.as_fd();
    fd.as_raw_fd()
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is our mapping, and nobody refers to it.
        let _ = unsafe { munmap(self.base, LENGTH) };
    }
}

/// A file whose content does not come until it is released. Dropping it takes it away.
#[derive(Debug)]
pub struct Slow {
    directory: PathBuf,
    server: Arc<Server>,
    thread: Option<JoinHandle<()>>,
}

impl Slow {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// If the file system cannot be mounted.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it makes system calls")]
    pub fn new() -> Self {
        let directory = PathBuf::from(format!("/tmp/slow-{}", uuid()));
        fs::create_dir(&directory).expect("mkdir");
        let (kernel, ours) = UnixStream::pair().expect("socketpair");
        let server = Arc::new(Server::new(ours));
        let serving = Arc::clone(&server);
        let thread = thread::spawn(move || serving.run());
        let fd = kernel.as_raw_fd();
        let options = format!("trans=fd,rfdno={fd},wfdno={fd},version=9p2000.L,cache=none");
        mount(
            Some("slow"),
            &directory,
            Some("9p"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .expect("mount of a 9p file system");
        Self {
            directory,
            server,
            thread: Some(thread),
        }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.directory.join("page")
    }

    /// Its first page, mapped.
    ///
    /// # Panics
    ///
    /// If it cannot be.
    #[track_caller]
    pub fn page(&self) -> Page {
        Page::map(&self.path()).expect("mmap")
    }

    /// Waits until somebody has touched the page, and hangs.
    ///
    /// # Panics
    ///
    /// If nobody does.
    #[track_caller]
    pub fn touched(&self) {
        let touched = self.server.wait_for_read(SOON);
        assert!(touched, "nobody has touched the page");
    }

    /// Lets the content come, for those who wait and for all that come later.
    pub fn release(&self) {
        self.server.release();
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.release();
        // Lazily: a mapping may still be there, when a test has failed.
        let _ = umount2(&self.directory, MntFlags::MNT_DETACH);
        self.server.shut_down();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_dir(&self.directory);
    }
}
