// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the suites share: the command run in this process, on a kernel of plain files.

// Each suite is a crate of its own and uses its own part.
#![expect(dead_code, reason = "each suite uses its own part")]

pub(crate) mod kernel;

use std::{
    fs,
    path::{
        Path,
        PathBuf, //
    },
    time::{
        Duration,
        UNIX_EPOCH, //
    },
};

use kernel::Kernel;
use tempfile::TempDir;
use vmig::sysfs::{
    System,
    Write as _, //
};
use vmig_cli::{
    context::Io,
    exit::Exit,
    interrupt::Interrupt, //
};
use vmig_model::types::Generation;

/// The golden streams: name and bytes.
pub(crate) fn streams() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/streams");
    let mut streams: Vec<(String, Vec<u8>)> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "hex"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let digits: Vec<u8> = lines.flat_map(str::bytes).collect();
            let byte =
                |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            (
                path.display().to_string(),
                digits.chunks(2).map(byte).collect(),
            )
        })
        .collect();
    streams.sort();
    assert!(!streams.is_empty());
    streams
}

/// A machine: a sysfs tree, a /proc, and a kernel behind them.
pub(crate) struct Machine {
    pub(crate) kernel: Kernel,
    pub(crate) interrupt: Interrupt,
    /// Whether the output is a terminal.
    pub(crate) terminal: bool,
    directory: TempDir,
}

/// What a run said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Machine {
    /// A machine without any parent.
    pub(crate) fn bare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let proc = directory.path().join("proc/sys/kernel");
        fs::create_dir_all(proc.join("random")).unwrap();
        for (name, text) in [
            ("hostname", "host-a\n"),
            ("osrelease", "7.3.4-test\n"),
            ("random/boot_id", "6d1f5bd8-9b4e-4a53-8a12-2f3b0a1c5e77\n"),
            ("random/uuid", "11111111-2222-4333-8444-555555555555\n"),
        ] {
            fs::write(proc.join(name), text).unwrap();
        }
        let sys = directory.path().join("sys");
        fs::create_dir(&sys).unwrap();
        Self {
            kernel: Kernel::new(&sys),
            interrupt: Interrupt::default(),
            terminal: false,
            directory,
        }
    }

    /// The machine of the demo: a new parent `vmig`, an old one `vmig-old`, and one whose driver
    /// knows the RFC only.
    pub(crate) fn new() -> Self {
        let machine = Self::bare();
        machine.kernel.parent("vmig", Generation::Two, false);
        machine.kernel.parent("vmig-old", Generation::One, false);
        machine.kernel.parent("plain", Generation::Two, true);
        machine
    }

    /// What stands for /sys.
    pub(crate) fn sys(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join("sys")
    }

    /// Runs `vmig` with these words; paths of the tree are shown as /sys.
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        self.run_with(words, b"")
    }

    /// The same with something on standard input.
    pub(crate) fn run_with(&self, words: &[&str], stdin: &[u8]) -> Said {
        let sys = self.sys();
        let args = ["vmig", "--sysfs-root"].map(Into::into).into_iter();
        let args = args.chain([sys.into_os_string()]);
        let args = args.chain(words.iter().map(Into::into));
        self.say(stdin, |io| vmig_cli::run(args, io, |_| self.system()))
    }

    /// Runs mdevctl's callout with these words.
    pub(crate) fn callout(&self, words: &[&str], stdin: &[u8]) -> Said {
        let args = ["vmig-mdevctl"].iter().chain(words).map(Into::into);
        self.say(stdin, |io| vmig_cli::callout::run(args, io, self.system()))
    }

    /// Writes an attribute as somebody else.
    pub(crate) fn write(&self, path: &Path, text: &str) -> std::io::Result<()> {
        self.kernel.write(path, text.as_bytes())
    }

    fn system(&self) -> System {
        System {
            proc: self.directory.path().join("proc"),
            dev: self.directory.path().join("dev"),
            now: UNIX_EPOCH + Duration::from_secs(1_795_370_400),
            writer: Box::new(self.kernel.clone()),
            ..System::new(self.sys())
        }
    }

    fn say(&self, mut stdin: &[u8], run: impl FnOnce(Io<'_>) -> Exit) -> Said {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(Io {
            stdin: &mut stdin,
            out: &mut out,
            err: &mut err,
            out_terminal: self.terminal,
            err_terminal: false,
            plain: true,
            interrupt: self.interrupt.clone(),
        });
        let text = |data: Vec<u8>| {
            let text = String::from_utf8(data).expect("vmig says text");
            text.replace(self.sys().to_str().unwrap(), "/sys")
        };
        Said {
            status: exit.status(),
            out: text(out),
            err: text(err),
        }
    }
}
