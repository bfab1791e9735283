// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What a parent can hold.

use vmig_model::{
    capacity::{
        Capacity,
        PARENT, //
    },
    types::{
        find,
        Generation, //
    },
};

use crate::support::values;

const fn ports(ports: u32) -> Capacity {
    Capacity {
        ports,
        memory_mb: 0,
    }
}

#[test]
fn a_parent_holds_what_the_design_says() {
    assert_eq!((PARENT.ports, PARENT.memory_mb), (24, 1024));
    for (name, list, need, smallest, count) in [
        ("serial-1", "1", 1, 1, 24),
        ("serial-2", "2", 2, 2, 12),
        ("serial-var", "1", 1, 1, 24),
        ("serial-var", "2", 2, 1, 24),
    ] {
        for generation in [Generation::One, Generation::Two] {
            let ty = find(generation, name).unwrap();
            let values = values(ty, &[("ports", list)]);
            assert_eq!(ty.need(&values), ports(need), "{name}");
            assert_eq!(ty.smallest_need(), ports(smallest), "{name}");
            assert_eq!(PARENT.count(ty.smallest_need()), count, "{name}");
        }
    }
}

#[test]
fn arithmetic_does_not_wrap() {
    let all = Capacity {
        ports: u32::MAX,
        memory_mb: u32::MAX,
    };
    assert_eq!(all.checked_add(ports(1)), None);
    assert_eq!(ports(1).checked_sub(ports(2)), None);
    assert_eq!(PARENT.checked_sub(PARENT), Some(Capacity::NONE));
    assert_eq!(Capacity::NONE.checked_add(PARENT), Some(PARENT));
    assert_eq!(
        PARENT
            .checked_sub(ports(23))
            .map(|left| left.count(ports(1))),
        Some(1)
    );
    assert_eq!(PARENT.count(Capacity::NONE), 0);
    assert_eq!(
        PARENT.count(Capacity {
            ports: 1,
            memory_mb: 512
        }),
        2,
        "the scarcer resource counts"
    );
}
