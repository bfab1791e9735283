// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Moving the state of a device by protocol version 2. All panics if a step is refused: there is no
//! figure then.

use vmig_vfio::{DataFile, Device, Errno, State};

use crate::card::MIB;

/// A data file of the device, on its way to `state`.
pub(crate) fn enter(device: &Device, state: State) -> DataFile {
    let opened = device.set_state(state).expect("SET_STATE");
    opened.expect("a data file")
}

/// Goes to `state`, which opens no data file.
pub(crate) fn go(device: &Device, state: State) {
    let opened = device.set_state(state).expect("SET_STATE");
    assert!(opened.is_none(), "a data file in {state}");
}

/// Reads to the end, or to the temporary one of pre-copy; returns how many bytes.
pub(crate) fn drain(data: &DataFile, buffer: &mut [u8], mut each: impl FnMut(&[u8])) -> usize {
    let mut total = 0;
    loop {
        match data.read(buffer) {
            Ok(0) => return total,
            Ok(count) => {
                each(&buffer[..count]);
                total += count;
            }
            Err(error) if error.errno() == Some(Errno::ENOMSG) => return total,
            Err(error) => panic!("{error}"),
        }
    }
}

/// From STOP to STOP_COPY and back, and the whole state in between.
pub(crate) fn save(device: &Device, buffer: &mut [u8], each: impl FnMut(&[u8])) -> usize {
    let data = enter(device, State::StopCopy);
    let total = drain(&data, buffer, each);
    go(device, State::Stop);
    total
}

/// From STOP to RESUMING and back, and the whole state in between.
pub(crate) fn load(device: &Device, stream: &[u8]) {
    let data = enter(device, State::Resuming);
    for piece in stream.chunks(MIB) {
        data.write_all(piece).expect("write to the data file");
    }
    go(device, State::Stop);
}
