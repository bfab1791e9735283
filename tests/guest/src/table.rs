// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The types and parameters that the driver promises, transcribed by hand.
//!
//! This is the oracle of the tests. It repeats the driver's tables on purpose: made from them, it
//! would agree with any mistake in them.

/// What the mdev core puts before a type's name: the name of the parent's class or driver.
pub const PREFIX: &str = "vmig-";

/// Model string of all serial types.
pub const SERIAL: &str = "vmig.example/pci-serial";

/// Model string of all accelerators.
pub const ACCEL: &str = "vmig.example/accel";

/// The generations, oldest first.
pub const GENERATIONS: [u32; 2] = [1, 2];

/// Ports of a parent, shared by all its devices and staged entries.
pub const PORTS: u32 = 24;

/// Device memory of a parent in MiB, likewise.
pub const MEMORY_MB: u32 = 1024;

/// Entries that a type can have staged.
pub const STAGED_MAX: usize = 16;

/// A parameter of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name.
    pub name: &'static str,
    /// `bool`, `int` or `str`.
    pub kind: &'static str,
    /// Value of a new device.
    pub init: &'static str,
    /// Value without effect.
    pub off: Option<&'static str>,
    /// Allowed values, in the byte order of their text.
    pub allowed: &'static [&'static str],
    /// May change while the device is open.
    pub runtime: bool,
}

/// A type.
#[derive(Clone, Copy, Debug)]
pub struct TypeRow {
    /// Name without [`PREFIX`].
    pub name: &'static str,
    /// Model string.
    pub model: &'static str,
    /// Parameters in the byte order of their names.
    pub params: &'static [Param],
    /// Names of the profiles, oldest first.
    pub profiles: &'static [&'static str],
    /// How many of the smallest devices a parent has room for.
    pub room: u32,
}

const fn ports(init: &'static str, allowed: &'static [&'static str]) -> Param {
    Param {
        name: "ports",
        kind: "int",
        init,
        off: None,
        allowed,
        runtime: false,
    }
}

const PORTS_1: Param = ports("1", &["1"]);
const PORTS_2: Param = ports("2", &["2"]);
const PORTS_VAR: Param = ports("1", &["1", "2"]);

const FIFO_OLD: Param = Param {
    name: "fifo-size",
    kind: "int",
    init: "16",
    off: Some("16"),
    allowed: &["16"],
    runtime: false,
};
const FIFO: Param = Param {
    init: "64",
    allowed: &["16", "64"],
    ..FIFO_OLD
};
const AUTO_FLOW: Param = Param {
    name: "auto-flow",
    kind: "bool",
    init: "on",
    off: Some("off"),
    allowed: &["off", "on"],
    runtime: false,
};
const LINE_STATS: Param = Param {
    name: "line-stats",
    init: "off",
    runtime: true,
    ..AUTO_FLOW
};

const fn memory_mb(init: &'static str, allowed: &'static [&'static str]) -> Param {
    Param {
        name: "memory-mb",
        ..ports(init, allowed)
    }
}

const MEMORY_64: Param = memory_mb("64", &["64"]);
const MEMORY_128: Param = memory_mb("128", &["128"]);
const MEMORY_OLD: Param = memory_mb("64", &["128", "16", "32", "64"]);
const MEMORY_VAR: Param = memory_mb("64", &["128", "16", "256", "32", "64"]);

const QUEUES_OLD: Param = Param {
    name: "num-queues",
    kind: "int",
    init: "1",
    off: Some("1"),
    allowed: &["1-4"],
    runtime: false,
};
const QUEUES: Param = Param {
    init: "4",
    allowed: &["1-8"],
    ..QUEUES_OLD
};
const CHECKSUM: Param = Param {
    name: "checksum",
    ..AUTO_FLOW
};
const CODEC: Param = Param {
    name: "codec",
    kind: "str",
    init: "zero",
    off: Some("none"),
    allowed: &["none", "zero"],
    runtime: true,
};

const ACCEL_OLD: TypeRow = TypeRow {
    name: "accel-64",
    model: ACCEL,
    params: &[MEMORY_64, QUEUES_OLD],
    profiles: &["m64-q1-v1", "m64-q4-v1"],
    room: MEMORY_MB / 64,
};
const ACCEL_NEW: TypeRow = TypeRow {
    params: &[CHECKSUM, CODEC, MEMORY_64, QUEUES],
    profiles: &["m64-q1-v1", "m64-q4-v1", "m64-q4-v2"],
    ..ACCEL_OLD
};
const SERIAL_OLD: TypeRow = TypeRow {
    name: "serial-1",
    model: SERIAL,
    params: &[FIFO_OLD, PORTS_1],
    profiles: &["s1-v1"],
    room: PORTS,
};
const SERIAL_NEW: TypeRow = TypeRow {
    params: &[AUTO_FLOW, FIFO, LINE_STATS, PORTS_1],
    profiles: &["s1-v1", "s1-v2"],
    ..SERIAL_OLD
};

const OLD: [TypeRow; 6] = [
    TypeRow {
        name: "accel-128",
        params: &[MEMORY_128, QUEUES_OLD],
        profiles: &["m128-q1-v1", "m128-q4-v1"],
        room: MEMORY_MB / 128,
        ..ACCEL_OLD
    },
    ACCEL_OLD,
    TypeRow {
        name: "accel-var",
        params: &[MEMORY_OLD, QUEUES_OLD],
        profiles: &["m64-q1-v1", "m64-q4-v1", "m128-q1-v1", "m128-q4-v1"],
        room: MEMORY_MB / 16,
        ..ACCEL_OLD
    },
    SERIAL_OLD,
    TypeRow {
        name: "serial-2",
        params: &[FIFO_OLD, PORTS_2],
        profiles: &["s2-v1"],
        room: PORTS / 2,
        ..SERIAL_OLD
    },
    TypeRow {
        name: "serial-var",
        params: &[FIFO_OLD, PORTS_VAR],
        profiles: &["s1-v1", "s2-v1"],
        ..SERIAL_OLD
    },
];

const NEW: [TypeRow; 6] = [
    TypeRow {
        name: "accel-128",
        params: &[CHECKSUM, CODEC, MEMORY_128, QUEUES],
        profiles: &["m128-q1-v1", "m128-q4-v1", "m128-q4-v2"],
        room: MEMORY_MB / 128,
        ..ACCEL_NEW
    },
    ACCEL_NEW,
    TypeRow {
        name: "accel-var",
        params: &[CHECKSUM, CODEC, MEMORY_VAR, QUEUES],
        profiles: &[
            "m64-q1-v1",
            "m64-q4-v1",
            "m64-q4-v2",
            "m128-q1-v1",
            "m128-q4-v1",
            "m128-q4-v2",
        ],
        room: MEMORY_MB / 16,
        ..ACCEL_NEW
    },
    SERIAL_NEW,
    TypeRow {
        name: "serial-2",
        params: &[AUTO_FLOW, FIFO, LINE_STATS, PORTS_2],
        profiles: &["s2-v1", "s2-v2"],
        room: PORTS / 2,
        ..SERIAL_NEW
    },
    TypeRow {
        name: "serial-var",
        params: &[AUTO_FLOW, FIFO, LINE_STATS, PORTS_VAR],
        profiles: &["s1-v1", "s2-v1", "s1-v2", "s2-v2"],
        ..SERIAL_NEW
    },
];

/// The types of a generation, sorted by name.
///
/// # Panics
///
/// If there is no such generation.
pub fn types(generation: u32) -> &'static [TypeRow] {
    match generation {
        1 => &OLD,
        2 => &NEW,
        other => panic!("no generation {other}"),
    }
}
