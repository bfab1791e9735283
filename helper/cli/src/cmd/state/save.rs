// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig state save`: a copy of the state of a device.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{
        Path,
        PathBuf, //
    },
};

use vmig::error::Error;

use super::{
    failure,
    Document,
    Meter,
    Target, //
};
use crate::{
    cli::StateFile,
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    interrupt::Interruptible,
};

pub(super) fn run(args: &StateFile, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let pipe = args.file == "-";
    if pipe && (context.json() || context.out_terminal()) {
        let line = "state save: name a FILE, here standard output is not for device state";
        return Err(Failure::Usage(Message::new(line)));
    }
    let target = Target::find(&args.device, context)?;
    let name = &target.name;
    let what = format!("cannot save the state of {name}");
    target.must_keep(&format!("{what}: it has none, closing scrubbed it"))?;
    let mut file = match pipe {
        true => None,
        false => Some(Output::create(Path::new(&args.file))?),
    };
    let device = target.open(&what, context)?;
    context.interrupt.hold();
    let interrupt = context.interrupt.clone();
    let streams = context.streams();
    let out: &mut dyn io::Write = match &mut file {
        Some(output) => &mut output.file,
        None => streams.out,
    };
    let mut meter = Meter(streams.progress);
    let saved = vmig_vfio::save(
        &*device,
        &mut Interruptible::new(out, &interrupt),
        &mut |at| {
            meter.show(at);
        },
    );
    drop(meter);
    drop(device);
    let bytes = saved.map_err(|error| failure(&what, &error, false, &target, &interrupt))?;
    if let Some(output) = file {
        output.complete()?;
    }
    context.notice(&Message::new(format!(
        "saved {bytes} bytes of state; {name} keeps its contents: two copies exist until it is removed"
    )));
    if context.json() {
        context.document(&Document {
            schema: "vmig.state/1",
            verb: "save",
            device: target.name,
            file: args.file.clone(),
            bytes,
        })?;
    }
    Ok(Exit::Done)
}

/// A file that has its name only when it is complete.
struct Output {
    file: fs::File,
    /// The temporary name and the final one; `None` for what is not a file and so written directly.
    names: Option<(PathBuf, PathBuf)>,
}

impl Output {
    fn create(path: &Path) -> Result<Self, Failure> {
        Self::try_create(path).map_err(|error| cannot_write(path, &error))
    }

    fn try_create(path: &Path) -> io::Result<Self> {
        let mut options = fs::OpenOptions::new();
        options.write(true);
        let last = match fs::metadata(path) {
            // A FIFO or a device stays what it is.
            Ok(found) if !found.is_file() => {
                return Ok(Self {
                    file: options.open(path)?,
                    names: None,
                });
            }
            // Through links, so that the link stays.
            Ok(_) => path.canonicalize()?,
            Err(_) => path.to_owned(),
        };
        let name = last.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let hidden = format!(".{}.{}", name.to_string_lossy(), std::process::id());
        let first = last.with_file_name(hidden);
        // It holds what a guest had in its device.
        options.create_new(true).mode(0o600);
        Ok(Self {
            file: options.open(&first)?,
            names: Some((first, last)),
        })
    }

    fn complete(mut self) -> Result<(), Failure> {
        let Some((first, last)) = self.names.take() else {
            return Ok(());
        };
        let done = self
            .file
            .sync_all()
            .and_then(|()| fs::rename(&first, &last));
        done.map_err(|error| {
            let _ = fs::remove_file(&first);
            cannot_write(&last, &error)
        })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((first, _)) = &self.names {
            // An incomplete state is of no use, and there is nobody to tell.
            let _ = fs::remove_file(first);
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Error::unreadable(path.display().to_string(), "cannot write", error).into()
}
