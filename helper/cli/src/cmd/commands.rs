// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig commands`: the exact commands that carry a list over to a destination.
//!
//! As text they are a script for sh(1), which stops at the first command that fails.

mod mdevctl;
mod qemu;
mod shell;
mod virsh;

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
};

/// What a program as a source begins with.
const EXEC: &str = "exec:";

/// `vmig.commands/1`.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool: &'static str,
    #[serde(flatten)]
    place: output::Where,
    params: Params,
    #[serde(flatten)]
    script: &'a Script,
}

/// Commands, in their order.
#[derive(Default, Serialize)]
struct Script {
    commands: Vec<Command>,
    /// What a libvirt domain needs to have the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_xml: Option<String>,
    /// What else a person should know.
    #[serde(skip)]
    remark: Option<&'static str>,
}

/// A command, and what it reads from standard input.
#[derive(Default, Serialize)]
struct Command {
    argv: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdin: Option<String>,
    /// Whether arguments are to come after the first word that only the user knows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

/// A mediated device that is to be.
struct Target<'a> {
    parent: &'a str,
    kind: &'a str,
    uuid: Option<Uuid>,
    keep: bool,
    /// Whether the tool is to remember it.
    define: bool,
    list: &'a List,
    params: &'a Params,
}

pub(super) fn run(args: &Commands, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let to = std::slice::from_ref(&args.to);
    let (list, records) = context.list_and_sources(&args.from, to)?;
    let uuid = args.uuid.as_deref().map(place::uuid).transpose()?;
    let answer = output::Check::new(&list, &records, Mode::Any);
    let (result, params) = destination(&args.to, &answer.results, context)?;
    sensible(args)?;
    let target = || target(args, &list, result, &params, uuid);
    let (tool, script) = match args.tool {
        Tool::Vmig => ("vmig", alone(create(&target()?))),
        Tool::Mdevctl => ("mdevctl", mdevctl::script(&target()?)?),
        Tool::Virsh => ("virsh", virsh::script(&target()?)?),
        Tool::Qemu => ("qemu", qemu::script(&target()?, args)?),
        Tool::Program => ("program", alone(program(args, &params)?)),
    };
    if args.exec {
        return Err(script
            .commands
            .first()
            .map_or_else(nothing_to_run, run_instead));
    }
    if context.json() {
        context.document(&Document {
            schema: "vmig.commands/1",
            tool,
            place: result.place.clone(),
            params,
            script: &script,
        })?;
    } else {
        context.verbatim(&shell::text(&script))?;
        // Not among the commands, which are often read by a shell only.
        let domain = script
            .domain_xml
            .iter()
            .map(|xml| format!("the domain has it by {xml}"));
        let remark = script.remark.iter().map(|line| (*line).to_owned());
        for line in domain.chain(remark) {
            context.notice(&Message::new(line));
        }
    }
    Ok(Exit::Done)
}

fn alone(command: Command) -> Script {
    Script {
        commands: vec![command],
        ..Script::default()
    }
}

fn usage(line: impl Into<String>) -> Failure {
    Failure::Usage(Message::new(line))
}

/// Refuses options that the tool has no use for.
fn sensible(args: &Commands) -> Result<(), Failure> {
    let tool = args.tool;
    let wrong = [
        (
            args.exec && tool != Tool::Program,
            "--exec runs programs: --tool program",
        ),
        (
            (args.uuid.is_some() || args.keep) && tool == Tool::Program,
            "--uuid and --keep are of mediated devices, not of programs",
        ),
        (
            args.define && !matches!(tool, Tool::Mdevctl | Tool::Virsh),
            "--define is for tools that remember devices: --tool mdevctl or virsh",
        ),
        (
            (args.attach.is_some() || args.addr.is_some()) && tool != Tool::Qemu,
            "--attach and --addr are for --tool qemu",
        ),
    ];
    match wrong.iter().find(|(wrong, _)| *wrong) {
        Some((_, line)) => Err(usage(*line)),
        None => Ok(()),
    }
}

/// The mediated device, if the destination makes such.
fn target<'a>(
    args: &Commands,
    list: &'a List,
    result: &'a CheckResult,
    params: &'a Params,
    uuid: Option<Uuid>,
) -> Result<Target<'a>, Failure> {
    if let (Some(parent), Some(kind)) = (&result.place.parent, &result.place.kind) {
        return Ok(Target {
            parent,
            kind,
            uuid,
            keep: args.keep,
            define: args.define,
            list,
            params,
        });
    }
    let line = format!(
        "{}: it is not known at which mdev type of which parent",
        args.to
    );
    let message = Message::new(line);
    Err(Failure::Usage(match args.to.starts_with(EXEC) {
        true => message.with("try", "--tool program"),
        false => message,
    }))
}

impl Target<'_> {
    /// The UUID, which a tool that needs several words about the device cannot do without.
    fn uuid(&self, why: &str) -> Result<Uuid, Failure> {
        self.uuid
            .ok_or_else(|| usage(format!("{why} the UUID of the device: --uuid UUID")))
    }
}

/// The command of vmig that creates the device.
fn create(target: &Target<'_>) -> Command {
    let Target { parent, kind, .. } = target;
    let mut argv = vec![
        "vmig".to_owned(),
        "create".to_owned(),
        format!("{parent}/{kind}"),
    ];
    argv.extend(target.uuid.map(|uuid| uuid.to_string()));
    argv.extend(["--from".to_owned(), "-".to_owned()]);
    if target.keep {
        argv.push("--keep".to_owned());
    }
    Command {
        argv,
        stdin: Some(full_list(target.list, target.params).to_string()),
        more: false,
    }
}

/// The command that starts a vfio-user program with every parameter.
fn program(args: &Commands, params: &Params) -> Result<Command, Failure> {
    let Some(command) = args.to.strip_prefix(EXEC) else {
        let line = format!("{}: not a program (exec:PROGRAM ARGUMENTS)", args.to);
        return Err(usage(line));
    };
    let mut argv = exec::split(command)?;
    argv.extend(program::options(params));
    Ok(Command {
        argv,
        ..Command::default()
    })
}

fn nothing_to_run() -> Failure {
    usage("nothing to run")
}

/// Becomes the program; returns only if that fails.
fn run_instead(command: &Command) -> Failure {
    let Some((program, arguments)) = command.argv.split_first() else {
        return nothing_to_run();
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
