// SPDX-License-Identifier: GPL-2.0-only

//! Parents that are made in configfs: `/sys/kernel/config/vmig/NAME`.
//!
//! `generation` may be written while the parent is not live. `live` 1 registers the parent
//! `vmig-NAME` and keeps the directory from being removed; 0 unregisters it, unless one of its
//! devices is open.
#![forbid(unsafe_code)]

use kernel::{
    configfs::{
        self,
        configfs_attrs, //
    },
    fmt::Write as _,
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    str::{
        CString,
        Formatter, //
    },
    sync::{
        Arc,
        Mutex, //
    },
};
use kernel_vfio::configfs::{
    group,
    Anchor,
    Anchored,
    Pinned, //
};
use vmig_model::{
    params::{
        Type,
        Value, //
    },
    types::Generation, //
};

use super::{
    Host,
    Live, //
};
use crate::{
    errno,
    sysfs::text, //
};

/// Longest name of a parent, in bytes.
const NAME_MAX: usize = 64;

/// The directory `vmig`.
#[pin_data]
pub(crate) struct Root {
    host: Arc<Host>,
}

/// Makes `/sys/kernel/config/vmig`.
pub(crate) fn subsystem(host: Arc<Host>) -> impl PinInit<configfs::Subsystem<Root>, Error> {
    let item_type = configfs_attrs! {
        container: configfs::Subsystem<Root>,
        data: Root,
        child: Item,
        attributes: [],
    };
    configfs::Subsystem::new(c"vmig", item_type, try_pin_init!(Root { host }))
}

#[vtable]
impl configfs::GroupOperations for Root {
    type Child = Item;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<configfs::Group<Item>, Error>> {
        if !is_name(name.to_bytes()) {
            return Err(EINVAL);
        }
        let item_type = configfs_attrs! {
            container: configfs::Group<Item>,
            data: Item,
            attributes: [
                generation: 0,
                live: 1,
            ],
        };
        let item = Item::new(name.try_into()?, self.host.clone());
        Ok(group(name.try_into()?, item_type, item))
    }
}

/// Whether a parent may be called so: what is also the name of a device, and an argument of tools.
fn is_name(name: &[u8]) -> bool {
    name.len() <= NAME_MAX
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name
            .iter()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
}

/// A parent that may be live.
#[pin_data]
pub(crate) struct Item {
    name: CString,
    host: Arc<Host>,
    #[pin]
    anchor: Anchor,
    #[pin]
    state: Mutex<State>,
}

struct State {
    generation: Generation,
    phase: Phase,
}

enum Phase {
    Off,
    /// Somebody is registering or unregistering the parent, which may wait; the lock is free.
    Changing,
    Live(Active),
}

/// A live parent.
struct Active {
    // Goes first: the directory may be removed as soon as it is not pinned any more.
    live: Live,
    _pinned: Pinned,
}

impl Item {
    fn new(name: CString, host: Arc<Host>) -> impl PinInit<Self, Error> {
        let state = State {
            generation: Generation::NEWEST,
            phase: Phase::Off,
        };
        try_pin_init!(Self {
            name,
            host,
            anchor <- Anchor::new(),
            state <- new_mutex!(state, "vmig::Item"),
        })
    }

    /// Registers the parent. Nothing happens if it is live.
    fn activate(&self) -> Result {
        let generation = {
            let mut state = self.state.lock();
            match state.phase {
                Phase::Live(_) => return Ok(()),
                Phase::Changing => return Err(EBUSY),
                Phase::Off => state.phase = Phase::Changing,
            }
            state.generation
        };
        let active = self.register(generation);
        let mut state = self.state.lock();
        match active {
            Ok(active) => {
                state.phase = Phase::Live(active);
                Ok(())
            }
            Err(e) => {
                state.phase = Phase::Off;
                Err(e)
            }
        }
    }

    fn register(&self, generation: Generation) -> Result<Active> {
        let pinned = self.anchor.pin()?;
        let name = CString::try_from_fmt(fmt!("vmig-{}", self.name.to_str()?))?;
        Ok(Active {
            live: Live::new(&self.host, &name, generation)?,
            _pinned: pinned,
        })
    }

    /// Unregisters the parent. Nothing happens if it is not live.
    fn deactivate(&self) -> Result {
        let active = {
            let mut state = self.state.lock();
            match &state.phase {
                Phase::Off => return Ok(()),
                Phase::Changing => return Err(EBUSY),
                Phase::Live(active) => active.live.close()?,
            }
            core::mem::replace(&mut state.phase, Phase::Changing)
        };
        drop(active);
        self.state.lock().phase = Phase::Off;
        Ok(())
    }
}

impl Anchored for Item {
    fn anchor(&self) -> &Anchor {
        &self.anchor
    }
}

/// `generation`
#[vtable]
impl configfs::AttributeOperations<0> for Item {
    type Data = Item;

    fn show(item: &Item, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        let generation = item.state.lock().generation;
        print(page, u32::from(generation))
    }

    fn store(item: &Item, page: &[u8]) -> Result {
        let Ok(Value::Int(number)) = Value::parse(Type::Int, text(page)?) else {
            return Err(EINVAL);
        };
        let number = u32::try_from(number).map_err(|_| EINVAL)?;
        let generation = Generation::try_from(number).map_err(errno::of)?;
        let mut state = item.state.lock();
        match state.phase {
            Phase::Off => {
                state.generation = generation;
                Ok(())
            }
            Phase::Changing | Phase::Live(_) => Err(EBUSY),
        }
    }
}

/// `live`
#[vtable]
impl configfs::AttributeOperations<1> for Item {
    type Data = Item;

    fn show(item: &Item, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        let live = !matches!(item.state.lock().phase, Phase::Off);
        print(page, u32::from(live))
    }

    fn store(item: &Item, page: &[u8]) -> Result {
        match text(page)? {
            "0" => item.deactivate(),
            "1" => item.activate(),
            _ => Err(EINVAL),
        }
    }
}

fn print(page: &mut [u8; PAGE_SIZE], number: u32) -> Result<usize> {
    let mut out = Formatter::new(page);
    writeln!(out, "{number}")?;
    Ok(out.bytes_written())
}

#[kunit_tests(vmig_items)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_tools_can_take() {
        for name in ["a", "0", "old", "host-1.rack_2", "A.b"] {
            assert!(is_name(name.as_bytes()));
        }
        for name in [
            "", ".", "..", "-a", "_a", "a b", "a/b", "a\n", "ä", "a\u{7f}",
        ] {
            assert!(!is_name(name.as_bytes()));
        }
        assert!(is_name(&[b'a'; NAME_MAX]));
        assert!(!is_name(&[b'a'; NAME_MAX + 1]));
    }
}
