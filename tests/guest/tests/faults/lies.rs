// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Faults of the kernel, as a tracer makes them: what the VFIO core and the file layer do for every
//! driver, so that no driver can do it wrong.

use guest::tracer::{Call, Event};
use nix::errno::Errno;
use nix::libc;
use vmig_vfio::uapi;

const GET: u32 = uapi::VFIO_DEVICE_FEATURE_GET;
const SET: u32 = uapi::VFIO_DEVICE_FEATURE_SET;
const PROBE: u32 = uapi::VFIO_DEVICE_FEATURE_PROBE;

const MIGRATION: u32 = uapi::VFIO_DEVICE_FEATURE_MIGRATION;
const STATE: u32 = uapi::VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
const SIZE: u32 = uapi::VFIO_DEVICE_FEATURE_MIG_DATA_SIZE;
const PRECOPY_INFO: u32 = uapi::VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;
const LOG_START: u32 = uapi::VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
const LOG_STOP: u32 = uapi::VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP;
const LOG_REPORT: u32 = uapi::VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;

/// `_IO(VFIO_TYPE, VFIO_BASE + number)`.
const fn vfio(number: u64) -> u64 {
    0x3b64 + number
}

const SET_IRQS: u64 = vfio(10);
const RESET: u64 = vfio(11);
const FEATURE: u64 = vfio(17);
const BIND: u64 = vfio(18);
const GET_PRECOPY_INFO: u64 = vfio(21);

/// Numbers of states.
const STOP: u32 = 1;
const RUNNING: u32 = 2;
const STOP_COPY: u32 = 3;
const RESUMING: u32 = 4;
const RUNNING_P2P: u32 = 5;
const PRE_COPY: u32 = 6;

/// What the device is known to be like from the calls so far.
#[derive(Debug)]
pub(crate) struct Lies<'a> {
    fault: &'a str,
    /// How many programs have begun.
    programs: u32,
    opted_in: bool,
    /// The dirty_bytes that the present call of `VFIO_MIG_GET_PRECOPY_INFO` came with.
    dirty: Option<[u8; 8]>,
    state: u32,
    loaded: bool,
    logging: bool,
    eventfd: Option<u64>,
}

/// A call of `VFIO_DEVICE_FEATURE`.
struct Feature {
    at: u64,
    argsz: u32,
    number: u32,
    flags: u32,
}

impl Feature {
    fn of(call: &Call) -> Option<Self> {
        let at = call.argument(2);
        let (argsz, flags) = (call.word(at)?, call.word(at + 4)?);
        Some(Self {
            at,
            argsz,
            number: flags & 0xffff,
            flags: flags & !0xffff,
        })
    }

    /// Address of its data.
    fn data(&self) -> u64 {
        self.at + 8
    }

    fn is(&self, number: u32, flags: u32) -> bool {
        (self.number, self.flags) == (number, flags)
    }
}

impl<'a> Lies<'a> {
    pub(crate) fn new(fault: &'a str) -> Self {
        Self {
            fault,
            programs: 0,
            opted_in: false,
            dirty: None,
            state: RUNNING,
            loaded: false,
            logging: false,
            eventfd: None,
        }
    }

    pub(crate) fn judge(&mut self, event: Event<'_>) {
        let call = match event {
            Event::Exec => {
                return *self = Self {
                    programs: self.programs + 1,
                    opted_in: self.opted_in,
                    ..Self::new(self.fault)
                }
            }
            Event::Begin(call) => return self.begin(call),
            Event::Call(call) => call,
        };
        match (call.number(), call.argument(1)) {
            (libc::SYS_ioctl, FEATURE) => self.feature(call),
            (libc::SYS_ioctl, RESET) if call.result().is_ok() => {
                (self.state, self.loaded) = (RUNNING, false);
            }
            (libc::SYS_ioctl, SET_IRQS) => self.irqs(call),
            (libc::SYS_ioctl, BIND) => {
                self.wrongly_good("binds-twice", call, Errno::EINVAL, true);
            }
            (libc::SYS_ioctl, GET_PRECOPY_INFO) => self.precopy_info(call),
            (libc::SYS_lseek, _) => self.wrongly_good("seeks", call, Errno::ESPIPE, true),
            (libc::SYS_read, buffer) if self.fault == "debugfs-lies" => {
                let shows_state = call.file(call.argument(0)).ends_with("migration/state");
                if shows_state && call.result().is_ok_and(|n| n > 0) {
                    call.put(buffer, b"?");
                }
            }
            (libc::SYS_clock_nanosleep, _) if self.fault == "fires-when-stopped" => {
                if let (Some(eventfd), STOP | STOP_COPY) = (self.eventfd, self.state) {
                    call.put(call.scratch(), &1_u64.to_ne_bytes());
                    call.inject(libc::SYS_write, [eventfd, call.scratch(), 8]);
                }
            }
            _ => (),
        }
    }

    /// [`Lies::judge`], but nothing is falsified. Whether it would have been.
    pub(crate) fn would_lie(&mut self, event: &mut Event<'_>) -> bool {
        match event {
            Event::Exec => self.judge(Event::Exec),
            Event::Begin(call) => self.judge(Event::Begin(call)),
            Event::Call(call) => return call.pretend(|call| self.judge(Event::Call(call))),
        }
        false
    }

    fn begin(&mut self, call: &Call) {
        if (call.number(), call.argument(1)) == (libc::SYS_ioctl, GET_PRECOPY_INFO) {
            self.dirty = call.bytes(call.argument(2) + 16);
        }
    }

    /// With this fault, a call of this kind that failed with `errno` succeeds.
    fn wrongly_good(&self, fault: &str, call: &mut Call, errno: Errno, kind: bool) {
        if self.fault == fault && kind && call.failed(errno) {
            call.lie(Ok(0));
        }
    }

    fn feature(&mut self, call: &mut Call) {
        self.wrongly_good("reads-anything", call, Errno::EFAULT, true);
        let Some(feature) = Feature::of(call) else {
            return;
        };
        let Feature {
            argsz,
            number,
            flags,
            ..
        } = feature;
        let basic = [MIGRATION, STATE, SIZE].contains(&number);
        let einval = Errno::EINVAL;
        let sets = number == MIGRATION && flags & PROBE != 0 && flags & SET != 0;
        self.wrongly_good("probe-exaggerates", call, einval, sets);
        self.wrongly_good("asks-for-nothing", call, einval, basic && flags == 0);
        let short = basic && flags == GET && argsz < 16;
        self.wrongly_good("takes-short", call, einval, short);
        let unknown = flags & !(GET | SET | PROBE) != 0;
        self.wrongly_good("takes-any-flag", call, einval, unknown);
        let reads = number == PRECOPY_INFO && flags & GET != 0;
        self.wrongly_good("shows-opt-in", call, einval, reads);
        self.opted_in |= feature.is(PRECOPY_INFO, SET) && call.result().is_ok();
        if feature.is(MIGRATION, GET) {
            self.migration(&feature, call);
        }
        if feature.is(STATE, GET) && call.result().is_ok() && self.fault == "get-shows-file" {
            call.put(feature.data() + 4, &0_i32.to_ne_bytes());
        }
        if feature.is(STATE, SET) {
            self.set_state(&feature, call);
        }
        self.logging(&feature, call);
    }

    fn migration(&self, feature: &Feature, call: &mut Call) {
        let Some(flags) = call.bytes(feature.data()).map(u64::from_ne_bytes) else {
            return;
        };
        let seen = match self.fault {
            "undefined-flag" => flags | 8,
            "hides-p2p" => flags & !u64::from(uapi::VFIO_MIGRATION_P2P),
            "half-a-migration" => return call.lie(Err(Errno::ENOTTY)),
            _ => return,
        };
        if call.result().is_ok() {
            call.put(feature.data(), &seen.to_ne_bytes());
        }
    }

    fn set_state(&mut self, feature: &Feature, call: &mut Call) {
        let Some(to) = call.word(feature.data()) else {
            return;
        };
        let einval = Errno::EINVAL;
        self.wrongly_good("takes-any-state", call, einval, to > 7);
        self.wrongly_good("error-on-demand", call, einval, to == 0);
        if self.fault == "other-errno" && call.failed(Errno::EMFILE) {
            call.lie(Err(Errno::ENFILE));
        }
        if call.result().is_err() {
            return;
        }
        let from = std::mem::replace(&mut self.state, to);
        self.loaded |= from == RESUMING && to == STOP;
        match (self.fault, from, to) {
            ("returns-file", RUNNING_P2P, RUNNING) => {
                let fd = call.inject(libc::SYS_dup, [0; 3]) as i32;
                call.put(feature.data() + 4, &fd.to_ne_bytes());
            }
            ("leaks-file", PRE_COPY, STOP) => {
                call.inject(libc::SYS_dup, [0; 3]);
            }
            _ => (),
        }
    }

    fn logging(&mut self, feature: &Feature, call: &mut Call) {
        let einval = Errno::EINVAL;
        if feature.is(LOG_START, SET) {
            self.wrongly_good("logs-wrapping", call, Errno::EOVERFLOW, true);
            self.wrongly_good("logs-twice", call, einval, self.logging);
            if call.result().is_ok() {
                match self.fault {
                    "logs-odd-pages" => call.put(feature.data(), &3000_u64.to_ne_bytes()),
                    "logs-for-ever" if self.logging => call.lie(Err(einval)),
                    _ => (),
                }
                self.logging = true;
            }
        }
        if feature.is(LOG_STOP, SET) && call.result().is_ok() {
            self.logging = false;
        }
        if feature.is(LOG_REPORT, GET) {
            self.wrongly_good("reports-nothing", call, einval, !self.logging);
            self.wrongly_good("reports-any-page", call, einval, self.logging);
            let bitmap = call.bytes(feature.data() + 24).map(u64::from_ne_bytes);
            if let ("clears-bits", Some(bitmap), Ok(_)) = (self.fault, bitmap, call.result()) {
                call.put(bitmap, &[0; 8]);
            }
        }
    }

    fn precopy_info(&self, call: &mut Call) {
        let at = call.argument(2);
        let (Some(argsz), Some(flags)) = (call.word(at), call.word(at + 4)) else {
            return;
        };
        self.wrongly_good("takes-short-info", call, Errno::EINVAL, argsz < 24);
        if call.result().is_err() {
            return;
        }
        let reinit = uapi::VFIO_PRECOPY_INFO_REINIT;
        // The second program is the one that reconfigures.
        let unasked = self.programs > 1 && !self.opted_in;
        match (self.fault, self.dirty) {
            ("info-flags", _) => call.put(at + 4, &(flags | 1 << 31).to_ne_bytes()),
            ("reinit-unasked", _) if unasked => call.put(at + 4, &(flags | reinit).to_ne_bytes()),
            ("opt-in-stays", _) if self.opted_in => {
                call.put(at + 4, &(flags & reinit).to_ne_bytes());
            }
            ("dirty-not-written", Some(dirty)) => call.put(at + 16, &dirty),
            _ => (),
        }
    }

    fn irqs(&mut self, call: &mut Call) {
        let at = call.argument(2);
        let (Some(flags), Some(count)) = (call.word(at + 4), call.word(at + 16)) else {
            return;
        };
        let binds = flags & uapi::VFIO_IRQ_SET_DATA_EVENTFD != 0 && count > 0;
        if binds && self.loaded && self.fault == "load-kills-interrupts" {
            call.lie(Err(Errno::EINVAL));
        }
        self.eventfd = match binds && call.result().is_ok() {
            true => call.word(at + 20).map(u64::from),
            false => None,
        };
    }
}
