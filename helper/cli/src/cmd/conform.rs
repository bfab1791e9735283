// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig conform`: whether a VFIO driver does what the migration uAPI promises.
//!
//! It works on any VFIO device, and on that of a vfio-user server. Each statement is checked in a process of its own, forked from
//! this program with the hidden option `--jobs`.

use std::{
    env,
    ffi::OsString,
    io,
    path::{
        Path,
        PathBuf, //
    },
    time::Duration, //
};

use anstyle::{
    AnsiColor,
    Style, //
};
use vmig::error::Error;
use vmig_conform::{
    child,
    output::{
        catalogue_page,
        CatalogueDocument,
        Document,
        Ktap, //
    },
    select,
    Attach,
    Options,
    Outcome,
    Report,
    Roots,
    Run,
    Selection,
    Starter,
    Statement,
    Summary, //
};
use vmig_model::uuid::Uuid;

use crate::{
    cli::{
        Conform,
        Interface,
        Protocol, //
    },
    cmd::state::SOCKET,
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    text::escape,
};

pub(super) fn run(args: &Conform, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let statements = chosen(args)?;
    if args.list {
        return list(&statements, context);
    }
    if args.ktap && context.json() {
        return Err(Failure::Usage(Message::new(
            "--ktap and -o json are two forms of one output",
        )));
    }
    let options = options(args, context)?;
    if let Some(job) = &args.job {
        let job = job.parse::<child::Job>().map_err(|error| usage(&error))?;
        context.lines([child::run(job, &options)])?;
        return Ok(Exit::Done);
    }
    if args.jobs {
        let served = child::serve(io::stdin().lock(), &options);
        served.map_err(|error| Failure::Environment(Message::new(error.to_string())))?;
        return Ok(Exit::Done);
    }
    let starter = starter(args, &options, context)?;
    let device = args.device.as_deref().unwrap_or_default();
    let mut run = Run::begin(starter, options.clone()).map_err(|error| {
        Failure::Environment(Message::new(format!("cannot check {device}: {error}")))
    })?;
    if options.socket.is_none() && !run.sees_log() {
        let line = "the kernel's log cannot be read, so that its complaints are not seen";
        context.notice(&Message::new(line));
    }
    let mut printer = Printer::new(args, context, statements.len())?;
    let mut reports = Vec::new();
    for statement in statements {
        let report = run.check(statement);
        printer.result(&report, context)?;
        reports.push(report);
    }
    let summary = Summary::of(&reports);
    if context.json() {
        let document = Document::new(&options, run.look(), run.sees_log(), &reports);
        context.document(&document)?;
    } else {
        printer.end(summary, context)?;
    }
    Ok(match summary.not_ok {
        0 => Exit::Done,
        _ => Exit::No,
    })
}

fn usage(error: &dyn std::error::Error) -> Failure {
    Failure::Usage(Message::new(error.to_string()))
}

/// The statements that the command line chooses.
fn chosen(args: &Conform) -> Result<Vec<&'static Statement>, Failure> {
    let protocol = match args.protocol {
        Protocol::V1 => Some(vmig_conform::Protocol::V1),
        Protocol::V2 => Some(vmig_conform::Protocol::V2),
        Protocol::All => None,
    };
    let selection = args.statement.as_deref().map(str::parse::<Selection>);
    let selection = selection.transpose().map_err(|error| usage(&error))?;
    let statements = select(protocol, selection.as_ref());
    match statements.is_empty() {
        false => Ok(statements),
        true => Err(Failure::Usage(Message::new("no statement is chosen"))),
    }
}

/// The catalogue: as text it is Markdown, which `tests/CONFORMANCE.md` is made from.
fn list(statements: &[&'static Statement], context: &mut Context<'_>) -> Result<Exit, Failure> {
    match context.json() {
        true => context.document(&CatalogueDocument::new(statements))?,
        false => context.verbatim(&catalogue_page(statements))?,
    }
    Ok(Exit::Done)
}

fn options(args: &Conform, context: &Context<'_>) -> Result<Options, Failure> {
    let roots = Roots {
        sys: context.system.sys.clone(),
        dev: context.system.dev.clone(),
    };
    let reconfigure = match args.reconfigure.as_deref().map(shlex::split) {
        None => Vec::new(),
        Some(Some(words)) if !words.is_empty() => words,
        Some(_) => {
            let line = "--reconfigure is no command: it is empty, or a quote is left open";
            return Err(Failure::Usage(Message::new(line)));
        }
    };
    let device = args.device.as_deref().unwrap_or_default();
    let socket = device.strip_prefix(SOCKET).map(PathBuf::from);
    if socket.is_some() && args.attach.is_some() {
        let line = "--attach is for devices of the kernel";
        return Err(Failure::Usage(Message::new(line)));
    }
    Ok(Options {
        directory: match &socket {
            None => directory(device, &roots)?,
            Some(socket) => {
                there(socket)?;
                PathBuf::new()
            }
        },
        socket,
        roots,
        attach: match args.attach {
            None => Attach::Auto,
            Some(Interface::Cdev) => Attach::Cdev,
            Some(Interface::Group) => Attach::Group,
        },
        destructive: args.destructive,
        deadline: Duration::from_secs(args.deadline.into()),
        tries: args.tries.into(),
        reconfigure,
    })
}

/// The directory of the device that `text` names: a UUID, or the directory of any device.
fn directory(text: &str, roots: &Roots) -> Result<PathBuf, Failure> {
    let path = match text.parse::<Uuid>() {
        Ok(uuid) => roots.mdev(&uuid.to_string()),
        Err(_) if text.contains('/') => PathBuf::from(text),
        Err(_) => {
            let line = format!("{text} is neither a UUID nor the directory of a device");
            return Err(Failure::Usage(Message::new(line)));
        }
    };
    there(&path)?;
    Ok(path)
}

/// Refuses a path where nothing is.
fn there(path: &Path) -> Result<(), Failure> {
    match path.metadata() {
        Ok(_) => Ok(()),
        Err(error) => {
            let path = path.display().to_string();
            Err(Error::unreadable(path, "no such device", &error).into())
        }
    }
}

/// How this program is started to have jobs done.
fn starter(args: &Conform, options: &Options, context: &Context<'_>) -> Result<Starter, Failure> {
    let program = env::current_exe().map_err(|error| {
        let why = vmig::error::Errno(&error);
        Failure::Environment(Message::new(format!("cannot find this program: {why}")))
    })?;
    let mut arguments: Vec<OsString> = vec![
        "--sysfs-root".into(),
        context.system.sys.clone().into(),
        "conform".into(),
        match &options.socket {
            None => options.directory.clone().into(),
            Some(socket) => {
                let mut device = OsString::from(SOCKET);
                device.push(socket);
                device
            }
        },
        "--deadline".into(),
        args.deadline.to_string().into(),
        "--tries".into(),
        args.tries.to_string().into(),
    ];
    match args.attach {
        None => {}
        Some(Interface::Cdev) => arguments.extend(["--attach".into(), "cdev".into()]),
        Some(Interface::Group) => arguments.extend(["--attach".into(), "group".into()]),
    }
    if args.destructive {
        arguments.push("--destructive".into());
    }
    if let Some(command) = &args.reconfigure {
        arguments.extend(["--reconfigure".into(), command.into()]);
    }
    arguments.push("--jobs".into());
    Ok(Starter { program, arguments })
}

/// Prints results as they come, unless there is a document at the end.
enum Printer {
    Nothing,
    Text,
    Ktap(Ktap),
}

impl Printer {
    fn new(args: &Conform, context: &mut Context<'_>, count: usize) -> Result<Self, Failure> {
        if args.ktap {
            let ktap = Ktap::default();
            context.raw(ktap.head(count).as_bytes())?;
            return Ok(Self::Ktap(ktap));
        }
        if context.json() {
            return Ok(Self::Nothing);
        }
        context.lines(["RESULT    NUMBER  CLASS   STATEMENT"])?;
        Ok(Self::Text)
    }

    fn result(&mut self, report: &Report, context: &mut Context<'_>) -> Result<(), Failure> {
        match self {
            Self::Nothing => Ok(()),
            Self::Ktap(ktap) => context.verbatim(&ktap.result(report)),
            Self::Text => context.lines(lines(report, context)),
        }
    }

    fn end(&self, summary: Summary, context: &mut Context<'_>) -> Result<(), Failure> {
        let Summary {
            ok,
            not_ok,
            not_held,
            skip,
        } = summary;
        let line = format!("{ok} ok, {not_ok} not ok, {not_held} not held, {skip} skipped");
        match self {
            Self::Nothing => Ok(()),
            Self::Ktap(_) => context.lines([format!("# {line}")]),
            Self::Text => context.lines([line]),
        }
    }
}

/// The lines of a result; notes on what holds only with `-v`.
fn lines(report: &Report, context: &Context<'_>) -> Vec<String> {
    let Report {
        statement, outcome, ..
    } = report;
    // Painted after it was padded: escapes have no width.
    let word = context.paint(style(outcome), &format!("{:<8}", outcome.word()));
    let (number, class) = (statement.id.to_string(), statement.class.as_str());
    let mut lines = vec![format!(
        "{word}  {number:<6}  {class:<6}  {}",
        statement.text
    )];
    if context.verbose() || !matches!(outcome, Outcome::Ok { .. }) {
        let details = outcome.details();
        lines.extend(details.iter().map(|line| format!("    {}", escape(line))));
    }
    lines
}

fn style(outcome: &Outcome) -> Style {
    match outcome {
        Outcome::Ok { .. } => AnsiColor::on_default(AnsiColor::Green),
        Outcome::NotOk { .. } => AnsiColor::on_default(AnsiColor::Red),
        Outcome::NotHeld { .. } | Outcome::Skip { .. } => AnsiColor::on_default(AnsiColor::Yellow),
    }
}
