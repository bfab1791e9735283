// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What a device model gives to the engine.

use crate::{
    memory::Full,
    refusal::Flaw,
    stream::wire::Payload,
    types::DeviceType,
    values::Values, //
};

/// A region of a PCI device that a user can access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Config space.
    Config,
    /// The BAR with this number, 0 to 5.
    Bar(u8),
}

/// What `VFIO_DEVICE_GET_REGION_INFO` says of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionInfo {
    /// Size in bytes; 0: there is no such region.
    pub size: u64,
    /// Can be read and written.
    pub access: bool,
    /// Can be mapped.
    pub mmap: bool,
}

impl RegionInfo {
    /// A region that does not exist.
    pub const ABSENT: Self = Self {
        size: 0,
        access: false,
        mmap: false,
    };
}

/// Number of interrupt vectors of each kind (`VFIO_DEVICE_GET_IRQ_INFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Irqs {
    /// INTx: 0 or 1.
    pub intx: u32,
    /// MSI.
    pub msi: u32,
    /// MSI-X.
    pub msix: u32,
}

/// What of the device's state a record is to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The device runs: what is worth sending early and may be sent again.
    PreCopy,
    /// The device is stopped: everything that is left.
    Stop,
}

/// What pre-copy has to send, records and all, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Of what the device held when the session began.
    pub initial: u64,
    /// Of what changed since it was sent.
    pub dirty: u64,
}

/// What a device did with a record of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It took a record of the stopped device; no parameter record may follow.
    Final,
    /// It took a record that may also come in pre-copy.
    Early,
    /// It does not know the tag.
    Unknown,
}

/// The device cannot save its state. There is no way on but reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// A device model: registers, contents, and how they become records of a stream and back.
///
/// The engine decides when; a device never refuses an access because of a migration state.
pub trait Device {
    /// Memory of its own that it is given, see [`Device::needs_memory`].
    type Memory;

    /// Work that is to be done outside the lock, see [`Device::begin`].
    type Step;

    /// What came of a step.
    type Outcome;

    /// How far a saving session has come; the default is its beginning.
    type Cursor: Default;

    /// What was taken from a stream and is not applied yet: validated, but whole only if
    /// [`Device::complete`] says so.
    type Held: Default;

    /// Largest payload of one of its own records, in bytes. It never changes.
    fn record_max(&self) -> usize;

    /// Its type.
    fn ty(&self) -> &'static DeviceType;

    /// Its parameter values.
    fn values(&self) -> &Values;

    /// Size in pages of the memory that it needs for `values`, if that is another than it has.
    fn needs_memory(&self, _values: &Values) -> Option<u32> {
        None
    }

    /// Takes new values, and the memory that it needs for them. If a parameter changes that is not a
    /// runtime parameter, the caller resets the device next.
    fn set_values(&mut self, values: Values, memory: Option<Self::Memory>);

    /// Back to the state of a new device: registers, contents, pending interrupts. The parameter
    /// values stay. What comes of a step that is out is dropped.
    fn reset(&mut self);

    /// The last user is gone, and contents are kept: what it asked for and is not done waits until the
    /// next one says so. No step is out.
    fn park(&mut self) {}

    /// Size and abilities of a region.
    fn region(&self, region: Region) -> RegionInfo;

    /// Its interrupt vectors.
    fn irqs(&self) -> Irqs;

    /// Reads `data.len()` bytes at `at` as the bus would, byte by byte, with all side effects.
    /// The access lies in the region.
    fn read(&mut self, region: Region, at: u64, data: &mut [u8]);

    /// What [`Device::read`] would return, without side effects.
    fn peek(&self, region: Region, at: u64, data: &mut [u8]);

    /// Writes `data` at `at` as the bus would. The access lies in the region.
    ///
    /// # Errors
    ///
    /// [`Full`]: a page of device memory could not be made.
    fn write(&mut self, region: Region, at: u64, data: &[u8]) -> Result<(), Full>;

    /// Level of the INTx line.
    fn intx(&self) -> bool;

    /// MSI or MSI-X vectors that are to be delivered, one bit each.
    fn pending(&self) -> u32;

    /// The vectors in `mask` were delivered.
    fn delivered(&mut self, mask: u32);

    /// Whether [`Device::begin`] would give a step.
    fn ready(&self) -> bool {
        false
    }

    /// The next step of the device's own work, which may access the machine's memory: done without a
    /// lock, and then given to [`Device::finish`]. There is one step out at a time.
    fn begin(&mut self) -> Option<Self::Step> {
        None
    }

    /// Takes what came of the step that was out.
    fn finish(&mut self, outcome: Self::Outcome);

    /// Whether a step is out.
    fn working(&self) -> bool {
        false
    }

    /// Whether a step is out that the guest has forbidden since: it waits for the step to end.
    fn stale(&self) -> bool {
        false
    }

    /// A saving session begins in `phase`.
    fn begin_save(&mut self, _phase: Phase) {}

    /// No session is open any more; there may have been none.
    fn end_save(&mut self) {}

    /// Estimated number of bytes that [`Phase::PreCopy`] has to send.
    fn left(&self, _cursor: &Self::Cursor) -> Left {
        Left::default()
    }

    /// Upper bound of the bytes of all records that are left if the device stops now, overhead
    /// included.
    fn stop_bytes(&self, cursor: &Self::Cursor) -> u64;

    /// Writes the payload of the next record of `phase` and returns its tag, or nothing if there is
    /// none (now). A session may begin in either phase; it never goes back to [`Phase::PreCopy`].
    fn save(
        &mut self,
        phase: Phase,
        cursor: &mut Self::Cursor,
        out: &mut Payload<'_>,
    ) -> Result<Option<u16>, Fault>;

    /// Takes a record from a stream: validates it and keeps it in `held`. Only memory, which nobody
    /// can see before the stream is complete, may be written at once. `values` are the stream's.
    ///
    /// # Errors
    ///
    /// [`Flaw::OutOfPlace`], [`Flaw::Field`] or [`Flaw::NoMemory`]. The stream is untrusted: whatever state the device
    /// cannot reach by itself with these values is refused.
    fn load(
        &mut self,
        held: &mut Self::Held,
        values: &Values,
        tag: u16,
        payload: &[u8],
    ) -> Result<Taken, Flaw>;

    /// Whether `held` is a whole state of a device with `values`.
    fn complete(&self, held: &Self::Held, values: &Values) -> bool;

    /// Applies a complete `held`. It cannot fail: all was validated.
    fn restore(&mut self, held: Self::Held);
}
