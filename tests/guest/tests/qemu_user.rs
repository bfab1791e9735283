// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! QEMU as a client of the programs `vmig-serial` and `vmig-accel`.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use guest::guestos::{Machine, Plug};
use guest::{uuid, wait, Client, Test};

/// Time for a test. It takes some seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(600);

/// How long anything may take for what a second is enough for.
const LONG: Duration = Duration::from_secs(90);

/// Lines through each port, and batches of each queue.
const LINES: u64 = 20;
const BATCHES: u64 = 10;

/// A program that serves a device. Dropping it kills it.
struct Program {
    child: Child,
    socket: PathBuf,
}

impl Program {
    #[track_caller]
    fn start(program: &str, options: &[&str]) -> Self {
        let socket = PathBuf::from(format!("/tmp/program-{}", uuid()));
        let child = Command::new(program)
            .arg("--socket-path")
            .arg(&socket)
            .args(options)
            .spawn();
        let program = Self {
            child: child.expect(program),
            socket,
        };
        let there = wait::until(LONG, || UnixStream::connect(program.socket()).is_ok());
        assert!(there, "the program makes its socket");
        program
    }

    fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Waits until the guest's report has `count` of at least `enough`, each number of it, and nothing
/// that is wrong.
#[track_caller]
fn does(machine: &mut Machine, what: &str, count: &str, enough: u64, wrong: &[&str]) {
    let (report, done) = machine.report_until(what, |report| {
        for (counts, name) in report
            .iter()
            .flat_map(|counts| wrong.iter().map(move |name| (counts, name)))
        {
            assert_eq!(counts.get(name), 0, "{}", counts.line());
        }
        let mut numbers = report
            .iter()
            .flat_map(|counts| counts.list(count))
            .peekable();
        numbers.peek().is_some() && numbers.all(|number| number >= enough)
    });
    assert!(done, "no {enough} {count}: {report:?}");
}

#[test]
fn linux_finds_both_chips_and_gets_back_what_it_sends() {
    let _test = Test::begin_within(LIMIT);
    for (options, chip) in [
        (&["--m-ports=2"][..], "TI16750"),
        (
            &["--m-ports=2", "--m-fifo-size=16", "--m-auto-flow=off"],
            "16550A",
        ),
    ] {
        let program = Program::start("/bin/vmig-serial", options);
        let plug = Plug::program(program.socket());
        let mut machine = Machine::restored(&Client::enter("backports"), &plug);
        machine.plug(&plug);
        let found = machine.ask("serial 2");
        assert_eq!(found, [format!("ttyS1 {chip}"), format!("ttyS2 {chip}")]);
        let wrong = ["lost", "doubled", "damaged", "overruns"];
        does(&mut machine, "ttyS", "lines", LINES, &wrong);
        let log = machine.ask("log");
        let chips = log
            .iter()
            .filter(|line| line.ends_with(&format!(" is a {chip}")));
        assert_eq!(chips.count(), 2, "{log:?}");
    }
}

#[test]
fn an_accelerator_gets_its_work_done() {
    let _test = Test::begin_within(LIMIT);
    let options = ["--m-memory-mb=16", "--m-num-queues=3", "--m-checksum=on"];
    let program = Program::start("/bin/vmig-accel", &options);
    let plug = Plug::program(program.socket());
    let mut machine = Machine::restored(&Client::enter("backports"), &plug);
    machine.plug(&plug);
    let found = machine.ask("accel");
    assert_eq!(found, ["accel queues=3 memory=16 checksum=on"]);
    let wrong = ["wrong", "failed", "missing"];
    does(&mut machine, "accel", "rounds", BATCHES, &wrong);
    assert!(machine.report("accel")[0].get("sums") >= BATCHES);
}

/// A card's registers, by QEMU's monitor. The processor stands still meanwhile.
struct Card<'m>(&'m mut Machine);

impl Card<'_> {
    /// Where BAR 0 is put.
    const PORTS: u32 = 0x1000;
    /// COMMAND, and BAR 0, in config space; what COMMAND has to be.
    const COMMAND: u32 = 0x04;
    const BAR: u32 = 0x10;
    const IO: u32 = 1;
    /// The scratch register of the first port.
    const SCRATCH: u32 = Self::PORTS + 7;

    fn switch_on(&mut self) {
        self.set_config(Self::BAR, Self::PORTS);
        self.set_config(Self::COMMAND, Self::IO);
    }

    fn config(&mut self, register: u32) -> u32 {
        self.0.qmp.human(&Self::select(register));
        self.input("/w 0xcfc")
    }

    fn set_config(&mut self, register: u32, value: u32) {
        self.0.qmp.human(&Self::select(register));
        self.0.qmp.human(&format!("o /w 0xcfc {value:#x}"));
    }

    /// Bus 0, device 5.
    fn select(register: u32) -> String {
        format!("o /w 0xcf8 {:#x}", 0x8000_2800 | register)
    }

    fn scratch(&mut self) -> u32 {
        self.input(&format!("/b {:#x}", Self::SCRATCH))
    }

    fn set_scratch(&mut self, value: u8) {
        self.0
            .qmp
            .human(&format!("o /b {:#x} {value:#x}", Self::SCRATCH));
    }

    /// `portb[0x1007] = 0x5a`
    #[track_caller]
    fn input(&mut self, what: &str) -> u32 {
        let said = self.0.qmp.human(&format!("i {what}"));
        let number = said.trim().rsplit_once("0x").map(|(_, digits)| digits);
        let number = number.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        number.unwrap_or_else(|| panic!("the monitor says {said:?}"))
    }
}

/// The README warns of it. When QEMU learns to migrate such devices this fails, and can be replaced.
#[test]
fn qemu_says_that_it_migrated_and_has_left_the_state_behind() {
    let _test = Test::begin_within(LIMIT);
    let programs = [(); 2].map(|()| Program::start("/bin/vmig-serial", &[]));
    let [here, there] = [&programs[0], &programs[1]].map(|it| Plug::program(it.socket()));
    let client = Client::enter("backports");
    let mut from = Machine::restored(&client, &here);
    from.plug(&here);
    from.qmp.run("stop", &serde_json::json!({}));
    let mut card = Card(&mut from);
    card.switch_on();
    card.set_scratch(0x5a);
    assert_eq!(card.scratch(), 0x5a);

    let mut to = Machine::waiting(&client, &[there]);
    // No blocker, no error, not a byte.
    let told = from.migrate(&mut to);
    assert_eq!(told["vfio"]["transferred"], 0, "{told}");
    to.await_status("paused");
    let mut card = Card(&mut to);
    // Not even config space has come along.
    assert_eq!(card.config(Card::COMMAND) & Card::IO, 0);
    assert_eq!(card.config(Card::BAR) & !1, 0);
    card.switch_on();
    assert_eq!(card.scratch(), 0, "the state is there");
    // And the source's program still has it.
    assert_eq!(Card(&mut from).scratch(), 0x5a);
}
