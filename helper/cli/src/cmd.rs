// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The verbs, one file each.

mod check;
mod info;

use crate::{
    cli::Verb,
    context::Context,
    exit::Exit,
    failure::Failure, //
};

/// Does what `verb` says.
///
/// # Errors
///
/// Why it could not be done; nothing has been told to the user then.
pub fn run(verb: &Verb, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Check(args) => check::run(args, context),
        Verb::Info(args) => info::run(args, context),
    }
}
