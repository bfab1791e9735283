// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `serial-1`, `serial-2` and `serial-var`: the model `vmig.example/pci-serial`.

use super::{
    DeviceType,
    Generation,
    Profile, //
};
use crate::{
    constraint::{
        Clause,
        Constraint, //
    },
    params::{
        Item::{
            self,
            One, //
        },
        Param,
        Type,
        Value::{
            Bool,
            Int, //
        }, //
    },
};

const MODEL: &str = "vmig.example/pci-serial";

/// Number of ports, which is what tells the three types apart.
struct Ports {
    init: u64,
    allowed: &'static [Item<'static>],
}

const ONE: Ports = Ports {
    init: 1,
    allowed: &[One(Int(1))],
};
const TWO: Ports = Ports {
    init: 2,
    allowed: &[One(Int(2))],
};
const ANY: Ports = Ports {
    init: 1,
    allowed: &[One(Int(1)), One(Int(2))],
};

const fn ports(ports: Ports) -> Param {
    Param {
        name: "ports",
        kind: Type::Int,
        init: Int(ports.init),
        off: None,
        allowed: ports.allowed,
        runtime: false,
        description: "Number of serial ports on the card.",
    }
}

const fn fifo_size(init: u64, allowed: &'static [Item<'static>]) -> Param {
    Param {
        name: "fifo-size",
        kind: Type::Int,
        init: Int(init),
        off: Some(Int(16)),
        allowed,
        runtime: false,
        description: "Bytes in each FIFO: 16 is a 16550A, 64 a TI 16750.",
    }
}

const AUTO_FLOW: Param = Param {
    name: "auto-flow",
    kind: Type::Bool,
    init: Bool(true),
    off: Some(Bool(false)),
    allowed: &[One(Bool(false)), One(Bool(true))],
    runtime: false,
    description: "Automatic RTS/CTS flow control (MCR bit 5).",
};

const LINE_STATS: Param = Param {
    name: "line-stats",
    kind: Type::Bool,
    init: Bool(false),
    off: Some(Bool(false)),
    allowed: &[One(Bool(false)), One(Bool(true))],
    runtime: true,
    description: "The state stream also carries counts of overrun, framing and parity errors.",
};

const fn params_1(of: Ports) -> [Param; 2] {
    [fifo_size(16, &[One(Int(16))]), ports(of)]
}

const fn params_2(of: Ports) -> [Param; 4] {
    [
        AUTO_FLOW,
        fifo_size(64, &[One(Int(16)), One(Int(64))]),
        LINE_STATS,
        ports(of),
    ]
}

const CONSTRAINTS_2: [Constraint; 1] = [Constraint {
    when: &[Clause {
        param: "auto-flow",
        values: &[One(Bool(true))],
    }],
    then: &[Clause {
        param: "fifo-size",
        values: &[One(Int(64))],
    }],
    description: "Automatic flow control is a function of the TI 16750.",
}];

const S1_V1: Profile = Profile {
    name: "s1-v1",
    params: &[("ports", Int(1))],
};
const S2_V1: Profile = Profile {
    name: "s2-v1",
    params: &[("ports", Int(2))],
};
const S1_V2: Profile = Profile {
    name: "s1-v2",
    params: &[
        ("auto-flow", Bool(true)),
        ("fifo-size", Int(64)),
        ("ports", Int(1)),
    ],
};
const S2_V2: Profile = Profile {
    name: "s2-v2",
    params: &[
        ("auto-flow", Bool(true)),
        ("fifo-size", Int(64)),
        ("ports", Int(2)),
    ],
};

const SERIAL_1: DeviceType = DeviceType {
    name: "serial-1",
    pretty: "PCI serial card, 1 port",
    model: MODEL,
    params: &const { params_2(ONE) },
    constraints: &CONSTRAINTS_2,
    profiles: &[S1_V1, S1_V2],
    generation: Generation::Two,
};

const SERIAL_2: DeviceType = DeviceType {
    name: "serial-2",
    pretty: "PCI serial card, 2 ports",
    params: &const { params_2(TWO) },
    profiles: &[S2_V1, S2_V2],
    ..SERIAL_1
};

const SERIAL_VAR: DeviceType = DeviceType {
    name: "serial-var",
    pretty: "PCI serial card, 1 or 2 ports",
    params: &const { params_2(ANY) },
    profiles: &[S1_V1, S2_V1, S1_V2, S2_V2],
    ..SERIAL_1
};

/// The types of generation 2.
pub(super) const GENERATION_2: [DeviceType; 3] = [SERIAL_1, SERIAL_2, SERIAL_VAR];

/// The types of generation 1.
pub(super) const GENERATION_1: [DeviceType; 3] = [
    DeviceType {
        params: &const { params_1(ONE) },
        constraints: &[],
        profiles: &[S1_V1],
        generation: Generation::One,
        ..SERIAL_1
    },
    DeviceType {
        params: &const { params_1(TWO) },
        constraints: &[],
        profiles: &[S2_V1],
        generation: Generation::One,
        ..SERIAL_2
    },
    DeviceType {
        params: &const { params_1(ANY) },
        constraints: &[],
        profiles: &[S1_V1, S2_V1],
        generation: Generation::One,
        ..SERIAL_VAR
    },
];
