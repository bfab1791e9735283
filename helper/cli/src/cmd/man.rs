// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig man`: the manual pages, from the same definitions as `--help`.

use std::{
    fs,
    path::Path, //
};

use clap::CommandFactory;
use clap_mangen::Man;
use vmig::error::Error;

use crate::{
    cli::{
        self,
        Cli, //
    },
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
};

pub(super) fn run(args: &cli::Man, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let pages = pages()?;
    if let Some(directory) = &args.directory {
        for (name, page) in &pages {
            write(&directory.join(name), page)?;
        }
        return Ok(Exit::Done);
    }
    let wanted = match args.verb.as_slice() {
        [] => "vmig.1".to_owned(),
        words => format!("vmig-{}.1", words.join("-")),
    };
    let Some((_, page)) = pages.iter().find(|(name, _)| *name == wanted) else {
        let line = format!("there is no verb {}", args.verb.join(" "));
        return Err(Failure::Usage(Message::new(line)));
    };
    context.raw(page)?;
    Ok(Exit::Done)
}

fn write(path: &Path, page: &[u8]) -> Result<(), Failure> {
    fs::write(path, page).map_err(|error| {
        let path = path.display().to_string();
        Failure::Input(Error::unreadable(path, "cannot write", &error))
    })
}

/// File name and text of every page: of the command, and of each verb.
fn pages() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    render(&command, &mut pages)?;
    Ok(pages)
}

fn render(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let mut text = Vec::new();
    let page = Man::new(command.clone()).date("").manual("vmig manual");
    page.render(&mut text)?;
    pages.push((page.get_filename(), text));
    for verb in command.get_subcommands() {
        render(verb, pages)?;
    }
    Ok(())
}
