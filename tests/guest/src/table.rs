// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The types and parameters that the driver promises, transcribed by hand.
//!
//! This is the oracle of the tests. It repeats the driver's tables on purpose: made from them, it
//! would agree with any mistake in them.

/// What the mdev core puts before a type's name: the name of the parent's class or driver.
pub const PREFIX: &str = "vmig-";

/// Model string of all serial types.
pub const SERIAL: &str = "vmig.example/pci-serial";

/// The generations, oldest first.
pub const GENERATIONS: [u32; 2] = [1, 2];

/// Ports of a parent, shared by all its devices and staged entries.
pub const PORTS: u32 = 24;

/// Entries that a type can have staged.
pub const STAGED_MAX: usize = 16;

/// A parameter of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name.
    pub name: &'static str,
    /// `bool` or `int`.
    pub kind: &'static str,
    /// Value of a new device.
    pub init: &'static str,
    /// Value without effect.
    pub off: Option<&'static str>,
    /// Allowed values, in the order of the attribute.
    pub allowed: &'static [&'static str],
    /// May change while the device is open.
    pub runtime: bool,
}

/// A type.
#[derive(Clone, Copy, Debug)]
pub struct TypeRow {
    /// Name without [`PREFIX`].
    pub name: &'static str,
    /// Parameters in the byte order of their names.
    pub params: &'static [Param],
    /// Ports that the smallest device takes.
    pub smallest: u32,
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

const OLD: [TypeRow; 3] = [
    TypeRow {
        name: "serial-1",
        params: &[FIFO_OLD, PORTS_1],
        smallest: 1,
    },
    TypeRow {
        name: "serial-2",
        params: &[FIFO_OLD, PORTS_2],
        smallest: 2,
    },
    TypeRow {
        name: "serial-var",
        params: &[FIFO_OLD, PORTS_VAR],
        smallest: 1,
    },
];

const NEW: [TypeRow; 3] = [
    TypeRow {
        name: "serial-1",
        params: &[AUTO_FLOW, FIFO, LINE_STATS, PORTS_1],
        smallest: 1,
    },
    TypeRow {
        name: "serial-2",
        params: &[AUTO_FLOW, FIFO, LINE_STATS, PORTS_2],
        smallest: 2,
    },
    TypeRow {
        name: "serial-var",
        params: &[AUTO_FLOW, FIFO, LINE_STATS, PORTS_VAR],
        smallest: 1,
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
