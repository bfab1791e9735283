// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The frame of a test.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::kmsg::Log;
use crate::{function, kernel, modules, parent, sysfs, Function};

/// The devices, the staging table and the kernel log are one per machine.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The module under test.
const MODULE: &str = "vmig";

/// Time that a test may take if it does not say otherwise; on the debug kernel, a multiple of it.
const LIMIT: Duration = Duration::from_secs(60);

/// A running test. Make it the first variable, so that it is dropped last.
#[derive(Debug)]
pub struct Test {
    log: Log,
    /// Closed when the test ends, which sends the watchdog away.
    _watched: Sender<()>,
    _turn: MutexGuard<'static, ()>,
}

impl Test {
    /// Waits for the test's turn, loads the module if it is not there, and starts the watchdog.
    pub fn begin() -> Self {
        Self::begin_within(match kernel::is_debug() {
            true => LIMIT * kernel::SLOWER,
            false => LIMIT,
        })
    }

    /// The same with a time limit of its own.
    pub fn begin_within(limit: Duration) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if !modules::is_loaded(MODULE) {
            modules::load(MODULE).expect("vmig.ko");
        }
        Self {
            log: Log::now(),
            _watched: watch(limit),
            _turn: turn,
        }
    }

    /// The kernel log since the test began, or since the last call. What is taken this way is
    /// not judged at the end.
    pub fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn judge(&mut self) {
        let complaints: Vec<_> = self.log.records();
        let complaints: Vec<_> = complaints.iter().filter(|r| r.is_complaint()).collect();
        assert!(
            complaints.is_empty(),
            "the kernel complained: {complaints:#?}"
        );
        let left = leftovers();
        assert!(left.is_empty(), "the test left behind: {left:?}");
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        // A test that failed has every right to leave a mess.
        if !thread::panicking() {
            self.judge();
        } else {
            clean_up();
        }
    }
}

/// Ends the process if the test has not ended within `limit`. A thread that hangs in the kernel
/// cannot be ended any other way, and the harness wants to see the next test binary.
fn watch(limit: Duration) -> Sender<()> {
    let (sender, receiver) = channel();
    let name = thread::current().name().unwrap_or("?").to_owned();
    thread::spawn(move || {
        if receiver.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            eprintln!("test {name}: not finished after {limit:?}");
            std::process::abort();
        }
    });
    sender
}

/// What tests make and should have removed: vmig's devices, staged entries, parents, bound functions.
fn leftovers() -> Vec<String> {
    let mut left = Vec::new();
    for device in names(Path::new("/sys/bus/mdev/devices")) {
        left.push(format!("device {device}"));
    }
    for directory in type_directories() {
        if let Ok(staged) = sysfs::read(format!("{directory}/migration/staged")) {
            left.extend(staged.lines().map(|entry| format!("staged {entry}")));
        }
    }
    for name in names(Path::new(parent::CONFIGFS)) {
        left.push(format!("parent {name}"));
    }
    for address in function::ADDRESSES {
        let function = Function::at(address);
        if function.driver().is_some() {
            left.push(format!("bound function {address}"));
        }
        if function.overridden().is_some() {
            left.push(format!("driver_override of {address}"));
        }
    }
    left
}

/// Removes what a failed test left, so that the next one has a chance. Best effort: what cannot
/// be removed will be reported by the next test.
fn clean_up() {
    for directory in type_directories() {
        for entry in sysfs::read(format!("{directory}/migration/staged"))
            .unwrap_or_default()
            .lines()
        {
            let uuid = entry.split(' ').next().unwrap_or("");
            let _ = sysfs::write(format!("{directory}/migration/unstage"), uuid);
        }
    }
    for device in names(Path::new("/sys/bus/mdev/devices")) {
        // A device that is still open would block the removal for ever.
        let dir = format!("/sys/bus/mdev/devices/{device}");
        if sysfs::read(format!("{dir}/vmig/in_use")).as_deref() != Ok("1\n") {
            let _ = sysfs::write(format!("{dir}/remove"), "1");
        }
    }
    for name in names(Path::new(parent::CONFIGFS)) {
        let item = format!("{}/{name}", parent::CONFIGFS);
        let _ = sysfs::write(format!("{item}/live"), "0");
        let _ = fs::remove_dir(item);
    }
    for address in function::ADDRESSES {
        let function = Function::at(address);
        let _ = function.unbind();
        let _ = function.override_driver(None);
    }
}

fn type_directories() -> Vec<String> {
    let bus = "/sys/class/mdev_bus";
    let parents = names(Path::new(bus));
    let of_parent = |parent: &String| {
        let types = format!("{bus}/{parent}/mdev_supported_types");
        let names = names(Path::new(&types));
        names.into_iter().map(move |name| format!("{types}/{name}"))
    };
    parents.iter().flat_map(of_parent).collect()
}

/// Names in a directory that may be missing.
fn names(directory: &Path) -> Vec<String> {
    match directory.is_dir() {
        true => sysfs::names(directory),
        false => Vec::new(),
    }
}
