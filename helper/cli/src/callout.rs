// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! mdevctl's callout: what mdevctl, and libvirt by way of it, has done for the types of vmig.
//!
//! mdevctl runs each program in its directory of callouts with the type of a device and what happens
//! to it, until one does not say that the type is none of its own. It creates a device first and
//! writes its attributes then; so here the migration parameters among them are staged before, and
//! judged as a whole. What mdevctl writes afterwards changes nothing any more.
//!
//! | event, action | what is done |
//! |---|---|
//! | `get capabilities` | the version of the protocol is negotiated |
//! | `get attributes` | the values in effect are told |
//! | `pre start`, `post start` | [`start`] |
//! | `pre define`, `pre modify` | the list is judged; see [`define`] |
//! | `live modify` | [`live`] |
//! | all others | nothing |
//!
//! mdevctl passes on what is written to standard error, with the name of the program before it, and
//! libvirt shows that to its user.

mod define;
mod live;
mod start;

use std::{
    ffi::OsString,
    io::{
        self,
        Read,
        Write, //
    },
    path::{
        Path,
        PathBuf, //
    },
};

use clap::Parser;
use vmig::{
    list::{
        List,
        TEXT_MAX, //
    },
    mdevctl::{
        Capabilities,
        Config, //
    },
    sysfs::{
        Device,
        System,
        TypeDir, //
    },
};
use vmig_model::uuid::Uuid;

use crate::{
    cli::{
        Color,
        Global,
        Output, //
    },
    context::{
        Context,
        Io, //
    },
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    interrupt::{
        Interrupt,
        Patient, //
    },
    place,
    text::{
        message_line,
        message_lines, //
    },
};

/// What mdevctl takes for "not a type of mine, ask the next".
const NOT_OURS: Exit = Exit::Usage;

/// The variable with which mdevctl itself is tried on another root.
const ROOT: &str = "MDEVCTL_ENV_ROOT";

/// What standard input is called in errors.
const STDIN: &str = "mdevctl's configuration";

/// mdevctl's callout for mediated devices of vmig: stages their migration parameters before they are
/// created, and tells the values in effect.
#[derive(Debug, Parser)]
#[command(name = "vmig-mdevctl", version, max_term_width = 100)]
#[command(
    after_help = "mdevctl runs it, from its directory of callouts: /usr/lib/mdevctl/scripts.d/callouts, \
before mdevctl 1.3 /etc/mdevctl.d/scripts.d/callouts."
)]
struct Call {
    /// Type of the device
    #[arg(short = 't', value_name = "TYPE")]
    kind: String,
    /// When: pre, post, live, notify or get
    #[arg(short, value_name = "EVENT")]
    event: String,
    /// What: start, stop, define, undefine, modify, attributes or capabilities
    #[arg(short, value_name = "ACTION")]
    action: String,
    /// How it went: none, success or failure
    #[arg(short, value_name = "STATE")]
    state: String,
    /// UUID of the device
    #[arg(short, value_name = "UUID")]
    uuid: Uuid,
    /// Parent of the device
    #[arg(short, value_name = "PARENT")]
    parent: String,
}

/// Runs the call of this process.
pub fn run_process() -> Exit {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let interrupt = Interrupt::default();
    if let Err(error) = interrupt.watch() {
        let _ = writeln!(err, "warning: cannot watch for signals: {error}");
    }
    let mut stdin = Patient::new(io::stdin(), &interrupt);
    let root = std::env::var_os(ROOT).map_or_else(|| "/".into(), PathBuf::from);
    let io = Io {
        stdin: &mut stdin,
        out: &mut out,
        err: &mut err,
        out_terminal: false,
        err_terminal: false,
        plain: true,
        interrupt,
    };
    run(std::env::args_os(), io, System::new(root.join("sys")))
}

/// Answers the call `args`, its first word included.
pub fn run(args: impl IntoIterator<Item = OsString>, io: Io<'_>, system: System) -> Exit {
    let call = match Call::try_parse_from(args) {
        Ok(call) => call,
        Err(error) => return usage(&error, io),
    };
    let Some(dir) = call.ours(&system) else {
        return NOT_OURS;
    };
    // Only what the driver writes goes by way of the context; it says nothing itself.
    let quiet = Global {
        output: Output::Text,
        sysfs_root: system.sys.clone(),
        color: Color::Never,
        quiet: true,
        verbose: 0,
    };
    let mut context = Context::new(io, system, &quiet);
    match call.answer(&dir, &mut context) {
        Ok(exit) => exit,
        Err(failure) => {
            if let Some(message) = failure.message() {
                say(&message, &mut context);
            }
            match failure.exit() {
                NOT_OURS => Exit::No,
                exit => exit,
            }
        }
    }
}

/// Help, the version, or what is wrong with the words: then it is nothing of ours.
fn usage(error: &clap::Error, io: Io<'_>) -> Exit {
    let text = message_lines(&error.render().to_string());
    // There is nobody left to tell if this fails.
    if error.use_stderr() {
        let _ = io.err.write_all(text.as_bytes());
        NOT_OURS
    } else {
        let _ = io.out.write_all(text.as_bytes());
        Exit::Done
    }
}

/// Tells all of `message`: whoever reads it has no way to ask for more.
fn say(message: &Message, context: &mut Context<'_>) {
    let mut text = format!("{}\n", message_line(&message.line));
    for (label, line) in &message.details {
        text.push_str(&format!("  {label:<7}: {}\n", message_line(line)));
    }
    context.say(&text);
}

impl Call {
    /// The type, if it is one that can be staged at, of a driver whose files are those of vmig.
    fn ours(&self, system: &System) -> Option<TypeDir> {
        let dir = system.find_type(&format!("{}/{}", self.parent, self.kind))?;
        let ours = dir.can_stage() && dir.driver().as_deref() == Some("vmig");
        ours.then_some(dir)
    }

    fn answer(&self, dir: &TypeDir, context: &mut Context<'_>) -> Result<Exit, Failure> {
        match (self.event.as_str(), self.action.as_str()) {
            ("get", "capabilities") => {
                let offer = input(context)?;
                self.print(
                    &Capabilities::negotiate(&offer, "mdevctl's offer")?,
                    context,
                )
            }
            ("get", "attributes") => self.attributes(context),
            ("pre", "start") => start::pre(self, dir, context),
            ("post", "start") if self.state == "failure" => start::failed(self, dir, context),
            ("pre", "define") => define::define(self, dir, context),
            ("pre", "modify") => define::modify(self, dir, context),
            ("live", "modify") => live::modify(self, context),
            ("get" | "live", action) => {
                let line = format!("{} {action} is not known", self.event);
                Err(Failure::Usage(Message::new(line)))
            }
            _ => Ok(Exit::Done),
        }
    }

    /// `cannot VERB the device`, the beginning of a message.
    fn cannot(&self, verb: &str) -> String {
        let Self {
            kind, uuid, parent, ..
        } = self;
        format!("cannot {verb} {uuid} at {parent}/{kind}")
    }

    /// The configuration on standard input.
    fn config(&self, what: &str, context: &mut Context<'_>) -> Result<Config, Failure> {
        let text = input(context)?;
        let config = Config::parse(&text, &format!("{what}: {STDIN}"))?;
        if config.kind == self.kind {
            return Ok(config);
        }
        let line = format!("{what}: {STDIN} is of type {}", config.kind);
        Err(Failure::Refused(Message::new(line)))
    }

    /// The migration parameters in the configuration, as a list for the model of `dir`; `None`:
    /// there are none.
    fn list(
        &self,
        what: &str,
        dir: &TypeDir,
        context: &mut Context<'_>,
    ) -> Result<Option<List>, Failure> {
        let config = self.config(what, context)?;
        let info = dir.info()?;
        let (name, _) = place::model(dir, &info.document)?;
        let list = config.list(name);
        Ok((!list.params.is_empty()).then_some(list))
    }

    /// The device, which must be there and of this type.
    fn device(&self, what: &str, context: &Context<'_>) -> Result<Device, Failure> {
        let device = context.system.device(self.uuid)?;
        let same =
            |device: &Device| device.kind.parent == self.parent && device.kind.kind == self.kind;
        device.filter(same).ok_or_else(|| {
            let line = format!("{what}: there is no such device");
            Failure::Environment(Message::new(line))
        })
    }

    /// `get attributes`: the values in effect, such that a device that is defined so is the same.
    fn attributes(&self, context: &mut Context<'_>) -> Result<Exit, Failure> {
        let device = self.device(&self.cannot("read"), context)?;
        let info = device.kind.info()?;
        let (_, model) = place::model(&device.kind, &info.document)?;
        let values = place::values(&device, model)?;
        let keep = device.keep()? == Some(true);
        let config = Config::new(&device.kind.kind, &values, keep);
        self.print(&config.attributes(), context)
    }

    fn print<T: serde::Serialize>(
        &self,
        answer: &T,
        context: &mut Context<'_>,
    ) -> Result<Exit, Failure> {
        let text = serde_json::to_string(answer).map_err(io::Error::from)?;
        context.raw(format!("{text}\n").as_bytes())?;
        Ok(Exit::Done)
    }
}

/// Standard input, as far as the reader of it wants to know.
fn input(context: &mut Context<'_>) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let stdin = context.streams().stdin;
    let read = stdin.take(TEXT_MAX as u64 + 1).read_to_end(&mut text);
    read.map_err(|error| vmig::error::Error::unreadable(STDIN, "cannot read", &error))?;
    Ok(text)
}

/// The path of an attribute, for messages.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
