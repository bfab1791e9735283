// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the kernel does answer.

use std::os::fd::AsFd;
use std::time::Duration;

use guest::event::readable;
use guest::pci::{INTX, MSI};
use guest::{sysfs, Event, Mdev};
use vmig_vfio::{Attach, DataFile, Device, Errno, IovaRange, PrecopyInfo};

use crate::op::{Answer, Files, Op, Seen, Value, FILES_MAX, FLAGS};

/// What the members that are output hold before the call.
const BEFORE: PrecopyInfo = PrecopyInfo {
    flags: FLAGS,
    initial_bytes: 0,
    dirty_bytes: 0,
};

pub(crate) struct Kernel {
    device: Option<Device>,
    files: Vec<DataFile>,
    intx: Event,
    msi: Event,
    // Dropped after the device: its removal would wait for that for ever.
    mdev: Mdev,
}

/// The errno of a call of the client library.
fn refused(error: vmig_vfio::Error) -> Errno {
    error.errno().unwrap_or_else(|| panic!("{error}"))
}

impl Kernel {
    pub(crate) fn new(mdev: Mdev) -> Self {
        Self {
            mdev,
            device: None,
            files: Vec::new(),
            intx: Event::new(),
            msi: Event::new(),
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) -> Answer {
        let nothing = |result: vmig_vfio::Result<()>| result.map(|()| Value::Nothing);
        let answer = match op {
            Op::Open { group } => {
                let attach = if *group { Attach::Group } else { Attach::Cdev };
                let opened = self.mdev.open(attach);
                opened.map(|device| {
                    self.device = Some(device);
                    Value::Nothing
                })
            }
            Op::Close => {
                self.device = None;
                Ok(Value::Nothing)
            }
            Op::SetState(number) => self.device().set_state_number(*number).map(|file| {
                let opened = file.is_some();
                if opened && self.files.len() == FILES_MAX {
                    self.files.remove(0);
                }
                self.files.extend(file);
                Value::File(opened)
            }),
            Op::Read { file, len } => {
                let mut bytes = vec![0; *len];
                self.files[*file].read(&mut bytes).map(|count| {
                    bytes.truncate(count);
                    Value::Bytes(bytes)
                })
            }
            Op::Write { file, data } => self.files[*file].write(data).map(Value::Count),
            Op::PrecopyInfo { file } => {
                let info = self.files[*file].precopy_info_with(BEFORE);
                info.map(|info| Value::Info(info.flags, info.initial_bytes, info.dirty_bytes))
            }
            Op::Poll { file } => {
                let file = self.files[*file].as_fd();
                Ok(Value::Ready(readable(file, Duration::ZERO)))
            }
            Op::CloseFile { file } => {
                drop(self.files.remove(*file));
                Ok(Value::Nothing)
            }
            Op::Reset => nothing(self.device().reset()),
            Op::PrecopyInfoV2 => nothing(self.device().enable_precopy_info_v2()),
            Op::RegionRead { index, at, len } => {
                let mut bytes = vec![0; *len];
                let region = self.device().region(*index).expect("region info");
                region.read_at(*at, &mut bytes).map(|count| {
                    bytes.truncate(count);
                    Value::Bytes(bytes)
                })
            }
            Op::RegionWrite { index, at, data } => {
                let region = self.device().region(*index).expect("region info");
                region.write_at(*at, data).map(Value::Count)
            }
            Op::SetParam { name, text } => {
                return self.mdev.set(name, text).map(|()| Value::Nothing);
            }
            Op::Keep(keep) => {
                self.mdev.keep(*keep);
                Ok(Value::Nothing)
            }
            Op::Intx { bind: true } => nothing(self.bind(INTX, &self.intx)),
            Op::Msi { bind: true } => nothing(self.bind(MSI, &self.msi)),
            Op::Intx { bind: false } => nothing(self.device().irq_disable(INTX)),
            Op::Msi { bind: false } => nothing(self.device().irq_disable(MSI)),
            Op::Unmask => nothing(self.device().irq_unmask(INTX, 0, 1)),
            Op::Logging { start: true } => {
                let range = IovaRange {
                    iova: 0,
                    length: 1 << 20,
                };
                let started = self.device().dma_logging_start(4096, &[range]);
                started.map(|_| Value::Nothing)
            }
            Op::Logging { start: false } => nothing(self.device().dma_logging_stop()),
        };
        answer.map_err(refused)
    }

    fn device(&self) -> &Device {
        self.device.as_ref().expect("an open device")
    }

    fn bind(&self, index: u32, event: &Event) -> vmig_vfio::Result<()> {
        self.device().irq_eventfds(index, 0, &[Some(event.as_fd())])
    }

    pub(crate) fn look(&self) -> Seen {
        let open = self.device.as_ref().map(|device| {
            let state = device.state().expect("state") as u32;
            (state, device.data_size().expect("data size"))
        });
        Seen {
            open,
            interrupts: (self.intx.take(), self.msi.take()),
        }
    }

    pub(crate) fn files(&self) -> Files {
        let in_use = sysfs::line(self.mdev.path("vmig/in_use"));
        Files {
            params: self.mdev.params(),
            refusal: self.mdev.refusal(),
            in_use: in_use == "1",
        }
    }

    /// Names of the parameters.
    pub(crate) fn params(&self) -> Vec<String> {
        sysfs::names(self.mdev.path("migration"))
    }
}
