// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A QEMU with a guest in it.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use vmig_vfio::{Attach, Roots};

use super::{Console, Counts};
use crate::client::Client;
use crate::qemu::qmp::Qmp;
use crate::{uuid, wait, Mdev};

/// The state in which the guest waits: where the harness has put it, and where QEMU sees it.
const STATE: &str = "/lib/guestos/state.gz";
const STATE_SHARED: &str = "/tmp/guestos-state.gz";

/// What anything may take: for a QEMU to start, a migration to end, a guest to do a bit of work. It is seconds,
/// unless the machine is very busy.
const LONG: Duration = Duration::from_secs(120);

/// Between two reports.
const PAUSE: Duration = Duration::from_millis(250);

/// The command line of the QEMU that has made the state (`vm/src/guestos.rs`).
const MACHINE: [&str; 13] = [
    "-M",
    "pc-i440fx-7.2",
    "-cpu",
    "qemu64",
    "-accel",
    "tcg",
    "-m",
    "64",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
];

/// A card as QEMU is told about it, at the start or later.
#[derive(Clone, Debug)]
pub struct Plug {
    /// Arguments that stand before the device.
    pub arguments: Vec<String>,
    /// What `object-add` takes.
    pub object: Option<Value>,
    /// What `device_add` takes.
    pub device: Value,
}

impl Plug {
    /// A device of the kernel's, attached in one way or the other, with options of QEMU's default.
    pub fn mdev(mdev: &Mdev, attach: Attach) -> Self {
        let place = Roots::default().mdev(mdev.uuid());
        let mut device = json!({
            "driver": "vfio-pci",
            "id": "card",
            "addr": "05.0",
            "sysfsdev": place,
        });
        let object = (attach == Attach::Cdev).then(|| {
            device["iommufd"] = json!("iommufd0");
            json!({ "qom-type": "iommufd", "id": "iommufd0" })
        });
        Self {
            arguments: Vec::new(),
            object,
            device,
        }
    }

    /// A program behind a socket. It gets the guest's memory as a file.
    pub fn program(socket: &Path) -> Self {
        // Under the name that the memory has without this.
        let memory = json!({
            "qom-type": "memory-backend-memfd",
            "id": "pc.ram",
            "size": 64 << 20,
            "share": true,
            "x-use-canonical-path-for-ramblock-id": false,
        });
        let memory = [
            "-object",
            &memory.to_string(),
            "-machine",
            "memory-backend=pc.ram",
        ];
        Self {
            arguments: memory.map(str::to_owned).to_vec(),
            object: None,
            device: json!({
                "driver": "vfio-user-pci",
                "id": "card",
                "addr": "05.0",
                "socket": { "type": "unix", "path": socket },
            }),
        }
    }

    /// For a machine that has the first card already, whose object serves this one, too.
    #[must_use]
    pub fn beside(mut self) -> Self {
        self.object = None;
        self.with("id", json!("card-2")).with("addr", json!("06.0"))
    }

    /// With one more property, or another value of it.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.device[name] = value;
        self
    }

    /// For a QEMU that starts with the card.
    fn at_the_start(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (option, value) in [
            ("-object", self.object.as_ref()),
            ("-device", Some(&self.device)),
        ] {
            if let Some(value) = value {
                words.extend([option.to_owned(), value.to_string()]);
            }
        }
        words
    }
}

/// A QEMU. Dropping it kills it.
#[derive(Debug)]
pub struct Machine {
    process: Process,
    /// To give it orders.
    pub qmp: Qmp,
    console: Console,
}

impl Machine {
    /// A machine whose guest has booted, and runs. It gets the arguments of a card that is plugged in later.
    ///
    /// # Panics
    ///
    /// If a step is refused; so for all below.
    #[track_caller]
    pub fn restored(client: &Client, plug: &Plug) -> Self {
        if !Path::new(STATE_SHARED).exists() {
            let copied = fs::copy(STATE, STATE_SHARED);
            copied.expect("the harness gives suites with clients a state of a guest");
        }
        let mut machine = Self::start(client, &plug.arguments);
        machine.receive(&format!("exec:gzip -dc {STATE_SHARED}"));
        machine.await_status("paused");
        machine.qmp.run("cont", &json!({}));
        super::tell("restored");
        machine
    }

    /// A machine with cards that waits for a migration.
    #[track_caller]
    pub fn waiting(client: &Client, plugs: &[Plug]) -> Self {
        let arguments = plugs.iter().flat_map(|plug| plug.arguments.clone());
        let cards = plugs.iter().flat_map(Plug::at_the_start);
        Self::start(client, &arguments.chain(cards).collect::<Vec<_>>())
    }

    /// Starts QEMU, which is to get its state from elsewhere.
    #[track_caller]
    fn start(client: &Client, words: &[String]) -> Self {
        let place = PathBuf::from(format!("/tmp/machine-{}", uuid()));
        fs::create_dir(&place).expect("a directory");
        let [qmp, console] = ["qmp", "console"].map(|name| place.join(name));
        let errors = File::create(place.join("errors")).expect("a file");
        let mut qemu = client.command("qemu-system-x86_64");
        qemu.args(MACHINE).args(words);
        qemu.arg("-qmp").arg(server("unix:", &qmp));
        qemu.arg("-chardev")
            .arg(server("socket,id=console,path=", &console));
        qemu.args(["-serial", "chardev:console", "-incoming", "defer"]);
        qemu.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        let child = qemu.spawn().expect("QEMU");
        let process = Process { child, place };
        Self {
            qmp: Qmp::new(connect(&qmp)).expect("QMP"),
            console: Console::connect(&console),
            process,
        }
    }

    /// Plugs the card in.
    #[track_caller]
    pub fn plug(&mut self, plug: &Plug) {
        if let Some(object) = &plug.object {
            self.qmp.run("object-add", object);
        }
        self.qmp.run("device_add", &plug.device);
        super::tell("plugged in");
    }

    /// Asks the guest; see [`Console::ask`].
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> Vec<String> {
        let answer = self.console.ask(command);
        super::tell(&format!("{command}: {}", answer.join("; ")));
        answer
    }

    /// What the guest reports, whose lines all begin with `what`.
    #[track_caller]
    pub fn report(&mut self, what: &str) -> Vec<Counts> {
        let lines = self.ask("report");
        let lines = lines.iter().filter(|line| line.starts_with(what));
        lines.map(|line| Counts::new(line)).collect()
    }

    /// Has the guest report until `enough` says so, but not for ever; the last report, and whether it was.
    ///
    /// Not all the time: a report keeps the guest from its work.
    #[track_caller]
    pub fn report_until(
        &mut self,
        what: &str,
        mut enough: impl FnMut(&[Counts]) -> bool,
    ) -> (Vec<Counts>, bool) {
        let end = Instant::now() + LONG;
        loop {
            let report = self.report(what);
            let done = enough(&report);
            if done || Instant::now() > end {
                return (report, done);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Migrates the running guest to `other`, where it goes on; what QEMU has to say about it.
    #[track_caller]
    pub fn migrate(&mut self, other: &mut Self) -> Value {
        let address = format!("unix:{}", other.process.place.join("migration").display());
        other.receive(&address);
        self.qmp.run("migrate", &json!({ "uri": address }));
        let mut told = Value::Null;
        let over = wait::until(LONG, || {
            told = self.qmp.run("query-migrate", &json!({}));
            !matches!(
                told["status"].as_str(),
                Some("setup" | "active" | "device" | "pre-switchover")
            )
        });
        super::tell(&format!("migration: {told}"));
        assert!(
            over && told["status"] == "completed",
            "{told} {}",
            other.errors()
        );
        told
    }

    /// Begins to take a state.
    #[track_caller]
    pub fn receive(&mut self, address: &str) {
        self.qmp.run("migrate-incoming", &json!({ "uri": address }));
    }

    /// Waits until QEMU is in that state.
    #[track_caller]
    pub fn await_status(&mut self, wanted: &str) {
        let mut status = Value::Null;
        let reached = wait::until(LONG, || {
            status = self.qmp.run("query-status", &json!({}));
            status["status"] == wanted
        });
        assert!(reached, "{wanted}: {status} {}", self.errors());
    }

    /// What QEMU has written.
    pub fn errors(&self) -> String {
        self.process.errors()
    }
}

/// The process. Dropping it kills it, and says what it has written if a test fails.
#[derive(Debug)]
struct Process {
    child: Child,
    /// A directory of its own.
    place: PathBuf,
}

impl Process {
    fn errors(&self) -> String {
        fs::read_to_string(self.place.join("errors")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("QEMU: {}", self.errors());
        }
        let _ = fs::remove_dir_all(&self.place);
    }
}

/// The value of an option for a socket that QEMU serves, once and without waiting.
fn server(kind: &str, socket: &Path) -> String {
    format!("{kind}{},server=on,wait=off", socket.display())
}

/// Connects to a socket as soon as it is there.
///
/// # Panics
///
/// If it does not come.
#[track_caller]
pub(super) fn connect(socket: &Path) -> UnixStream {
    let mut stream = None;
    wait::until(LONG, || {
        stream = UnixStream::connect(socket).ok();
        stream.is_some()
    });
    stream.unwrap_or_else(|| panic!("nobody serves {}", socket.display()))
}
