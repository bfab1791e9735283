// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A device with what the serial card lacks: memory that can be mapped, MSI-X, and DMA at the word of
//! a test.

use std::sync::mpsc::{
    Receiver,
    Sender, //
};

use vmig_model::{
    device::{
        Device,
        Fault,
        Irqs,
        Phase,
        Region,
        RegionInfo,
        Taken, //
    },
    memory::{
        Bus as _,
        Full, //
    },
    refusal::Flaw,
    stream::wire::Payload,
    types::{
        find,
        DeviceType,
        Generation, //
    },
    values::Values,
};
use vmig_vfio_user::{
    dma::Memory,
    server::{
        Served,
        Worker, //
    },
};

/// BAR 0 is a register: what is written raises the vectors of its bits. BAR 2 is memory.
pub(crate) struct Toy {
    values: Values,
    pending: u32,
    level: bool,
}

impl Toy {
    pub(crate) fn new() -> Self {
        Self {
            values: Values::init(ty()),
            pending: 0,
            level: false,
        }
    }
}

fn ty() -> &'static DeviceType {
    find(Generation::NEWEST, "serial-var").unwrap()
}

impl Device for Toy {
    type Memory = ();
    type Step = ();
    type Outcome = ();
    type Cursor = ();
    type Held = ();

    fn record_max(&self) -> usize {
        4
    }

    fn ty(&self) -> &'static DeviceType {
        ty()
    }

    fn values(&self) -> &Values {
        &self.values
    }

    fn set_values(&mut self, values: Values, _memory: Option<()>) {
        self.values = values;
    }

    fn reset(&mut self) {
        *self = Self::new();
    }

    fn region(&self, region: Region) -> RegionInfo {
        let (size, mmap) = match region {
            Region::Config => (256, false),
            Region::Bar(0) => (4, false),
            Region::Bar(2) => (0x4000, true),
            Region::Bar(_) => return RegionInfo::ABSENT,
        };
        RegionInfo {
            size,
            access: true,
            mmap,
        }
    }

    fn irqs(&self) -> Irqs {
        Irqs {
            intx: 1,
            msi: 0,
            msix: 8,
        }
    }

    fn read(&mut self, region: Region, at: u64, data: &mut [u8]) {
        self.peek(region, at, data);
    }

    fn peek(&self, _region: Region, _at: u64, data: &mut [u8]) {
        data.fill(0);
    }

    fn write(&mut self, region: Region, at: u64, data: &[u8]) -> Result<(), Full> {
        match (region, at, data) {
            (Region::Bar(0), 0, [vectors, ..]) => self.pending |= u32::from(*vectors),
            (Region::Bar(0), 1, [level, ..]) => self.level = *level != 0,
            _ => {}
        }
        Ok(())
    }

    fn intx(&self) -> bool {
        self.level
    }

    fn pending(&self) -> u32 {
        self.pending
    }

    fn delivered(&mut self, mask: u32) {
        self.pending &= !mask;
    }

    fn finish(&mut self, _outcome: ()) {}

    fn stop_bytes(&self, _cursor: &()) -> u64 {
        0
    }

    fn save(
        &mut self,
        _phase: Phase,
        _cursor: &mut (),
        _out: &mut Payload<'_>,
    ) -> Result<Option<u16>, Fault> {
        Ok(None)
    }

    fn load(
        &mut self,
        _held: &mut (),
        _values: &Values,
        _tag: u16,
        _payload: &[u8],
    ) -> Result<Taken, Flaw> {
        Ok(Taken::Unknown)
    }

    fn complete(&self, _held: &(), _values: &Values) -> bool {
        true
    }

    fn restore(&mut self, _held: ()) {}
}

/// A piece of DMA.
pub(crate) enum Job {
    Read(u64, usize),
    Write(u64, Vec<u8>),
}

/// Does the jobs that a test sends, one a step, and sends back what came of them.
pub(crate) struct Jobs {
    pub(crate) todo: Receiver<Job>,
    pub(crate) done: Sender<Option<Vec<u8>>>,
}

impl Worker<Toy> for Jobs {
    fn step(&mut self, _engine: &mut Served<Toy>, memory: &Memory<'_>) -> bool {
        let Ok(job) = self.todo.try_recv() else {
            return false;
        };
        let result = match job {
            Job::Read(address, len) => {
                let mut data = vec![0; len];
                memory.read(address, &mut data).ok().map(|()| data)
            }
            Job::Write(address, data) => memory.write(address, &data).ok().map(|()| data),
        };
        self.done.send(result).unwrap();
        true
    }
}
