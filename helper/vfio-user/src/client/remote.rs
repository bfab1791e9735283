// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A device behind a socket as one whose state can be moved, like any other.

use std::cell::RefCell;

use vmig_vfio::{
    Data,
    Error,
    Migrate,
    State, //
};

use super::{
    Client,
    Result, //
};

/// A device behind a socket, for [`vmig_vfio::save`] and [`vmig_vfio::load`].
#[derive(Debug)]
pub struct Remote(RefCell<Client>);

impl From<Client> for Remote {
    fn from(client: Client) -> Self {
        Self(RefCell::new(client))
    }
}

impl Remote {
    /// Lets the client do something.
    fn with<R>(&self, f: impl FnOnce(&mut Client) -> Result<R>) -> Result<R, Error> {
        match self.0.try_borrow_mut() {
            Ok(mut client) => f(&mut client).map_err(Error::from),
            Err(error) => Err(Error::Remote {
                errno: None,
                message: error.to_string(),
            }),
        }
    }
}

impl Migrate for Remote {
    fn state(&self) -> Result<State, Error> {
        let state = self.with(Client::state)?;
        State::try_from(u32::from(state)).map_err(|number| Error::Remote {
            errno: None,
            message: format!("vfio-user: there is no state {number}"),
        })
    }

    fn go(&self, to: State) -> Result<Option<Box<dyn Data + '_>>, Error> {
        self.with(|client| client.set_state_number(number(to)))?;
        Ok(match to {
            State::StopCopy | State::PreCopy | State::Resuming => Some(Box::new(Stream(self))),
            _ => None,
        })
    }

    fn data_size(&self) -> Result<u64, Error> {
        self.with(Client::data_size)
    }

    fn reset(&self) -> Result<(), Error> {
        self.with(Client::reset)
    }
}

/// The transfer that goes on.
struct Stream<'a>(&'a Remote);

impl Data for Stream<'_> {
    fn read(&self, out: &mut [u8]) -> Result<usize, Error> {
        self.0.with(|client| client.data_read(out))
    }

    fn write_all(&self, data: &[u8]) -> Result<(), Error> {
        self.0.with(|client| client.data_write(data))
    }
}

#[expect(clippy::as_conversions, reason = "the numbers are the header's")]
fn number(state: State) -> u32 {
    state as u32
}
