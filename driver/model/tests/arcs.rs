// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The arcs against `vfio_mig_get_next_state()` of Linux 7.3.4 (`drivers/vfio/vfio_main.c`).

use vmig_model::{
    arcs::{
        effect,
        last_effect,
        next,
        next_with,
        Features,
        State,
        ARCS, //
    },
    error::Error,
};

/// `vfio_from_fsm_table`: the current state, then the next state towards each new state.
const KERNEL: &str = "
current       STOP         RUNNING      PRE_COPY     PRE_COPY_P2P STOP_COPY    RESUMING     RUNNING_P2P  ERROR
STOP          STOP         RUNNING_P2P  RUNNING_P2P  RUNNING_P2P  STOP_COPY    RESUMING     RUNNING_P2P  ERROR
RUNNING       RUNNING_P2P  RUNNING      PRE_COPY     RUNNING_P2P  RUNNING_P2P  RUNNING_P2P  RUNNING_P2P  ERROR
PRE_COPY      RUNNING      RUNNING      PRE_COPY     PRE_COPY_P2P PRE_COPY_P2P RUNNING      RUNNING      ERROR
PRE_COPY_P2P  RUNNING_P2P  RUNNING_P2P  PRE_COPY     PRE_COPY_P2P STOP_COPY    RUNNING_P2P  RUNNING_P2P  ERROR
STOP_COPY     STOP         STOP         ERROR        ERROR        STOP_COPY    STOP         STOP         ERROR
RESUMING      STOP         STOP         STOP         STOP         STOP         RESUMING     STOP         ERROR
RUNNING_P2P   STOP         RUNNING      RUNNING      PRE_COPY_P2P STOP         STOP         RUNNING_P2P  ERROR
ERROR         ERROR        ERROR        ERROR        ERROR        ERROR        ERROR        ERROR        ERROR
";

/// The multi-step ways of the comment above that table, for a device with all features.
const WAYS: &str = "
PRE_COPY -> PRE_COPY_P2P -> STOP_COPY
PRE_COPY -> RUNNING -> RUNNING_P2P
PRE_COPY -> RUNNING -> RUNNING_P2P -> STOP
PRE_COPY -> RUNNING -> RUNNING_P2P -> STOP -> RESUMING
PRE_COPY_P2P -> RUNNING_P2P -> RUNNING
PRE_COPY_P2P -> RUNNING_P2P -> STOP
PRE_COPY_P2P -> RUNNING_P2P -> STOP -> RESUMING
RESUMING -> STOP -> RUNNING_P2P
RESUMING -> STOP -> RUNNING_P2P -> PRE_COPY_P2P
RESUMING -> STOP -> RUNNING_P2P -> RUNNING
RESUMING -> STOP -> RUNNING_P2P -> RUNNING -> PRE_COPY
RESUMING -> STOP -> STOP_COPY
RUNNING -> RUNNING_P2P -> PRE_COPY_P2P
RUNNING -> RUNNING_P2P -> STOP
RUNNING -> RUNNING_P2P -> STOP -> RESUMING
RUNNING -> RUNNING_P2P -> STOP -> STOP_COPY
RUNNING_P2P -> RUNNING -> PRE_COPY
RUNNING_P2P -> STOP -> RESUMING
RUNNING_P2P -> STOP -> STOP_COPY
STOP -> RUNNING_P2P -> PRE_COPY_P2P
STOP -> RUNNING_P2P -> RUNNING
STOP -> RUNNING_P2P -> RUNNING -> PRE_COPY
STOP_COPY -> STOP -> RESUMING
STOP_COPY -> STOP -> RUNNING_P2P
STOP_COPY -> STOP -> RUNNING_P2P -> RUNNING
";

/// Numbers of `enum vfio_device_mig_state`.
const NAMES: [&str; 8] = [
    "ERROR",
    "STOP",
    "RUNNING",
    "STOP_COPY",
    "RESUMING",
    "RUNNING_P2P",
    "PRE_COPY",
    "PRE_COPY_P2P",
];

const STOP_COPY: u32 = 1;
const P2P: u32 = 2;
const PRE_COPY: u32 = 4;

/// `state_flags_table`.
const FLAGS: [u32; 8] = [
    u32::MAX,
    STOP_COPY,
    STOP_COPY,
    STOP_COPY,
    STOP_COPY,
    STOP_COPY | P2P,
    STOP_COPY | PRE_COPY,
    STOP_COPY | P2P | PRE_COPY,
];

fn number(name: &str) -> usize {
    NAMES.iter().position(|own| *own == name).unwrap()
}

fn state(number: usize) -> State {
    State::try_from(u32::try_from(number).unwrap()).unwrap()
}

fn kernel_table() -> [[usize; 8]; 8] {
    let mut lines = KERNEL.trim().lines();
    let columns: Vec<_> = lines
        .next()
        .unwrap()
        .split_whitespace()
        .skip(1)
        .map(number)
        .collect();
    let mut table = [[usize::MAX; 8]; 8];
    for line in lines {
        let mut words = line.split_whitespace().map(number);
        let from = words.next().unwrap();
        for (to, next) in columns.iter().zip(words) {
            table[from][*to] = next;
        }
    }
    table
}

/// `vfio_mig_get_next_state()`, with the WARN_ON as `None`.
fn kernel_next(flags: u32, from: usize, to: usize) -> Option<usize> {
    let table = kernel_table();
    let exists = |state: usize| FLAGS[state] & flags == FLAGS[state];
    if !exists(from) || !exists(to) {
        return None;
    }
    let mut next = table[from][to];
    while next != 0 && !exists(next) {
        next = table[next][to];
    }
    (next != 0).then_some(next)
}

#[test]
fn all_pairs_go_the_kernels_way() {
    let mut pairs = 0;
    for flags in [0, P2P, PRE_COPY, P2P | PRE_COPY] {
        let features = Features {
            p2p: flags & P2P != 0,
            pre_copy: flags & PRE_COPY != 0,
        };
        for (from, from_name) in NAMES.iter().enumerate() {
            for (to, to_name) in NAMES.iter().enumerate() {
                let expected = kernel_next(STOP_COPY | flags, from, to).map(state);
                let found = next_with(features, state(from), state(to));
                assert_eq!(found, expected, "{from_name} to {to_name}, {features:?}");
                pairs += 1;
            }
        }
    }
    assert_eq!(pairs, 4 * 64);
}

#[test]
fn ways_are_those_of_the_comment() {
    let mut ways = Vec::new();
    for from in State::ALL {
        for to in State::ALL {
            let mut way = vec![from];
            while let Some(step) =
                next(*way.last().unwrap(), to).filter(|_| way.last() != Some(&to))
            {
                way.push(step);
                assert!(way.len() <= 8, "{way:?} goes round");
            }
            if way.len() > 2 {
                let names: Vec<_> = way
                    .iter()
                    .map(|state| NAMES[u32::from(*state) as usize])
                    .collect();
                ways.push(names.join(" -> "));
            }
        }
    }
    let mut expected: Vec<_> = WAYS.trim().lines().collect();
    ways.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ways, expected);
}

#[test]
fn every_step_is_a_direct_arc() {
    for from in State::ALL {
        for to in State::ALL {
            match next(from, to) {
                Some(step) if step != from => assert!(effect(from, step).is_some()),
                Some(_) => assert_eq!(from, to),
                None => (),
            }
        }
    }
    for (from, to, _) in ARCS {
        assert_eq!(next(from, to), Some(to), "{from:?} to {to:?} is direct");
    }
}

#[test]
fn the_last_effect_is_that_of_the_last_arc() {
    for from in State::ALL {
        assert_eq!(last_effect(from, from), None, "no way to go");
        for to in State::ALL {
            let mut way = vec![from];
            while let Some(step) = next(way[way.len() - 1], to).filter(|_| way.last() != Some(&to))
            {
                way.push(step);
            }
            let expected = match way[..] {
                [.., a, b] if b == to => effect(a, b),
                _ => None,
            };
            assert_eq!(last_effect(from, to), expected, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn numbers_are_those_of_the_uapi() {
    for (number, state) in (0u32..).zip(State::ALL) {
        assert_eq!(u32::from(state), number);
        assert_eq!(state as u32, number);
        assert_eq!(State::try_from(number), Ok(state));
    }
    for number in [8, 255, u32::MAX] {
        assert_eq!(State::try_from(number), Err(Error::NoArc));
    }
}
