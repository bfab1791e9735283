// SPDX-License-Identifier: GPL-2.0-only

//! Parents that are made in configfs: `/sys/kernel/config/vmig/NAME`.
//!
//! `generation` may be written while the parent is not live. `live` 1 registers the parent
//! `vmig-NAME` and keeps the directory from being removed; 0 unregisters it, unless one of its
//! devices is open.
#![forbid(unsafe_code)]

use kernel::{
    fmt::Write as _,
    new_mutex,
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
use kernel_vfio::{
    configfs::{
        Attribute,
        AttributeOperations,
        Directory,
        Item,
        ItemOperations,
        Pinned, //
    },
    sysfs::Mode,
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
pub(crate) struct Root(pub(crate) Arc<Host>);

impl Directory for Root {
    type Item = Named;

    fn make_item(&self, name: &CStr) -> Result<impl PinInit<Named, Error>> {
        if !is_name(name.to_bytes()) {
            return Err(EINVAL);
        }
        Ok(Named::new(name.try_into()?, self.0.clone()))
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
pub(crate) struct Named {
    name: CString,
    host: Arc<Host>,
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
    live: Live<'static>,
    _pinned: Pinned,
}

impl Named {
    fn new(name: CString, host: Arc<Host>) -> impl PinInit<Self, Error> {
        let state = State {
            generation: Generation::NEWEST,
            phase: Phase::Off,
        };
        try_pin_init!(Self {
            name,
            host,
            state <- new_mutex!(state, "vmig::Named"),
        })
    }

    /// Registers the parent of `item`. Nothing happens if it is live.
    fn activate(item: &Item<Self>) -> Result {
        let this = item.data();
        let generation = {
            let mut state = this.state.lock();
            match state.phase {
                Phase::Live(_) => return Ok(()),
                Phase::Changing => return Err(EBUSY),
                Phase::Off => state.phase = Phase::Changing,
            }
            state.generation
        };
        let active = this.register(item, generation);
        let mut state = this.state.lock();
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

    fn register(&self, item: &Item<Self>, generation: Generation) -> Result<Active> {
        let pinned = item.pin()?;
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

impl ItemOperations for Named {
    const ATTRIBUTES: &'static [Attribute<Self>] = &[
        Attribute::new::<GenerationFile>(c"generation", Mode::ReadWrite),
        Attribute::new::<LiveFile>(c"live", Mode::ReadWrite),
    ];
}

/// `generation`
struct GenerationFile;

impl AttributeOperations for GenerationFile {
    type Data = Named;

    fn show(item: &Item<Named>, out: &mut Formatter<'_>) -> Result {
        let generation = item.data().state.lock().generation;
        Ok(writeln!(out, "{}", u32::from(generation))?)
    }

    fn store(item: &Item<Named>, data: &[u8]) -> Result {
        let Ok(Value::Int(number)) = Value::parse(Type::Int, text(data)?) else {
            return Err(EINVAL);
        };
        let number = u32::try_from(number).map_err(|_| EINVAL)?;
        let generation = Generation::try_from(number).map_err(errno::of)?;
        let item = item.data();
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
struct LiveFile;

impl AttributeOperations for LiveFile {
    type Data = Named;

    fn show(item: &Item<Named>, out: &mut Formatter<'_>) -> Result {
        let live = !matches!(item.data().state.lock().phase, Phase::Off);
        Ok(writeln!(out, "{}", u32::from(live))?)
    }

    fn store(item: &Item<Named>, data: &[u8]) -> Result {
        match text(data)? {
            "0" => item.data().deactivate(),
            "1" => Named::activate(item),
            _ => Err(EINVAL),
        }
    }
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
