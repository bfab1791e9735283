// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig-serial`: its command line, its sockets, its end.

use std::{
    fs,
    io::{
        Read as _,
        Write as _, //
    },
    os::{
        fd::{
            AsFd,
            AsRawFd, //
        },
        unix::{
            net::{
                UnixListener,
                UnixStream, //
            },
            process::ExitStatusExt as _,
        },
    },
    path::Path,
    process::{
        Child,
        Command,
        Stdio, //
    },
    time::{
        Duration,
        Instant, //
    },
};

use nix::{
    fcntl::{
        fcntl,
        FcntlArg,
        FdFlag,
        Flock,
        FlockArg, //
    },
    sys::{
        signal::{
            kill,
            Signal, //
        },
        socket::{
            listen,
            Backlog, //
        },
    },
    unistd::Pid,
};
use vmig_model::{
    arcs::State,
    info::write_info,
    types::{
        find,
        Generation, //
    },
};
use vmig_vfio_user::{
    version::Capabilities,
    Client, //
};
use wait_timeout::ChildExt as _;

use crate::support::CONFIG;

const PROGRAM: &str = env!("CARGO_BIN_EXE_vmig-serial");
const INFO: &str = "--print-migration-info-json";

struct Said {
    status: i32,
    out: String,
    err: String,
}

/// Runs the program with `words` to its end.
fn said(words: &[&str], input: &str) -> Said {
    let mut child = Command::new(PROGRAM)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It need not read any of it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Said {
        status: output.status.code().expect("no signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A program that serves; killed if a test fails.
struct Serving(Child);

impl Serving {
    fn start(words: &[&str]) -> Self {
        let child = Command::new(PROGRAM)
            .args(words)
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Starts it with a socket at `path`, and waits until that is there.
    fn at(path: &Path, words: &[&str]) -> Self {
        let socket = format!("--socket-path={}", path.display());
        let words: Vec<&str> = words.iter().copied().chain([socket.as_str()]).collect();
        let serving = Self::start(&words);
        let begin = Instant::now();
        while UnixStream::connect(path).is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "it does not come"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        serving
    }

    /// Its exit status and what it has said, after a signal.
    fn end(mut self, signal: Option<Signal>) -> (Option<i32>, String) {
        if let Some(signal) = signal {
            kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
        }
        let status = self.0.wait_timeout(Duration::from_secs(10)).unwrap();
        let status = status.expect("it ends");
        let mut said = String::new();
        let mut stderr = self.0.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (status.code().filter(|_| status.signal().is_none()), said)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_information_is_that_of_the_kernel_module() {
    for (generation, words) in [
        (Generation::Two, &[INFO][..]),
        (Generation::Two, &["--generation=2", INFO]),
        (Generation::One, &["--generation", "1", INFO]),
        (Generation::One, &[INFO, "--generation=1"]),
        (Generation::Two, &["--socket-path=/no/such/x", INFO]),
        (Generation::Two, &["--m-ports", "2", "--fd=5", INFO]),
    ] {
        let mut expected = String::new();
        write_info(find(generation, "serial-var").unwrap(), &mut expected).unwrap();
        let said = said(words, "");
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{words:?}");
        assert_eq!(said.out, expected, "{words:?}");
    }
}

#[test]
fn refusals_name_what_is_accepted() {
    let all = "accepts : auto-flow, fifo-size, line-stats, ports";
    for (words, parts) in [
        (&["--m-colour=red"][..], &["no parameter colour", all][..]),
        (&["--m-colour", "red"], &["no parameter colour", all]),
        (&["--m-port=1"], &["no parameter port", all]),
        (&["--m-="], &["no parameter", all]),
        (
            &["--m-ports"],
            &["ports has no value", "accepts : ports 1, 2"],
        ),
        (&["--m-ports=3"], &["ports=3 is not accepted (accepts 1-2)"]),
        (&["--m-ports", "-1"], &["ports=-1", "accepts : ports 1, 2"]),
        (&["--m-ports="], &["ports=", "accepts : ports 1, 2"]),
        (&["--m-ports=01"], &["ports=01", "accepts : ports 1, 2"]),
        (&["--m-auto-flow=1"], &["auto-flow=1", "off, on"]),
        (&["--m-ports=1", "--m-ports=2"], &["ports is given twice"]),
        (&["--m-fifo-size=16"], &["auto-flow=on needs fifo-size=64"]),
        (
            &["--m-fifo-size=17", "--m-ports=9"],
            &["fifo-size=17", "ports=9", "16, 64", "1, 2"],
        ),
        (
            &["--generation=1", "--m-auto-flow=on"],
            &["no parameter auto-flow", "accepts : fifo-size, ports"],
        ),
        (
            &["--generation=1", "--m-fifo-size=64"],
            &["fifo-size=64 is not accepted (accepts 16)"],
        ),
    ] {
        let words: Vec<&str> = [INFO].into_iter().chain(words.iter().copied()).collect();
        let said = said(&words, "");
        assert_eq!((said.status, said.out.as_str()), (1, ""), "{words:?}");
        assert!(said.err.starts_with("vmig-serial: "), "{}", said.err);
        for part in parts {
            assert!(said.err.contains(part), "{words:?}: {}", said.err);
        }
    }
}

#[test]
fn what_the_library_refuses_before_the_program_refuses_when_started() {
    use vmig::{
        check::check,
        document::Document,
        list::List, //
    };
    let mut outcomes = [0, 0];
    for generation in ["1", "2"] {
        let info = said(&["--generation", generation, INFO], "").out;
        let document = Document::parse(info.as_bytes(), "info").unwrap();
        for ports in ["", "ports=1\n", "ports=2\n", "ports=3\n"] {
            for fifo in ["", "fifo-size=16\n", "fifo-size=64\n"] {
                for more in ["", "auto-flow=on\n", "line-stats=on\n", "other=1\n"] {
                    let text = format!("model: vmig.example/pci-serial\n{more}{fifo}{ports}");
                    let list = List::parse(text.as_bytes(), "list", None).unwrap();
                    let outcome = check(&list, "vmig.example/pci-serial", &document);
                    let words = ["--generation", generation, "--migration-params=-", INFO];
                    let said = said(&words, &text);
                    assert_eq!(said.status == 0, outcome.apply.is_some(), "{text}");
                    for reason in &outcome.reasons {
                        assert!(said.err.contains(&reason.message), "{}", said.err);
                    }
                    outcomes[usize::from(said.status == 0)] += 1;
                }
            }
        }
    }
    assert!(outcomes[0] > 20 && outcomes[1] > 8, "{outcomes:?}");
}

#[test]
fn lists_that_are_no_lists() {
    for (text, part) in [
        ("", "model"),
        ("model: vmig.example/accel\nports=1\n", "vmig.example/accel"),
        ("model: vmig.example/pci-serial\nports\n", "not NAME=VALUE"),
        ("{\"schema\":\"vmig.params/2\"}", "vmig.params/1"),
        (
            "{\"schema\":\"vmig.params/1\",\"model\":\"vmig.example/pci-serial\",\"params\":{\"ports\":\"1\"}}",
            "ports",
        ),
    ] {
        let said = said(&["--migration-params", "-", INFO], text);
        assert_eq!((said.status, said.out.as_str()), (1, ""), "{text}");
        assert!(said.err.contains(part), "{text}: {}", said.err);
    }
    let said = said(&["--migration-params", "/no/such/list", INFO], "");
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("/no/such/list: cannot read"),
        "{}",
        said.err
    );
}

#[test]
fn other_command_lines_that_make_no_sense() {
    for words in [
        &[][..],
        &["--m-ports=1"],
        &["--bogus"],
        &["word", INFO],
        &["--fd=3", "--socket-path=x"],
        &["--fd=x"],
        &["--fd=-1"],
        &["--generation=0", INFO],
        &["--generation=3", INFO],
        &["--generation", INFO],
        &["--migration-params=x", "--m-ports=1", INFO],
        &["--socket-path"],
    ] {
        let said = said(words, "");
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{words:?}");
        assert!(!said.err.is_empty());
    }
}

#[test]
fn help_lists_the_parameters() {
    let said = said(&["--help"], "");
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    let text: Vec<&str> = said.out.split_whitespace().collect();
    let text = text.join(" ");
    for part in [
        "--m-fifo-size <INT>",
        "[int: 16, 64, off is 16] [default: 64]",
        "--m-auto-flow <BOOL>",
        "[bool: off, on, off is off] [default: on]",
        "[int: 1, 2] [default: 1]",
        "--socket-path <PATH>",
        "--fd <FDNUM>",
        INFO,
        "Exit status:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let old = self::said(&["--generation=1", "--help"], "").out;
    assert!(!old.contains("--m-auto-flow") && old.contains("--m-fifo-size"));
}

/// What packagers install says the same as the program.
#[test]
fn the_descriptor_names_program_and_model() {
    let text = include_str!("../50-vmig-serial.json");
    let descriptor: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(descriptor["binary"], "@bindir@/vmig-serial");
    let info: serde_json::Value = serde_json::from_str(&said(&[INFO], "").out).unwrap();
    let models: Vec<_> = info["models"].as_object().unwrap().keys().collect();
    assert_eq!(descriptor["tags"], serde_json::json!(models));
}

/// Number of ports and size of the FIFO that a card shows.
fn shape(client: &mut Client) -> (u64, u8) {
    let (info, _, _) = client.region_info(0).unwrap();
    // FCR[5] takes effect under DLAB, and IIR[5] shows it.
    client.region_write(0, 3, &[0x83]).unwrap();
    client.region_write(0, 2, &[0x21]).unwrap();
    let mut iir = [0];
    client.region_read(0, 2, &mut iir).unwrap();
    client.reset().unwrap();
    (info.size / 8, if iir[0] & 0x20 == 0 { 16 } else { 64 })
}

#[test]
fn parameters_have_an_effect() {
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("list");
    fs::write(&list, "model: vmig.example/pci-serial\nports=2\n").unwrap();
    let by_list = format!("--migration-params={}", list.display());
    let rows: [(&[&str], (u64, u8)); 5] = [
        (&[], (1, 64)),
        (&["--m-ports=2"], (2, 64)),
        (&["--m-fifo-size", "16", "--m-auto-flow", "off"], (1, 16)),
        (&["--generation=1", "--m-ports", "2"], (2, 16)),
        (&[&by_list], (2, 16)),
    ];
    for (n, (words, expected)) in rows.into_iter().enumerate() {
        let path = directory.path().join(n.to_string());
        let serving = Serving::at(&path, words);
        let mut client = Client::connect(&path).unwrap();
        assert_eq!(shape(&mut client), expected, "{words:?}");
        drop(client);
        assert_eq!(serving.end(Some(Signal::SIGTERM)), (Some(0), String::new()));
    }
}

#[test]
fn a_signal_ends_it_whatever_it_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    for (signal, connected) in [
        (Signal::SIGTERM, false),
        (Signal::SIGTERM, true),
        (Signal::SIGINT, true),
    ] {
        let serving = Serving::at(&path, &[]);
        let client = connected.then(|| Client::connect(&path).unwrap());
        assert_eq!(serving.end(Some(signal)), (Some(0), String::new()));
        assert!(!path.exists(), "the socket is gone");
        drop(client);
    }
    // While a client has said half of something.
    let serving = Serving::at(&path, &[]);
    let mut half = UnixStream::connect(&path).unwrap();
    half.write_all(&[0; 7]).unwrap();
    assert_eq!(serving.end(Some(Signal::SIGTERM)).0, Some(0));
}

#[test]
fn sockets_that_are_there_already() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let words = [&format!("--socket-path={}", path.display())[..]];
    // Somebody listens there.
    let first = Serving::at(&path, &[]);
    let second = said(&words, "");
    assert_eq!(second.status, 1);
    assert!(second.err.contains("in use"), "{}", second.err);
    assert_eq!(first.end(Some(Signal::SIGTERM)).0, Some(0));
    // Nobody does any more.
    drop(UnixListener::bind(&path).unwrap());
    let serving = Serving::start(&words);
    let begin = Instant::now();
    let mut client = loop {
        match Client::connect(&path) {
            Ok(client) => break client,
            Err(_) => assert!(begin.elapsed() < Duration::from_secs(10)),
        }
    };
    client.info().unwrap();
    // Another has taken its place since: that is not removed.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    drop(client);
    assert_eq!(serving.end(Some(Signal::SIGTERM)).0, Some(0));
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    // What is no socket stays as it is.
    let refused = said(&words, "");
    assert_eq!(refused.status, 1);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn sockets_that_are_handed_over() {
    let keep = |fd: &dyn AsRawFd| fd.as_raw_fd().to_string();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    fcntl(&listener, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let serving = Serving::start(&["--fd", &keep(&listener)]);
    drop(listener);
    for _ in 0..2 {
        Client::connect(&path).unwrap().info().unwrap();
    }
    assert_eq!(serving.end(Some(Signal::SIGTERM)).0, Some(0));
    assert!(path.exists(), "it was not made here");
    // A client's: it ends when the client goes.
    let (ours, theirs) = UnixStream::pair().unwrap();
    fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let serving = Serving::start(&["--fd", &keep(&theirs)]);
    drop(theirs);
    let mut client = Client::new(ours, &Capabilities::default()).unwrap();
    client.info().unwrap();
    drop(client);
    assert_eq!(serving.end(None), (Some(0), String::new()));
    // None at all.
    for words in [["--fd", "0"], ["--fd", "2"], ["--fd", "4000000000"]] {
        let said = said(&words, "");
        assert_eq!(said.status, 1, "{words:?}");
        assert!(said.err.contains("cannot use file descriptor"));
    }
}

#[test]
fn a_device_outlives_its_clients() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let serving = Serving::at(&path, &[]);
    let mut client = Client::connect(&path).unwrap();
    client.region_write(0, 7, &[0x42]).unwrap();
    client.region_write(CONFIG, 0x3c, &[7]).unwrap();
    drop(client);
    let mut client = Client::connect(&path).unwrap();
    let (mut scratch, mut line) = ([0], [0]);
    client.region_read(0, 7, &mut scratch).unwrap();
    client.region_read(CONFIG, 0x3c, &mut line).unwrap();
    assert_eq!((scratch, line), ([0x42], [7]));
    drop(client);
    // One that breaks the rules is told of, and does no harm.
    let mut bad = UnixStream::connect(&path).unwrap();
    bad.write_all(&[0; 16]).unwrap();
    let mut rest = Vec::new();
    let _ = bad.read_to_end(&mut rest);
    Client::connect(&path).unwrap().info().unwrap();
    let (status, said) = serving.end(Some(Signal::SIGTERM));
    assert_eq!(status, Some(0));
    assert_eq!(
        said,
        "vmig-serial: the connection ended: a message is shorter than its header\n"
    );
}

#[test]
fn from_program_to_program() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    // The same list in two ways; an older version takes what it knows.
    let rows: [(&[&str], &[&str], bool); 3] = [
        (&["--m-ports=2"], &["--m-ports", "2"], true),
        (
            &["--m-fifo-size=16", "--m-auto-flow=off"],
            &["--generation=1"],
            true,
        ),
        (&["--m-ports=2"], &["--m-ports=1"], false),
    ];
    for (source, destination, fits) in rows {
        let programs = [Serving::at(&from, source), Serving::at(&to, destination)];
        let mut source = Client::connect(&from).unwrap();
        let mut destination = Client::connect(&to).unwrap();
        source.region_write(0, 7, &[0x77]).unwrap();
        source.set_state(State::PreCopy).unwrap();
        destination.set_state(State::Resuming).unwrap();
        let mut data = vec![0; 4096];
        let mut taken = Ok(());
        for state in [None, Some(State::StopCopy)] {
            if let Some(state) = state {
                source.set_state(state).unwrap();
            }
            let len = source.data_read(&mut data).unwrap();
            taken = taken.and_then(|()| destination.data_write(&data[..len]));
        }
        let taken = taken.and_then(|()| destination.set_state(State::Running));
        assert_eq!(taken.is_ok(), fits);
        if fits {
            let mut scratch = [0];
            destination.region_read(0, 7, &mut scratch).unwrap();
            assert_eq!(scratch, [0x77]);
        }
        drop((source, destination));
        for program in programs {
            assert_eq!(program.end(Some(Signal::SIGTERM)), (Some(0), String::new()));
        }
    }
}

/// Limits the open files of a running program.
fn limit(serving: &Serving, files: usize) {
    let pid = serving.0.id().to_string();
    let limit = format!("--nofile={files}:");
    let mut prlimit = Command::new("prlimit");
    let done = prlimit.args(["--pid", &pid, &limit]).status();
    assert!(done.expect("prlimit of util-linux").success());
}

/// The numbers of its open files.
fn open(serving: &Serving) -> Vec<usize> {
    let numbers = fs::read_dir(format!("/proc/{}/fd", serving.0.id())).unwrap();
    let mut numbers: Vec<usize> = numbers
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    numbers.sort();
    numbers
}

/// Whether `found` holds within some time.
fn soon(mut found: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) {
        if found() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn too_many_open_files_are_no_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let serving = Serving::at(&path, &[]);
    let mut client = Client::connect(&path).unwrap();
    client.info().unwrap();
    // A message with more files than there is room for: it is refused, and none of them stays.
    let before = open(&serving);
    let third = (0..).filter(|number| !before.contains(number)).nth(2);
    limit(&serving, third.unwrap());
    let files: Vec<_> = (0..16)
        .map(|_| fs::File::open("/dev/null").unwrap())
        .collect();
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let command = vmig_vfio_user::message::Command::GetInfo;
    for _ in 0..3 {
        let refused = client.call(command, &[0; 16], &files).unwrap_err();
        assert!(refused.errno().is_some(), "{refused}");
        client.info().unwrap();
        assert_eq!(open(&serving), before);
    }
    drop(client);
    // No room for the next connection either: it waits until there is.
    assert!(soon(|| open(&serving).len() < before.len()));
    limit(&serving, 3);
    let waiting = std::thread::spawn({
        let path = path.clone();
        move || Client::connect(&path).unwrap().info().unwrap()
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished());
    limit(&serving, 100);
    waiting.join().unwrap();
    let (status, said) = serving.end(Some(Signal::SIGTERM));
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(said.matches("EMFILE").count(), 1, "{said}");
}

#[test]
fn who_has_too_many_clients_waiting_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    let socket = format!("--socket-path={}", path.display());
    let serving = Serving::start(&[&socket]);
    let (status, said) = serving.end(None);
    assert_eq!(status, Some(1));
    assert!(said.contains("in use"), "{said}");
    assert!(path.exists());
}

#[test]
fn one_at_a_time_replaces_a_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    let here = fs::File::open(directory.path()).unwrap();
    let lock = Flock::lock(here, FlockArg::LockExclusive).unwrap();
    let socket = format!("--socket-path={}", path.display());
    let serving = Serving::start(&[&socket]);
    std::thread::sleep(Duration::from_millis(300));
    let stale = UnixStream::connect(&path).is_err();
    assert!(stale, "another looks at it just now");
    drop(lock);
    assert!(soon(|| UnixStream::connect(&path).is_ok()));
    assert_eq!(serving.end(Some(Signal::SIGTERM)).0, Some(0));
}
