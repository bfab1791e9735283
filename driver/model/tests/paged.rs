// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A device with memory, and a type with every kind of parameter: what the serial card lacks.

use std::convert::Infallible;

use vmig_model::{
    constraint::{
        Clause,
        Constraint, //
    },
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
    memory::Full,
    params::{
        Item::{
            One,
            Range, //
        },
        Param,
        Type,
        Value::{
            Bool,
            Int,
            Str, //
        }, //
    },
    refusal::Flaw,
    stream::wire::Payload,
    types::{
        DeviceType,
        Generation, //
    },
    values::Values,
};

const fn param(name: &'static str, kind: Type) -> Param {
    Param {
        name,
        kind,
        init: Int(1),
        off: Some(Int(1)),
        allowed: &[Range(1, 8)],
        runtime: false,
        description: "A \"quoted\" \\ text.",
    }
}

pub(crate) static TYPE: DeviceType = DeviceType {
    name: "paged",
    pretty: "Paged",
    model: "vmig.example/paged",
    params: &[
        Param {
            init: Bool(false),
            off: Some(Bool(false)),
            allowed: &[One(Bool(false)), One(Bool(true))],
            ..param("checksum", Type::Bool)
        },
        Param {
            init: Str("zero"),
            off: Some(Str("none")),
            allowed: &[One(Str("none")), One(Str("zero"))],
            runtime: true,
            ..param("codec", Type::Str)
        },
        Param {
            init: Int(16),
            off: None,
            allowed: &[Range(16, 32), One(Int(64))],
            ..param("memory-mb", Type::Int)
        },
        param("num-queues", Type::Int),
    ],
    constraints: &[
        Constraint {
            when: &[Clause {
                param: "checksum",
                values: &[One(Bool(true))],
            }],
            then: &[Clause {
                param: "num-queues",
                values: &[Range(3, 5), One(Int(8))],
            }],
            description: "First.",
        },
        Constraint {
            when: &[
                Clause {
                    param: "codec",
                    values: &[One(Str("zero"))],
                },
                Clause {
                    param: "num-queues",
                    values: &[One(Int(8))],
                },
            ],
            then: &[
                Clause {
                    param: "checksum",
                    values: &[One(Bool(true))],
                },
                Clause {
                    param: "memory-mb",
                    values: &[One(Int(64))],
                },
            ],
            description: "Second.",
        },
    ],
    profiles: &[],
    generation: Generation::Two,
};

pub(crate) const PAGES: usize = 4;
pub(crate) const PAGE: usize = 16;
pub(crate) const PAGE_TAG: u16 = 0x0300;
const END_TAG: u16 = 0x0301;
/// Length of a page's record.
pub(crate) const PAGE_RECORD: usize = 12 + 1 + PAGE;

/// A session sends all pages once, then those that became dirty, the register last.
#[derive(Default)]
pub(crate) struct Cursor {
    begun: bool,
    ended: bool,
}

/// Four pages in BAR 2, and one register that is in the last record.
pub(crate) struct Paged {
    values: Values,
    pub(crate) memory: [u8; PAGES * PAGE],
    dirty: [bool; PAGES],
    pub(crate) register: u8,
}

impl Paged {
    pub(crate) fn new(values: Values) -> Self {
        Self {
            values,
            memory: [0; PAGES * PAGE],
            dirty: [true; PAGES],
            register: 0,
        }
    }
}

impl Device for Paged {
    type Memory = Infallible;
    type Step = Infallible;
    type Outcome = Infallible;
    type Cursor = Cursor;
    type Held = Option<u8>;

    fn record_max(&self) -> usize {
        1 + PAGE
    }
    fn ty(&self) -> &'static DeviceType {
        &TYPE
    }
    fn values(&self) -> &Values {
        &self.values
    }
    fn set_values(&mut self, values: Values, _memory: Option<Infallible>) {
        self.values = values;
    }
    fn reset(&mut self) {
        *self = Self::new(self.values);
    }
    fn region(&self, region: Region) -> RegionInfo {
        let size = match region {
            Region::Bar(2) => (PAGES * PAGE) as u64,
            Region::Config => 1,
            Region::Bar(_) => return RegionInfo::ABSENT,
        };
        RegionInfo {
            size,
            access: true,
            mmap: false,
        }
    }
    fn irqs(&self) -> Irqs {
        Irqs {
            intx: 0,
            msi: 0,
            msix: 1,
        }
    }
    fn read(&mut self, region: Region, at: u64, data: &mut [u8]) {
        self.peek(region, at, data);
    }
    fn peek(&self, region: Region, at: u64, data: &mut [u8]) {
        match region {
            Region::Config => data.fill(self.register),
            Region::Bar(_) => data.copy_from_slice(&self.memory[at as usize..][..data.len()]),
        }
    }
    fn write(&mut self, region: Region, at: u64, data: &[u8]) -> Result<(), Full> {
        for (at, byte) in (at as usize..).zip(data) {
            match region {
                Region::Config => self.register = *byte,
                Region::Bar(_) => {
                    self.memory[at] = *byte;
                    self.dirty[at / PAGE] = true;
                }
            }
        }
        Ok(())
    }
    fn intx(&self) -> bool {
        false
    }
    fn pending(&self) -> u32 {
        0
    }
    fn delivered(&mut self, _mask: u32) {}
    fn finish(&mut self, outcome: Infallible) {
        match outcome {}
    }
    fn left(&self, _cursor: &Cursor) -> Left {
        let pages = self.dirty.iter().filter(|dirty| **dirty).count();
        Left {
            initial: 0,
            dirty: (pages * PAGE_RECORD) as u64,
        }
    }
    fn stop_bytes(&self, _cursor: &Cursor) -> u64 {
        (PAGES * PAGE_RECORD + 13) as u64
    }
    fn save(
        &mut self,
        phase: Phase,
        cursor: &mut Cursor,
        out: &mut Payload<'_>,
    ) -> Result<Option<u16>, Fault> {
        if !cursor.begun {
            cursor.begun = true;
            self.dirty = [true; PAGES];
        }
        if let Some(page) = self.dirty.iter().position(|dirty| *dirty) {
            self.dirty[page] = false;
            out.u8(page as u8);
            out.bytes(&self.memory[page * PAGE..][..PAGE]);
            return Ok(Some(PAGE_TAG));
        }
        if phase == Phase::PreCopy || cursor.ended {
            return Ok(None);
        }
        cursor.ended = true;
        out.u8(self.register);
        Ok(Some(END_TAG))
    }
    fn load(
        &mut self,
        held: &mut Option<u8>,
        _values: &Values,
        tag: u16,
        payload: &[u8],
    ) -> Result<Taken, Flaw> {
        match (tag, payload) {
            (PAGE_TAG, [page, data @ ..]) if usize::from(*page) < PAGES && data.len() == PAGE => {
                if held.is_some() {
                    return Err(Flaw::OutOfPlace { tag });
                }
                self.memory[usize::from(*page) * PAGE..][..PAGE].copy_from_slice(data);
                Ok(Taken::Early)
            }
            (END_TAG, [register]) if held.is_none() => {
                *held = Some(*register);
                Ok(Taken::Final)
            }
            (PAGE_TAG | END_TAG, _) => Err(Flaw::Field("page")),
            _ => Ok(Taken::Unknown),
        }
    }
    fn complete(&self, held: &Option<u8>, _values: &Values) -> bool {
        held.is_some()
    }
    fn restore(&mut self, held: Option<u8>) {
        self.register = held.unwrap_or(0);
    }
}
