// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The accelerator as the engine sees it.

use super::{
    contents,
    pages,
    records,
    Build,
    Card,
    Cursor,
    Held,
    Out,
    Outcome,
    Step,
    BAR_MEMORY,
    BAR_REGISTERS,
    REGISTERS_LEN, //
};
use crate::{
    device::{
        Device,
        Fault,
        Irqs,
        Left,
        Phase,
        Region,
        RegionInfo,
        Taken, //
    },
    memory::{
        Full,
        Memory, //
    },
    pci,
    refusal::Flaw,
    stream::wire::Payload,
    types::DeviceType,
    values::Values, //
};

impl<M: Memory> Device for Card<M> {
    type Memory = M;

    type Step = Step;

    type Outcome = Outcome;

    type Cursor = Cursor;

    type Held = Held;

    fn record_max(&self) -> usize {
        contents::PAYLOAD_MAX
    }

    fn ty(&self) -> &'static DeviceType {
        self.ty
    }

    fn values(&self) -> &Values {
        &self.values
    }

    fn needs_memory(&self, values: &Values) -> Option<u32> {
        let needed = pages(self.ty, values);
        (needed != self.memory.pages()).then_some(needed)
    }

    fn set_values(&mut self, values: Values, memory: Option<M>) {
        self.values = values;
        self.build = Build::of(self.ty, &values);
        if let Some(memory) = memory {
            self.memory = memory;
        }
    }

    fn reset(&mut self) {
        self.memory.discard();
        let dropped = self.out.map(|out| Out {
            dropped: true,
            ..out
        });
        *self = Self {
            out: dropped,
            ..Self::new(self.ty, self.values, self.memory.clone())
        };
    }

    fn park(&mut self) {
        // The rings lie in memory of the old user; the next one has mapped nothing yet.
        self.config.forbid_dma();
    }

    fn region(&self, region: Region) -> RegionInfo {
        let (size, mmap) = match region {
            Region::Config => (pci::CONFIG_LEN, false),
            Region::Bar(BAR_REGISTERS) => (u64::from(REGISTERS_LEN), false),
            Region::Bar(BAR_MEMORY) => (self.build.layout().memory, true),
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
            intx: 0,
            msi: 0,
            msix: u32::from(self.build.queues),
        }
    }

    fn read(&mut self, region: Region, at: u64, data: &mut [u8]) {
        self.peek(region, at, data);
    }

    fn peek(&self, region: Region, at: u64, data: &mut [u8]) {
        match region {
            Region::Config => pci::read(at, data, |at| self.config.dword(at)),
            Region::Bar(BAR_MEMORY) => self.memory.read(at, data),
            Region::Bar(_) => pci::read(at, data, |at| self.register(at)),
        }
    }

    fn write(&mut self, region: Region, at: u64, data: &[u8]) -> Result<(), Full> {
        match region {
            Region::Config => {
                for piece in pci::pieces(at, data) {
                    let before = self.config.msix_enabled();
                    self.config.write(piece);
                    self.interrupts.switch(before, self.config.msix_enabled());
                }
            }
            Region::Bar(BAR_MEMORY) => self.memory.write(at, data)?,
            Region::Bar(_) => {
                for piece in pci::pieces(at, data) {
                    self.write_register(piece);
                }
            }
        }
        Ok(())
    }

    fn intx(&self) -> bool {
        false
    }

    fn pending(&self) -> u32 {
        if self.config.msix_allowed() {
            self.interrupts.pending()
        } else {
            0
        }
    }

    fn delivered(&mut self, mask: u32) {
        self.interrupts.delivered(mask);
    }

    fn ready(&self) -> bool {
        self.out.is_none() && self.next().is_some()
    }

    fn begin(&mut self) -> Option<Step> {
        if self.out.is_some() {
            return None;
        }
        let index = self.next()?;
        let queue = *self.queues.get(usize::from(index))?;
        self.turn = index.wrapping_add(1);
        self.out = Some(Out {
            index,
            dropped: false,
        });
        Some(Step {
            index,
            queue,
            limits: self.build.limits(usize::from(index)),
        })
    }

    fn finish(&mut self, outcome: Outcome) {
        let wanted = self.out.take().is_some_and(|out| !out.dropped);
        let queue = self.queues.get_mut(usize::from(outcome.index));
        if let Some(queue) = queue.filter(|_| wanted) {
            queue.take(&outcome.queue);
            if outcome.interrupt {
                let msix = self.config.msix_enabled();
                self.interrupts.raise(outcome.index, msix);
            }
        }
    }

    fn working(&self) -> bool {
        self.out.is_some()
    }

    fn stale(&self) -> bool {
        self.out
            .is_some_and(|out| out.dropped || !self.config.bus_master())
    }

    fn begin_save(&mut self, phase: Phase) {
        self.memory.track(phase == Phase::PreCopy);
    }

    fn end_save(&mut self) {
        self.memory.track(false);
    }

    fn left(&self, cursor: &Cursor) -> Left {
        cursor.contents.left(&self.memory)
    }

    fn stop_bytes(&self, cursor: &Cursor) -> u64 {
        let Left { initial, dirty } = self.left(cursor);
        let memory = initial.saturating_add(dirty);
        memory.saturating_add(records::bytes(self.build))
    }

    fn save(
        &mut self,
        phase: Phase,
        cursor: &mut Cursor,
        out: &mut Payload<'_>,
    ) -> Result<Option<u16>, Fault> {
        let zero = contents::codec_is_zero(self.ty, &self.values);
        let tag = contents::save(&self.memory, zero, &mut cursor.contents, out);
        Ok(match phase {
            Phase::PreCopy => tag,
            Phase::Stop => tag.or_else(|| records::save(self, &mut cursor.step, out)),
        })
    }

    fn load(
        &mut self,
        held: &mut Held,
        values: &Values,
        tag: u16,
        payload: &[u8],
    ) -> Result<Taken, Flaw> {
        if !contents::is_tag(tag) {
            return records::load(self, held, values, tag, payload);
        }
        if !held.is_empty() {
            return Err(Flaw::OutOfPlace { tag });
        }
        let zero = contents::codec_is_zero(self.ty, values);
        contents::load(&self.memory, zero, tag, payload)?;
        Ok(Taken::Early)
    }

    fn complete(&self, held: &Held, values: &Values) -> bool {
        held.is_complete(Build::of(self.ty, values))
    }

    fn restore(&mut self, held: Held) {
        records::restore(self, held);
    }
}
