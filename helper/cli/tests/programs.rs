// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! vfio-user programs: their lists, the commands that start them, and state through their sockets.

mod support;

use std::{
    fs,
    os::{
        fd::AsFd,
        unix::{
            fs::PermissionsExt as _,
            net::{
                UnixListener,
                UnixStream, //
            },
        },
    },
    path::PathBuf,
    process::{
        Child,
        Command,
        Stdio, //
    },
    thread,
    time::Duration,
};

use support::{
    streams,
    Machine, //
};
use vmig_model::{
    serial::Card,
    types::{
        find,
        Generation, //
    },
    values::Values,
};
use vmig_vfio_user::{
    Client,
    Server, //
};

/// A program as the RFC has it, in shell. Asked for its information it says that it has two
/// parameters; else it prints its arguments, or waits if the first one is `wait`.
const PROGRAM: &str = r#"#!/bin/sh
for word; do
    [ "$word" != --print-migration-info-json ] || exec cat <<'END'
{"models": {"a/b": {"params": {
    "n": {"type": "int", "init_value": 4, "off_value": 1, "allowed_values": ["1-8"]},
    "s": {"type": "str", "init_value": "x", "allowed_values": ["x", "y z"], "runtime": true}
}}}}
END
done
[ "$1" != wait ] || while :; do sleep 1; done
printf '<%s>' "$@"
"#;

struct Bench {
    machine: Machine,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            machine: Machine::bare(),
            directory: tempfile::tempdir().unwrap(),
        };
        let program = bench.path("program");
        fs::write(&program, PROGRAM).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn program(&self) -> String {
        self.path("program").to_str().unwrap().to_owned()
    }
}

#[test]
fn the_list_of_a_program_that_is_to_be_started() {
    let bench = Bench::new();
    let program = bench.program();
    for (words, expected) in [
        (&[][..], "model: a/b\nn=4\ns=x\n"),
        (&["--m-n=1"], "model: a/b\ns=x\n"),
        (
            &["--other", "5", "--m-s", "y z", "--m-n=8"],
            "model: a/b\nn=8\ns=y z\n",
        ),
    ] {
        let words: Vec<&str> = ["params", "--", &program]
            .iter()
            .chain(words)
            .copied()
            .collect();
        let said = bench.machine.run(&words);
        assert_eq!(
            (said.status, said.out.as_str()),
            (0, expected),
            "{}",
            said.err
        );
    }
    let said = bench
        .machine
        .run(&["params", "-o", "json", "--", &program, "--m-n", "1"]);
    let list = said.json();
    assert_eq!(list["off"], serde_json::json!({"n": 1}));
    assert_eq!(list["runtime"], serde_json::json!(["s"]));
    assert!(list.get("device").is_none());
    for (words, status) in [
        (&["params", "--", &program, "--m-x=1"][..], 3),
        (&["params", "--", &program, "--m-n=x"], 3),
        (&["params", "--", "/no/such/program"], 4),
        (&["params", "--", "false"], 4),
        (&["params"], 2),
        (&["params", "--pid", "1", "--", &program], 2),
        (&["params", "--pid", "x"], 2),
    ] {
        let said = bench.machine.run(words);
        assert_eq!((said.status, said.out.as_str()), (status, ""), "{words:?}");
    }
}

/// A process that is killed in the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_list_of_a_program_that_runs() {
    let bench = Bench::new();
    let child = Command::new(bench.program())
        .args(["wait", "--m-s=y z", "--m-n", "2"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let child = Running(child.unwrap());
    let pid = child.0.id().to_string();
    // The command itself, with the real /proc.
    let vmig = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_vmig"))
            .args(words)
            .output();
        let output = output.unwrap();
        let text = |data| String::from_utf8(data).unwrap();
        let status = output.status.code().unwrap();
        (status, text(output.stdout), text(output.stderr))
    };
    // Until it is the script.
    for _ in 0..500 {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        if line.ends_with(b"\x002\0") && line.starts_with(b"/bin/sh\0") {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    let (status, out, err) = vmig(&["params", "--pid", &pid]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(out, "model: a/b\nn=2\ns=y z\n");
    drop(child);
    let (status, out, err) = vmig(&["params", "--pid", &pid]);
    assert_eq!((status, out.as_str()), (4, ""));
    assert!(err.contains("there is no such program"), "{err}");
}

#[test]
fn commands_start_a_program_with_every_parameter() {
    let bench = Bench::new();
    let program = bench.program();
    let list = bench.path("list");
    fs::write(&list, "model: a/b\ns=y z\n").unwrap();
    let list = list.to_str().unwrap();
    let to = format!("exec:{program} --socket-path '/run/a b'");
    let words = ["commands", "--from", list, "--to", &to, "--tool", "program"];
    let said = bench.machine.run(&words);
    // What the list lacks is off.
    let expected = format!("{program} --socket-path '/run/a b' '--m-n=1' '--m-s=y z'\n");
    assert_eq!((said.status, said.out), (0, expected), "{}", said.err);
    let json = bench.machine.run(&[&words[..], &["-o", "json"]].concat());
    let json = json.json();
    assert_eq!(json["tool"], "program");
    assert_eq!(json["parent"], serde_json::Value::Null);
    assert_eq!(
        json["commands"],
        serde_json::json!([{"argv": [program, "--socket-path", "/run/a b", "--m-n=1", "--m-s=y z"]}])
    );
    // Run in its place.
    let output = Command::new(env!("CARGO_BIN_EXE_vmig"))
        .args(words)
        .arg("--exec")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "<--socket-path></run/a b><--m-n=1><--m-s=y z>"
    );
    // Refused before it is started.
    fs::write(list, "model: a/b\ns=y z\nn=9\n").unwrap();
    for more in [&[][..], &["--exec"]] {
        let said = bench.machine.run(&[&words[..], more].concat());
        assert_eq!((said.status, said.out.as_str()), (1, ""));
        assert!(said.err.contains("n=9 is not accepted (accepts 1-8)"));
    }
}

#[test]
fn commands_that_make_no_sense() {
    let bench = Bench::new();
    let list = bench.path("list");
    fs::write(&list, "model: a/b\ns=x\n").unwrap();
    let list = list.to_str().unwrap();
    let file = bench.path("info.json");
    let info = Command::new(bench.program())
        .arg("--print-migration-info-json")
        .output();
    fs::write(&file, info.unwrap().stdout).unwrap();
    let file = file.to_str().unwrap();
    let exec = format!("exec:{}", bench.program());
    for (words, part) in [
        (&["--to", &exec][..], "--tool program"),
        (&["--to", file, "--tool", "program"], "not a program"),
        (
            &["--to", &exec, "--tool", "program", "--keep"],
            "of mediated devices",
        ),
        (
            &["--to", &exec, "--tool", "vmig", "--exec"],
            "--tool program",
        ),
        (
            &["--to", &exec, "--tool", "program", "--exec", "-o", "json"],
            "cannot be used with",
        ),
    ] {
        let words = [&["commands", "--from", list], words].concat();
        let said = bench.machine.run(&words);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{words:?}");
        assert!(said.err.contains(part), "{}", said.err);
    }
}

/// A server of a 16550A with two ports, as a golden stream wants it.
fn serve(path: PathBuf) -> (UnixStream, thread::JoinHandle<()>) {
    let ty = find(Generation::NEWEST, "serial-var").unwrap();
    let mut values = Values::off_or_init(ty);
    values.set(ty, ty.index("ports").unwrap(), "2").unwrap();
    let listener = UnixListener::bind(path).unwrap();
    let (stop, stopped) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let mut server = Server::new(Card::new(ty, values));
        let report = &mut |_| {};
        server
            .listen(&listener, stopped.as_fd(), report)
            .expect("the listener is good");
    });
    (stop, server)
}

#[test]
fn state_goes_through_a_socket() {
    let bench = Bench::new();
    let socket = bench.path("socket");
    let (stop, server) = serve(socket.clone());
    let device = format!("vfio-user:{}", socket.display());
    let named = |part: &str| {
        let named = |(name, bytes): (String, Vec<u8>)| name.contains(part).then_some(bytes);
        streams().into_iter().find_map(named).unwrap()
    };
    let golden = named("data-16550a");
    let file = bench.path("state");
    let path = file.to_str().unwrap();
    fs::write(&file, &golden).unwrap();
    let said = bench.machine.run(&["state", "load", &device, path]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.err.contains(&format!("loaded {} bytes", golden.len())));
    // It is there for the next client, and runs.
    let mut client = Client::connect(&socket).unwrap();
    let mut status = [0];
    client.region_read(0, 5, &mut status).unwrap();
    assert_eq!(status[0] & 1, 1, "a byte was received");
    drop(client);
    let said = bench
        .machine
        .run(&["state", "save", &device, path, "-o", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(said.json()["device"], device);
    assert!(fs::read(&file).unwrap() == golden, "byte for byte");
    // From a pipe to a pipe.
    let said = bench.machine.run_with(&["state", "load", &device], &golden);
    assert_eq!(said.status, 0, "{}", said.err);
    for (bytes, status, part) in [
        (named("full-16750"), 1, "EXDEV"),
        (golden[..golden.len() - 1].to_vec(), 3, "EINVAL"),
        (vec![0; 64], 3, "EINVAL"),
    ] {
        let said = bench.machine.run_with(&["state", "load", &device], &bytes);
        assert_eq!((said.status, said.out.as_str()), (status, ""));
        assert!(said.err.contains(part), "{}", said.err);
        assert!(said
            .err
            .contains("now in state RUNNING; its old contents are gone"));
    }
    drop(stop);
    server.join().unwrap();
    let said = bench.machine.run(&["state", "save", &device, path]);
    assert_eq!(said.status, 4);
    assert!(said.err.contains("cannot connect"), "{}", said.err);
    assert!(fs::read(&file).unwrap() == golden, "what was there stays");
}
