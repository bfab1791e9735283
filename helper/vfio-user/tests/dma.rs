// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The client's memory: mapped by file and without, unmapped, logged; by messages on either socket.

use std::{
    fs::File,
    os::{
        fd::AsFd,
        unix::{
            fs::FileExt as _,
            net::UnixStream, //
        },
    },
    sync::{
        mpsc::{
            channel,
            Receiver,
            Sender, //
        },
        Arc,
        Mutex, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use nix::{
    errno::Errno,
    sys::memfd::{
        memfd_create,
        MFdFlags, //
    },
};
use vmig_vfio_user::{
    channel::Fault,
    client::{
        self,
        Memory, //
    },
    dirty::Range,
    message::{
        uapi::*,
        Command,
        DmaMap,
        Feature,
        Version,
        Wire as _,
        DATA_MAX,
        ERROR,
        NO_REPLY, //
    },
    version::{
        self,
        Capabilities, //
    },
    Client,
    Server, //
};

use crate::{
    support::*,
    toy::{
        Job,
        Jobs,
        Toy, //
    },
};

const PAGE: u64 = 4096;

/// 64 KiB at 0x10000, as the client has it.
#[derive(Clone)]
struct Ram(Arc<Mutex<Vec<u8>>>);

impl Ram {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(vec![0; 0x10000])))
    }

    fn at<R>(&self, at: u64, len: usize, f: impl FnOnce(&mut [u8]) -> R) -> Result<R, Errno> {
        let at = at.checked_sub(0x10000).ok_or(Errno::EFAULT)? as usize;
        let mut ram = self.0.lock().unwrap();
        let end = at.checked_add(len).ok_or(Errno::EFAULT)?;
        Ok(f(ram.get_mut(at..end).ok_or(Errno::EFAULT)?))
    }
}

impl Memory for Ram {
    fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), Errno> {
        self.at(address, out.len(), |ram| out.copy_from_slice(ram))
    }

    fn write(&mut self, address: u64, data: &[u8]) -> Result<(), Errno> {
        self.at(address, data.len(), |ram| ram.copy_from_slice(data))
    }
}

fn map(address: u64, size: u64, offset: u64) -> DmaMap {
    DmaMap {
        argsz: 32,
        flags: 3,
        offset,
        address,
        size,
    }
}

fn memory(len: u64) -> File {
    let file = File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap());
    file.set_len(len).unwrap();
    file
}

/// A toy, and the way to tell it what to do.
pub(crate) struct Bench {
    pub(crate) running: Running<Toy, Jobs>,
    todo: Sender<Job>,
    pub(crate) done: Receiver<Option<Vec<u8>>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let ((todo, jobs), (results, done)) = (channel(), channel());
        let worker = Jobs {
            todo: jobs,
            done: results,
        };
        Self {
            running: run(Server::with_worker(Toy::new(), worker)),
            todo,
            done,
        }
    }

    /// Has the device read 4 bytes; the next that `raw` receives is the command for it.
    pub(crate) fn read(&self, raw: &mut Raw) {
        self.ask(raw, Job::Read(0x10000, 4));
    }

    /// Has the device do a job, which takes a command to the client.
    fn ask(&self, raw: &mut Raw, job: Job) {
        self.todo.send(job).unwrap();
        // The device works from the first write on.
        raw.send(&bytes(Command::RegionWrite.number(), 0, NO_REPLY, &[]));
    }

    /// Has a job done while `client` does something else.
    fn job(&self, client: &mut Client, job: Job) -> Option<Vec<u8>> {
        self.todo.send(job).unwrap();
        // The device works after a message, from the first write on; the second one waits for that.
        client.region_write_multi(&[]).unwrap();
        client.info().unwrap();
        self.done.recv().unwrap()
    }
}

#[test]
fn memory_with_a_file() {
    let bench = Bench::new();
    let mut client = bench.running.connect();
    let file = memory(4 * PAGE);
    file.write_all_at(b"from the guest", PAGE + 10).unwrap();
    let row = map(0x10000, 2 * PAGE, PAGE);
    client.dma_map(&row, Some(file.as_fd())).unwrap();
    let read = bench.job(&mut client, Job::Read(0x1000a, 14));
    assert_eq!(read.as_deref(), Some(&b"from the guest"[..]));
    let write = Job::Write(0x11000, b"from the device".to_vec());
    assert!(bench.job(&mut client, write).is_some());
    let mut seen = [0; 15];
    file.read_exact_at(&mut seen, 2 * PAGE).unwrap();
    assert_eq!(&seen, b"from the device");
    // Outside, and after it is taken away.
    for address in [0xffff, 0x12000, 0x11ffd] {
        assert_eq!(bench.job(&mut client, Job::Read(address, 4)), None);
    }
    client.dma_unmap(0x10000, 2 * PAGE).unwrap();
    assert_eq!(bench.job(&mut client, Job::Read(0x1000a, 14)), None);
    drop(client);
    bench.running.finish();
}

#[test]
fn memory_by_messages() {
    let bench = Bench::new();
    let mut client = bench.running.connect();
    let ram = Ram::new();
    client.set_memory(Box::new(ram.clone()));
    client.dma_map(&map(0x10000, 0x8000, 0), None).unwrap();
    let data: Vec<u8> = (0..0x5000_u32).map(|n| n as u8).collect();
    let written = bench.job(&mut client, Job::Write(0x11234, data.clone()));
    assert!(written.is_some());
    assert!(ram.at(0x11234, 0x5000, |ram| ram == data).unwrap());
    let read = bench.job(&mut client, Job::Read(0x11234, 0x5000));
    assert!(read == Some(data));
    assert_eq!(bench.job(&mut client, Job::Read(0x17ffc, 8)), None);
    // Mapped, but the client does not have it.
    client.dma_map(&map(0x30000, 0x1000, 0), None).unwrap();
    assert_eq!(bench.job(&mut client, Job::Read(0x30000, 8)), None);
    // Commands that come before the answer are served after it, in order.
    let mut raw_todo = Vec::new();
    for _ in 0..4 {
        bench.todo.send(Job::Read(0x11234, 16)).unwrap();
        raw_todo.push(client.info().unwrap());
    }
    client.info().unwrap();
    for _ in raw_todo {
        assert!(bench.done.recv().unwrap().is_some());
    }
    drop(client);
    bench.running.finish();
}

#[test]
fn memory_by_messages_on_a_socket_of_their_own() {
    let bench = Bench::new();
    let socket = UnixStream::connect(&bench.running.path).unwrap();
    let mut client = Client::new(socket, &Capabilities::ours()).unwrap();
    let twin = client.take_twin().expect("agreed on");
    let ram = Ram::new();
    let mut served = ram.clone();
    let thread = thread::spawn(move || client::serve(twin, &mut served));
    client.dma_map(&map(0x10000, 0x8000, 0), None).unwrap();
    let write = Job::Write(0x10010, b"twin".to_vec());
    assert!(bench.job(&mut client, write).is_some());
    ram.at(0x10010, 4, |ram| assert_eq!(ram, b"twin")).unwrap();
    let read = bench.job(&mut client, Job::Read(0x10010, 4));
    assert_eq!(read.as_deref(), Some(&b"twin"[..]));
    drop(client);
    assert_eq!(thread.join().unwrap(), Fault::Gone);
    bench.running.finish();
}

#[test]
fn a_client_takes_what_it_says_at_once() {
    let bench = Bench::new();
    let socket = UnixStream::connect(&bench.running.path).unwrap();
    let small = Capabilities {
        max_data_xfer_size: 16,
        twin_socket: false,
        ..Capabilities::ours()
    };
    let mut client = Client::new(socket, &small).unwrap();

    /// Refuses more than 16 bytes.
    struct Small(Ram);
    impl Memory for Small {
        fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), Errno> {
            assert!(out.len() <= 16);
            self.0.read(address, out)
        }
        fn write(&mut self, address: u64, data: &[u8]) -> Result<(), Errno> {
            assert!(data.len() <= 16);
            self.0.write(address, data)
        }
    }
    client.set_memory(Box::new(Small(Ram::new())));
    client.dma_map(&map(0x10000, 0x8000, 0), None).unwrap();
    let data = vec![7; 100];
    assert!(bench
        .job(&mut client, Job::Write(0x10000, data.clone()))
        .is_some());
    assert_eq!(bench.job(&mut client, Job::Read(0x10000, 100)), Some(data));
    drop(client);
    // Nothing at all is less than anything.
    let socket = UnixStream::connect(&bench.running.path).unwrap();
    let none = Capabilities {
        max_data_xfer_size: 0,
        ..small
    };
    let mut client = Client::new(socket, &none).unwrap();
    client.dma_map(&map(0x10000, 0x8000, 0), None).unwrap();
    assert_eq!(bench.job(&mut client, Job::Read(0x10000, 1)), None);
    drop(client);
    bench.running.finish();
}

#[test]
fn bad_answers_end_the_connection_or_the_access() {
    let bench = Bench::new();
    let dma_read = Command::DmaRead.number();
    // What is sent instead of an answer, and whether the connection goes on.
    type Reply = fn(u16) -> Vec<u8>;
    let rows: [(&str, Reply, bool); 7] = [
        ("refused", |id| bytes(11, id, 1 | ERROR, &[]), true),
        ("nothing in it", |id| bytes(11, id, 1, &[]), true),
        ("another address", |id| bytes(11, id, 1, &[1; 20]), true),
        (
            "too much",
            |id| {
                let mut body = 0x10000_u64.to_ne_bytes().to_vec();
                body.extend(4_u64.to_ne_bytes());
                body.extend([0; 5]);
                bytes(11, id, 1, &body)
            },
            true,
        ),
        ("another id", |id| bytes(11, id ^ 1, 1, &[0; 20]), false),
        ("another command", |id| bytes(12, id, 1, &[0; 20]), false),
        ("a short frame", |_| vec![0; 16], false),
    ];
    for (name, reply, goes_on) in rows {
        let mut raw = bench.running.greeted();
        let body = map(0x10000, PAGE, 0).bytes();
        assert_eq!(raw.errno(Command::DmaMap, &body), 0);
        bench.read(&mut raw);
        let (asked, body) = raw.receive();
        assert_eq!((asked.command, asked.flags), (dma_read, 0), "{name}");
        assert_eq!(body[..8], 0x10000_u64.to_ne_bytes());
        raw.send(&reply(asked.id));
        assert_eq!(bench.done.recv().unwrap(), None, "{name}");
        match goes_on {
            true => assert_ne!(raw.errno(Command::GetInfo, &[]), 0, "{name}"),
            false => assert!(raw.is_closed(), "{name}"),
        }
    }
    bench.running.finish();
}

#[test]
fn a_client_that_leaves_while_it_is_asked() {
    let bench = Bench::new();
    for leaves_early in [true, false] {
        let mut raw = bench.running.greeted();
        assert_eq!(
            raw.errno(Command::DmaMap, &map(0x10000, PAGE, 0).bytes()),
            0
        );
        bench.read(&mut raw);
        let (asked, _) = raw.receive();
        if !leaves_early {
            // In the middle of the answer.
            raw.send(&bytes(11, asked.id, 1, &[0; 20])[..30]);
        }
        drop(raw);
        assert_eq!(bench.done.recv().unwrap(), None);
    }
    // And a flood instead of an answer.
    let mut raw = bench.running.greeted();
    assert_eq!(
        raw.errno(Command::DmaMap, &map(0x10000, PAGE, 0).bytes()),
        0
    );
    bench.read(&mut raw);
    raw.receive();
    let flood = bytes(Command::RegionWrite.number(), 1, 0, &vec![0; DATA_MAX]).repeat(10);
    let _ = std::io::Write::write_all(&mut raw.stream, &flood);
    assert_eq!(bench.done.recv().unwrap(), None);
    assert!(raw.is_closed());
    // The mappings of one client are not those of the next.
    let mut client = bench.running.connect();
    assert_eq!(bench.job(&mut client, Job::Read(0x10000, 4)), None);
    drop(client);
    bench.running.finish();
}

#[test]
fn a_report_that_nobody_wants_takes_nothing() {
    let bench = Bench::new();
    let mut raw = bench.running.greeted();
    let start = [
        Feature {
            argsz: 4096,
            flags: VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
        }
        .bytes(),
        vec![0; 16],
    ];
    assert_eq!(raw.errno(Command::Feature, &start.concat()), 0);
    assert_eq!(
        raw.errno(Command::DmaMap, &map(0x10000, PAGE, 0).bytes()),
        0
    );
    bench.ask(&mut raw, Job::Write(0x10000, vec![1]));
    let (asked, _) = raw.receive();
    // Whether it was done or not: the page counts as written.
    raw.send(&bytes(asked.command, asked.id, 1 | ERROR, &[]));
    assert_eq!(bench.done.recv().unwrap(), None);
    let flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;
    let report = vfio_device_feature_dma_logging_report {
        iova: 0x10000,
        length: PAGE,
        page_size: PAGE,
        ..Default::default()
    };
    let body = [Feature { argsz: 40, flags }.bytes(), report.bytes()].concat();
    raw.send(&bytes(Command::Feature.number(), 9, NO_REPLY, &body));
    let (header, answer) = raw.call(Command::Feature.number(), &body);
    assert_eq!((header.error, answer[32]), (0, 1));
    drop(raw);
    bench.running.finish();
}

#[test]
fn writes_are_logged() {
    let bench = Bench::new();
    let mut client = bench.running.connect();
    let file = memory(16 * PAGE);
    let row = map(0x10000, 16 * PAGE, 0);
    client.dma_map(&row, Some(file.as_fd())).unwrap();
    let errno = |result: Result<Vec<u8>, client::Error>| {
        let error = result.expect_err("refused");
        error.errno().unwrap()
    };
    let report = |client: &mut Client| client.logging_report(0x10000, 16 * PAGE, PAGE);
    assert_eq!(errno(report(&mut client)), Errno::EINVAL, "not started");
    let all = Range::new(0x10000, 16 * PAGE).unwrap();
    assert_eq!(client.logging_start(PAGE, &[all]).unwrap(), PAGE);
    let twice = client.logging_start(PAGE, &[all]).unwrap_err();
    assert_eq!(twice.errno(), Some(Errno::EINVAL));
    assert_eq!(report(&mut client).unwrap(), [0; 8]);
    bench.job(&mut client, Job::Write(0x11ffe, vec![1; 4]));
    bench.job(&mut client, Job::Write(0x1f000, vec![1; 1]));
    bench.job(&mut client, Job::Read(0x15000, 4096));
    let bitmap = report(&mut client).unwrap();
    assert_eq!(u64::from_ne_bytes(bitmap.try_into().unwrap()), 0x8006);
    assert_eq!(report(&mut client).unwrap(), [0; 8]);
    // A file that goes away under the device: the page counts as written.
    file.set_len(0).unwrap();
    bench.job(&mut client, Job::Write(0x13000, vec![1; 8]));
    let bitmap = report(&mut client).unwrap();
    assert_eq!(u64::from_ne_bytes(bitmap.try_into().unwrap()), 8);
    client.logging_stop().unwrap();
    client.logging_stop().unwrap();
    assert_eq!(errno(report(&mut client)), Errno::EINVAL, "stopped");
    // No range stands for all, and any page size for what there is.
    assert_eq!(client.logging_start(1, &[]).unwrap(), PAGE);
    bench.job(&mut client, Job::Write(0x12000, vec![1; 1]));
    let bitmap = client.logging_report(0, 1 << 20, 1 << 16).unwrap();
    assert_eq!(u64::from_ne_bytes(bitmap.try_into().unwrap()), 2);
    for (address, length, page) in [
        (0, 0, PAGE),
        (0, PAGE, 0),
        (0, PAGE, 4095),
        (0, PAGE, 1024),
        (u64::MAX, 2, PAGE),
        (0, u64::MAX, PAGE),
    ] {
        let refused = client.logging_report(address, length, page);
        assert_eq!(errno(refused), Errno::EINVAL, "{address} {length} {page}");
    }
    // Room is looked at before anything is taken: nothing is lost by asking how much it takes.
    bench.job(&mut client, Job::Write(0x13000, vec![1; 1]));
    let request = |argsz: u32, flags: u32| {
        let report = vfio_device_feature_dma_logging_report {
            iova: 0x10000,
            length: 16 * PAGE,
            page_size: PAGE,
            ..Default::default()
        };
        [Feature { argsz, flags }.bytes(), report.bytes()].concat()
    };
    let get = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;
    for argsz in [8, 31, 32, 39] {
        let reply = client.call(Command::Feature, &request(argsz, get), &[]);
        assert_eq!(errno(reply.map(|reply| reply.body)), Errno::EINVAL);
    }
    let bitmap = report(&mut client).unwrap();
    assert_eq!(u64::from_ne_bytes(bitmap.try_into().unwrap()), 8);
    // Any page size that was wished for at the start, and any at the end.
    client.logging_stop().unwrap();
    assert_eq!(client.logging_start(2 << 20, &[]).unwrap(), PAGE);
    bench.job(&mut client, Job::Write(0x1f000, vec![1; 1]));
    let mut coarse = |address, length| {
        let bitmap = client.logging_report(address, length, 2 << 20).unwrap();
        u64::from_ne_bytes(bitmap.try_into().unwrap())
    };
    assert_eq!(coarse(0x10000, PAGE), 0, "not that one");
    assert_eq!(coarse(0x1f800, PAGE / 2), 1, "in part");
    assert_eq!(coarse(0x10000, 16 * PAGE), 1, "as a whole");
    assert_eq!(coarse(0x10000, 16 * PAGE), 0, "once");
    // The log of one client is not that of the next.
    drop(client);
    let mut client = bench.running.connect();
    assert_eq!(errno(report(&mut client)), Errno::EINVAL);
    let many = vec![all; 257];
    let refused = client.logging_start(PAGE, &many).unwrap_err();
    assert_eq!(refused.errno(), Some(Errno::E2BIG));
    drop(client);
    bench.running.finish();
}

/// A connection with a page at 0x10000 that is reached by messages.
pub(crate) fn far(bench: &Bench) -> Raw {
    let mut raw = bench.running.greeted();
    let body = map(0x10000, PAGE, 0).bytes();
    assert_eq!(raw.errno(Command::DmaMap, &body), 0);
    raw
}

/// What takes that page away.
pub(crate) fn unmap() -> vfio_iommu_type1_dma_unmap {
    vfio_iommu_type1_dma_unmap {
        argsz: 24,
        iova: 0x10000,
        size: PAGE,
        ..Default::default()
    }
}

/// The answer to a `DMA_READ` of 4 bytes.
pub(crate) fn data(id: u16, data: &[u8; 4]) -> Vec<u8> {
    let mut body = 0x10000_u64.to_ne_bytes().to_vec();
    body.extend(4_u64.to_ne_bytes());
    body.extend(data);
    bytes(Command::DmaRead.number(), id, 1, &body)
}

#[test]
fn an_answer_that_does_not_come_is_a_bus_error() {
    let bench = Bench::new();
    let mut raw = far(&bench);
    let command = Command::GetIrqInfo.number();
    let irq = [16_u32, 0, 0, 0].map(u32::to_ne_bytes).concat();
    bench.read(&mut raw);
    let (first, _) = raw.receive();
    // The client needs one of these before it can answer: the server gives in, well before 5 s.
    let begin = Instant::now();
    for id in 7..10 {
        raw.send(&bytes(command, id, 0, &irq));
    }
    for id in 7..10 {
        let (header, _) = raw.receive();
        assert_eq!((header.id, header.command, header.error), (id, command, 0));
    }
    assert!(begin.elapsed() < Duration::from_secs(4));
    assert_eq!(bench.done.recv().unwrap(), None);
    // Late, while nothing is asked for; late, while something else is; and that.
    raw.send(&data(first.id, b"late"));
    assert_eq!(raw.errno(Command::GetIrqInfo, &irq), 0);
    bench.read(&mut raw);
    let (second, _) = raw.receive();
    assert_eq!(bench.done.recv().unwrap(), None);
    bench.read(&mut raw);
    let (third, _) = raw.receive();
    assert!(second.id != third.id && first.id != second.id);
    raw.send(&data(second.id, b"late"));
    raw.send(&data(third.id, b"good"));
    assert_eq!(bench.done.recv().unwrap().as_deref(), Some(&b"good"[..]));
    // Once, and no more than that.
    assert_eq!(raw.errno(Command::GetIrqInfo, &irq), 0);
    raw.send(&data(second.id, b"late"));
    assert!(raw.is_closed());
    bench.running.finish();
}

#[test]
fn a_byte_now_and_then_is_no_answer() {
    let bench = Bench::new();
    let mut raw = far(&bench);
    bench.read(&mut raw);
    let (asked, _) = raw.receive();
    let answer = bytes(asked.command, asked.id, 1, &[0; 1 << 16]);
    let begin = Instant::now();
    let mut left = answer.chunks(4);
    let result = loop {
        raw.send(left.next().unwrap());
        match bench.done.recv_timeout(Duration::from_millis(1)) {
            Ok(result) => break result,
            Err(_) => assert!(begin.elapsed() < Duration::from_secs(4)),
        }
    };
    assert_eq!(result, None);
    // What is left of it is late, but in step.
    raw.send(&left.collect::<Vec<_>>().concat());
    assert_ne!(raw.errno(Command::GetInfo, &[]), 0);
    drop(raw);
    bench.running.finish();
}

#[test]
fn who_does_not_read_commands_is_not_waited_for() {
    let bench = Bench::new();
    let mut raw = bench.running.greeted();
    let body = map(0x100000, 1 << 20, 0).bytes();
    assert_eq!(raw.errno(Command::DmaMap, &body), 0);
    bench.ask(&mut raw, Job::Write(0x100000, vec![1; 1 << 20]));
    let ended = bench.done.recv_timeout(Duration::from_secs(9));
    assert_eq!(ended, Ok(None));
    drop(raw);
    let (_, faults) = bench.running.drain();
    assert_eq!(faults, [Fault::Timeout]);
}

#[test]
fn nothing_is_sent_to_who_may_not_know_it() {
    let (told, lines) = channel();
    let ((todo, jobs), (results, done)) = (channel(), channel());
    let worker = Jobs {
        todo: jobs,
        done: results,
    };
    let mut server = Server::with_worker(Toy::new(), worker);
    server.tell(move |line| told.send(line.to_owned()).unwrap());
    let running = run(server);
    let bench = Bench {
        running,
        todo,
        done,
    };
    let connect = |qemu| {
        let socket = UnixStream::connect(&bench.running.path).unwrap();
        let capabilities = Capabilities {
            qemu,
            twin_socket: false,
            ..Capabilities::ours()
        };
        Client::new(socket, &capabilities).unwrap()
    };
    // QEMU has another form of these messages: it is told, once, and nothing is read or written.
    let mut client = connect(true);
    client.set_memory(Box::new(Ram::new()));
    client.dma_map(&map(0x10000, PAGE, 0), None).unwrap();
    let file = memory(PAGE);
    client
        .dma_map(&map(0x20000, PAGE, 0), Some(file.as_fd()))
        .unwrap();
    for job in [Job::Read(0x10000, 4), Job::Write(0x10000, vec![1; 8])] {
        assert_eq!(bench.job(&mut client, job), None);
    }
    assert!(bench.job(&mut client, Job::Read(0x20000, 4)).is_some());
    drop(client);
    let line = lines.recv().unwrap();
    assert!(line.contains("QEMU") && line.contains("share=on"), "{line}");
    // Who gives a file with each mapping may not know of messages at all; the file that is of no
    // use is no reason to refuse it.
    let mut client = connect(false);
    client.set_memory(Box::new(Ram::new()));
    let (pipe, _writer) = nix::unistd::pipe().unwrap();
    client
        .dma_map(&map(0x10000, PAGE, 0), Some(pipe.as_fd()))
        .unwrap();
    assert_eq!(bench.job(&mut client, Job::Read(0x10000, 4)), None);
    let line = lines.recv().unwrap();
    assert!(line.contains("hugetlbfs"), "{line}");
    client.dma_map(&map(0x20000, PAGE, 0), None).unwrap();
    assert!(bench.job(&mut client, Job::Read(0x10000, 4)).is_some());
    drop(client);
    bench.running.finish();
    assert!(lines.recv().is_err(), "each of them once");
}

#[test]
fn no_socket_is_agreed_on_without_a_reply() {
    let bench = Bench::new();
    let mut raw = bench.running.raw();
    let version = Version { major: 0, minor: 1 };
    let body = version::body(version, &Capabilities::ours());
    raw.send(&bytes(Command::Version.number(), 1, NO_REPLY, &body));
    let body = map(0x10000, PAGE, 0).bytes();
    assert_eq!(raw.errno(Command::DmaMap, &body), 0);
    // It comes here, since there is nowhere else.
    bench.read(&mut raw);
    let (asked, _) = raw.receive();
    raw.send(&data(asked.id, b"here"));
    assert_eq!(bench.done.recv().unwrap().as_deref(), Some(&b"here"[..]));
    drop(raw);
    bench.running.finish();
}
