// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig state`: the state of a device, to and from a file or pipe.
//!
//! It works on any VFIO device that speaks migration protocol version 2, the kernel's or behind the
//! socket of a vfio-user program. What is special to vmig is
//! asked only where it is there: whether the contents survive close, and why a stream was refused.

mod load;
mod save;
mod show;

use std::{
    io::Write,
    path::PathBuf, //
};

use serde::Serialize;
use vmig::error::Error;
use vmig_model::uuid::Uuid;
use vmig_vfio::{
    Attach,
    Device,
    Errno,
    Migrate,
    Phase,
    Progress,
    Roots,
    TransferError, //
};
use vmig_vfio_user::{
    channel::Fault,
    client::{
        self,
        Client,
        Remote, //
    },
};

use crate::{
    cli::{
        State,
        StateVerb, //
    },
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    interrupt::Interrupt,
    place,
};

pub(super) fn run(args: &State, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match &args.verb {
        StateVerb::Save(args) => save::run(args, context),
        StateVerb::Load(args) => load::run(args, context),
        StateVerb::Show(args) => show::run(args, context),
    }
}

/// `vmig.state/1`: what was moved.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    verb: &'static str,
    device: String,
    file: String,
    bytes: u64,
}

/// What the name of a device behind a socket begins with.
pub(super) const SOCKET: &str = "vfio-user:";

/// Where a device is.
enum Place {
    /// Its directory in sysfs.
    Directory(PathBuf),
    /// The socket of a vfio-user program.
    Socket(PathBuf),
}

/// The device of a transfer.
struct Target {
    /// As it was named.
    name: String,
    /// Its directory, or its socket.
    place: Place,
    /// What is known if it is a mediated device.
    mdev: Option<vmig::sysfs::Device>,
}

impl Target {
    /// The device that `text` names: a UUID, the directory of any device, or a socket.
    fn find(text: &str, context: &Context<'_>) -> Result<Self, Failure> {
        if let Some(socket) = text.strip_prefix(SOCKET) {
            return Ok(Self {
                name: text.to_owned(),
                place: Place::Socket(socket.into()),
                mdev: None,
            });
        }
        let mdev = match text.parse::<Uuid>() {
            Ok(_) => Some(place::device(text, context)?),
            Err(_) => {
                let path = PathBuf::from(text);
                if let Err(error) = path.metadata() {
                    return Err(Error::unreadable(text, "no such device", &error).into());
                }
                context.system.device_at(&path).ok()
            }
        };
        Ok(Self {
            name: match &mdev {
                Some(device) => device.uuid.to_string(),
                None => text.to_owned(),
            },
            place: Place::Directory(match &mdev {
                Some(device) => device.path.clone(),
                None => PathBuf::from(text),
            }),
            mdev,
        })
    }

    /// Refuses a device whose contents do not survive close; one that does not say is taken.
    fn must_keep(&self, why: &str) -> Result<(), Failure> {
        let Some(device) = &self.mdev else {
            return Ok(());
        };
        if device.keep()? != Some(false) {
            return Ok(());
        }
        let message = Message::new(format!("{why}: vmig/keep is 0"))
            .with("read", device.keep_path().display().to_string())
            .with("try", format!("vmig set {} --keep on", self.name));
        Err(Failure::Refused(message))
    }

    fn open(&self, what: &str, context: &Context<'_>) -> Result<Box<dyn Migrate>, Failure> {
        let directory = match &self.place {
            Place::Directory(directory) => directory,
            Place::Socket(socket) => {
                let client = Client::connect(socket).map_err(|error| {
                    let message = Message::new(format!("{what}: {error}"));
                    let busy = matches!(error, client::Error::Channel(Fault::Timeout));
                    Failure::Environment(match busy {
                        true => message.with("hint", "it may serve another client, one at a time"),
                        false => message,
                    })
                })?;
                return Ok(Box::new(Remote::from(client)));
            }
        };
        let roots = Roots {
            sys: context.system.sys.clone(),
            dev: context.system.dev.clone(),
        };
        let device = Device::open(&roots, directory, Attach::Auto).map_err(|error| {
            let line = match (self.refusal(), error.errno()) {
                // What the attribute says is about the last open that came so far.
                (Some(refusal), Some(Errno::EDOM)) => {
                    return Failure::Refused(Message::new(format!("{what}: {refusal}: {error}")));
                }
                _ => format!("{what}: {error}"),
            };
            Failure::Environment(Message::new(line))
        })?;
        Ok(Box::new(device))
    }

    /// Why the device refused, in its own words.
    fn refusal(&self) -> Option<String> {
        self.mdev.as_ref()?.refusal().ok().flatten()
    }
}

/// What a failed transfer is to the user.
///
/// The errno of a refused stream says whose fault it is: EXDEV is another model or parameter list,
/// EINVAL and EOPNOTSUPP are a stream that is broken or of another version. `lost`: the device has
/// given up its old contents for it.
fn failure(
    what: &str,
    error: &TransferError,
    lost: bool,
    target: &Target,
    interrupt: &Interrupt,
) -> Failure {
    if interrupt.seen() {
        let message = Message::new(format!("{what}: interrupted"));
        return Failure::Interrupted(after(message, error, lost));
    }
    let why = std::error::Error::source(error).map(|source| format!(": {source}"));
    let why = format!("{error}{}", why.unwrap_or_default());
    let judged = matches!(error.phase, Phase::Data | Phase::Finish);
    let refusal = target.refusal().filter(|_| judged);
    let message = match refusal {
        Some(refusal) => Message::new(format!("{what}: {refusal}")).with("error", why),
        None => Message::new(format!("{what}: {why}")),
    };
    let message = after(message, error, lost);
    match error.errno() {
        Some(Errno::EXDEV) if judged => Failure::Refused(message),
        Some(Errno::EINVAL | Errno::EOPNOTSUPP) if judged => Failure::Broken(message),
        _ => Failure::Environment(message),
    }
}

/// The message with what has become of the device; `lost`: its old contents are gone.
fn after(message: Message, error: &TransferError, lost: bool) -> Message {
    let contents = if lost {
        "; its old contents are gone"
    } else {
        ""
    };
    let state = match error.state {
        Some(state) => format!("now in state {state}{contents}"),
        None => format!("does not tell its state any more{contents}"),
    };
    message.with("device", state)
}

/// Shows how far a transfer is, on a line of its own that goes away at the end.
struct Meter<'a>(Option<&'a mut dyn Write>);

impl Meter<'_> {
    fn show(&mut self, progress: Progress) {
        let of = progress
            .estimate
            .map(|bytes| format!(" of about {}", size(bytes)));
        self.line(&format!(
            "{}{}",
            size(progress.bytes),
            of.unwrap_or_default()
        ));
    }

    fn line(&mut self, text: &str) {
        if let Some(err) = &mut self.0 {
            // Nobody needs to know if this fails.
            let _ = write!(err, "\r{text}\u{1b}[K");
            let _ = err.flush();
        }
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.line("");
    }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=10_239_999 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / (1024 * 1024)),
    }
}
