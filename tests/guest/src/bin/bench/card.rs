// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Accelerators, and what is in their memory.

use guest::{accel, Mdev, Type};
use vmig_vfio::{Device, Memory};

/// Length of a page.
pub(crate) const PAGE: usize = 4096;
/// Bytes of a MiB, which is also how much is moved at a time.
pub(crate) const MIB: usize = 1 << 20;

/// Numbers that nobody can compress (xorshift64*), always the same.
#[derive(Debug)]
pub(crate) struct Contents(u64);

impl Contents {
    /// From the beginning.
    pub(crate) const fn new() -> Self {
        Self(0x766d_6967)
    }

    /// The next bytes; `out` is a multiple of 8 long.
    pub(crate) fn next(&mut self, out: &mut [u8]) {
        for word in out.chunks_exact_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            word.copy_from_slice(&self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
    }
}

/// An open accelerator and a mapping of its memory.
#[derive(Debug)]
pub(crate) struct Card {
    /// The memory BAR.
    pub(crate) memory: Memory,
    /// The device.
    pub(crate) device: Device,
    _mdev: Mdev,
}

impl Card {
    /// One with `mib` MiB of memory and `more` parameters.
    ///
    /// # Panics
    ///
    /// If it cannot be had; so for all below.
    pub(crate) fn new(mib: usize, more: &str) -> Self {
        let list = format!("memory-mb={mib}{more}");
        let mdev = Type::default_parent("accel-var").new_device_with(&list);
        let device = mdev.device();
        let bar = device.region(accel::MEMORY).expect("memory BAR");
        assert_eq!(bar.info().size, (mib * MIB) as u64);
        let memory = bar.map(0, mib * MIB).expect("mmap");
        Self {
            memory,
            device,
            _mdev: mdev,
        }
    }

    /// Fills the first `mib` MiB through the mapping.
    pub(crate) fn fill(&self, mib: usize) {
        let (mut contents, mut piece) = (Contents::new(), vec![0; MIB]);
        for at in (0..mib * MIB).step_by(MIB) {
            contents.next(&mut piece);
            self.memory.write(at, &piece).expect("mapping");
        }
    }

    /// Looks whether the first `mib` MiB are as [`Self::fill`] makes them.
    pub(crate) fn check(&self, mib: usize) {
        let (mut contents, mut piece, mut found) = (Contents::new(), vec![0; MIB], vec![0; MIB]);
        for at in (0..mib * MIB).step_by(MIB) {
            contents.next(&mut piece);
            self.memory.read(at, &mut found).expect("mapping");
            assert!(
                piece == found,
                "other bytes than were written, from {at} on"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_the_same_however_they_are_cut() {
        let (mut whole, mut parts) = (vec![0; 4096], vec![0; 4096]);
        Contents::new().next(&mut whole);
        let mut contents = Contents::new();
        parts.chunks_mut(512).for_each(|part| contents.next(part));
        assert_eq!(whole, parts);
        let ones: u32 = whole.iter().map(|byte| byte.count_ones()).sum();
        assert!((4096 * 4 - 512..4096 * 4 + 512).contains(&ones), "{ones}");
    }
}
