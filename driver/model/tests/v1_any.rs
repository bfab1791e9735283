// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The migration region under any order of accesses: no byte is lost, doubled or moved.

use proptest::prelude::*;
use vmig_model::{
    device::Device as _,
    error::Error, //
};

use crate::{
    region::*,
    support::*, //
};

/// What a user does in a saving session.
#[derive(Clone, Copy, Debug)]
enum Step {
    Pending,
    Offset,
    Size,
    /// A whole round, as the protocol has it.
    Round,
    /// Something that must not matter.
    Noise(u8),
    /// The device goes on working.
    Send(u8),
    /// `line-stats` changes.
    Reinit,
    /// From 011b to 010b, or 010b again.
    Freeze,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Pending),
        2 => Just(Step::Offset),
        3 => Just(Step::Size),
        3 => Just(Step::Round),
        2 => any::<u8>().prop_map(Step::Noise),
        2 => any::<u8>().prop_map(Step::Send),
        1 => Just(Step::Reinit),
        1 => Just(Step::Freeze),
    ];
    proptest::collection::vec(step, 0..60)
}

/// A user that keeps to the rule: what was told is read, and it has it when it asks what is pending.
struct User {
    card: Card,
    stream: Vec<u8>,
    told: Option<Vec<u8>>,
}

impl User {
    fn pending(&mut self) -> u64 {
        self.stream.extend(self.told.take().unwrap_or_default());
        self.card.pending()
    }

    fn size(&mut self) {
        let size = self.card.u64_at(DATA_SIZE);
        let data = self.card.data(size);
        if let Some(told) = &self.told {
            assert_eq!(&data, told, "it stays until pending_bytes is read");
        }
        self.told = (size > 0).then_some(data);
    }

    fn round(&mut self) -> bool {
        let pending = self.pending();
        if pending > 0 {
            assert_eq!(self.card.u64_at(DATA_OFFSET), DATA);
            self.size();
            assert!(self.told.is_some(), "V33: {pending} are pending");
        }
        pending > 0
    }

    fn noise(&mut self, n: u8) {
        let at = [PENDING, DATA_OFFSET, DATA_SIZE, DATA, 40][usize::from(n % 5)];
        assert!(self.card.write(at, &[n; 8]).is_err());
        assert!(self.card.read(u64::from(n % 32 | 1), &mut [0; 4]).is_err());
        assert_eq!(self.card.ask(0b101), Err(Error::NoArc));
    }
}

proptest! {
    #[test]
    fn the_stream_is_whole(steps in steps(), section in 1_usize..600) {
        let stats = serial_var().index("line-stats").unwrap();
        let mut user = User {
            card: Card::with_section(FULL, section),
            stream: Vec::new(),
            told: None,
        };
        fill(&mut user.card.dut);
        user.card.dut.set_reinit(true);
        user.card.ask(PRE_COPY).unwrap();
        for step in steps {
            let running = user.card.state() == PRE_COPY;
            match step {
                Step::Pending => {
                    user.pending();
                }
                Step::Offset => assert_eq!(user.card.u64_at(DATA_OFFSET), DATA),
                Step::Size => user.size(),
                Step::Round => {
                    user.round();
                }
                Step::Noise(n) => user.noise(n),
                Step::Send(byte) if running => send(&mut user.card.dut, 0, &[byte]),
                Step::Reinit if running => {
                    let dut = &mut user.card.dut;
                    let text = dut.device().values().get(stats).unwrap().to_string();
                    let other = if text == "on" { "off" } else { "on" };
                    // Nobody has read the last change yet.
                    let changed = dut.set_param(stats, other, true);
                    prop_assert!(matches!(changed, Ok(()) | Err(Error::Busy)));
                }
                Step::Send(_) | Step::Reinit => {}
                Step::Freeze => user.card.ask(STOP_COPY).unwrap(),
            }
        }
        user.card.ask(STOP_COPY).unwrap();
        while user.round() {}
        user.card.ask(STOP).unwrap();

        let now = user.card.dut.device().values().get(stats).unwrap().to_string();
        let mut other = Card::with_section(FULL, section);
        other.ask(RESUMING).unwrap();
        for piece in user.stream.chunks(section) {
            other.give(piece).unwrap();
        }
        other.dut.set_param(stats, &now, true).unwrap();
        prop_assert_eq!(other.ask(STOP), Ok(()));
        prop_assert_eq!(other.saved(), user.card.saved());
    }
}
