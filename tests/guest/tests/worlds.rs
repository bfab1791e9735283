// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Between the worlds: a device moves from the kernel module to a program, `vmig-serial` or `vmig-accel`,
//! and back, and its state is the same bytes in both.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};

use guest::accel::{self, Descriptor, Queue};
use guest::contents::{assert_contents, fill, LIST};
use guest::uart::{DATA, FCR, LCR, LCR_8N1, LSR, LSR_DR};
use guest::wait::{self, SOON};
use guest::{stream, uuid, Mdev, Parent, Port, Test, Type};
use vmig_vfio::{DataFile, Errno, State};
use vmig_vfio_user::client::{Client, Remote};

const PROGRAM: &str = "/bin/vmig-serial";
const ACCEL: &str = "/bin/vmig-accel";

/// A running program; killed at the end of its test.
struct Program {
    child: Child,
    socket: String,
}

impl Program {
    /// Starts it and waits for its socket.
    #[track_caller]
    fn start(words: &[&str]) -> Self {
        Self::start_of(PROGRAM, words)
    }

    #[track_caller]
    fn start_of(program: &str, words: &[&str]) -> Self {
        let socket = format!("/tmp/worlds-{}", uuid());
        let option = format!("--socket-path={socket}");
        let child = Command::new(program).args(words).arg(option).spawn();
        Self::serving(child.expect(program), socket)
    }

    #[track_caller]
    fn serving(child: Child, socket: String) -> Self {
        let there = wait::until(SOON, || UnixStream::connect(&socket).is_ok());
        assert!(there, "the program makes its socket");
        Self { child, socket }
    }

    fn client(&self) -> Client {
        Client::connect(self.socket.as_ref()).expect("a connection")
    }

    /// Its device as the command names it.
    fn device(&self) -> String {
        format!("vfio-user:{}", self.socket)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

/// Runs the command, which must end with `status`; what it printed, and what it complained of.
#[track_caller]
fn vmig(status: i32, words: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new("/bin/vmig")
        .args(words)
        .stdin(Stdio::null())
        .output();
    let Output {
        status: ended,
        stdout,
        stderr,
    } = output.expect("/bin/vmig");
    let said = String::from_utf8(stderr).expect("text");
    assert_eq!(ended.code(), Some(status), "vmig {words:?}: {said}");
    (stdout, said)
}

/// A file that goes away.
struct File(String);

impl File {
    fn new() -> Self {
        Self(format!("/tmp/worlds-{}", uuid()))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn kind() -> Type {
    Type::default_parent("serial-var")
}

#[test]
fn by_command_there_and_back() {
    let _test = Test::begin();
    let mdev = kind().new_device_with(LIST);
    mdev.keep(true);
    fill(&mdev.device());
    let (list, first, second) = (File::new(), File::new(), File::new());
    fs::write(&list.0, vmig(0, &["params", mdev.uuid()]).0).unwrap();
    vmig(0, &["check", "--from", &list.0, &format!("exec:{PROGRAM}")]);
    let socket = format!("/tmp/worlds-{}", uuid());
    let to = format!("exec:{PROGRAM} --socket-path={socket}");
    let words = [
        "commands", "--from", &list.0, "--to", &to, "--tool", "program",
    ];
    let child = Command::new("/bin/vmig").args(words).arg("--exec").spawn();
    let program = Program::serving(child.expect("/bin/vmig"), socket);
    // It is the same device, says the list.
    let pid = program.child.id().to_string();
    let of_program = vmig(0, &["params", "--pid", &pid]).0;
    assert_eq!(of_program, fs::read(&list.0).unwrap());

    vmig(0, &["state", "save", mdev.uuid(), &first.0]);
    vmig(0, &["state", "load", &program.device(), &first.0]);
    vmig(0, &["state", "save", &program.device(), &second.0]);
    assert_eq!(fs::read(&first.0).unwrap(), fs::read(&second.0).unwrap());
    let back = uuid();
    let kind = "vmig/vmig-serial-var";
    vmig(0, &["create", "--keep", "--from", &list.0, kind, &back]);
    let back = Mdev::existing(&back);
    vmig(0, &["state", "load", back.uuid(), &second.0]);
    assert_contents(&back.device());
}

/// Both generations, everything on and everything off: the same bytes.
#[test]
fn byte_for_byte() {
    let _test = Test::begin();
    let old = Parent::live("old", 1);
    for (generation, list) in [
        (1, "ports=1"),
        (1, "ports=2"),
        (2, "ports=1"),
        (2, LIST),
        (2, "ports=2 fifo-size=64 auto-flow=on line-stats=on"),
    ] {
        let kind = match generation {
            1 => old.kind("serial-var"),
            _ => kind(),
        };
        let mdev = kind.new_device_with(list);
        let device = mdev.device();
        let mut words = vec![format!("--generation={generation}")];
        words.extend(list.split(' ').map(|pair| format!("--m-{pair}")));
        for off in ["fifo-size=16", "auto-flow=off"] {
            let name = off.split('=').next().unwrap();
            let there = generation == 2 || name == "fifo-size";
            if there && !list.contains(name) {
                words.push(format!("--m-{off}"));
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let program = Program::start(&words);
        let remote = Remote::from(program.client());
        device.reset().unwrap();
        for filled in [false, true] {
            if filled {
                fill(&device);
            }
            let saved = stream::save(&device);
            vmig_vfio::load(&remote, &mut &saved[..], &mut |_| ()).expect(list);
            let mut again = Vec::new();
            vmig_vfio::save(&remote, &mut again, &mut |_| ()).expect(list);
            assert_eq!(saved, again, "{list}, generation {generation}");
            stream::load(&device, &again).expect(list);
            assert_eq!(stream::save(&device), saved);
        }
    }
}

/// Memory, registers, and what work has left in them.
#[test]
fn the_accelerator_byte_for_byte() {
    let _test = Test::begin();
    let old = Parent::live("old", 1);
    let rows: [(u32, &str, &[&str]); 3] = [
        (
            1,
            "memory-mb=16 num-queues=2",
            &["--generation=1", "--m-memory-mb=16", "--m-num-queues=2"],
        ),
        (
            2,
            "memory-mb=16",
            &[
                "--m-memory-mb=16",
                "--m-num-queues=1",
                "--m-checksum=off",
                "--m-codec=none",
            ],
        ),
        (
            2,
            "memory-mb=32 num-queues=4 checksum=on codec=zero",
            &["--m-memory-mb=32", "--m-num-queues=4"],
        ),
    ];
    for (generation, list, words) in rows {
        let kind = match generation {
            1 => old.kind("accel-var"),
            _ => Type::default_parent("accel-var"),
        };
        let mdev = kind.new_device_with(list);
        let device = mdev.device();
        accel::enable(&device);
        let mut queue = Queue::enable(&device, 0, 0x10_0000, 16);
        queue.run(&[
            Descriptor::fill(0x0123_4567_89ab_cdef, 0x1000, 0x2800),
            Descriptor::copy_within(0x1000, 0x8_0000, 0x1234),
        ]);
        let memory = device.region(accel::MEMORY).expect("memory");
        memory.write_at(0xff_fffd, b"end").expect("memory");
        let program = Program::start_of(ACCEL, words);
        let remote = Remote::from(program.client());
        let saved = stream::save(&device);
        vmig_vfio::load(&remote, &mut &saved[..], &mut |_| ()).expect(list);
        let mut again = Vec::new();
        vmig_vfio::save(&remote, &mut again, &mut |_| ()).expect(list);
        assert!(saved == again, "{list}, generation {generation}");
        drop(remote);
        let mut seen = [0; 8];
        let mut client = program.client();
        client.region_read(2, 0x8_0008, &mut seen).unwrap();
        assert_eq!(u64::from_le_bytes(seen), 0x0123_4567_89ab_cdef);
        stream::load(&device, &again).expect(list);
        assert!(stream::save(&device) == saved, "{list}: and back");
    }
}

/// Reads a data file to its (temporary) end.
#[track_caller]
fn drain(data: &DataFile) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = [0; 512];
    loop {
        match data.read(&mut piece) {
            Ok(0) => return all,
            Ok(n) => all.extend_from_slice(&piece[..n]),
            Err(error) if error.errno() == Some(Errno::ENOMSG) => return all,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads a program's data to its (temporary) end.
#[track_caller]
fn drain_program(client: &mut Client) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = [0; 512];
    loop {
        let n = client.data_read(&mut piece).expect("data");
        all.extend_from_slice(&piece[..n]);
        if n < piece.len() {
            return all;
        }
    }
}

fn program_state(client: &mut Client, state: State) {
    client.set_state_number(state as u32).expect("the state");
}

#[test]
fn data_in_flight_from_kernel_to_program() {
    let _test = Test::begin();
    let mdev = kind().new_device_with(LIST);
    let device = mdev.device();
    let program = Program::start(&["--m-ports=2"]);
    let mut client = program.client();
    let port = Port::new(&device, 0);
    port.fifos(true);
    port.send(b"before, ");
    let data = device.set_state(State::PreCopy).unwrap().expect("data");
    program_state(&mut client, State::Resuming);
    client.data_write(&drain(&data)).unwrap();
    port.send(b"meanwhile");
    client.data_write(&drain(&data)).unwrap();
    device.set_state(State::StopCopy).unwrap();
    client.data_write(&drain(&data)).unwrap();
    program_state(&mut client, State::Running);
    let mut received = Vec::new();
    let mut byte = [0];
    loop {
        client.region_read(0, LSR, &mut byte).unwrap();
        if byte[0] & LSR_DR == 0 {
            break;
        }
        client.region_read(0, DATA, &mut byte).unwrap();
        received.push(byte[0]);
    }
    assert_eq!(received, b"before, meanwhile");
}

#[test]
fn data_in_flight_from_program_to_kernel() {
    let _test = Test::begin();
    let mdev = kind().new_device_with(LIST);
    let device = mdev.device();
    let program = Program::start(&["--m-ports=2"]);
    let mut client = program.client();
    let send = |client: &mut Client, text: &[u8]| {
        for byte in text {
            client.region_write(0, DATA, &[*byte]).unwrap();
        }
    };
    client.region_write(0, LCR, &[LCR_8N1]).unwrap();
    client.region_write(0, FCR, &[1]).unwrap();
    send(&mut client, b"early ");
    let data = device.set_state(State::Resuming).unwrap().expect("data");
    program_state(&mut client, State::PreCopy);
    data.write_all(&drain_program(&mut client)).unwrap();
    send(&mut client, b"late");
    data.write_all(&drain_program(&mut client)).unwrap();
    program_state(&mut client, State::StopCopy);
    data.write_all(&drain_program(&mut client)).unwrap();
    device.set_state(State::Running).unwrap();
    assert_eq!(Port::new(&device, 0).receive(), b"early late");
}

#[test]
fn what_does_not_fit_is_refused_before_and_after() {
    let _test = Test::begin();
    let mdev = kind().new_device_with(LIST);
    mdev.keep(true);
    fill(&mdev.device());
    let (list, state) = (File::new(), File::new());
    fs::write(&list.0, vmig(0, &["params", mdev.uuid()]).0).unwrap();
    vmig(0, &["state", "save", mdev.uuid(), &state.0]);
    // A generation, a value, a constraint: before the program is started ...
    let old = format!("exec:{PROGRAM} --generation=1");
    let said = vmig(1, &["check", "--from", &list.0, &old]).0;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("there is no parameter auto-flow"), "{said}");
    let words = [
        "commands", "--from", &list.0, "--to", &old, "--tool", "program",
    ];
    vmig(1, &words);
    // ... and when it is started all the same.
    let by_list = format!("--migration-params={}", list.0);
    for words in [
        &["--generation=1", &by_list][..],
        &["--m-ports=3"],
        &["--m-fifo-size=16", "--m-auto-flow=on"],
        &["--m-colour=red"],
    ] {
        let mut command = Command::new(PROGRAM);
        let output = command.args(words).arg("--socket-path=/tmp/x").output();
        let output = output.expect(PROGRAM);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(!output.stderr.is_empty());
    }
    // A stream for another device, in both directions.
    let program = Program::start(&["--m-ports=1"]);
    let said = vmig(1, &["state", "load", &program.device(), &state.0]).1;
    assert!(said.contains("EXDEV"), "{said}");
    vmig(0, &["state", "save", &program.device(), &state.0]);
    let said = vmig(1, &["state", "load", mdev.uuid(), &state.0]).1;
    assert!(said.contains("ports: stream 1, device 2"), "{said}");
}
