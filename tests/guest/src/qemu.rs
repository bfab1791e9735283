// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! QEMU without a guest: an unmodified QEMU of a client, with a device of ours. Its processor is
//! halted, and a test does what a driver would do through the qtest socket.
//!
//! The machine runs, so that a device goes through the states that it has with a guest. Only the
//! accelerator for tests is no part of Debian's QEMU, and is not needed.

pub mod cards;
pub mod migration;
pub mod qmp;
pub mod qtest;

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;
use serde_json::{json, Value};

use crate::{wait, Client, Mdev};
use qmp::Qmp;
use qtest::Qtest;

/// Where the device is in the machine; it is part of the name that its state has in a migration.
pub const SLOT: u8 = 5;

/// A firmware of nothing but `hlt`: the processor stops at its first instruction.
pub static HALTED: [u8; 64 << 10] = [0xf4; 64 << 10];

/// Longest wait for a QEMU to come up, or to end.
const START: Duration = Duration::from_secs(30);

/// Numbers the machines of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A QEMU of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// What a person calls it.
    pub name: &'static str,
    /// The client.
    pub client: &'static str,
    /// What `--version` starts with.
    pub number: &'static str,
    /// A machine type whose state it shares with the others that have the same.
    pub machine: &'static str,
}

/// QEMU 7.2, which knows protocol v1 only.
pub const QEMU_7: Version = Version {
    name: "7.2",
    client: "bookworm",
    number: "7.2.",
    machine: "pc-i440fx-7.2",
};

/// QEMU 10.0.
pub const QEMU_10: Version = Version {
    name: "10",
    client: "trixie",
    number: "10.0.",
    machine: "pc-i440fx-10.0",
};

/// QEMU 11.
pub const QEMU_11: Version = Version {
    name: "11",
    client: "backports",
    number: "11.",
    machine: "pc-i440fx-10.0",
};

/// How a device is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// Through its group and a container, protocol v2.
    Group,
    /// Through its own node and iommufd, protocol v2.
    Cdev,
    /// Through its group, protocol v1, which QEMU 7.2 has switched off by default.
    V1,
}

impl Attach {
    /// For a person.
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Cdev => "cdev",
            Self::V1 => "v1",
        }
    }
}

/// How a QEMU is started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which one.
    pub version: Version,
    /// How the device is attached.
    pub attach: Attach,
    /// More properties of the device, each with a comma before it.
    pub properties: String,
    /// More words for the command line.
    pub words: Vec<String>,
    /// It waits for a migration.
    pub incoming: bool,
}

impl Setup {
    /// With nothing but defaults.
    pub fn new(version: Version, attach: Attach) -> Self {
        Self {
            version,
            attach,
            properties: String::new(),
            words: Vec::new(),
            incoming: false,
        }
    }

    /// The same with more properties of the device.
    #[must_use]
    pub fn with(mut self, properties: &str) -> Self {
        self.properties.push_str(properties);
        self
    }

    /// The same with more words.
    #[must_use]
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|&word| word.to_owned()));
        self
    }

    /// The same for the destination of a migration.
    #[must_use]
    pub fn incoming(mut self) -> Self {
        self.incoming = true;
        self
    }

    /// Starts it with the device `mdev`.
    ///
    /// # Errors
    ///
    /// What QEMU said, if it has ended.
    ///
    /// # Panics
    ///
    /// If it neither ends nor answers.
    #[track_caller]
    pub fn start(&self, mdev: &Mdev) -> Result<Qemu, String> {
        self.start_with(std::slice::from_ref(mdev))
    }

    /// Starts it with several devices, from [`SLOT`] on.
    ///
    /// # Errors
    ///
    /// As [`Setup::start`].
    ///
    /// # Panics
    ///
    /// As [`Setup::start`].
    #[track_caller]
    pub fn start_with(&self, mdevs: &[Mdev]) -> Result<Qemu, String> {
        let client = Client::enter(self.version.client);
        let command = client.command("qemu-system-x86_64");
        self.launch(command, &self.devices(mdevs))
    }

    /// Starts it by a script for a shell, which gives it the device and has it wait for a migration.
    ///
    /// # Errors
    ///
    /// As [`Setup::start`].
    ///
    /// # Panics
    ///
    /// As [`Setup::start`].
    #[track_caller]
    pub fn start_by(&self, script: &str) -> Result<Qemu, String> {
        let client = Client::enter(self.version.client);
        let mut command = client.command("sh");
        command.args(["-c", script, "sh"]);
        self.launch(command, &[])
    }

    /// The words for the devices, and for a migration to come.
    fn devices(&self, mdevs: &[Mdev]) -> Vec<String> {
        let mut words = Vec::new();
        let attached = match self.attach {
            Attach::Group => "",
            Attach::Cdev => {
                words.extend(["-object".to_owned(), "iommufd,id=iommufd0".to_owned()]);
                ",iommufd=iommufd0"
            }
            Attach::V1 => ",x-enable-migration=on",
        };
        for (slot, mdev) in (SLOT..).zip(mdevs) {
            let device = format!(
                "vfio-pci,sysfsdev={},addr={slot:02x}.0{attached}{}",
                mdev.directory().display(),
                self.properties
            );
            words.extend(["-device".to_owned(), device]);
        }
        if self.incoming {
            words.extend(["-incoming".to_owned(), "defer".to_owned()]);
        }
        words
    }

    #[track_caller]
    fn launch(&self, mut command: Command, device: &[String]) -> Result<Qemu, String> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = PathBuf::from(format!("/tmp/qemu-{}-{number}", std::process::id()));
        fs::create_dir(&directory).expect("directory");
        let file = |name: &str| directory.join(name).display().to_string();
        fs::write(file("bios"), HALTED).expect("bios");
        let errors = File::create(file("stderr")).expect("stderr");
        command.args(["-nodefaults", "-no-user-config", "-display", "none"]);
        command.args(["-M", self.version.machine, "-accel", "tcg", "-m", "32"]);
        command.args(["-bios", &file("bios"), "-qtest-log", "/dev/null"]);
        for name in ["qmp", "qtest"] {
            let socket = format!("unix:{},server=on,wait=off", file(name));
            command.args([&format!("-{name}"), &socket]);
        }
        command.args(device);
        command.args(&self.words);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // A group of its own: a script may have QEMU as a process of its own.
        let command = command.stderr(errors).process_group(0);
        let child = command.spawn().expect("chroot");
        let mut process = Process { child, directory };
        let [qmp, qtest] = ["qmp", "qtest"].map(|name| process.connect(name));
        Ok(Qemu {
            name: format!("QEMU {} {}", self.version.name, self.attach.name()),
            qmp: Qmp::new(qmp?).map_err(|e| format!("{e}: {}", process.errors()))?,
            qtest: Qtest::new(qtest?).map_err(|e| e.to_string())?,
            process,
        })
    }
}

/// The process, and its files. Dropping it ends the one and removes the others.
#[derive(Debug)]
struct Process {
    child: Child,
    directory: PathBuf,
}

impl Process {
    /// Kills all of its group, which has its number as long as nobody has waited for it.
    fn kill(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let group = i32::try_from(self.child.id()).expect("a process");
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }

    fn errors(&self) -> String {
        let text = fs::read(self.directory.join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// Connects to one of its sockets as soon as it has it.
    #[track_caller]
    fn connect(&mut self, socket: &str) -> Result<UnixStream, String> {
        let path = self.directory.join(socket);
        let mut connected = None;
        let mut ended = None;
        wait::until(START, || {
            ended = self.child.try_wait().expect("wait");
            connected = UnixStream::connect(&path).ok();
            connected.is_some() || ended.is_some()
        });
        match (connected, ended) {
            (Some(stream), _) => Ok(stream),
            (None, Some(_)) => Err(self.errors()),
            (None, None) => panic!("QEMU does not come up: {}", self.errors()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A running QEMU. Dropping it kills it.
#[derive(Debug)]
pub struct Qemu {
    name: String,
    process: Process,
    /// The machine protocol.
    pub qmp: Qmp,
    /// The test protocol.
    pub qtest: Qtest,
}

impl Qemu {
    /// For a person.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path for a socket that is its own.
    pub fn socket(&self) -> PathBuf {
        self.process.directory.join("migration")
    }

    /// What it has written to its standard error.
    pub fn errors(&self) -> String {
        self.process.errors()
    }

    /// Has a command done that cannot fail.
    ///
    /// # Panics
    ///
    /// If it does.
    #[track_caller]
    pub fn done(&mut self, command: &str, arguments: &Value) -> Value {
        let result = self.qmp.execute(command, arguments);
        result.unwrap_or_else(|e| panic!("{}: {command}: {e}; {}", self.name, self.errors()))
    }

    /// What `query-status` says.
    #[track_caller]
    pub fn status(&mut self) -> String {
        let answer = self.done("query-status", &json!({}));
        answer["status"].as_str().unwrap_or("?").to_owned()
    }

    /// Kills it: no chance to clean up. Ended already is as good.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Whether it has ended.
    ///
    /// # Panics
    ///
    /// If nobody knows.
    pub fn has_ended(&mut self) -> bool {
        self.process.child.try_wait().expect("wait").is_some()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        let child = &mut self.process.child;
        wait::until(START, || {
            status = child.try_wait().expect("wait");
            status.is_some()
        });
        status.unwrap_or_else(|| panic!("{} does not end", self.name))
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    ///
    /// If it does not, or says that something went wrong.
    #[track_caller]
    pub fn quit(mut self) {
        // The answer may be lost.
        let _ = self.qmp.execute("quit", &json!({}));
        let status = self.ended();
        assert!(
            status.success(),
            "{}: {status}: {}",
            self.name,
            self.errors()
        );
    }
}

/// The socket of a path, as QEMU's migration commands name it.
pub fn uri(socket: &Path) -> String {
    format!("unix:{}", socket.display())
}
