// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `accel-64`, `accel-128` and `accel-var`: the model `vmig.example/accel`.

use super::{
    DeviceType,
    Generation,
    Profile, //
};
use crate::{
    accel::MODEL,
    constraint::{
        Clause,
        Constraint, //
    },
    params::{
        Item::{
            self,
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
};

/// Size of the memory, which is what tells the three types apart.
struct MemoryMb {
    init: u64,
    allowed: &'static [Item<'static>],
}

const ONLY_64: MemoryMb = MemoryMb {
    init: 64,
    allowed: &[One(Int(64))],
};
const ONLY_128: MemoryMb = MemoryMb {
    init: 128,
    allowed: &[One(Int(128))],
};
/// Powers of two, as a BAR must be.
const ANY_1: MemoryMb = MemoryMb {
    init: 64,
    allowed: &[One(Int(16)), One(Int(32)), One(Int(64)), One(Int(128))],
};
const ANY_2: MemoryMb = MemoryMb {
    init: 64,
    allowed: &[
        One(Int(16)),
        One(Int(32)),
        One(Int(64)),
        One(Int(128)),
        One(Int(256)),
    ],
};

const fn memory_mb(memory: MemoryMb) -> Param {
    Param {
        name: "memory-mb",
        kind: Type::Int,
        init: Int(memory.init),
        off: None,
        allowed: memory.allowed,
        runtime: false,
        description: "Device memory in MiB.",
    }
}

const fn num_queues(init: u64, allowed: &'static [Item<'static>]) -> Param {
    Param {
        name: "num-queues",
        kind: Type::Int,
        init: Int(init),
        off: Some(Int(1)),
        allowed,
        runtime: false,
        description: "Number of queues, each with an interrupt vector.",
    }
}

const CHECKSUM: Param = Param {
    name: "checksum",
    kind: Type::Bool,
    init: Bool(true),
    off: Some(Bool(false)),
    allowed: &[One(Bool(false)), One(Bool(true))],
    runtime: false,
    description: "Queues 2 and up can compute CRC32C.",
};

const CODEC: Param = Param {
    name: "codec",
    kind: Type::Str,
    init: Str("zero"),
    off: Some(Str("none")),
    allowed: &[One(Str("none")), One(Str("zero"))],
    runtime: true,
    description: "How device memory is coded in the state stream: with `zero`, zero pages travel as headers only.",
};

const fn params_1(memory: MemoryMb) -> [Param; 2] {
    [memory_mb(memory), num_queues(1, &[Range(1, 4)])]
}

const fn params_2(memory: MemoryMb) -> [Param; 4] {
    [
        CHECKSUM,
        CODEC,
        memory_mb(memory),
        num_queues(4, &[Range(1, 8)]),
    ]
}

const CONSTRAINTS_2: [Constraint; 1] = [Constraint {
    when: &[Clause {
        param: "checksum",
        values: &[One(Bool(true))],
    }],
    then: &[Clause {
        param: "num-queues",
        values: &[Range(3, 8)],
    }],
    description: "Queues 0 and 1 have no CRC unit.",
}];

const M64_Q1_V1: Profile = Profile {
    name: "m64-q1-v1",
    params: &[("memory-mb", Int(64))],
};
const M64_Q4_V1: Profile = Profile {
    name: "m64-q4-v1",
    params: &[("memory-mb", Int(64)), ("num-queues", Int(4))],
};
const M64_Q4_V2: Profile = Profile {
    name: "m64-q4-v2",
    params: &[
        ("checksum", Bool(true)),
        ("memory-mb", Int(64)),
        ("num-queues", Int(4)),
    ],
};
const M128_Q1_V1: Profile = Profile {
    name: "m128-q1-v1",
    params: &[("memory-mb", Int(128))],
};
const M128_Q4_V1: Profile = Profile {
    name: "m128-q4-v1",
    params: &[("memory-mb", Int(128)), ("num-queues", Int(4))],
};
const M128_Q4_V2: Profile = Profile {
    name: "m128-q4-v2",
    params: &[
        ("checksum", Bool(true)),
        ("memory-mb", Int(128)),
        ("num-queues", Int(4)),
    ],
};

const ACCEL_64: DeviceType = DeviceType {
    name: "accel-64",
    pretty: "Accelerator, 64 MiB",
    model: MODEL,
    params: &const { params_2(ONLY_64) },
    constraints: &CONSTRAINTS_2,
    profiles: &[M64_Q1_V1, M64_Q4_V1, M64_Q4_V2],
    generation: Generation::Two,
};

const ACCEL_128: DeviceType = DeviceType {
    name: "accel-128",
    pretty: "Accelerator, 128 MiB",
    params: &const { params_2(ONLY_128) },
    profiles: &[M128_Q1_V1, M128_Q4_V1, M128_Q4_V2],
    ..ACCEL_64
};

const ACCEL_VAR: DeviceType = DeviceType {
    name: "accel-var",
    pretty: "Accelerator, 16 to 256 MiB",
    params: &const { params_2(ANY_2) },
    profiles: &[
        M64_Q1_V1, M64_Q4_V1, M64_Q4_V2, M128_Q1_V1, M128_Q4_V1, M128_Q4_V2,
    ],
    ..ACCEL_64
};

/// The types of generation 2.
pub(super) const GENERATION_2: [DeviceType; 3] = [ACCEL_64, ACCEL_128, ACCEL_VAR];

/// The types of generation 1.
pub(super) const GENERATION_1: [DeviceType; 3] = [
    DeviceType {
        params: &const { params_1(ONLY_64) },
        constraints: &[],
        profiles: &[M64_Q1_V1, M64_Q4_V1],
        generation: Generation::One,
        ..ACCEL_64
    },
    DeviceType {
        params: &const { params_1(ONLY_128) },
        constraints: &[],
        profiles: &[M128_Q1_V1, M128_Q4_V1],
        generation: Generation::One,
        ..ACCEL_128
    },
    DeviceType {
        pretty: "Accelerator, 16 to 128 MiB",
        params: &const { params_1(ANY_1) },
        constraints: &[],
        profiles: &[M64_Q1_V1, M64_Q4_V1, M128_Q1_V1, M128_Q4_V1],
        generation: Generation::One,
        ..ACCEL_VAR
    },
];
