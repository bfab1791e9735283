// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The verbs, one file each.

mod baseline;
mod check;
mod commands;
mod compare;
mod completions;
mod conform;
mod create;
mod info;
mod label;
mod man;
mod params;
mod plan;
mod remove;
mod set;
pub(crate) mod stage;
mod state;
mod types;
mod unstage;

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
        Verb::Types(args) => types::run(args, context),
        Verb::Info(args) => info::run(args, context),
        Verb::Params(args) => params::run(args, context),
        Verb::Check(args) => check::run(args, context),
        Verb::Compare(args) => compare::run(args, context),
        Verb::Baseline(args) => baseline::run(args, context),
        Verb::Plan(args) => plan::run(args, context),
        Verb::Label(args) => label::run(args, context),
        Verb::Commands(args) => commands::run(args, context),
        Verb::Stage(args) => stage::run(args, context),
        Verb::Unstage(args) => unstage::run(args, context),
        Verb::Create(args) => create::run(args, context),
        Verb::Set(args) => set::run(args, context),
        Verb::Remove(args) => remove::run(args, context),
        Verb::State(args) => state::run(args, context),
        Verb::Conform(args) => conform::run(args, context),
        Verb::Completions(args) => completions::run(args, context),
        Verb::Man(args) => man::run(args, context),
    }
}
