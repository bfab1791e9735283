// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig commands`: the exact commands that carry a list over to a destination.

use std::{
    os::unix::process::CommandExt as _,
    process, //
};

use serde::Serialize;
use vmig::{
    exec,
    list::List,
    output::{
        self,
        CheckResult,
        Mode, //
    },
    program,
    value::Params,
};
use vmig_model::uuid::Uuid;

use crate::{
    cli::{
        Commands,
        Tool, //
    },
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    place,
    report::quote,
    text::escape, //
};

/// What a program as a source begins with.
const EXEC: &str = "exec:";

/// `vmig.commands/1`.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    tool: &'static str,
    #[serde(flatten)]
    place: output::Where,
    params: Params,
    commands: Vec<Command>,
}

/// A command, and what it reads from standard input.
#[derive(Serialize)]
struct Command {
    argv: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdin: Option<String>,
}

pub(super) fn run(args: &Commands, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let to = std::slice::from_ref(&args.to);
    let (list, records) = context.list_and_sources(&args.from, to)?;
    let uuid = args.uuid.as_deref().map(place::uuid).transpose()?;
    let answer = output::Check::new(&list, &records, Mode::Any);
    let (result, params) = destination(&args.to, &answer.results, context)?;
    let (tool, command) = match args.tool {
        Tool::Vmig => ("vmig", vmig(args, &list, result, &params, uuid)?),
        Tool::Program => ("program", program(args, &params)?),
    };
    if args.exec {
        return Err(run_instead(&command));
    }
    let commands = vec![command];
    if context.json() {
        context.document(&Document {
            schema: "vmig.commands/1",
            tool,
            place: result.place.clone(),
            params,
            commands,
        })?;
    } else {
        context.lines(commands.iter().map(shell))?;
    }
    Ok(Exit::Done)
}

/// The command that creates a mediated device.
fn vmig(
    args: &Commands,
    list: &List,
    result: &CheckResult,
    params: &Params,
    uuid: Option<Uuid>,
) -> Result<Command, Failure> {
    if args.exec {
        let line = "--exec runs programs: --tool program";
        return Err(Failure::Usage(Message::new(line)));
    }
    let (Some(parent), Some(kind)) = (&result.place.parent, &result.place.kind) else {
        let line = format!(
            "{}: it is not known at which mdev type of which parent",
            args.to
        );
        let message = Message::new(line);
        return Err(Failure::Usage(match args.to.starts_with(EXEC) {
            true => message.with("try", "--tool program"),
            false => message,
        }));
    };
    let mut argv = vec![
        "vmig".to_owned(),
        "create".to_owned(),
        format!("{parent}/{kind}"),
    ];
    argv.extend(uuid.map(|uuid| uuid.to_string()));
    argv.extend(["--from".to_owned(), "-".to_owned()]);
    if args.keep {
        argv.push("--keep".to_owned());
    }
    let stdin = Some(full_list(list, params).to_string());
    Ok(Command { argv, stdin })
}

/// The command that starts a vfio-user program with every parameter.
fn program(args: &Commands, params: &Params) -> Result<Command, Failure> {
    let Some(command) = args.to.strip_prefix(EXEC) else {
        let line = format!("{}: not a program (exec:PROGRAM ARGUMENTS)", args.to);
        return Err(Failure::Usage(Message::new(line)));
    };
    if args.uuid.is_some() || args.keep {
        let line = "--uuid and --keep are of mediated devices, not of programs";
        return Err(Failure::Usage(Message::new(line)));
    }
    let mut argv = exec::split(command)?;
    argv.extend(program::options(params));
    Ok(Command { argv, stdin: None })
}

/// Becomes the program; returns only if that fails.
fn run_instead(command: &Command) -> Failure {
    let Some((program, arguments)) = command.argv.split_first() else {
        return Failure::Usage(Message::new("nothing to run"));
    };
    let error = process::Command::new(program).args(arguments).exec();
    let why = vmig::error::Errno(&error);
    Failure::Environment(Message::new(format!("cannot run {program}: {why}")))
}

/// The one destination that accepts the list, and the full set for it.
fn destination<'a>(
    text: &str,
    results: &'a [CheckResult],
    context: &mut Context<'_>,
) -> Result<(&'a CheckResult, Params), Failure> {
    let fits = |result: &'a CheckResult| Some((result, result.apply.clone()?));
    let mut fitting = results.iter().filter_map(fits);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(Failure::Usage(Message::new(format!(
            "{text} has more than one destination that accepts the list; name one as PARENT/TYPE"
        )))),
        (None, _) => Err(no_destination(text, results, context)),
    }
}

fn no_destination(text: &str, results: &[CheckResult], context: &mut Context<'_>) -> Failure {
    let reasons: Vec<&str> = results
        .iter()
        .flat_map(|result| &result.reasons)
        .map(|reason| reason.message.as_str())
        .collect();
    let error = results.iter().find_map(|result| result.error.as_ref());
    match (reasons.first(), error) {
        (Some(first), _) => {
            let message = Message::new(format!("cannot carry the list to {text}: {first}"));
            let with = |message: Message, reason: &&str| message.with("reason", *reason);
            Failure::Refused(reasons.iter().skip(1).fold(message, with))
        }
        (None, Some(error)) => Failure::Input(vmig::error::Error {
            code: error.code,
            path: error.path.clone(),
            member: error.member.clone(),
            message: error.message.clone(),
        }),
        (None, None) => {
            context.detail(&Message::new("no result at all"));
            Failure::Environment(Message::new(format!("{text}: no destination at all")))
        }
    }
}

/// The list that says everything: nothing is left to what the destination takes for "off".
fn full_list(list: &List, params: &Params) -> List {
    let given =
        |(name, value): (&String, &vmig::value::Value)| (name.clone(), value.clone().into());
    List {
        model: list.model.clone(),
        params: params.iter().map(given).collect(),
        off: None,
        runtime: None,
        device: None,
    }
}

fn shell(command: &Command) -> String {
    let argv: Vec<String> = command.argv.iter().map(|word| quote(word)).collect();
    let argv = argv.join(" ");
    let line = match &command.stdin {
        Some(text) => {
            let lines: Vec<String> = text.lines().map(quote).collect();
            format!("printf '%s\\n' {} | {argv}", lines.join(" "))
        }
        None => argv,
    };
    escape(&line).into_owned()
}
