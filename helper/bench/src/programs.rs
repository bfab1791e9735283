// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the vfio-user programs take, beside a server of the crate `vfio_user`.
//!
//! - Register accesses: the same client, that of the crate, for both; the peer's device is memory.
//! - State: `vfio_user` knows no migration. Its way for many bytes is a region, read and written in the
//!   same pieces of 1 MiB with the same framing by the same client, ours: what a state would take there
//!   that nobody checks, takes apart or sums up.
//!
//! Both are processes of their own, and are measured by turns. Of several runs the fastest counts for a
//! rate, the median for a latency; the file has all, in the form of `target/bench/devices.json`.

use std::{
    fs,
    hint::black_box,
    io,
    path::{
        Path,
        PathBuf, //
    },
    process::{
        Child,
        Command, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use vfio_user::{
    DmaMapFlags,
    DmaUnmapFlags,
    IrqInfo,
    ServerBackend,
    ServerRegion, //
};
use vmig_model::arcs::State;
use vmig_vfio_user::{
    client::Error,
    message::uapi::{
        vfio_region_info,
        VFIO_PCI_NUM_IRQS,
        VFIO_PCI_NUM_REGIONS,
        VFIO_REGION_INFO_FLAG_READ,
        VFIO_REGION_INFO_FLAG_WRITE, //
    },
    Client,
};

/// Runs of each figure.
const RUNS: usize = 9;

/// Accesses in a run.
const ACCESSES: u64 = 5000;

/// Memory of the accelerator, and of the peer's region 2.
const MEMORY: usize = 64 << 20;

/// What is moved at once.
const PIECE: usize = 1 << 20;

/// How long a process may take until its socket is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process with a socket; killed in the end.
struct Serving {
    child: Child,
    socket: PathBuf,
}

impl Serving {
    fn start(mut command: Command, socket: PathBuf) -> Result<Self> {
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot run {command:?}"))?;
        Ok(Self { child, socket })
    }

    fn program(program: &Path, words: &[&str], directory: &Path) -> Result<Self> {
        let name = program.file_name().context("a program's name")?;
        let socket = directory.join(name);
        let mut command = Command::new(program);
        command
            .args(words)
            .arg(format!("--socket-path={}", socket.display()));
        Self::start(command, socket)
    }

    fn peer(directory: &Path) -> Result<Self> {
        let socket = directory.join("peer");
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("vfio-user-peer").arg(&socket);
        Self::start(command, socket)
    }

    /// The crate's client.
    fn other_client(&self) -> Result<vfio_user::Client> {
        patiently(|| match vfio_user::Client::new(&self.socket) {
            Err(vfio_user::Error::Connect(_)) => Ok(None),
            client => Ok(Some(client?)),
        })
    }

    /// Ours.
    fn client(&self) -> Result<Client> {
        patiently(|| match Client::connect(&self.socket) {
            Err(Error::Connect(_)) => Ok(None),
            client => Ok(Some(client?)),
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The next one makes it anew; the peer insists on that.
        let _ = fs::remove_file(&self.socket);
    }
}

/// Tries until there is something.
fn patiently<T>(mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = attempt()? {
            return Ok(found);
        }
        ensure!(begin.elapsed() < PATIENCE, "nobody listens");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What is measured, in runs of nanoseconds.
struct Figure {
    name: &'static str,
    /// Bytes of a run of a rate; else accesses of a run of a latency.
    amount: u64,
    is_rate: bool,
    own: Vec<u64>,
    peer: Vec<u64>,
    peer_name: &'static str,
}

impl Figure {
    /// Thousandths of MB/s or of ns.
    fn value(&self, raw: &[u64]) -> u64 {
        let mut sorted = raw.to_vec();
        sorted.sort_unstable();
        let best = sorted.first().copied().unwrap_or(1).max(1);
        let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
        match self.is_rate {
            true => scaled(self.amount, 1_000_000, best),
            false => scaled(middle, 1000, self.amount),
        }
    }

    fn unit(&self) -> &'static str {
        if self.is_rate {
            "MB/s"
        } else {
            "ns"
        }
    }

    fn json(&self) -> Value {
        let (own, peer) = (self.value(&self.own), self.value(&self.peer));
        json!({
            "group": "vfio-user", "name": self.name, "unit": self.unit(), "value": decimal(own),
            "peer": {"name": self.peer_name, "value": decimal(peer)},
            "ratio": decimal(scaled(own, 1000, peer)),
            "raw": {"unit": "ns", "amount": self.amount, "own": self.own, "peer": self.peer},
        })
    }

    fn line(&self) -> String {
        let (own, peer) = (self.value(&self.own), self.value(&self.peer));
        let ratio = text(scaled(own, 1000, peer));
        let (own, peer) = (text(own), text(peer));
        let (name, unit, of) = (self.name, self.unit(), self.peer_name);
        format!("  {name:<36} {own:>12} {unit}, {ratio} of {of} ({peer})")
    }
}

/// `number` times `factor` by `divisor`, rounded.
fn scaled(number: u64, factor: u64, divisor: u64) -> u64 {
    let divisor = u128::from(divisor.max(1));
    let product = u128::from(number) * u128::from(factor);
    u64::try_from((product + divisor / 2) / divisor).unwrap_or(u64::MAX)
}

fn text(thousandths: u64) -> String {
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

/// As a number of JSON.
fn decimal(thousandths: u64) -> Value {
    serde_json::from_str(&text(thousandths)).unwrap_or(Value::Null)
}

fn nanoseconds(job: impl FnOnce() -> Result<()>) -> Result<u64> {
    let begin = Instant::now();
    job()?;
    Ok(u64::try_from(begin.elapsed().as_nanos())?)
}

/// Both by turns.
fn by_turns(
    mut own: impl FnMut() -> Result<u64>,
    mut peer: impl FnMut() -> Result<u64>,
) -> Result<(Vec<u64>, Vec<u64>)> {
    // Caches and the allocator's memory.
    own()?;
    peer()?;
    let mut runs = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        runs.0.push(own()?);
        runs.1.push(peer()?);
    }
    Ok(runs)
}

/// Reads, or writes, `N` bytes of region 0 at `at`.
fn accesses<const N: usize>(client: &mut vfio_user::Client, at: u64, writes: bool) -> Result<u64> {
    let mut bytes = [0; N];
    nanoseconds(|| {
        for _ in 0..ACCESSES {
            match writes {
                true => client.region_write(0, at, &bytes)?,
                false => client.region_read(0, at, &mut bytes)?,
            }
        }
        black_box(bytes);
        Ok(())
    })
}

fn latencies(programs: &Path, directory: &Path) -> Result<Vec<Figure>> {
    // The scratch register of port 0; MASK.
    const SCRATCH: u64 = 7;
    const MASK: u64 = 0x24;
    let serial = Serving::program(&programs.join("vmig-serial"), &[], directory)?;
    let accel = Serving::program(&programs.join("vmig-accel"), &[], directory)?;
    let peer = Serving::peer(directory)?;
    let mut clients = [
        serial.other_client()?,
        accel.other_client()?,
        peer.other_client()?,
    ];
    let [serial, accel, peer] = &mut clients;
    let mut figures = Vec::new();
    for (name, is_serial, writes) in [
        ("read 1 byte, vmig-serial", true, false),
        ("write 1 byte, vmig-serial", true, true),
        ("read 4 bytes, vmig-accel", false, false),
        ("write 4 bytes, vmig-accel", false, true),
    ] {
        let runs = match is_serial {
            true => by_turns(
                || accesses::<1>(serial, SCRATCH, writes),
                || accesses::<1>(peer, SCRATCH, writes),
            ),
            false => by_turns(
                || accesses::<4>(accel, MASK, writes),
                || accesses::<4>(peer, MASK, writes),
            ),
        };
        let (own, peer) = runs.with_context(|| name.to_owned())?;
        figures.push(Figure {
            name,
            amount: ACCESSES,
            is_rate: false,
            own,
            peer,
            peer_name: "vfio_user",
        });
    }
    Ok(figures)
}

/// Reads the state, from STOP_COPY to its end.
fn save(client: &mut Client, stream: &mut Vec<u8>) -> Result<u64> {
    let mut piece = vec![0; PIECE];
    stream.clear();
    let taken = nanoseconds(|| {
        client.set_state(State::StopCopy)?;
        loop {
            let len = client.data_read(&mut piece)?;
            stream.extend_from_slice(&piece[..len]);
            if len < piece.len() {
                return Ok(());
            }
        }
    })?;
    client.set_state(State::Running)?;
    Ok(taken)
}

/// Writes it back, until the device says that it is good.
fn load(client: &mut Client, stream: &[u8]) -> Result<u64> {
    let taken = nanoseconds(|| {
        client.set_state(State::Resuming)?;
        client.data_write(stream)?;
        client.set_state(State::Stop)?;
        Ok(())
    })?;
    client.set_state(State::Running)?;
    Ok(taken)
}

fn rates(programs: &Path, directory: &Path) -> Result<Vec<Figure>> {
    let words = ["--m-memory-mb=64", "--m-codec=none"];
    let accel = Serving::program(&programs.join("vmig-accel"), &words, directory)?;
    let peer = Serving::peer(directory)?;
    let (mut device, mut memory) = (accel.client()?, peer.client()?);
    let contents: Vec<u8> = (0..MEMORY).map(|n| (n ^ n >> 8 ^ n >> 17) as u8).collect();
    for client in [&mut device, &mut memory] {
        client.region_write(2, 0, &contents)?;
    }
    let mut stream = Vec::with_capacity(MEMORY + MEMORY / 16);
    save(&mut device, &mut stream)?;
    let len = stream.len();
    ensure!(len > MEMORY, "the state has the memory in it: {len}");
    let mut copy = vec![0; MEMORY];
    let saves = by_turns(
        || save(&mut device, &mut stream),
        || nanoseconds(|| Ok(memory.region_read(2, 0, &mut copy)?)),
    )?;
    ensure!(copy == contents, "the peer has what was written");
    let loads = by_turns(
        || load(&mut device, &stream),
        || nanoseconds(|| Ok(memory.region_write(2, 0, &copy)?)),
    )?;
    let mut again = Vec::new();
    save(&mut device, &mut again)?;
    ensure!(again == stream, "the device has what was loaded");
    let figure = |name, (own, peer)| Figure {
        name,
        amount: MEMORY as u64,
        is_rate: true,
        own,
        peer,
        peer_name: "vfio_user, region",
    };
    Ok(vec![
        figure("save, 64 MiB, vmig-accel", saves),
        figure("load, 64 MiB, vmig-accel", loads),
    ])
}

/// Measures, and writes `DIRECTORY/programs.json`; `programs` is where vmig-serial and vmig-accel are.
pub(crate) fn run(programs: &str, directory: &str) -> Result<()> {
    let sockets = std::env::temp_dir().join(format!("vmig-bench.{}", std::process::id()));
    fs::create_dir(&sockets)?;
    let figures = latencies(programs.as_ref(), &sockets).and_then(|mut figures| {
        figures.extend(rates(programs.as_ref(), &sockets)?);
        Ok(figures)
    });
    fs::remove_dir_all(&sockets)?;
    let figures = figures?;
    println!("\nvfio-user");
    for figure in &figures {
        println!("{}", figure.line());
    }
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let mut models = cpuinfo.lines().filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim_end() == "model name").then_some(value.trim())
    });
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let file = json!({
        "schema": "vmig.bench/1", "kernel": release.trim_end(),
        "processor": models.next().unwrap_or("unknown"), "processors": 1 + models.count(),
        "figures": figures.iter().map(Figure::json).collect::<Vec<_>>(),
    });
    let directory = Path::new(directory);
    fs::create_dir_all(directory)?;
    let place = directory.join("programs.json");
    fs::write(&place, format!("{file:#}\n"))?;
    println!("{}", place.display());
    Ok(())
}

/// The peer's device.
struct Memory {
    registers: Vec<u8>,
    memory: Vec<u8>,
}

impl Memory {
    fn place(&mut self, region: u32, offset: u64, len: usize) -> io::Result<&mut [u8]> {
        let bytes = match region {
            0 => &mut self.registers,
            _ => &mut self.memory,
        };
        let at = usize::try_from(offset).ok();
        let end = at.and_then(|at| at.checked_add(len));
        let place = at.zip(end).and_then(|(at, end)| bytes.get_mut(at..end));
        place.ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}

impl ServerBackend for Memory {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        let place = self.place(region, offset, data.len())?;
        data.copy_from_slice(place);
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        self.place(region, offset, data.len())?
            .copy_from_slice(data);
        Ok(())
    }

    fn dma_map(
        &mut self,
        _flags: DmaMapFlags,
        _offset: u64,
        _address: u64,
        _size: u64,
        _file: Option<fs::File>,
    ) -> io::Result<()> {
        Ok(())
    }

    fn dma_unmap(&mut self, _flags: DmaUnmapFlags, _address: u64, _size: u64) -> io::Result<()> {
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_irqs(
        &mut self,
        _index: u32,
        _flags: u32,
        _start: u32,
        _count: u32,
        _files: Vec<fs::File>,
    ) -> io::Result<()> {
        Ok(())
    }
}

/// Serves one client at `socket`, with the crate's server.
pub(crate) fn serve_peer(socket: &str) -> Result<()> {
    let region = |index| ServerRegion {
        region_info: vfio_region_info {
            argsz: size_of::<vfio_region_info>() as u32,
            flags: VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
            index,
            size: match index {
                0 => 4096,
                2 => MEMORY as u64,
                _ => 0,
            },
            ..Default::default()
        },
        sparse_areas: Vec::new(),
        mmap_fd: None,
    };
    let irq = |index| IrqInfo {
        index,
        flags: 0,
        count: 0,
    };
    let (irqs, regions) = (0..VFIO_PCI_NUM_IRQS, 0..VFIO_PCI_NUM_REGIONS);
    let (irqs, regions) = (irqs.map(irq).collect(), regions.map(region).collect());
    let server = vfio_user::Server::new(socket.as_ref(), true, irqs, regions)?;
    let mut memory = Memory {
        registers: vec![0; 4096],
        memory: vec![0; MEMORY],
    };
    Ok(server.run(&mut memory)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_runs_that_count() {
        let mut figure = Figure {
            name: "n",
            amount: 1000,
            is_rate: false,
            own: vec![9_000, 2_000, 3_000],
            peer: vec![1_500],
            peer_name: "p",
        };
        let json = figure.json();
        assert_eq!((&json["unit"], &json["value"]), (&json!("ns"), &json!(3.0)));
        assert_eq!(
            (&json["peer"]["value"], &json["ratio"]),
            (&json!(1.5), &json!(2.0))
        );
        figure.is_rate = true;
        // 1,000 bytes in 2,000 ns.
        assert_eq!(figure.json()["value"], json!(500.0));
        assert!(
            figure.line().contains("500.000 MB/s, 0.750 of p (666.667)"),
            "{}",
            figure.line()
        );
    }

    #[test]
    fn the_peer_keeps_what_is_written_and_refuses_the_rest() {
        let mut memory = Memory {
            registers: vec![0; 8],
            memory: vec![0; 16],
        };
        memory.region_write(2, 14, &[1, 2]).unwrap();
        let mut seen = [0; 2];
        memory.region_read(2, 14, &mut seen).unwrap();
        assert_eq!(seen, [1, 2]);
        assert!(memory.region_read(0, 7, &mut seen).is_err());
        assert!(memory.region_write(2, u64::MAX, &[1]).is_err());
    }
}
