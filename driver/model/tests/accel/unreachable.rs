// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! States in a stream that no accelerator can reach by itself, and memory that it does not have.

use vmig_model::error::Class;

use super::machine::*;
use crate::{
    support::List,
    wire::{
        assemble,
        body,
        header,
        Raw, //
    },
};

/// Result and refusal of loading `records` into a card with `list`.
fn judge(list: &'static List, records: &[Raw]) -> (Result<(), Class>, String) {
    let mut rig = Rig::new(list);
    let stream = assemble(header(1, 0), records);
    let found = rig.load(&stream, 4096).map_err(|error| error.class());
    let text = rig.dut.refusal().map_or(String::new(), ToString::to_string);
    if found.is_ok() {
        assert!(rig.saved() == stream, "what is taken comes back");
    } else {
        rig.dut.reset();
        assert!(rig.ram().contents().is_empty());
    }
    (found, text)
}

fn refused(list: &'static List, records: &[Raw], field: &str) {
    let (found, text) = judge(list, records);
    let expected = if field.is_empty() {
        Ok(())
    } else {
        Err(Class::Malformed)
    };
    assert_eq!(found, expected, "{field} {text}");
    assert!(
        field.is_empty() || text.ends_with(&format!(": bad {field}")),
        "{text}, not {field}"
    );
}

/// Records of an idle card.
fn idle(list: &'static List) -> Vec<Raw> {
    body(&Rig::new(list).saved())
}

/// Index of the first record with this tag.
fn find(records: &[Raw], tag: u16) -> usize {
    records.iter().position(|raw| raw.tag == tag).unwrap()
}

/// Replaces a payload.
fn with(list: &'static List, tag: u16, payload: &[u8]) -> Vec<Raw> {
    let mut records = idle(list);
    let at = find(&records, tag);
    records[at].payload = payload.to_vec();
    records
}

#[test]
fn config_space_has_its_fixed_bits() {
    let config = |command: u16, bar0: u32, bar2: u64, line: u8, msix: u16| {
        let mut payload = command.to_le_bytes().to_vec();
        payload.extend(bar0.to_le_bytes());
        payload.extend(bar2.to_le_bytes());
        payload.push(line);
        payload.extend(msix.to_le_bytes());
        payload
    };
    let rows = [
        (config(6, 0, 0xc, 0, 3), ""),
        (
            config(6, 0xffff_c000, 0xffff_ffff_ff00_000c, 255, 0xc003),
            "",
        ),
        (config(1, 0, 0xc, 0, 3), "COMMAND"),
        (config(0x406, 0, 0xc, 0, 3), "COMMAND"),
        (config(6, 0x2000, 0xc, 0, 3), "BAR 0"),
        (config(6, 1, 0xc, 0, 3), "BAR 0"),
        (config(6, 0, 0, 0, 3), "BAR 2"),
        (config(6, 0, 0x80_000c, 0, 3), "BAR 2"),
        (config(6, 0, 0xc, 0, 2), "MSI-X control"),
        (config(6, 0, 0xc, 0, 0x103), "MSI-X control"),
        (
            config(6, 0, 0xc, 0, 3)[..16].to_vec(),
            "config space record",
        ),
        ([config(6, 0, 0xc, 0, 3), vec![0]].concat(), "record length"),
    ];
    for (payload, field) in rows {
        refused(FULL, &with(FULL, 0x0201, &payload), field);
    }
}

#[test]
fn interrupts_are_those_of_queues() {
    for (payload, msix, field) in [
        (&[15, 15, 0][..], false, ""),
        (&[15, 15, 15], true, ""),
        (&[0, 0, 1], true, ""),
        (&[16, 0, 0], false, "INTERRUPT"),
        (&[0, 16, 0], false, "MASK"),
        (&[0, 0, 16], true, "pending interrupts"),
        (&[0, 0, 1], false, "pending interrupts"),
        (&[0, 0], false, "interrupt record"),
        (&[], false, "interrupt record"),
        (&[0, 0, 0, 0], false, "record length"),
    ] {
        let mut records = with(FULL, 0x0202, payload);
        if msix {
            let at = find(&records, 0x0201);
            records[at].payload[16] = 0x80;
        }
        refused(FULL, &records, field);
    }
    let mut table = vec![0xfc, 0xff, 0xff, 0xff];
    table.extend([0xff; 8]);
    table.extend([1, 0, 0, 0]);
    let good = table.repeat(4);
    refused(FULL, &with(FULL, 0x0203, &good), "");
    for (at, value) in [(0, 0xfd), (16, 0x02), (12, 2), (63, 1)] {
        let mut bad = good.clone();
        bad[at] = value;
        refused(FULL, &with(FULL, 0x0203, &bad), "MSI-X table");
    }
    refused(FULL, &with(FULL, 0x0203, &good[..63]), "MSI-X table");
    refused(FULL, &with(FULL, 0x0203, &table.repeat(5)), "record length");
}

/// The payload of a queue.
struct Q {
    control: u8,
    status: u8,
    base: u64,
    ring: [u32; 4],
    active: Option<([u8; 32], u32, u32)>,
}

const ON: Q = Q {
    control: 1,
    status: 0,
    base: 0x1000,
    ring: [8, 0, 0, 0],
    active: None,
};

impl Q {
    fn payload(&self, index: u8) -> Vec<u8> {
        let mut payload = vec![index, self.control, self.status];
        payload.extend(self.base.to_le_bytes());
        for value in self.ring {
            payload.extend(value.to_le_bytes());
        }
        payload.push(u8::from(self.active.is_some()));
        if let Some((request, moved, crc)) = self.active {
            payload.extend(&request[..24]);
            payload.extend(moved.to_le_bytes());
            payload.extend(crc.to_le_bytes());
        }
        payload
    }
}

#[test]
fn queues_are_in_a_state_that_they_can_reach() {
    let off = Q { control: 0, ..ON };
    let half = |bytes, moved, crc| Some((bytes, moved, crc));
    let fill = descriptor(FILL, 0, 2 * MIB, 7, 0);
    let crc = descriptor(CRC, NOTIFY, 2 * MIB, 0, 0);
    let top = u64::MAX - 31;
    #[rustfmt::skip]
    let rows = [
        (ON, ""),
        (off, ""),
        (Q { control: 2, ..ON }, "CONTROL"),
        (Q { control: 0, base: top, ring: [0xffff, 0, 0, 0], ..ON }, ""),
        (Q { control: 0, base: 0x1001, ..ON }, "BASE"),
        (Q { base: 0x1010, ..ON }, "BASE"),
        (Q { control: 0, ring: [0x1_0000, 0, 0, 0], ..ON }, "SIZE"),
        (Q { control: 0, status: 0x05, ..ON }, "STATUS"),
        (Q { status: 0x01, ..ON }, "STATUS"),
        (Q { status: 0x0b, ..ON }, "STATUS"),
        (Q { status: 0x14, ..ON }, "STATUS"),
        (Q { status: 0x05, ..ON }, ""),
        (Q { status: 0x12, ring: [8, 3, 2, 11], ..ON }, ""),
        (Q { status: 0x13, ..ON }, "STATUS"),
        (Q { status: 0x13, ring: [7, 0, 0, 0], ..ON }, ""),
        (Q { status: 0x13, ring: [7, 1, 1, 0], ..ON }, "ring position"),
        (Q { status: 0x13, ring: [7, 0, 0, 7], ..ON }, "ring position"),
        (Q { ring: [7, 0, 0, 0], ..ON }, "STATUS"),
        (Q { ring: [1, 0, 0, 0], ..ON }, "STATUS"),
        (Q { ring: [8192, 0, 0, 0], ..ON }, "STATUS"),
        (Q { base: top, ..ON }, "STATUS"),
        (Q { base: top, status: 0x13, ..ON }, ""),
        (Q { ring: [8, 7, 7, 15], ..ON }, ""),
        (Q { ring: [8, 7, 0, u32::MAX], ..ON }, ""),
        (Q { ring: [8, 8, 0, 8], ..ON }, "ring position"),
        (Q { ring: [8, 0, 8, 0], ..ON }, "ring position"),
        (Q { ring: [8, 1, 0, 0], ..ON }, "DONE"),
        (Q { ring: [8, 0, 0, 1], ..ON }, "DONE"),
        (Q { control: 0, ring: [8, 0, 1, 0], ..ON }, "ring position"),
        (Q { control: 0, ring: [8, 0, 0, 8], ..ON }, "ring position"),
        (Q { active: half(fill, 1, 0), ring: [8, 0, 1, 0], ..ON }, ""),
        (Q { active: half(fill, 2 * MIB as u32 - 1, 0), ..ON }, ""),
        (Q { active: half(fill, 0, 0), ..ON }, "descriptor progress"),
        (Q { active: half(fill, 2 * MIB as u32, 0), ..ON }, "descriptor progress"),
        (Q { active: half(fill, 1, 5), ..ON }, "CRC register"),
        (Q { active: half(fill, 1, 0), control: 0, ..ON }, "descriptor"),
        (Q { active: half(fill, 1, 0), status: 0x09, ..ON }, "descriptor"),
        (Q { active: half(descriptor(0, 0, 9, 0, 0), 1, 0), ..ON }, "descriptor"),
        (Q { active: half(descriptor(FILL, 2, 9, 0, 0), 1, 0), ..ON }, "descriptor"),
        (Q { active: half(descriptor(FILL, 0, 9, 0, MEMORY - 8), 1, 0), ..ON }, "descriptor"),
    ];
    for (row, field) in &rows {
        refused(FULL, &with(FULL, 0x0210, &row.payload(0)), field);
    }
    // The CRC unit belongs to queues 2 and up.
    let busy = Q {
        active: half(crc, 1, 0xffff_ffff),
        ..ON
    };
    let no_unit = Q { status: 0x04, ..ON };
    for (index, field) in [(1, "descriptor"), (2, "")] {
        let mut records = idle(FULL);
        let at = find(&records, 0x0210) + index;
        records[at].payload = busy.payload(index as u8);
        refused(FULL, &records, field);
        records[at].payload = no_unit.payload(index as u8);
        refused(FULL, &records, if index == 1 { "" } else { "STATUS" });
    }
    let payload = ON.payload(0);
    refused(FULL, &with(FULL, 0x0210, &payload[1..]), "queue number");
    refused(FULL, &with(FULL, 0x0210, &[]), "queue number");
    refused(FULL, &with(FULL, 0x0210, &payload[..27]), "queue record");
    refused(FULL, &with(FULL, 0x0210, &ON.payload(1)), "queue number");
    refused(
        FULL,
        &with(FULL, 0x0210, &[&payload[..], &[0]].concat()),
        "record length",
    );
    let mut bad = payload.clone();
    bad[27] = 2;
    refused(FULL, &with(FULL, 0x0210, &bad), "queue record");
}

/// A memory record.
fn memory(tag: u16, first: u32, rest: &[u8]) -> Raw {
    let mut payload = first.to_le_bytes().to_vec();
    payload.extend(rest);
    crate::wire::raw(tag, 1, &payload)
}

#[test]
fn memory_is_where_the_card_has_some() {
    let page = vec![7; 4096];
    let zeros = |count: u32| count.to_le_bytes();
    let pages = (MEMORY / 4096) as u32;
    let rows = [
        (FULL, memory(0x0220, 0, &page), ""),
        (FULL, memory(0x0220, pages - 1, &page), ""),
        (FULL, memory(0x0220, 5, &page.repeat(16)), ""),
        (FULL, memory(0x0220, 5, &page.repeat(17)), "length"),
        (FULL, memory(0x0220, pages, &page), "memory range"),
        (
            FULL,
            memory(0x0220, pages - 1, &page.repeat(2)),
            "memory range",
        ),
        (FULL, memory(0x0220, u32::MAX, &page), "memory range"),
        (FULL, memory(0x0220, 0, &[]), "memory record"),
        (FULL, memory(0x0220, 0, &page[1..]), "memory record"),
        (
            FULL,
            memory(0x0220, 0, &page.repeat(2)[1..]),
            "memory record",
        ),
        (ZERO, memory(0x0221, pages - 1, &zeros(2)), "memory range"),
        (ZERO, memory(0x0221, u32::MAX, &zeros(1)), "memory range"),
        (ZERO, memory(0x0221, 0, &zeros(0)), "memory record"),
        (ZERO, memory(0x0221, 0, &zeros(257)), "memory record"),
        (ZERO, memory(0x0221, 0, &zeros(u32::MAX)), "memory record"),
        (ZERO, memory(0x0221, 0, &[1, 0, 0]), "memory record"),
        (ZERO, memory(0x0221, 0, &[1, 0, 0, 0, 0]), "memory record"),
        (ZERO, crate::wire::raw(0x0221, 1, &[0, 0]), "memory record"),
        (ZERO, crate::wire::raw(0x0220, 1, &[0, 0]), "memory record"),
    ];
    for (list, record, field) in rows {
        let mut records = idle(list);
        records.insert(2, record);
        if field == "length" {
            let (found, text) = judge(list, &records);
            assert_eq!(found, Err(Class::Malformed));
            assert!(text.ends_with("tag 0x0220: bad length 69636"), "{text}");
            continue;
        }
        refused(list, &records, field);
    }
    // Zero pages are taken back, and they may not come without the codec.
    let mut records = idle(ZERO);
    records.insert(2, memory(0x0220, 7, &page.repeat(3)));
    records.insert(3, memory(0x0221, 8, &zeros(256)));
    let mut rig = Rig::new(ZERO);
    rig.load(&assemble(header(1, 0), &records), 999).unwrap();
    assert_eq!(rig.ram().contents().keys().collect::<Vec<_>>(), [&7]);
    let mut records = idle(FULL);
    records.insert(2, memory(0x0221, 0, &zeros(1)));
    let (found, text) = judge(FULL, &records);
    assert_eq!(found, Err(Class::Malformed));
    assert!(text.ends_with("tag 0x0221: out of place"), "{text}");
}

#[test]
fn memory_comes_first() {
    let mut rig = Rig::new(ZERO);
    rig.poke(0, &[1]);
    rig.poke(4096, &[0]);
    let records = body(&rig.saved());
    assert_eq!((records[2].tag, records[3].tag), (0x0220, 0x0221));
    for moved in [2, 3] {
        for to in 4..records.len() {
            let mut records = records.clone();
            let record = records.remove(moved);
            records.insert(to, record);
            let (found, text) = judge(ZERO, &records);
            assert_eq!(found, Err(Class::Malformed));
            assert!(text.ends_with("out of place"), "{text}");
        }
    }
}

#[test]
fn memory_that_cannot_be_had_has_its_own_class() {
    let mut rig = Rig::new(FULL);
    rig.poke(0, &noise(1, 3 * 4096));
    let stream = rig.saved();
    let mut other = Rig::new(FULL);
    other.ram().limit(2);
    let refused = other.load(&stream, 4096).map_err(|error| error.class());
    assert_eq!(refused, Err(Class::NoMemory));
    let text = other.dut.refusal().unwrap().to_string();
    assert!(text.ends_with(": no memory for it"), "{text}");
    other.ram().limit(3);
    other.dut.reset();
    assert_eq!(other.load(&stream, 4096), Ok(()));
}
