// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A tracer that stands between a program and the kernel: it sees every system call, and at its end
//! may falsify what the program gets, or have it make another call.
//!
//! This is how rules are broken that the kernel's own code keeps. x86-64 only, as the VM is.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::Pid;

/// A system call that stands still: at its beginning, or when the kernel has served it and the program
/// has not seen that yet.
#[derive(Debug)]
pub struct Call {
    pid: Pid,
    registers: libc::user_regs_struct,
    changed: bool,
    pretence: Option<Cell<bool>>,
}

impl Call {
    fn new(pid: Pid, registers: libc::user_regs_struct) -> Self {
        Self {
            pid,
            registers,
            changed: false,
            pretence: None,
        }
    }

    /// Runs `judge` without letting it falsify anything. Whether it would have.
    pub fn pretend(&mut self, judge: impl FnOnce(&mut Self)) -> bool {
        self.pretence = Some(Cell::new(false));
        judge(self);
        self.pretence.take().is_some_and(Cell::into_inner)
    }

    /// Whether nothing may be falsified; then it is noted that it would have been.
    fn pretends(&self) -> bool {
        let pretence = self.pretence.as_ref();
        pretence.map(|would| would.set(true)).is_some()
    }

    fn memory(&self) -> io::Result<File> {
        let place = format!("/proc/{}/mem", self.pid);
        OpenOptions::new().read(true).write(true).open(place)
    }

    /// Its number, `SYS_...`.
    pub fn number(&self) -> i64 {
        self.registers.orig_rax as i64
    }

    /// Argument 0, 1 or 2; 0 for any other.
    pub fn argument(&self, i: usize) -> u64 {
        let registers = &self.registers;
        let arguments = [registers.rdi, registers.rsi, registers.rdx];
        arguments.get(i).copied().unwrap_or(0)
    }

    /// Its result, or what it failed with.
    ///
    /// # Errors
    ///
    /// The errno that the kernel gave.
    pub fn result(&self) -> Result<i64, Errno> {
        let result = self.registers.rax as i64;
        match result {
            -4095..=-1 => Err(Errno::from_raw(-result as i32)),
            _ => Ok(result),
        }
    }

    /// Whether it failed with this errno.
    pub fn failed(&self, errno: Errno) -> bool {
        self.result() == Err(errno)
    }

    /// Gives the program another result.
    pub fn lie(&mut self, result: Result<i64, Errno>) {
        if self.pretends() {
            return;
        }
        self.registers.rax = result.unwrap_or_else(|errno| -i64::from(errno as i32)) as u64;
        self.changed = true;
    }

    /// The words of `N` bytes in the program's memory; `None` if they are not there.
    pub fn bytes<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.memory().ok()?.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }

    /// A word in the program's memory.
    pub fn word(&self, at: u64) -> Option<u32> {
        self.bytes(at).map(u32::from_ne_bytes)
    }

    /// Changes the program's memory.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn put(&self, at: u64, bytes: &[u8]) {
        if self.pretends() {
            return;
        }
        let written = self
            .memory()
            .and_then(|memory| memory.write_all_at(bytes, at));
        written.expect("memory");
    }

    /// Room on the stack that the program does not use, as long as it stands still.
    pub fn scratch(&self) -> u64 {
        // Below the red zone.
        self.registers.rsp - 1024
    }

    /// What a file descriptor of the program refers to.
    pub fn file(&self, fd: u64) -> PathBuf {
        std::fs::read_link(format!("/proc/{}/fd/{fd}", self.pid)).unwrap_or_default()
    }

    /// Has the program make another system call, and returns its result. The program does not
    /// notice. In a pretence the result is 0.
    ///
    /// # Panics
    ///
    /// If the program does not do it.
    pub fn inject(&self, number: i64, arguments: [u64; 3]) -> i64 {
        if self.pretends() {
            return 0;
        }
        let [rdi, rsi, rdx] = arguments;
        let registers = libc::user_regs_struct {
            // Back to the instruction `syscall`, which has two bytes.
            rip: self.registers.rip - 2,
            rax: number as u64,
            orig_rax: u64::MAX,
            rdi,
            rsi,
            rdx,
            ..self.registers
        };
        ptrace::setregs(self.pid, registers).expect("registers");
        for _ in ["begin", "end"] {
            ptrace::syscall(self.pid, None).expect("a step");
            let status = waitpid(self.pid, Some(WaitPidFlag::__WALL)).expect("a stop");
            assert_eq!(status, WaitStatus::PtraceSyscall(self.pid), "injected");
        }
        let result = ptrace::getregs(self.pid).expect("registers").rax as i64;
        ptrace::setregs(self.pid, self.registers).expect("registers");
        result
    }

    fn finish(self) -> nix::Result<()> {
        match self.changed {
            true => ptrace::setregs(self.pid, self.registers),
            false => Ok(()),
        }
    }
}

/// What the tracer is asked about.
#[derive(Debug)]
pub enum Event<'a> {
    /// A program begins: a child has called `execve`.
    Exec,
    /// A system call begins; it has no result.
    Begin(&'a Call),
    /// A system call has ended.
    Call(&'a mut Call),
}

/// Runs a program and all that it starts under `judge`; its standard output goes to `output`.
///
/// # Errors
///
/// What keeps it from being run or traced.
pub fn run(
    program: &Command,
    output: File,
    mut judge: impl FnMut(Event<'_>),
) -> io::Result<ExitStatus> {
    // Waits until it is traced.
    let mut child = Command::new("/bin/busybox")
        .args(["sh", "-c", "read go; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .stdin(Stdio::piped())
        .stdout(output)
        .spawn()?;
    let main = Pid::from_raw(child.id() as i32);
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(main, options)?;
    ptrace::interrupt(main)?;
    waitpid(main, Some(WaitPidFlag::__WALL))?;
    ptrace::syscall(main, None)?;
    if let Some(mut go) = child.stdin.take() {
        go.write_all(b"go\n")?;
    }
    loop {
        let status = waitpid(None::<Pid>, Some(WaitPidFlag::__WALL))?;
        let (pid, signal) = match status {
            WaitStatus::Exited(pid, code) if pid == main => {
                use std::os::unix::process::ExitStatusExt;
                return Ok(ExitStatus::from_raw(code << 8));
            }
            WaitStatus::Signaled(pid, signal, _) if pid == main => {
                let message = format!("the program died of {signal}");
                return Err(io::Error::other(message));
            }
            WaitStatus::PtraceSyscall(pid) => {
                gone_is_fine(syscall(pid, &mut judge))?;
                (pid, None)
            }
            WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_EXEC) => {
                judge(Event::Exec);
                (pid, None)
            }
            WaitStatus::PtraceEvent(pid, ..) => (pid, None),
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            _ => continue,
        };
        gone_is_fine(go_on(pid, signal))?;
    }
}

fn go_on(pid: Pid, signal: Option<Signal>) -> io::Result<()> {
    Ok(ptrace::syscall(pid, signal)?)
}

/// A stop at the beginning or at the end of a system call.
fn syscall(pid: Pid, judge: &mut impl FnMut(Event<'_>)) -> io::Result<()> {
    let registers = ptrace::getregs(pid)?;
    // At the beginning the kernel has put this in the place of the result.
    if registers.rax as i64 == -i64::from(libc::ENOSYS) {
        judge(Event::Begin(&Call::new(pid, registers)));
        return Ok(());
    }
    let mut call = Call::new(pid, registers);
    judge(Event::Call(&mut call));
    Ok(call.finish()?)
}

/// A program may be killed while it stands still.
fn gone_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error)
            if error.raw_os_error() == Some(libc::ESRCH)
                || error.kind() == io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        done => done,
    }
}
