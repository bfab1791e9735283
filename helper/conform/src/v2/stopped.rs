// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C72 to C77: the stopped device.

use std::{
    os::fd::AsFd,
    thread,
    time::Duration, //
};

use nix::sys::eventfd::{
    EfdFlags,
    EventFd, //
};
use vmig_vfio::{
    uapi,
    IrqInfo,
    State, //
};

use crate::{
    bench::{
        Bench,
        Subject, //
    },
    catalogue::{
        Class::Must,
        Id,
        Section,
        Statement, //
    },
    stream::{
        load,
        save,
        save_some, //
    },
    target::Mapped,
    verdict::{
        broken,
        check,
        error_shown,
        held_with,
        skip,
        Call,
        Held,
        Own,
        Unheld,
        Verdict, //
    },
};

/// C72 to C77.
pub(crate) const SECTION: Section = Section {
    title: "The stopped device",
    statements: &[
        Statement::new(
            Must,
            Id::c(72),
            "in STOP, STOP_COPY and RESUMING no eventfd fires and no IOVA is written",
            "linux/vfio.h, enum vfio_device_mig_state, RUNNING_P2P -> STOP",
            c72,
        ),
        Statement::new(
            Must,
            Id::c(73),
            "in STOP the config space and VFIO_DEVICE_SET_IRQS respond",
            "linux/vfio.h, RUNNING_P2P -> STOP, PCI MSI-X and PCI config space",
            c73,
        ),
        Statement::new(
            Must,
            Id::c(74),
            "region access in STOP and STOP_COPY never hurts the host",
            "linux/vfio.h, RUNNING_P2P -> STOP, outside the user context",
            c74,
        ),
        Statement::new(
            Must,
            Id::c(75),
            "work that is pending at STOP is not lost and goes on in RUNNING",
            "linux/vfio.h, enum vfio_device_mig_state, RUNNING_P2P -> STOP",
            c75,
        ),
        Statement::new(
            Must,
            Id::c(76),
            "in the P2P states there is no new DMA, and what was outstanding is done",
            "linux/vfio.h, enum vfio_device_mig_state, P2P quiescent state",
            c76,
        ),
        Statement::new(
            Must,
            Id::c(77),
            "after a round trip interrupts, DMA mappings and mmap work as before",
            "linux/vfio.h, enum vfio_device_mig_state, RUNNING_P2P -> RUNNING",
            c77,
        ),
    ],
};

/// How long a stopped device is watched.
const WATCH: Duration = Duration::from_millis(50);

/// I/O virtual addresses for memory that the device may reach.
const IOVA: u64 = 0x10_0000;
const SIZE: usize = 0x1_0000;

/// Vectors of one interrupt index that are watched.
const VECTORS: u32 = 16;

/// The interrupt indexes that signal by eventfd, except the one by which the kernel asks for the
/// device back.
fn interrupts(subject: &Subject) -> Result<Vec<IrqInfo>, Unheld> {
    let count = subject.info().must("VFIO_DEVICE_GET_INFO")?.irqs;
    let infos = (0..count).filter_map(|index| subject.irq_info(index).ok());
    let usable = infos.filter(|info| {
        info.count > 0
            && info.flags & uapi::VFIO_IRQ_INFO_EVENTFD != 0
            && info.index < uapi::VFIO_PCI_ERR_IRQ_INDEX
    });
    Ok(usable.collect())
}

/// Eventfds that stand for the vectors of an index; undone on drop.
struct Watched<'a> {
    subject: &'a Subject,
    index: u32,
    eventfds: Vec<EventFd>,
}

impl<'a> Watched<'a> {
    fn new(subject: &'a Subject, info: &IrqInfo) -> Result<Result<Self, String>, Unheld> {
        let fresh = || EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK);
        let eventfds: Vec<_> = (0..info.count.min(VECTORS))
            .map(|_| fresh())
            .collect::<Result<_, _>>()
            .own("eventfd")?;
        let fds: Vec<_> = eventfds.iter().map(AsFd::as_fd).collect();
        Ok(match subject.irq_eventfds(info.index, &fds) {
            Ok(()) => Ok(Self {
                subject,
                index: info.index,
                eventfds,
            }),
            Err(error) => Err(error_shown(&error)),
        })
    }

    /// Which vectors have fired since this was asked last.
    fn fired(&self) -> Vec<usize> {
        let fired = self.eventfds.iter().enumerate();
        let fired = fired.filter(|(_, fd)| fd.read().is_ok());
        fired.map(|(vector, _)| vector).collect()
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let _ = self.subject.irq_disable(self.index);
    }
}

const PATTERN: u8 = 0xa5;

/// Memory with a pattern that the device may write to; `None` if the IOMMU will not have it.
fn bait(subject: &Subject) -> Result<Option<Box<dyn Mapped + '_>>, Unheld> {
    let Ok(bait) = subject.dma_map(IOVA, SIZE) else {
        return Ok(None);
    };
    let filled = bait.memory().write(0, &[PATTERN; SIZE]);
    filled.own("memory")?;
    Ok(Some(bait))
}

fn c72(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    subject.restart()?;
    let bait = bait(&subject)?;
    let interrupts = interrupts(&subject)?;
    let mut watched_indexes = 0;
    // One index at a time: devices have one kind of interrupt in use.
    let indexes = interrupts.iter().map(Some).chain([None]);
    for info in indexes {
        let watched = match info.map(|info| Watched::new(&subject, info)).transpose()? {
            Some(Ok(watched)) => Some(watched),
            Some(Err(_)) => continue,
            None => None,
        };
        watched_indexes += usize::from(watched.is_some());
        for state in [State::Stop, State::StopCopy, State::Resuming] {
            let _session = subject.set(state)?;
            // What came before the device stopped is none of this.
            watched.as_ref().map(Watched::fired);
            thread::sleep(WATCH);
            if let Some(watched) = &watched {
                let fired = watched.fired();
                check(
                    fired.is_empty(),
                    format!("no interrupt of index {} in {state}", watched.index),
                    format!("vectors {fired:?} fired"),
                )?;
            }
        }
        subject.restart()?;
    }
    if let Some(bait) = &bait {
        let mut seen = vec![0; SIZE];
        bait.memory().read(0, &mut seen).own("memory")?;
        let written = seen.iter().filter(|&&byte| byte != PATTERN).count();
        check(
            written == 0,
            "no DMA of an idle, stopped device",
            format!("{written} bytes"),
        )?;
    }
    held_with(format!(
        "{watched_indexes} interrupt indexes; DMA {}; nothing made the device work before",
        if bait.is_some() {
            "watched"
        } else {
            "not watched: no mapping"
        },
    ))
}

fn c73(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let info = subject.info().must("VFIO_DEVICE_GET_INFO")?;
    let ids = || {
        let config = subject.region_info(uapi::VFIO_PCI_CONFIG_REGION_INDEX);
        config.and_then(|config| subject.region_u32(&config, 0))
    };
    subject.restart()?;
    let before = match info.is_pci() {
        true => Some(ids().must("reading the config space in RUNNING")?),
        false => None,
    };
    let indexes = interrupts(&subject)?;
    let works: Vec<_> = indexes
        .iter()
        .map(|info| Ok(Watched::new(&subject, info)?.is_ok()))
        .collect::<Result<_, Unheld>>()?;
    if before.is_none() && !works.contains(&true) {
        return Err(skip("the device has neither a config space nor interrupts"));
    }
    subject.set(State::Stop)?;
    if let Some(before) = before {
        let seen = ids().must("reading the config space in STOP")?;
        let expected = format!("IDs {before:#010x} in STOP");
        check(seen == before, expected, format!("{seen:#010x}"))?;
    }
    for (info, _) in indexes.iter().zip(&works).filter(|(_, works)| **works) {
        if let Err(seen) = Watched::new(&subject, info)? {
            let expected = format!("SET_IRQS of index {} works in STOP", info.index);
            return Err(broken(expected, seen));
        }
    }
    subject.info().must("VFIO_DEVICE_GET_INFO in STOP")?;
    subject.at(State::Stop, "after that")?;
    let count = works.iter().filter(|works| **works).count();
    held_with(format!("{count} interrupt indexes"))
}

fn c74(bench: &Bench) -> Verdict {
    /// As far as every region is read.
    const REACH: u64 = 256;
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let count = subject.info().must("VFIO_DEVICE_GET_INFO")?.regions;
    let mut reads = 0;
    for state in [State::Stop, State::StopCopy] {
        let _session = subject.enter(state)?;
        for index in 0..count {
            let Ok(info) = subject.region_info(index) else {
                continue;
            };
            // The v1 migration region has rules of its own.
            let size = match info.kind() {
                Some(_) => 0,
                None if info.readable() => info.size.min(REACH),
                None => 0,
            };
            for offset in 0..size {
                // Whether it may be read at all is the driver's matter.
                let _ = subject.region_read(&info, offset, &mut [0]);
                if offset % 4 == 0 && offset + 4 <= size {
                    let _ = subject.region_u32(&info, offset);
                }
                reads += 1;
            }
        }
        subject.at(state, "after all regions were read")?;
    }
    load(&subject, &stream, "a good stream after that")?;
    held_with(format!("{reads} places read; nothing was written"))
}

fn c75(_: &Bench) -> Verdict {
    Err(skip("only a driver of the device can give it work to do"))
}

fn c76(_: &Bench) -> Verdict {
    Err(skip("only a driver of the device can make it do DMA"))
}

/// What works on the device, in words.
fn abilities(subject: &Subject) -> Result<Vec<String>, Unheld> {
    let mut abilities = Vec::new();
    for info in interrupts(subject)? {
        if let Ok(watched) = Watched::new(subject, &info)? {
            watched.fired();
            let fire = subject.irq_fire(info.index, 0, 1);
            thread::sleep(Duration::from_millis(5));
            if fire.is_ok() && watched.fired().contains(&0) {
                abilities.push(format!("interrupt {} fires by hand", info.index));
            } else {
                abilities.push(format!("interrupt {} can be set up", info.index));
            }
        }
    }
    if bait(subject)?.is_some() {
        abilities.push("memory can be mapped for DMA".to_owned());
    }
    let count = subject.info().must("VFIO_DEVICE_GET_INFO")?.regions;
    for index in 0..count {
        let Ok(region) = subject.region_info(index) else {
            continue;
        };
        for area in region.mappable() {
            let Ok(len) = usize::try_from(area.size.min(4096)) else {
                continue;
            };
            let mapped = subject.region_map(&region, area.offset, len);
            if mapped.is_ok_and(|memory| memory.read(0, &mut [0; 4]).is_ok()) {
                abilities.push(format!(
                    "region {index} can be mapped at {:#x}",
                    area.offset
                ));
            }
        }
    }
    Ok(abilities)
}

fn c77(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    subject.restart()?;
    let before = abilities(&subject)?;
    let stream = save(&subject)?;
    load(&subject, &stream, "a good stream")?;
    subject.at(State::Running, "after a round trip")?;
    let after = abilities(&subject)?;
    for ability in &before {
        check(
            after.contains(ability),
            format!("{ability} after a round trip, as before"),
            "it does not any more",
        )?;
    }
    Ok(Held { notes: before })
}
