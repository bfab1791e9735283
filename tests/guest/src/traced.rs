// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A program that is killed just before a write that it wants to make.

use std::fs;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::Pid;

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The files that it wrote to, in order, a name for each write(2); standard output and
    /// standard error do not count.
    pub writes: Vec<String>,
    /// Its exit status; `None` if it was killed.
    pub status: Option<i32>,
}

/// Runs `words`, the program first. If it begins write(2) number `kill_at`, from 0, it is
/// killed instead.
///
/// # Panics
///
/// If it cannot be run or traced.
#[track_caller]
pub fn run(words: &[&str], kill_at: Option<usize>) -> Run {
    let child = Command::new("/bin/user")
        .arg("traced")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("/bin/user");
    follow(child, kill_at)
}

fn follow(mut child: Child, kill_at: Option<usize>) -> Run {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process ID"));
    let mut run = Run {
        writes: Vec::new(),
        status: None,
    };
    // The first stop is that of exec(2).
    let mut deliver = match waitpid(pid, None).expect("waitpid") {
        WaitStatus::Stopped(_, Signal::SIGTRAP) => None,
        other => panic!("no stop at exec: {other:?}"),
    };
    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(pid, options).expect("ptrace options");
    let mut entering = true;
    loop {
        ptrace::syscall(pid, deliver).expect("ptrace");
        deliver = None;
        match waitpid(pid, None).expect("waitpid") {
            WaitStatus::PtraceSyscall(_) => {
                if entering {
                    if let Some(file) = written(pid) {
                        if kill_at == Some(run.writes.len()) {
                            child.kill().expect("kill");
                            child.wait().expect("wait");
                            return run;
                        }
                        run.writes.push(file);
                    }
                }
                entering = !entering;
            }
            WaitStatus::Stopped(_, signal) => deliver = Some(signal),
            WaitStatus::Exited(_, status) => {
                run.status = Some(status);
                return run;
            }
            other => panic!("traced: {other:?}"),
        }
    }
}

/// The file that a process writes to, which is about to make a system call.
fn written(pid: Pid) -> Option<String> {
    let registers = ptrace::getregs(pid).expect("registers");
    let write = u64::try_from(libc::SYS_write).expect("a number");
    if registers.orig_rax != write || registers.rdi <= 2 {
        return None;
    }
    let link = format!("/proc/{pid}/fd/{}", registers.rdi);
    let target = fs::read_link(link).expect("an open file");
    Some(target.to_string_lossy().into_owned())
}
