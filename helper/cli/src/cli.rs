// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The command line: what may be typed. Nothing here does anything.

use std::path::PathBuf;

use clap::{
    ArgAction,
    Args,
    Parser,
    Subcommand,
    ValueEnum, //
};

/// Migration parameters of mediated devices: read, check, stage, create.
#[derive(Debug, Parser)]
#[command(
    name = "vmig",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(after_help = EXIT_STATUS)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_STATUS: &str = "\
Exit status:
  0    yes, or done
  1    the answer is no, or a rule refused before anything was written
  2    the command line makes no sense
  3    an input was not understood
  4    the environment refused: busy, full, not permitted, gone, no destination at all
  5    failed after the first write, everything is undone
  6    failed, and undoing failed too
  7    only possible, where --strict asks for certainty
  70   a bug in vmig
  130  interrupted, everything is undone";

/// Options of every verb.
#[derive(Args, Debug)]
pub struct Global {
    /// Form of the output; `text` is for people and may change
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORM"
    )]
    pub output: Output,
    /// What stands for /sys
    #[arg(long, global = true, value_name = "DIR", default_value = "/sys")]
    pub sysfs_root: PathBuf,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN"
    )]
    pub color: Color,
    /// No warnings and no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the migration information of sources
    Info(Info),
    /// Say whether a migration parameter list is accepted, and every reason why not
    Check(Check),
}

/// A migration parameter list that must be given.
#[derive(Args, Debug)]
pub struct FromList {
    /// Migration parameter list: text or vmig.params/1, `-` is standard input
    #[arg(long = "from", value_name = "LIST")]
    pub list: String,
    /// Device model of a text list that does not begin with one
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
}

const SOURCES: &str =
    "Where to read: a directory of an mdev type, PARENT/TYPE, a file of migration \
information or inventories, a directory of such files (*.json), `-` for standard input, \
exec:PROGRAM for a program that prints its own; nothing: this host";

/// Options of `info`.
#[derive(Args, Debug)]
pub struct Info {
    #[doc = "Sources."]
    #[arg(value_name = "SOURCE", help = SOURCES)]
    pub sources: Vec<String>,
}

/// Options of `check`.
#[derive(Args, Debug)]
pub struct Check {
    /// The list.
    #[command(flatten)]
    pub from: FromList,
    /// Every destination must accept the list, not just any
    #[arg(long)]
    pub all: bool,
    /// Exit with 7 if the answer is only "possible"
    #[arg(long)]
    pub strict: bool,
    #[doc = "Sources."]
    #[arg(value_name = "SOURCE", help = SOURCES)]
    pub sources: Vec<String>,
}
