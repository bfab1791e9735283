// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Terminals that pass on every byte as it is.

use std::fs::File;

use nix::fcntl::{open, OFlag};
use nix::sys::stat::Mode;
use nix::sys::termios::{cfmakeraw, tcgetattr, tcsetattr, ControlFlags, SetArg};

use crate::Result;

/// Opens `/dev/NAME`, raw, whatever its modem lines say. `how` is `O_NONBLOCK` or
/// nothing.
pub(crate) fn raw(name: &str, how: OFlag) -> Result<File> {
    let path = format!("/dev/{name}");
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | how;
    let tty =
        open(path.as_str(), flags, Mode::empty()).map_err(|errno| format!("{path}: {errno}"))?;
    let mut settings = tcgetattr(&tty)?;
    cfmakeraw(&mut settings);
    settings.control_flags |= ControlFlags::CLOCAL | ControlFlags::CREAD;
    tcsetattr(&tty, SetArg::TCSANOW, &settings)?;
    Ok(File::from(tty))
}
