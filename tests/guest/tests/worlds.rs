// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Between the worlds: a device moves from the kernel module to a program, `vmig-serial` or `vmig-accel`,
//! and back, and its state is the same bytes in both.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use guest::accel::{self, Descriptor, Queue};
use guest::contents::{assert_contents, fill, LIST};
use guest::uart::{DATA, FCR, LCR, LCR_8N1, LSR, LSR_DR};
use guest::wait::{self, SOON};
use guest::{stream, uuid, Mdev, Parent, Port, Test, Type};
use nix::sys::memfd::{memfd_create, MFdFlags};
use vmig_vfio::{DataFile, Errno, Memory, State};
use vmig_vfio_user::client::{Client, Remote};
use vmig_vfio_user::message::DmaMap;

const PROGRAM: &str = "/bin/vmig-serial";
const ACCEL: &str = "/bin/vmig-accel";

/// How long work may take.
const LONG: Duration = Duration::from_secs(40);

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

/// A card with two ports in each generation, and the options of a program that is one, too; and the
/// parent of the old one.
fn cards() -> (Parent, [(Mdev, Vec<&'static str>); 2]) {
    let old = Parent::live("old", 1);
    let cards = [
        (
            old.kind("serial-var").new_device_with("ports=2"),
            vec!["--generation=1", "--m-ports=2"],
        ),
        (kind().new_device_with(LIST), vec!["--m-ports=2"]),
    ];
    (old, cards)
}

#[test]
fn data_in_flight_from_kernel_to_program() {
    let _test = Test::begin();
    let (_old, cards) = cards();
    for (mdev, words) in cards {
        let device = mdev.device();
        let program = Program::start(&words);
        let mut client = program.client();
        let port = Port::new(&device, 0);
        port.fifos(true);
        port.send(b"early ");
        let data = device.set_state(State::PreCopy).unwrap().expect("data");
        program_state(&mut client, State::Resuming);
        client.data_write(&drain(&data)).unwrap();
        port.send(b"late");
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
        assert_eq!(received, b"early late", "{words:?}");
    }
}

#[test]
fn data_in_flight_from_program_to_kernel() {
    let _test = Test::begin();
    let (_old, cards) = cards();
    for (mdev, words) in cards {
        let device = mdev.device();
        let program = Program::start(&words);
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
        let received = Port::new(&device, 0).receive();
        assert_eq!(received, b"early late", "{words:?}");
    }
}

/// An accelerator with 16 MiB in each generation, likewise.
fn accelerators() -> (Parent, [(Mdev, Vec<&'static str>); 2]) {
    let old = Parent::live("old", 1);
    let new = Type::default_parent("accel-var");
    let cards = [
        (
            old.kind("accel-var").new_device_with("memory-mb=16"),
            vec!["--generation=1", "--m-memory-mb=16", "--m-num-queues=1"],
        ),
        (
            new.new_device_with("memory-mb=16 num-queues=4 checksum=on codec=zero"),
            vec!["--m-memory-mb=16"],
        ),
    ];
    (old, cards)
}

/// Where the ring is, and how many descriptors it has.
const RING: u64 = 0x10_0000;
const RING_SIZE: u32 = 64;
const RING_LEN: usize = 4096;

/// Work that takes a while: pieces of 1 MiB, one after the other, round the memory.
fn long_work() -> Vec<Descriptor> {
    let fill = |n: u64| Descriptor::fill(n * 0x0101_0101_0101_0101, (n % 16) << 20, 1 << 20);
    (1..=60).map(fill).collect()
}

/// Asserts that the memory is as [`long_work`] leaves it.
#[track_caller]
fn assert_work(mut read: impl FnMut(u64, &mut [u8])) {
    for n in 45..=60_u64 {
        for at in [0, (1 << 20) - 8] {
            let mut seen = [0; 8];
            read(((n % 16) << 20) + at, &mut seen);
            assert_eq!(seen, [n as u8; 8], "piece {n}, {at:#x}");
        }
    }
}

#[test]
fn work_in_flight_from_kernel_to_program() {
    let _test = Test::begin();
    let (_old, cards) = accelerators();
    for (mdev, words) in cards {
        let device = mdev.device();
        let program = Program::start_of(ACCEL, &words);
        let mut client = program.client();
        accel::enable(&device);
        let mut queue = Queue::enable(&device, 0, RING, RING_SIZE);
        let data = device.set_state(State::PreCopy).unwrap().expect("data");
        program_state(&mut client, State::Resuming);
        client.data_write(&drain(&data)).unwrap();
        queue.push(&long_work());
        queue.ring_doorbell();
        device.set_state(State::StopCopy).unwrap();
        let head = queue.register(accel::QUEUE_HEAD);
        assert!(head < 60, "the work is under way");
        client.data_write(&drain(&data)).unwrap();
        // The guest's memory comes along.
        let mut bytes = vec![0; RING_LEN];
        queue.ring().memory().read(0, &mut bytes).unwrap();
        let ram = fs::File::from(memfd_create("ram", MFdFlags::MFD_CLOEXEC).unwrap());
        ram.write_all_at(&bytes, 0).unwrap();
        let map = DmaMap {
            argsz: 32,
            flags: 3,
            offset: 0,
            address: RING,
            size: RING_LEN as u64,
        };
        client.dma_map(&map, Some(ram.as_fd())).unwrap();
        program_state(&mut client, State::Running);
        // A program begins to work when its client has written something.
        client.region_write(7, 0x3c, &[1]).unwrap();
        let done = wait::until(LONG, || {
            let mut head = [0; 4];
            let at = accel::queue(0) + accel::QUEUE_HEAD;
            client.region_read(0, at, &mut head).unwrap();
            u32::from_le_bytes(head) == 60
        });
        assert!(done, "{words:?}: from {head} on");
        assert_work(|at, out| client.region_read(2, at, out).unwrap());
    }
}

#[test]
fn work_in_flight_from_program_to_kernel() {
    let _test = Test::begin();
    let (_old, cards) = accelerators();
    for (mdev, words) in cards {
        let device = mdev.device();
        let program = Program::start_of(ACCEL, &words);
        let mut client = program.client();
        let ram = fs::File::from(memfd_create("ram", MFdFlags::MFD_CLOEXEC).unwrap());
        let work: Vec<u8> = long_work()
            .into_iter()
            .flat_map(Descriptor::bytes)
            .collect();
        ram.write_all_at(&work, 0).unwrap();
        ram.set_len(RING_LEN as u64).unwrap();
        let map = DmaMap {
            argsz: 32,
            flags: 3,
            offset: 0,
            address: RING,
            size: RING_LEN as u64,
        };
        client.dma_map(&map, Some(ram.as_fd())).unwrap();
        client.region_write(7, 4, &[6, 0]).unwrap();
        let set = |client: &mut Client, register: u64, value: u32| {
            let at = accel::queue(0) + register;
            client.region_write(0, at, &value.to_le_bytes()).unwrap();
        };
        set(&mut client, accel::QUEUE_BASE, RING as u32);
        set(&mut client, accel::QUEUE_SIZE, RING_SIZE);
        set(&mut client, accel::QUEUE_CONTROL, 1);
        let data = device.set_state(State::Resuming).unwrap().expect("data");
        program_state(&mut client, State::PreCopy);
        data.write_all(&drain_program(&mut client)).unwrap();
        set(&mut client, accel::QUEUE_TAIL, 60);
        program_state(&mut client, State::StopCopy);
        data.write_all(&drain_program(&mut client)).unwrap();
        let ring = Memory::anonymous(RING_LEN).unwrap();
        let mut bytes = vec![0; RING_LEN];
        ram.read_exact_at(&mut bytes, 0).unwrap();
        ring.write(0, &bytes).unwrap();
        let ring = device.dma_map(RING, ring).unwrap();
        // Until then the registers are not those of the state.
        device.set_state(State::Stop).unwrap();
        let queue = Queue::attach(&device, 0, ring, RING_SIZE);
        let head = queue.register(accel::QUEUE_HEAD);
        assert!(head < 60, "the work is under way");
        device.set_state(State::Running).unwrap();
        queue.wait();
        assert_eq!(queue.register(accel::QUEUE_STATUS), 0, "{words:?}");
        assert_eq!(queue.register(accel::QUEUE_HEAD), 60);
        let memory = device.region(accel::MEMORY).expect("memory");
        assert_work(|at, out| assert_eq!(memory.read_at(at, out).unwrap(), out.len()));
    }
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
    // A generation, a parameter, a value, a constraint: before the program is started, and when it is
    // started all the same.
    let own = fs::read_to_string(&list.0).unwrap();
    let serial = "model: vmig.example/pci-serial\n";
    let accel = "model: vmig.example/accel\nmemory-mb=16\n";
    for (program, generation, text, part) in [
        (PROGRAM, 1, own, "there is no parameter auto-flow"),
        (
            PROGRAM,
            2,
            format!("{serial}ports=1\ncolour=red\n"),
            "colour",
        ),
        (PROGRAM, 2, format!("{serial}ports=3\n"), "ports=3"),
        (
            PROGRAM,
            2,
            format!("{serial}ports=1\nauto-flow=on\n"),
            "fifo-size",
        ),
        (
            ACCEL,
            2,
            format!("{accel}num-queues=2\nchecksum=on\n"),
            "num-queues",
        ),
        (ACCEL, 1, format!("{accel}codec=zero\n"), "codec"),
    ] {
        let refused = File::new();
        fs::write(&refused.0, &text).unwrap();
        let socket = format!("/tmp/worlds-{}", uuid());
        let to = format!("exec:{program} --generation={generation} --socket-path={socket}");
        let said = vmig(1, &["check", "--from", &refused.0, &to]).0;
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(part), "{text}: {said}");
        let words = [
            "commands", "--from", &refused.0, "--to", &to, "--tool", "program", "--exec",
        ];
        vmig(1, &words);
        let mut command = Command::new(program);
        command.arg(format!("--generation={generation}"));
        command.arg(format!("--migration-params={}", refused.0));
        command.arg(format!("--socket-path={socket}"));
        let output = command.output().expect(program);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}: {said}");
        assert!(said.contains(part), "{text}: {said}");
        assert!(!fs::exists(&socket).unwrap(), "{text}: nobody listens");
    }
    // A stream for another device, in both directions.
    let program = Program::start(&["--m-ports=1"]);
    let said = vmig(1, &["state", "load", &program.device(), &state.0]).1;
    assert!(said.contains("EXDEV"), "{said}");
    vmig(0, &["state", "save", &program.device(), &state.0]);
    let said = vmig(1, &["state", "load", mdev.uuid(), &state.0]).1;
    assert!(said.contains("ports: stream 1, device 2"), "{said}");
}
