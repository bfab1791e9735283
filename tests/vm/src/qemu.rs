// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Running the VM.
//!
//! The kernel's console (first serial port) and init's report channel (a virtio port) go to two
//! files, so that lines of the one never tear lines of the other; the loop here reads both as they
//! grow and ends QEMU at the first sign of trouble.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::client::Tree;
use crate::console::Console;
use crate::kernel::Kernel;
use crate::paths::Paths;
use crate::verdict;

/// From the verdict to power-off.
const POWER_OFF: Duration = Duration::from_secs(20);
/// After the first line of trouble, for the rest of the kernel's report and what follows from it.
const AFTERMATH: Duration = Duration::from_secs(2);

/// Slots on the root bus that have a PCI function without a driver, for those who need one to bind.
/// The guest tests know them, too (`guest/src/function.rs`).
const FREE_FUNCTIONS: [&str; 2] = ["0x10", "0x11"];

/// How an emulated VM gets its two processors.
///
/// A processor that waits for the other one spins, while the host may have given that one's time to
/// another VM: with threads, a suite with clients took 100 s beside another one, in turns it takes 33.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processors {
    /// They take turns in one thread, and who spins ends its turn. Such a VM takes one of the host's.
    Turns,
    /// They run at the same time. One boot in some hundred, on a busy host, then stands still within its first
    /// second, when there is no module of ours yet (QEMU 10.0).
    Threads,
}

/// The terms on which a VM runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long it is waited for.
    pub(crate) total: Duration,
    /// How long without a byte on either channel.
    pub(crate) silence: Duration,
    /// Its processors, unless it runs on the host's own.
    pub(crate) processors: Processors,
}

impl Terms {
    /// Emulation on a busy machine is slow. The silence is longer than the kernel's own detection of
    /// hung tasks.
    pub(crate) const USUAL: Self = Self {
        total: Duration::from_secs(30 * 60),
        silence: Duration::from_secs(4 * 60),
        processors: Processors::Turns,
    };
}

/// The files that a VM is made of, besides its kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'a> {
    /// The guest's image; the logs go beside it.
    pub(crate) initrd: &'a Path,
    /// The clients that it has as disks.
    pub(crate) clients: &'a [Tree],
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// All that came over the report channel.
    pub(crate) channel: String,
    /// Why the run failed, if the console, the clock or QEMU say that it did.
    pub(crate) trouble: Vec<String>,
    /// What the console shows of the trouble.
    pub(crate) report: Vec<String>,
    /// The last lines of the console.
    pub(crate) last_lines: Vec<String>,
    /// Whether it stood still before init had said a word, as [`Processors::Threads`] may.
    pub(crate) stillborn: bool,
}

/// QEMU's command line up to the serial ports.
///
/// `options` are for the kernel, `init` are the words for init.
fn command(
    paths: &Paths,
    kernel: &Kernel,
    files: &Files<'_>,
    processors: Processors,
    options: &str,
    init: &[String],
) -> Command {
    let mut qemu = paths.in_root("qemu-system-x86_64", &paths.checkout);
    // With five levels of page tables, a kernel with KASAN that is interrupted while it identifies its
    // processor, whose features it does not know meanwhile, takes good addresses for wild ones: one
    // boot of the debug kernel in fifty.
    if kvm_works(paths) {
        qemu.args(["-accel", "kvm", "-cpu", "host,la57=off"]);
    } else {
        let threads = match processors {
            Processors::Turns => "single",
            Processors::Threads => "multi",
        };
        qemu.arg("-accel").arg(format!("tcg,thread={threads}"));
        qemu.args(["-cpu", "max,la57=off"]);
    }
    qemu.args([
        "-M",
        "q35",
        "-smp",
        "2",
        "-m",
        "2048",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
    ]);
    qemu.args(["-no-reboot", "-device", "virtio-rng-pci"]);
    for slot in FREE_FUNCTIONS {
        qemu.args(["-device", &format!("pci-testdev,addr={slot}")]);
    }
    qemu.arg("-kernel")
        .arg(kernel.dir.join("bzImage"))
        .arg("-initrd")
        .arg(files.initrd);
    for Tree { name, image, .. } in files.clients {
        let image = image.display();
        qemu.arg("-drive").arg(format!(
            "if=none,id=client-{name},file={image},format=raw,readonly=on"
        ));
        qemu.arg("-device")
            .arg(format!("virtio-blk-pci,drive=client-{name},serial={name}"));
    }
    // A panic reboots, and a reboot ends QEMU. On a busy host the emulated timer is late, which the
    // kernel would take for a broken one. Words after `--` are for init.
    let line = "console=ttyS0 loglevel=7 panic=-1 oops=panic no_timer_check \
                sysctl.kernel.hung_task_timeout_secs=60";
    qemu.arg("-append")
        .arg(format!("{line} {options} -- {}", init.join(" ")));
    qemu
}

/// Boots and watches until the end.
///
/// `options` are for the kernel, `init` are the words for init, `output` gets the report channel live.
pub(crate) fn run(
    paths: &Paths,
    kernel: &Kernel,
    files: &Files<'_>,
    options: &str,
    init: &[String],
    terms: Terms,
    output: &mut dyn FnMut(&[u8]),
) -> Result<Ended> {
    let dir = files
        .initrd
        .parent()
        .context("the image has no directory")?;
    let (mut console, mut report) = (
        Tail::new(&dir.join("console.log"))?,
        Tail::new(&dir.join("report.log"))?,
    );
    let mut qemu = command(paths, kernel, files, terms.processors, options, init);
    qemu.arg("-chardev").arg(format!(
        "file,id=console,path={}",
        dir.join("console.log").display()
    ));
    qemu.arg("-chardev").arg(format!(
        "file,id=report,path={}",
        dir.join("report.log").display()
    ));
    qemu.args(["-serial", "chardev:console", "-device", "virtio-serial-pci"]);
    qemu.args(["-device", "virtserialport,chardev=report,name=report"]);
    let errors = File::create(dir.join("qemu.log"))?;
    qemu.stdin(Stdio::null())
        .stdout(errors.try_clone()?)
        .stderr(errors);
    let mut child = Running(qemu.spawn().context("cannot run QEMU")?);

    let mut seen = Console::default();
    let mut channel = Vec::new();
    let start = Instant::now();
    let (mut active, mut verdict, mut trouble) = (start, None::<Instant>, None::<String>);
    let mut trouble_since = None::<Instant>;
    loop {
        let ended = child.0.try_wait()?;
        let (news, lines) = (report.read()?, console.read()?);
        if !news.is_empty() || !lines.is_empty() {
            active = Instant::now();
        }
        seen.feed(&lines);
        output(&news);
        channel.extend(news);
        if verdict.is_none() && verdict::has_verdict(&String::from_utf8_lossy(&channel)) {
            verdict = Some(Instant::now());
        }
        if !seen.trouble().is_empty() {
            trouble_since.get_or_insert_with(Instant::now);
        }
        if let Some(status) = ended {
            if !status.success() {
                let said = fs::read_to_string(dir.join("qemu.log")).unwrap_or_default();
                trouble = Some(format!("QEMU ended with {status}: {}", said.trim()));
            }
            break;
        }
        trouble = if trouble_since.is_some_and(|since| since.elapsed() > AFTERMATH) {
            break;
        } else if verdict.is_some_and(|since| since.elapsed() > POWER_OFF) {
            Some("the VM does not power off".to_owned())
        } else if active.elapsed() > terms.silence {
            let seconds = terms.silence.as_secs();
            Some(format!("no sign of life for {seconds} s"))
        } else if start.elapsed() > terms.total {
            let minutes = terms.total.as_secs() / 60;
            Some(format!("not finished after {minutes} minutes"))
        } else {
            None
        };
        if trouble.is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let lines = seen.trouble().iter();
    let said = lines.map(|line| format!("console: {line}"));
    let silent = channel.is_empty() && active.elapsed() > terms.silence;
    let channel = String::from_utf8_lossy(&channel).into_owned();
    Ok(Ended {
        channel,
        stillborn: silent && terms.processors == Processors::Threads && !kvm_works(paths),
        trouble: said.chain(trouble).collect(),
        report: seen.report().to_vec(),
        last_lines: seen.last_lines(),
    })
}

/// A VM with a shell on this terminal.
pub(crate) fn shell(
    paths: &Paths,
    kernel: &Kernel,
    files: &Files<'_>,
    options: &str,
    init: &[String],
) -> Result<()> {
    let mut qemu = command(paths, kernel, files, Processors::Threads, options, init);
    qemu.args(["-serial", "mon:stdio"]);
    qemu.status().context("cannot run QEMU")?;
    Ok(())
}

/// KVM is used where the processor has it and QEMU can start with it; `/dev/kvm` alone says little.
fn kvm_works(paths: &Paths) -> bool {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag: &str| {
        flags
            .lines()
            .any(|line| line.starts_with("flags") && line.split(' ').any(|f| f == flag))
    };
    if !(has("vmx") || has("svm")) || !Path::new("/dev/kvm").exists() {
        return false;
    }
    let mut probe = paths.in_root("sh", &paths.checkout);
    probe.args(["-c", "echo quit | timeout 10 qemu-system-x86_64 -accel kvm -M none -display none -nodefaults -monitor stdio"]);
    probe
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// QEMU does not outlive us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Reads a file as it grows.
struct Tail(File);

impl Tail {
    fn new(path: &Path) -> Result<Self> {
        File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(File::open(path)?))
    }

    fn read(&mut self) -> Result<Vec<u8>> {
        let mut news = Vec::new();
        self.0.read_to_end(&mut news)?;
        Ok(news)
    }
}
