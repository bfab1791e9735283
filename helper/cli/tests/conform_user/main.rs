// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig conform vfio-user:SOCKET`: what it says of `vmig-serial` and `vmig-accel`, and of servers with
//! faults.

mod faulty;

use std::{
    collections::BTreeSet,
    fs,
    os::{
        fd::AsFd as _,
        unix::net::{
            UnixListener,
            UnixStream, //
        },
    },
    path::{
        Path,
        PathBuf, //
    },
    process::{
        Child,
        Command, //
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use vmig_conform::{
    catalogue::statements,
    AttachForm,
    Id,
    Options,
    Outcome,
    Protocol,
    Report,
    Run,
    Starter,
    Statement, //
};
use vmig_model::{
    serial,
    types::{
        find,
        Generation, //
    },
    values::Values,
};
use vmig_vfio_user::{
    server::Worker,
    Server, //
};

const VMIG: &str = env!("CARGO_BIN_EXE_vmig");

/// What is checked of every server with a fault, unless it is what the fault is about.
const CONTROLS: [&str; 2] = ["C1", "C42"];

/// Statements that mean something over vfio-user, but have nothing to check on these devices.
const UNCHECKED: [&str; 6] = ["C23", "C29", "C71", "C75", "C76", "C84"];

/// A program of the workspace that serves; killed when this is dropped.
struct Program {
    directory: tempfile::TempDir,
    child: Child,
}

impl Program {
    /// Starts it, and waits for its socket.
    fn start(name: &str, words: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = Path::new(VMIG).with_file_name(name);
        let socket = directory.path().join("server");
        let mut command = Command::new(&program);
        command.args(words).arg("--socket-path").arg(&socket);
        let child = command.spawn().unwrap_or_else(|error| {
            let path = program.display();
            panic!("{path}: {error}; `cargo build --workspace` makes it")
        });
        let serving = Self { directory, child };
        for _ in 0..1000 {
            if UnixStream::connect(&socket).is_ok() {
                return serving;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{name} makes no socket");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself, which the test says.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that is stopped when this is dropped.
struct Serving {
    directory: tempfile::TempDir,
    stop: Option<UnixStream>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Serving {
    fn new<D, W>(make: impl FnOnce() -> Server<D, W> + Send + 'static) -> Self
    where
        D: vmig_model::device::Device + 'static,
        W: Worker<D> + 'static,
    {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("server")).unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let thread = thread::spawn(move || {
            let listened = make().listen(&listener, stopped.as_fd(), &mut |_| {});
            listened.expect("the listener is good");
        });
        Self {
            directory,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn serial() -> Self {
        Self::new(|| {
            let ty = find(Generation::NEWEST, "serial-var").unwrap();
            Server::new(serial::Card::new(ty, Values::init(ty)))
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || thread::panicking(), "the server");
        }
    }
}

fn device(socket: &Path) -> String {
    format!("vfio-user:{}", socket.display())
}

/// What the command says as JSON, and its exit status.
fn vmig(words: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(VMIG).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said, "", "{words:?}");
    let document = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), document)
}

/// The page of the repository with this name.
fn page(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    fs::read_to_string(directory.join(name)).unwrap()
}

#[test]
fn the_programs_conform() {
    let page = page("CONFORMANCE.md");
    for (name, words) in [
        ("vmig-serial", ["--m-ports=2"]),
        ("vmig-accel", ["--m-memory-mb=16"]),
    ] {
        let program = Program::start(name, &words);
        let device = device(&program.directory.path().join("server"));
        let words = [
            "conform",
            &device,
            "--destructive",
            "--protocol",
            "v2",
            "--tries",
            "64",
            "-o",
            "json",
        ];
        let (status, said) = vmig(&words);
        assert_eq!(status, Some(0), "{name}: {said:#}");
        assert_eq!(said["device"]["attach"], "vfio-user");
        assert_eq!(said["kernel_log"], false);
        let results = said["results"].as_array().unwrap();
        let mut unchecked = Vec::new();
        for result in results {
            let (id, means) = (result["id"].as_str().unwrap(), &result["vfio_user"]);
            if result["result"] != "skip" {
                assert_eq!(
                    (&result["result"], means),
                    (&"ok".into(), &true.into()),
                    "{id}"
                );
                continue;
            }
            let reason = result["reason"].as_str().unwrap();
            match reason.strip_prefix("has no meaning over vfio-user: ") {
                Some(_) => assert_eq!(means, false, "{id}"),
                None => unchecked.push(id),
            }
        }
        assert_eq!(unchecked, UNCHECKED, "{name}");
        let summary = &said["summary"];
        let row = format!(
            "| `{name}` | {} ok, {} skipped |",
            summary["ok"], summary["skip"]
        );
        assert!(page.contains(&row), "CONFORMANCE.md lacks: {row}");
    }
}

#[test]
fn v1_has_no_meaning() {
    let serving = Serving::serial();
    let device = device(&serving.path("server"));
    let (status, said) = vmig(&["conform", &device, "--protocol", "v1", "-o", "json"]);
    assert_eq!(status, Some(0));
    let summary = serde_json::json!({"ok": 0, "not_ok": 0, "not_held": 0, "skip": 33});
    assert_eq!(said["summary"], summary);
}

#[test]
fn what_makes_no_sense() {
    let serving = Serving::serial();
    let device = device(&serving.path("server"));
    for (words, status, part) in [
        (
            &[&device, "--attach", "cdev"][..],
            2,
            "devices of the kernel",
        ),
        (&["vfio-user:/no/such/socket"], 4, "no such device"),
        (&["vfio-user:"], 4, "no such device"),
        (&["vfio-user:/dev/null"], 4, "cannot connect"),
    ] {
        let output = Command::new(VMIG).arg("conform").args(words).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(part) && output.stdout.is_empty(), "{said}");
    }
}

/// A fault of the page, and the statements that notice.
struct Fault {
    name: String,
    breaks: BTreeSet<String>,
}

fn faults() -> Vec<Fault> {
    let page = page("FAULTS.md");
    let (_, section) = page
        .split_once("\n## Faults of a vfio-user server\n")
        .expect("the section");
    let section = section
        .split_once("\n## ")
        .map_or(section, |(this, _)| this);
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, rest) = row.split_once('`').unwrap();
        let cells: Vec<_> = rest.split('|').map(str::trim).collect();
        Fault {
            name: name.to_owned(),
            breaks: cells[2].split(", ").map(str::to_owned).collect(),
        }
    })
    .collect()
}

/// Checks `chosen` on a server with a fault.
fn check(fault: &str, chosen: &[&'static Statement]) -> Vec<Report> {
    let serving = Serving::serial();
    let path = serving.path("faulty");
    let _proxy = faulty::Proxy::start(fault, &path, &serving.path("server"));
    let options = Options {
        socket: Some(path.clone()),
        destructive: true,
        deadline: Duration::from_secs(30),
        ..Options::default()
    };
    let words = ["conform", &device(&path), "--destructive", "--tries", "16"];
    let starter = Starter {
        program: VMIG.into(),
        arguments: words
            .into_iter()
            .chain(["--deadline", "30", "--jobs"])
            .map(Into::into)
            .collect(),
    };
    let mut run = Run::begin(starter, options).unwrap();
    assert_eq!(run.look().attach, AttachForm::VfioUser);
    chosen
        .iter()
        .map(|statement| run.check(statement))
        .collect()
}

fn is_unheld(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotOk { .. } | Outcome::NotHeld { .. })
}

#[test]
fn each_fault_is_noticed() {
    let faults = faults();
    let mut proved = BTreeSet::new();
    for Fault { name, breaks } in &faults {
        let chosen: Vec<_> = statements()
            .filter(|statement| {
                let id = statement.id.to_string();
                breaks.contains(&id) || CONTROLS.contains(&id.as_str())
            })
            .collect();
        let mut broken = BTreeSet::new();
        for report in check(name, &chosen) {
            if is_unheld(&report.outcome) {
                broken.insert(report.statement.id.to_string());
            }
        }
        assert_eq!(&broken, breaks, "{name}");
        proved.extend(broken);
    }
    // Every statement that means something is among them.
    let means = |statement: &&Statement| statement.kernel_only().is_none();
    let ids = statements().filter(means).map(|statement| statement.id);
    let ids: BTreeSet<String> = ids.map(|id: Id| id.to_string()).collect();
    let rest: Vec<_> = ids.difference(&proved).map(String::as_str).collect();
    assert_eq!(rest, UNCHECKED);
}

#[test]
fn without_a_fault_the_proxy_changes_nothing() {
    let chosen: Vec<_> = statements()
        .filter(|statement| statement.id.protocol == Protocol::V2)
        .collect();
    for report in check("none", &chosen) {
        let id = report.statement.id.to_string();
        let skips = report.statement.kernel_only().is_some() || UNCHECKED.contains(&id.as_str());
        match report.outcome {
            Outcome::Ok { .. } => assert!(!skips, "{id}"),
            Outcome::Skip { .. } => assert!(skips, "{id}"),
            other => panic!("{id}: {other:?}"),
        }
    }
}
