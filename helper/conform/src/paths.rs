// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The ways between the states of migration, as the uAPI defines them.
//!
//! C header: `include/uapi/linux/vfio.h`, `enum vfio_device_mig_state`: the direct arcs, and the
//! rules by which other requests are put together from them; `vfio_mig_get_next_state()` in
//! `drivers/vfio/vfio_main.c` has the result.

use vmig_vfio::{
    MigrationFlags,
    State, //
};

/// First step from the row's state to the column's, in the order of [`State::ALL`]; ERROR blocks.
const STEPS: [[State; 8]; 8] = {
    use State::{
        Error as E, //
        PreCopy as C,
        PreCopyP2p as CP,
        Resuming as L,
        Running as R,
        RunningP2p as RP,
        Stop as S,
        StopCopy as SC,
    };
    [
        // to:  E  S   R   SC  L   RP  C   CP
        /* E  */ [E, E, E, E, E, E, E, E],
        /* S  */ [E, S, RP, SC, L, RP, RP, RP],
        /* R  */ [E, RP, R, RP, RP, RP, C, RP],
        /* SC */ [E, S, S, SC, S, S, E, E],
        /* L  */ [E, S, S, S, L, S, S, S],
        /* RP */ [E, S, R, S, S, RP, R, CP],
        /* C  */ [E, R, R, CP, R, R, C, CP],
        /* CP */ [E, RP, RP, SC, RP, RP, C, CP],
    ]
};

/// The states that a request passes through, the last one included and the first one not; empty if
/// `from` is `to`, `None` if the request must be refused.
pub(crate) fn path(flags: MigrationFlags, from: State, to: State) -> Option<Vec<State>> {
    if to == State::Error || !flags.has(to) || !flags.has(from) {
        return None;
    }
    let mut way = Vec::new();
    let mut at = from;
    while at != to {
        at = STEPS[at as usize][to as usize];
        if at == State::Error {
            return None;
        }
        // States that the device lacks are passed by.
        if flags.has(at) {
            way.push(at);
        }
    }
    Some(way)
}

/// Whether a data transfer session belongs to the state.
pub(crate) const fn has_session(state: State) -> bool {
    match state {
        State::StopCopy | State::Resuming | State::PreCopy | State::PreCopyP2p => true,
        State::Error | State::Stop | State::Running | State::RunningP2p => false,
    }
}

/// Whether the state is one of the saving group, which shares one session.
pub(crate) const fn is_saving(state: State) -> bool {
    matches!(state, State::StopCopy | State::PreCopy | State::PreCopyP2p)
}

/// Whether a request that is granted returns a file descriptor: it ends in a state with a session
/// that it did not begin in.
pub(crate) fn opens(flags: MigrationFlags, from: State, to: State) -> bool {
    let kept = from == to || (is_saving(from) && is_saving(to));
    has_session(to) && !kept && path(flags, from, to).is_some()
}

#[cfg(test)]
mod tests {
    use vmig_model::arcs::{
        next_with,
        Features,
        State as ModelState, //
    };

    use super::*;

    const ALL_FLAGS: [MigrationFlags; 4] = [
        MigrationFlags(1),
        MigrationFlags(3),
        MigrationFlags(5),
        MigrationFlags(7),
    ];

    /// Two independent transcriptions of the kernel's table agree.
    #[test]
    fn paths_are_those_of_the_model() {
        let model = |state: State| ModelState::try_from(state as u32).unwrap();
        for flags in ALL_FLAGS {
            let features = Features {
                p2p: flags.p2p(),
                pre_copy: flags.pre_copy(),
            };
            for from in State::ALL {
                for to in State::ALL {
                    let first = next_with(features, model(from), model(to));
                    let way = path(flags, from, to);
                    let ours = way.as_ref().map(|way| way.first().copied().unwrap_or(to));
                    assert_eq!(ours.map(model), first, "{flags:?} {from} {to}");
                }
            }
        }
    }

    #[test]
    fn paths_have_no_saving_state_inside_but_between_saving_states() {
        for flags in ALL_FLAGS {
            for from in State::ALL {
                for to in State::ALL {
                    let way = path(flags, from, to).unwrap_or_default();
                    let inside = way.split_last().map_or(&[][..], |(_, inside)| inside);
                    let group = is_saving(from) && is_saving(to);
                    assert!(group || !inside.iter().any(|&state| is_saving(state)));
                    assert!(!inside.contains(&State::Resuming));
                }
            }
        }
    }

    #[test]
    fn sessions_open_on_the_four_arcs_and_what_ends_in_them() {
        let all = MigrationFlags(7);
        let direct = [
            (State::Running, State::PreCopy),
            (State::RunningP2p, State::PreCopyP2p),
            (State::Stop, State::StopCopy),
            (State::Stop, State::Resuming),
        ];
        for (from, to) in direct {
            assert!(opens(all, from, to), "{from} {to}");
        }
        assert!(opens(all, State::Running, State::StopCopy));
        assert!(opens(all, State::Resuming, State::StopCopy));
        assert!(opens(all, State::PreCopy, State::Resuming));
        assert!(!opens(all, State::PreCopy, State::StopCopy));
        assert!(!opens(all, State::StopCopy, State::PreCopy));
        assert!(!opens(all, State::Resuming, State::Resuming));
        assert!(!opens(MigrationFlags(1), State::Running, State::PreCopy));
    }
}
