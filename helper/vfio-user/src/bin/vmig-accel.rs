// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig-accel`: an accelerator with device memory for vfio-user clients.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use vmig_model::accel::{
    self,
    Card, //
};
use vmig_vfio_user::{
    pages::Pages,
    program::{
        self,
        Program, //
    },
    work::Queues,
    Server,
};

const PROGRAM: Program = Program {
    name: "vmig-accel",
    kind: "accel-var",
    about: "An accelerator with device memory and queues, for vfio-user clients",
};

fn main() -> ExitCode {
    program::run(&PROGRAM, |ty, values| {
        let memory = Pages::new(accel::pages(ty, &values));
        Server::with_worker(Card::new(ty, values, memory), Queues::default())
    })
}
