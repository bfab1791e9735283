// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig completions`: what a shell needs to complete vmig's command lines.

use clap::CommandFactory;

use crate::{
    cli::{
        Cli,
        Completions, //
    },
    context::Context,
    exit::Exit,
    failure::Failure,
};

pub(super) fn run(args: &Completions, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vmig", &mut script);
    context.raw(&script)?;
    Ok(Exit::Done)
}
