// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Two machines to migrate between.

use guest::qemu::cards::Card;
use guest::qemu::{Qemu, Setup};
use guest::{Mdev, Type};
use serde_json::json;

/// Two machines with a device of each of some types, those of the first with something in them. The
/// device files are closed before the devices go.
pub(crate) struct Two {
    /// The one that has the guest first.
    pub(crate) source: Qemu,
    /// The one that waits for it.
    pub(crate) destination: Qemu,
    /// Those of the source, and of the destination.
    pub(crate) devices: [Vec<Mdev>; 2],
}

impl Two {
    /// Starts both, and fills the devices of the first.
    #[track_caller]
    pub(crate) fn new(from: &Setup, to: &Setup, kinds: &[&str]) -> Self {
        let devices = [(); 2].map(|()| {
            let kinds = kinds.iter();
            kinds
                .map(|kind| Type::default_parent(kind).new_device())
                .collect::<Vec<_>>()
        });
        let source = from.start_with(&devices[0]).expect("source");
        let destination = to.clone().incoming().start_with(&devices[1]);
        let mut two = Self {
            source,
            destination: destination.expect("destination"),
            devices,
        };
        for machine in [&mut two.source, &mut two.destination] {
            machine.capabilities(&["events"]);
            machine.parameters(&json!({"downtime-limit": 2000, "max-bandwidth": 1 << 30}));
        }
        two.cards(&two.source).for_each(Card::fill);
        two
    }

    /// What `machine`, one of the two, sees of the devices.
    pub(crate) fn cards<'a>(&self, machine: &'a Qemu) -> impl Iterator<Item = Card<'a>> {
        let numbers = (0..).take(self.devices[0].len());
        numbers.map(|number| Card::nth(&machine.qtest, number))
    }

    /// Ends both; nothing was refused.
    #[track_caller]
    pub(crate) fn end(self) {
        self.source.quit();
        self.destination.quit();
        for device in self.devices.iter().flatten() {
            assert_eq!(device.refusal(), "");
        }
    }
}
