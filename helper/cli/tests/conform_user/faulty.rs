// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A server that breaks one rule: between the suite and a good server stands a proxy, which passes on
//! what each of them says, and falsifies some of it. `tests/FAULTS.md` has the faults.

use std::{
    fs::File,
    io::Write as _,
    os::{
        fd::{
            AsFd as _,
            OwnedFd, //
        },
        unix::net::{
            UnixListener,
            UnixStream, //
        },
    },
    path::{
        Path,
        PathBuf, //
    },
    sync::{
        atomic::{
            AtomicBool,
            Ordering, //
        },
        Arc,
    },
    thread,
    time::Duration,
};

use nix::errno::Errno;
use vmig_vfio_user::{
    channel::{
        Channel,
        Fault as Broken, //
    },
    message::{
        uapi::*,
        Command,
        Feature,
        Header,
        Message,
        MigData,
        RegionAccess,
        Wire,
        ERROR, //
    },
};

/// What a server answers.
type Answer = Result<Vec<u8>, Errno>;

/// The same with the files that come with it.
type Whole = Result<(Vec<u8>, Vec<OwnedFd>), Errno>;

const STOP: u32 = vfio_device_mig_state_VFIO_DEVICE_STATE_STOP;
const RUNNING: u32 = vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING;
const STOP_COPY: u32 = vfio_device_mig_state_VFIO_DEVICE_STATE_STOP_COPY;
const RESUMING: u32 = vfio_device_mig_state_VFIO_DEVICE_STATE_RESUMING;
const RUNNING_P2P: u32 = vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING_P2P;
const PRE_COPY: u32 = vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY;
const PRE_COPY_P2P: u32 = vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY_P2P;

/// A proxy with a fault, until it is dropped.
pub(crate) struct Proxy {
    path: PathBuf,
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Proxy {
    /// Listens at `path` for clients of the server at `server`.
    pub(crate) fn start(fault: &str, path: &Path, server: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let (fault, server, ended) = (fault.to_owned(), server.to_owned(), Arc::clone(&over));
        let thread = thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                Faulty::new(&fault, &server).serve(client);
            }
        });
        Self {
            path: path.to_owned(),
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes it.
        let _ = UnixStream::connect(&self.path);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || thread::panicking(), "the proxy");
        }
    }
}

/// A command, as far as the faults look at it.
struct Ask {
    command: Command,
    body: Vec<u8>,
    /// Of `DEVICE_FEATURE`: what is to be done, and the feature.
    feature: Option<(u32, u32)>,
    argsz: u32,
}

impl Ask {
    fn new(message: &Message) -> Self {
        let command = Command::try_from(message.header.command).expect("the client's");
        let head = Feature::split(&message.body).ok();
        let head = head.filter(|_| command == Command::Feature);
        Self {
            command,
            body: message.body.clone(),
            feature: head.map(|(head, _)| {
                let feature = head.flags & VFIO_DEVICE_FEATURE_MASK;
                (head.flags & !VFIO_DEVICE_FEATURE_MASK, feature)
            }),
            argsz: head.map_or(0, |(head, _)| head.argsz),
        }
    }

    fn gets(&self, feature: u32) -> bool {
        self.feature == Some((VFIO_DEVICE_FEATURE_GET, feature))
    }

    fn sets(&self, feature: u32) -> bool {
        self.feature == Some((VFIO_DEVICE_FEATURE_SET, feature))
    }

    /// The state that is asked for.
    fn to(&self) -> Option<u32> {
        let sets = self.sets(VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE);
        let number = self.body.get(8..12).filter(|_| sets)?;
        Some(u32::from_ne_bytes(number.try_into().unwrap()))
    }

    fn reads(&self) -> bool {
        self.command == Command::MigDataRead
    }

    fn writes(&self) -> bool {
        self.command == Command::MigDataWrite
    }
}

/// The reply to `MIG_DATA_READ` with these data.
fn data(bytes: &[u8]) -> Answer {
    let size = bytes.len() as u32;
    let argsz = size + MigData::LEN as u32;
    Ok([MigData { argsz, size }.bytes(), bytes.to_vec()].concat())
}

/// The data in a reply to `MIG_DATA_READ`; nothing if it was refused.
fn data_of(answer: &Answer) -> &[u8] {
    answer.as_ref().map_or(&[], |body| &body[MigData::LEN..])
}

/// What is remembered on one connection.
struct Faulty {
    fault: String,
    server: Channel,
    id: u16,
    /// Something has happened that the fault waited for.
    primed: bool,
    count: usize,
    eventfds: Vec<OwnedFd>,
    stopped: Arc<AtomicBool>,
}

impl Faulty {
    fn new(fault: &str, server: &Path) -> Self {
        let server = UnixStream::connect(server).unwrap();
        Self {
            fault: fault.to_owned(),
            server: Channel::new(server, None, Some(Duration::from_secs(10))).unwrap(),
            id: 0,
            primed: false,
            count: 0,
            eventfds: Vec::new(),
            stopped: Arc::default(),
        }
    }

    /// Serves a client to its end.
    fn serve(&mut self, client: UnixStream) {
        let Ok(mut client) = Channel::new(client, None, None) else {
            return;
        };
        while let Ok(message) = client.receive() {
            match self.answer(&message) {
                Ok(Ok((body, files))) => {
                    let files: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
                    let _ = client.send(message.header.reply(), &body, &files);
                }
                Ok(Err(errno)) => {
                    let _ = client.send(message.header.refusal(errno), &[], &[]);
                }
                Err(_) => break,
            }
        }
        self.stopped.store(false, Ordering::Relaxed);
    }

    fn answer(&mut self, message: &Message) -> Result<Whole, Broken> {
        let ask = Ask::new(message);
        if ask.command == Command::SetIrqs && !message.files.is_empty() {
            let copies = message.files.iter().map(|file| file.try_clone());
            self.eventfds = copies.collect::<Result<_, _>>().unwrap();
        }
        // Only what a fault may be about: a greeting has files in its reply.
        let state = match ask.command {
            Command::Version => RUNNING,
            _ => self.state()?,
        };
        if let Some(answer) = self.instead(&ask, state)? {
            return Ok(answer.map(|body| (body, Vec::new())));
        }
        let files: Vec<_> = message.files.iter().map(|file| file.as_fd()).collect();
        self.id = self.id.wrapping_add(1);
        let header = Header::command(ask.command, self.id);
        self.server.send(header, &message.body, &files)?;
        let reply = self.server.receive()?;
        let mut answer = match reply.header.flags & ERROR {
            0 => Ok(reply.body),
            _ => Err(Errno::from_raw(reply.header.error as i32)),
        };
        self.falsify(&ask, state, &mut answer)?;
        Ok(answer.map(|body| (body, reply.files)))
    }

    /// A command of the proxy's own.
    fn call(&mut self, command: Command, body: &[u8]) -> Result<Answer, Broken> {
        self.id = self.id.wrapping_add(1);
        let header = Header::command(command, self.id);
        self.server.send(header, body, &[])?;
        let reply = self.server.receive()?;
        Ok(match reply.header.flags & ERROR {
            0 => Ok(reply.body),
            _ => Err(Errno::from_raw(reply.header.error as i32)),
        })
    }

    /// The state that the device is really in.
    fn state(&mut self) -> Result<u32, Broken> {
        let flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
        let body = Feature { argsz: 16, flags }.bytes();
        let answer = self.call(Command::Feature, &body)?.expect("a state");
        Ok(u32::from_ne_bytes(answer[8..12].try_into().unwrap()))
    }

    fn set(&mut self, state: u32) -> Result<Answer, Broken> {
        let flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
        let mut body = Feature { argsz: 16, flags }.bytes();
        body.extend(state.to_ne_bytes());
        body.extend([0; 4]);
        self.call(Command::Feature, &body)
    }

    /// Takes data away.
    fn skip(&mut self, size: u32) -> Result<Answer, Broken> {
        let argsz = size + MigData::LEN as u32;
        self.call(Command::MigDataRead, &MigData { argsz, size }.bytes())
    }

    /// What the fault answers without asking the server.
    fn instead(&mut self, ask: &Ask, state: u32) -> Result<Option<Answer>, Broken> {
        let flags = ask.feature.map_or(0, |(flags, _)| flags);
        let yes = || Some(Ok(ask.body.clone()));
        let no = Some(Err(Errno::EINVAL));
        let is_short = ask.argsz < 16 && flags & VFIO_DEVICE_FEATURE_PROBE == 0;
        let starts = ask.sets(VFIO_DEVICE_FEATURE_DMA_LOGGING_START);
        let size = ask.gets(VFIO_DEVICE_FEATURE_MIG_DATA_SIZE);
        Ok(match self.fault.as_str() {
            "probe-denies" if ask.feature.is_some_and(|(_, feature)| feature == 1) => {
                let probes = flags == VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET;
                no.filter(|_| probes)
            }
            "asks-for-nothing" if ask.feature.is_some() && flags == 0 => yes(),
            "takes-short" if ask.feature.is_some() && is_short => yes(),
            "grants-blocked-arcs" if (state, ask.to()) == (STOP_COPY, Some(PRE_COPY)) => yes(),
            "takes-any-state" if ask.to().is_some_and(|to| to > PRE_COPY_P2P) => yes(),
            "error-on-demand" if ask.to() == Some(0) => yes(),
            "hangs-up" if ask.to() == Some(0) => return Err(Broken::Gone),
            "has-p2p" if matches!(ask.to(), Some(RUNNING_P2P | PRE_COPY_P2P)) => yes(),
            "resuming-stops-short" if (state, ask.to()) == (RESUMING, Some(RUNNING)) => {
                Some(self.set(STOP)?)
            }
            "size-fails" if size && state == STOP => no,
            "tires" if size => {
                self.count += 1;
                match self.count > 30 {
                    true => return Err(Broken::Gone),
                    false => None,
                }
            }
            "small-writes-are-lost" if ask.writes() && ask.body.len() == MigData::LEN + 1 => {
                Some(Ok(Vec::new()))
            }
            "loads-once" if self.primed && ask.to() == Some(STOP) && state == RESUMING => no,
            "stop-refuses-interrupts" if ask.command == Command::SetIrqs && state == STOP => no,
            "load-kills-interrupts" if ask.command == Command::SetIrqs && self.primed => no,
            "logs-not-in-stop" if starts && state == STOP => no,
            "bad-kills-reset" if ask.command == Command::Reset && self.primed => {
                self.primed = false;
                no
            }
            "abort-spoils" | "bad-spoils-good"
                if self.primed && ask.to() == Some(STOP) && state == RESUMING =>
            {
                self.primed = false;
                no
            }
            _ => None,
        })
    }

    /// What the fault makes of the server's answer.
    fn falsify(&mut self, ask: &Ask, state: u32, answer: &mut Answer) -> Result<(), Broken> {
        let to = ask.to().filter(|_| answer.is_ok());
        let refused = ask.to().filter(|_| answer.is_err());
        // What could not be left because of the data.
        let judged = refused.filter(|to| state == RESUMING && [STOP, RUNNING].contains(to));
        let loaded = state == RESUMING && to.is_some_and(|to| to != RESUMING);
        let shows = ask.gets(VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE);
        let reports = ask.gets(VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT);
        let starts = ask.sets(VFIO_DEVICE_FEATURE_DMA_LOGGING_START);
        let size = ask.gets(VFIO_DEVICE_FEATURE_MIG_DATA_SIZE);
        let unwritten = |ask: &Ask| Ok([ask.body.clone(), vec![0; 1 << 12]].concat());
        match self.fault.as_str() {
            "undefined-flag" if ask.gets(VFIO_DEVICE_FEATURE_MIGRATION) => {
                if let Ok(body) = answer {
                    body[10] |= 1;
                }
            }
            "get-ends-pre-copy" if shows && ask.argsz == 16 && state == PRE_COPY => {
                self.set(RUNNING)?.expect("PRE_COPY -> RUNNING");
            }
            "refused-arc-skips" if state == STOP_COPY && refused == Some(PRE_COPY) => {
                self.skip(1)?.expect("data");
            }
            "same-state-skips" if to == Some(state) && [STOP_COPY, PRE_COPY].contains(&state) => {
                self.skip(1)?.expect("data");
            }
            "resaves-nothing" if loaded && to == Some(STOP_COPY) => {
                while !data_of(&self.skip(4096)?).is_empty() {}
            }
            "reads-in-any-state" if ask.reads() && answer.is_err() => *answer = data(&[0; 16]),
            "writes-in-any-state" if ask.writes() && state != RESUMING => *answer = Ok(Vec::new()),
            "freeze-loses" if state == PRE_COPY && to == Some(STOP_COPY) => {
                self.skip(1)?.expect("data");
            }
            "failure-runs" if state == RESUMING && refused == Some(STOP_COPY) => {
                self.call(Command::Reset, &[])?.expect("a reset");
            }
            "size-ends-pre-copy" if size && state == PRE_COPY => {
                self.set(RUNNING)?.expect("PRE_COPY -> RUNNING");
            }
            "ends-twice" if ask.reads() && state == STOP_COPY => {
                let end = data_of(answer).is_empty();
                self.count = if end { self.count + 1 } else { 0 };
                if self.count == 3 {
                    *answer = data(&[0]);
                }
            }
            "odd-reads-lose" if ask.reads() && ask.body[4..8] == 333_u32.to_ne_bytes() => {
                *answer = data(data_of(answer).get(1..).unwrap_or_default());
            }
            "end-is-cut" if ask.reads() && state == STOP_COPY => {
                let read = data_of(answer);
                let asked = u32::from_ne_bytes(ask.body[4..8].try_into().unwrap());
                if !read.is_empty() && read.len() < asked as usize {
                    *answer = data(&read[..read.len() - 1]);
                }
            }
            "takes-what-is-cut" | "takes-anything" if judged.is_some() => {
                self.call(Command::Reset, &[])?.expect("a reset");
                *answer = self.set(judged.unwrap_or_default())?;
            }
            "takes-anything" if ask.writes() && answer.is_err() => *answer = Ok(Vec::new()),
            "forgives" if ask.writes() && answer.is_err() => self.primed = true,
            "forgives" if judged.is_some() && self.primed => {
                self.primed = false;
                self.call(Command::Reset, &[])?.expect("a reset");
                *answer = self.set(judged.unwrap_or_default())?;
            }
            "loads-once" | "load-kills-interrupts" if loaded => self.primed = true,
            "bad-kills-reset" if ask.writes() && answer.is_err() => self.primed = true,
            "bad-spoils-good" | "bad-stays" if judged.is_some() => self.primed = true,
            "bad-stays" if ask.reads() && self.primed && state == STOP_COPY => {
                let mut read = data_of(answer).to_vec();
                if let Some(byte) = read.first_mut() {
                    *byte ^= 1;
                    *answer = data(&read);
                }
            }
            "abort-spoils" if ask.command == Command::Reset && state == RESUMING => {
                self.primed = true;
            }
            "fires-when-stopped" if answer.is_ok() => {
                if ask.to() == Some(STOP) {
                    self.fire();
                } else if ask.to().is_some() || ask.command == Command::Reset {
                    self.stopped.store(false, Ordering::Relaxed);
                }
            }
            "reading-runs" if ask.command == Command::RegionRead && state == STOP_COPY => {
                let (access, _) = RegionAccess::split(&ask.body).expect("an access");
                if access.region == VFIO_PCI_CONFIG_REGION_INDEX {
                    self.set(STOP)?.expect("STOP_COPY -> STOP");
                    self.set(RUNNING)?.expect("STOP -> RUNNING");
                }
            }
            "logs-odd-pages" if starts => {
                if let Ok(body) = answer {
                    body[8..16].copy_from_slice(&3000_u64.to_ne_bytes());
                }
            }
            "logs-twice" if starts && answer.is_err() => *answer = Ok(ask.body.clone()),
            "reports-nothing" if reports && answer.is_err() => {
                // A good one, of a log that is off.
                if ask.body[24..32] == 4096_u64.to_ne_bytes() {
                    *answer = unwritten(ask);
                }
            }
            "reports-any-page" if reports && answer.is_err() => {
                if ask.body[24..32] != 4096_u64.to_ne_bytes() {
                    *answer = unwritten(ask);
                }
            }
            "always-dirty" if reports => {
                if let Ok(body) = answer {
                    if let Some(byte) = body.get_mut(32) {
                        *byte |= 1;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Signals the client's eventfds until the device is not in STOP any more.
    fn fire(&mut self) {
        let stopped = Arc::new(AtomicBool::new(true));
        let eventfds: Vec<File> = self.eventfds.drain(..).map(File::from).collect();
        self.stopped = Arc::clone(&stopped);
        thread::spawn(move || {
            while stopped.load(Ordering::Relaxed) {
                for mut eventfd in &eventfds {
                    let _ = eventfd.write(&1_u64.to_ne_bytes());
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
    }
}
