// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig-serial`: a PCI serial card for vfio-user clients.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use vmig_model::serial::Card;
use vmig_vfio_user::{
    program::{
        self,
        Program, //
    },
    Server,
};

const PROGRAM: Program = Program {
    name: "vmig-serial",
    kind: "serial-var",
    about: "A PCI serial card with one or two ports, for vfio-user clients",
};

fn main() -> ExitCode {
    program::run(&PROGRAM, |ty, values| Server::new(Card::new(ty, values)))
}
