// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What may be typed.

use std::{
    ffi::OsString,
    path::PathBuf, //
};

use clap::{
    error::{
        ContextKind,
        ContextValue,
        ErrorKind, //
    },
    value_parser,
    Arg,
    ArgAction,
    ArgGroup,
    ArgMatches,
    Command, //
};
use vmig_model::{
    params::Param,
    types::{
        DeviceType,
        Generation, //
    },
};

use super::{
    params,
    Failure,
    Program, //
};

/// What was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) ty: &'static DeviceType,
    pub(super) params: Given,
    pub(super) print_info: bool,
    pub(super) endpoint: Where,
}

/// Parameters as they were given.
#[derive(Debug)]
pub(super) enum Given {
    /// By options; what is left out has its initial value.
    Options(Vec<(&'static str, String)>),
    /// By a list; what is left out is off.
    List(PathBuf),
}

/// Where clients come from.
#[derive(Debug)]
pub(super) enum Where {
    /// A socket that is to be made.
    Path(PathBuf),
    /// A socket that is there.
    Fd(u32),
    /// Nowhere.
    Nowhere,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  printed what was asked for, ended by SIGTERM or SIGINT, or the only client has gone
  1  the device cannot be made, or nobody can reach it
  2  the command line makes no sense";

/// Reads the command line.
pub(super) fn parse(program: &Program, arguments: Vec<OsString>) -> Result<Asked, Failure> {
    let ty = program
        .ty(generation(&arguments))
        .ok_or_else(|| Failure::refused(format_args!("there is no type {}", program.kind)))?;
    let matches = command(program, ty)
        .try_get_matches_from(arguments)
        .map_err(|error| judge(error, ty))?;
    let options = ty.params.iter().filter_map(|param| {
        let value = matches.get_one::<String>(&option(param))?;
        Some((param.name, value.clone()))
    });
    Ok(Asked {
        ty,
        params: match matches.get_one::<PathBuf>("migration-params") {
            Some(file) => Given::List(file.clone()),
            None => Given::Options(options.collect()),
        },
        print_info: matches.get_flag("print-migration-info-json"),
        endpoint: endpoint(&matches),
    })
}

fn endpoint(matches: &ArgMatches) -> Where {
    match (
        matches.get_one::<PathBuf>("socket-path"),
        matches.get_one::<u32>("fd"),
    ) {
        (Some(path), _) => Where::Path(path.clone()),
        (_, Some(fd)) => Where::Fd(*fd),
        (None, None) => Where::Nowhere,
    }
}

/// The generation that the options depend on; clap judges the word itself afterwards.
fn generation(arguments: &[OsString]) -> Generation {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let behind = words.windows(2).filter_map(|pair| match pair {
        ["--generation", number] => Some(*number),
        _ => None,
    });
    let joined = words
        .iter()
        .filter_map(|word| word.strip_prefix("--generation="));
    let number = behind.chain(joined).next().and_then(|n| n.parse().ok());
    let number: Option<u32> = number;
    number
        .and_then(|number| Generation::try_from(number).ok())
        .unwrap_or(Generation::NEWEST)
}

/// Name of the option for a parameter.
fn option(param: &Param) -> String {
    format!("m-{}", param.name)
}

fn command(program: &Program, ty: &'static DeviceType) -> Command {
    let newest = u32::from(Generation::NEWEST);
    let mut command = Command::new(program.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about(program.about)
        .after_help(EXIT_STATUS)
        .max_term_width(100)
        .arg_required_else_help(true)
        .arg(
            Arg::new("socket-path")
                .long("socket-path")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .help("Unix socket to make, and to serve clients on, one after the other"),
        )
        .arg(
            Arg::new("fd")
                .long("fd")
                .value_name("FDNUM")
                .value_parser(value_parser!(u32))
                .conflicts_with("socket-path")
                .help("Unix socket that the program was started with: listening, or a client's"),
        )
        .arg(
            Arg::new("print-migration-info-json")
                .long("print-migration-info-json")
                .action(ArgAction::SetTrue)
                .help("Print the migration information of the device, and end"),
        )
        .group(
            ArgGroup::new("endpoint")
                .args(["socket-path", "fd", "print-migration-info-json"])
                .multiple(true)
                .required(true),
        )
        .arg(
            Arg::new("generation")
                .long("generation")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=i64::from(newest)))
                .default_value(newest.to_string())
                .help("Be as an older version of the program was"),
        )
        .next_help_heading("Migration parameters")
        .arg(
            Arg::new("migration-params")
                .long("migration-params")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help(
                    "All parameters from a list, text or vmig.params/1, `-` is standard input; \
                     what it leaves out is off",
                ),
        );
    for param in ty.params {
        command = command.arg(
            Arg::new(option(param))
                .long(option(param))
                .value_name(param.kind.as_str().to_uppercase())
                .allow_hyphen_values(true)
                .conflicts_with("migration-params")
                .help(describe(param)),
        );
    }
    command
}

/// What `--help` says of a parameter.
fn describe(param: &Param) -> String {
    let off = param.off.map(|off| format!(", off is {off}"));
    format!(
        "{} [{}: {}{}] [default: {}]",
        param.description,
        param.kind,
        params::accepted(param),
        off.unwrap_or_default(),
        param.init
    )
}

/// What clap does not understand of a parameter is a device that cannot be made.
fn judge(error: clap::Error, ty: &'static DeviceType) -> Failure {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return Failure::Usage(error);
    };
    let Some(rest) = argument.strip_prefix("--m-") else {
        return Failure::Usage(error);
    };
    let name = rest.split([' ', '=']).next().unwrap_or(rest);
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let line = format!("there is no parameter {name}");
            Failure::Refused(line, vec![params::known(ty)])
        }
        ErrorKind::ArgumentConflict if error.get(ContextKind::PriorArg).is_some() => {
            let prior = error.get(ContextKind::PriorArg).map(ToString::to_string);
            match prior.is_some_and(|prior| prior.starts_with("--m-")) {
                true => Failure::refused(format_args!("{name} is given twice")),
                false => Failure::Usage(error),
            }
        }
        ErrorKind::InvalidValue | ErrorKind::NoEquals | ErrorKind::InvalidUtf8 => {
            let line = format!("{name} has no value");
            Failure::Refused(line, params::accepts(ty, name).into_iter().collect())
        }
        _ => Failure::Usage(error),
    }
}
