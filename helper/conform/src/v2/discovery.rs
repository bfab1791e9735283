// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C1 to C10: discovery, and what the ioctls refuse.

use std::os::fd::{
    AsFd,
    AsRawFd, //
};

use vmig_vfio::{
    uapi,
    Attach,
    Cdev,
    Device,
    Direction,
    Errno,
    Iommufd,
    State, //
};

use crate::{
    bench::{
        Bench,
        Subject, //
    },
    catalogue::{
        Class::{
            Must,
            Should, //
        },
        Id,
        Section,
        Statement, //
    },
    feature::{
        request,
        DATA_SIZE,
        DEVICE_STATE,
        GET,
        HEADER,
        LOG_REPORT,
        LOG_START,
        MIGRATION,
        PRECOPY_INFO,
        PROBE,
        SET, //
    },
    raw::{
        Place,
        Trap,
        VFIO_DEVICE_BIND_IOMMUFD,
        VFIO_DEVICE_FEATURE,
        VFIO_DEVICE_GET_INFO,
        VFIO_DEVICE_RESET, //
    },
    system::{
        fd_count,
        kernel_is_newer_than_known, //
    },
    verdict::{
        check,
        error_shown,
        held,
        held_with,
        skip,
        Call,
        Own,
        Unheld,
        Verdict, //
    },
};

/// C1 to C10.
pub(crate) const SECTION: Section = Section {
    title: "Discovery and ioctl plumbing",
    statements: &[
        Statement::new(
            Must,
            Id::c(1),
            "GET of feature MIGRATION returns STOP_COPY set and no undefined bit",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIGRATION",
            c1,
        ),
        Statement::new(
            Must,
            Id::c(2),
            "PROBE tells which of GET and SET the features 1, 2 and 9 have",
            "linux/vfio.h, VFIO_DEVICE_FEATURE; vfio_check_feature()",
            c2,
        ),
        Statement::new(
            Must,
            Id::c(3),
            "without PROBE, neither GET nor SET is EINVAL, and so are both at once",
            "linux/vfio.h, VFIO_DEVICE_FEATURE; vfio_check_feature()",
            c3,
        ),
        Statement::new(
            Must,
            Id::c(4),
            "an argsz that is too small is EINVAL, a larger one is accepted",
            "linux/vfio.h, VFIO_DEVICE_FEATURE; vfio_check_feature()",
            c4,
        ),
        Statement::new(
            Must,
            Id::c(5),
            "every flag bit above PROBE is EINVAL",
            "vfio_ioctl_device_feature(), unknown flags",
            c5,
        )
        .only_kernel("the protocol has no text on other flag bits"),
        Statement::new(
            Must,
            Id::c(6),
            "a device without migration answers ENOTTY to 1, 2 and 9, and EINVAL to 12",
            "vfio_ioctl_device_feature_mig_device_state() and its neighbours, no mig_ops",
            c6,
        )
        .only_kernel("the protocol has no text on devices without migration"),
        Statement::new(
            Must,
            Id::c(7),
            "feature MIG_PRECOPY_INFOv2 can be set iff there is PRE_COPY, and never read",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2",
            c7,
        )
        .only_kernel("the protocol has no feature MIG_PRECOPY_INFOv2"),
        Statement::new(
            Should,
            Id::c(8),
            "the state after open is RUNNING, also when the last user left another one",
            "linux/vfio.h, enum vfio_device_mig_state, RUNNING; no text on open",
            c8,
        )
        .only_kernel("the protocol has a device stay as it is until the next client comes"),
        Statement::new(
            Must,
            Id::c(9),
            "GET of the state never changes it and never returns a file descriptor",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data_fd",
            c9,
        ),
        Statement::new(
            Must,
            Id::c(10),
            "an unbound cdev answers EINVAL; a second open succeeds, but its BIND is EINVAL",
            "linux/vfio.h, VFIO_DEVICE_BIND_IOMMUFD; vfio_df_open()",
            c10,
        )
        .only_kernel("there is no cdev"),
    ],
};

fn c1(bench: &Bench) -> Verdict {
    let flags = bench.open_fresh()?.flags();
    check(
        flags.stop_copy(),
        "VFIO_MIGRATION_STOP_COPY is set",
        format!("flags {:#x}", flags.0),
    )?;
    let known =
        uapi::VFIO_MIGRATION_STOP_COPY | uapi::VFIO_MIGRATION_P2P | uapi::VFIO_MIGRATION_PRE_COPY;
    let unknown = flags.0 & !u64::from(known);
    if unknown != 0 && kernel_is_newer_than_known() {
        return held_with(format!(
            "flags {unknown:#x} are of a newer kernel than known here"
        ));
    }
    check(
        unknown == 0,
        "only bits that linux/vfio.h defines",
        format!("bits {unknown:#x} too"),
    )?;
    held()
}

/// One request for a feature without data.
fn ask(subject: &Subject, flags: u32) -> Result<(), vmig_vfio::Error> {
    subject.feature_bytes(flags, HEADER, &mut [])
}

/// The features of migration. The protocol of vfio-user does not ask for MIG_DATA_SIZE.
fn features(subject: &Subject) -> Result<Vec<u32>, Unheld> {
    let mut features = vec![MIGRATION, DEVICE_STATE];
    let sizes = || subject.has_feature(DATA_SIZE, Direction::Get);
    if subject.kernel().is_some() || sizes().must("PROBE of feature 9")? {
        features.push(DATA_SIZE);
    }
    Ok(features)
}

fn c2(bench: &Bench) -> Verdict {
    let subject = bench.open_fresh()?;
    for feature in features(&subject)? {
        ask(&subject, feature | PROBE).must(&format!("PROBE of feature {feature}"))?;
        let get = ask(&subject, feature | PROBE | GET);
        get.must(&format!("PROBE with GET of feature {feature}"))?;
        for flags in [SET, SET | GET] {
            let what = format!("PROBE with SET of feature {feature}");
            let set = ask(&subject, feature | PROBE | flags);
            match feature {
                DEVICE_STATE => set.must(&what)?,
                _ => set.must_fail(Errno::EINVAL, &what)?,
            }
        }
    }
    held()
}

fn c3(bench: &Bench) -> Verdict {
    let subject = bench.open_fresh()?;
    for feature in features(&subject)? {
        for (flags, what) in [
            (0, "neither GET nor SET"),
            (GET | SET, "GET and SET at once"),
        ] {
            let done = subject.feature_bytes(feature | flags, HEADER + 8, &mut [0; 8]);
            done.must_fail(Errno::EINVAL, &format!("feature {feature} with {what}"))?;
        }
    }
    held()
}

fn c4(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    // All of them have 8 bytes of data.
    for feature in features(&subject)? {
        for argsz in [0, 4, 7, 8, 12, 15] {
            let done = subject.feature_bytes(feature | GET, argsz, &mut [0; 8]);
            done.must_fail(
                Errno::EINVAL,
                &format!("GET of feature {feature}, argsz {argsz}"),
            )?;
        }
        for extra in [0, 8, 1000] {
            let mut data = vec![0; 8 + extra];
            let argsz = HEADER + data.len() as u32;
            let done = subject.feature_bytes(feature | GET, argsz, &mut data);
            done.must(&format!("GET of feature {feature}, argsz {argsz}"))?;
        }
    }
    let mut stop = (State::Stop as u32).to_ne_bytes().to_vec();
    stop.extend_from_slice(&(-1_i32).to_ne_bytes());
    let short = subject.feature_bytes(DEVICE_STATE | SET, HEADER + 7, &mut stop);
    short.must_fail(Errno::EINVAL, "SET STOP, argsz 15")?;
    subject.at(State::Running, "after a SET that was refused")?;
    if let (Some(device), Ok(())) = (subject.kernel(), ask(&subject, LOG_START | PROBE)) {
        logging_argsz(device)?;
    }
    held()
}

/// The same for the features of DMA logging: a request that is good but for its size.
fn logging_argsz(device: &Device) -> Result<(), Unheld> {
    let range = [0_u64, 0x10_0000];
    let mut data = Vec::new();
    // struct vfio_device_feature_dma_logging_control: page_size, num_ranges, reserved, ranges.
    data.extend_from_slice(&4096_u64.to_ne_bytes());
    data.extend_from_slice(&1_u32.to_ne_bytes());
    data.extend_from_slice(&[0; 4]);
    data.extend_from_slice(&(range.as_ptr().expose_provenance() as u64).to_ne_bytes());
    let done = device.feature_bytes(LOG_START | SET, HEADER + 23, &mut data);
    if done.is_ok() {
        let _ = device.dma_logging_stop();
    }
    done.must_fail(Errno::EINVAL, "DMA_LOGGING_START, argsz 31")?;
    let done = device.feature_bytes(LOG_REPORT | GET, HEADER + 31, &mut [0; 32]);
    done.must_fail(Errno::EINVAL, "DMA_LOGGING_REPORT, argsz 39")
}

fn c5(bench: &Bench) -> Verdict {
    let subject = bench.open_fresh()?;
    for bit in 19..32 {
        let done = subject.feature_bytes(MIGRATION | GET | (1 << bit), HEADER + 8, &mut [0; 8]);
        done.must_fail(Errno::EINVAL, &format!("GET with flag bit {bit}"))?;
    }
    held()
}

fn c6(bench: &Bench) -> Verdict {
    let subject = bench.open_plain()?;
    if subject.is_migratable() {
        return Err(skip("the device has migration"));
    }
    for feature in [MIGRATION, DEVICE_STATE, DATA_SIZE] {
        let what = format!("feature {feature} of a device without migration");
        for flags in [PROBE, PROBE | GET, GET] {
            let done = subject.feature_bytes(feature | flags, HEADER + 8, &mut [0; 8]);
            done.must_fail(Errno::ENOTTY, &what)?;
        }
    }
    match ask(&subject, PRECOPY_INFO | PROBE) {
        // A kernel before 7.1.
        Err(e) if e.errno() == Some(Errno::ENOTTY) => held_with("the kernel has no feature 12"),
        done => done
            .must_fail(Errno::EINVAL, "PROBE of feature 12 without migration")
            .and_then(|()| held()),
    }
}

fn c7(bench: &Bench) -> Verdict {
    let subject = bench.open_fresh()?;
    let probe = ask(&subject, PRECOPY_INFO | PROBE);
    if probe
        .as_ref()
        .is_err_and(|e| e.errno() == Some(Errno::ENOTTY))
    {
        return Err(skip(
            "the kernel has no feature MIG_PRECOPY_INFOv2 (before 7.1)",
        ));
    }
    if !subject.flags().pre_copy() {
        probe.must_fail(Errno::EINVAL, "PROBE without PRE_COPY")?;
        let set = ask(&subject, PRECOPY_INFO | SET);
        set.must_fail(Errno::EINVAL, "SET without PRE_COPY")?;
        return held();
    }
    probe.must("PROBE")?;
    ask(&subject, PRECOPY_INFO | PROBE | SET).must("PROBE with SET")?;
    ask(&subject, PRECOPY_INFO | SET).must("SET")?;
    ask(&subject, PRECOPY_INFO | SET).must("SET for the second time")?;
    for flags in [GET, PROBE | GET] {
        let done = subject.feature_bytes(PRECOPY_INFO | flags, HEADER + 8, &mut [0; 8]);
        done.must_fail(Errno::EINVAL, "GET")?;
    }
    held()
}

fn c8(bench: &Bench) -> Verdict {
    let subject = bench.open_fresh()?;
    subject.at(State::Running, "after open")?;
    subject.set(State::Stop)?;
    subject.close();
    let subject = bench.open_fresh()?;
    subject.at(State::Running, "after close in STOP and open")?;
    held()
}

fn c9(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let states: Vec<_> = subject.states().collect();
    for state in states {
        let session = subject.enter(state)?;
        let fds = fd_count()?;
        for _ in 0..3 {
            let mut data = [0x5a; 8];
            let done = subject.feature_bytes(DEVICE_STATE | GET, HEADER + 8, &mut data);
            done.must(&format!("GET of the state in {state}"))?;
            let [s0, s1, s2, s3, f0, f1, f2, f3] = data;
            let seen = (
                u32::from_ne_bytes([s0, s1, s2, s3]),
                i32::from_ne_bytes([f0, f1, f2, f3]),
            );
            // Over vfio-user the member is not used.
            let none = subject.kernel().map_or(seen.1, |_| -1);
            check(
                seen == (state as u32, none),
                format!("GET in {state} gives {} and data_fd {none}", state as u32),
                format!("{} and data_fd {}", seen.0, seen.1),
            )?;
        }
        let now = fd_count()?;
        let expected = format!("no new file descriptors by GET in {state}");
        check(now == fds, expected, format!("{fds} before, {now} after"))?;
        drop(session);
    }
    held()
}

fn c10(bench: &Bench) -> Verdict {
    let location = bench.location()?;
    let Some(node) = location.cdev else {
        return Err(skip(
            "the device has no node of its own (CONFIG_VFIO_DEVICE_CDEV)",
        ));
    };
    let trap = Trap::new().own("memory")?;
    let unbound = Cdev::open(&node).own("the device's node")?;
    let feature = request(HEADER + 8, MIGRATION | GET, &[0; 8]);
    let info = [16_u32, 0, 0, 0].map(u32::to_ne_bytes).concat();
    for (request, argument, what) in [
        (
            VFIO_DEVICE_GET_INFO,
            info.as_slice(),
            "VFIO_DEVICE_GET_INFO",
        ),
        (
            VFIO_DEVICE_FEATURE,
            feature.as_slice(),
            "VFIO_DEVICE_FEATURE",
        ),
        (VFIO_DEVICE_RESET, &[][..], "VFIO_DEVICE_RESET"),
    ] {
        let done = trap.ioctl(&unbound, request, argument, Place::Good, false);
        done.must_fail(Errno::EINVAL, &format!("{what} on an unbound cdev"))?;
    }
    drop(unbound);
    let options = &bench.options;
    let first = Device::open(&options.roots, &options.directory, Attach::Cdev);
    let first =
        first.map_err(|e| skip(format!("the device through its cdev: {}", error_shown(&e))))?;
    let second = Cdev::open(&node).must("opening the cdev while it is bound")?;
    let iommufd = Iommufd::open(&options.roots.iommu()).own("IOMMUFD")?;
    // struct vfio_device_bind_iommufd: argsz, flags, iommufd, out_devid. Nothing may follow that
    // could give the same errno.
    let fd = iommufd.as_fd().as_raw_fd();
    let argument = [16, 0, fd, 0].map(i32::to_ne_bytes).concat();
    let bind = VFIO_DEVICE_BIND_IOMMUFD;
    let bound = trap.ioctl(&second, bind, &argument, Place::Good, false);
    bound.must_fail(Errno::EINVAL, "BIND_IOMMUFD of a device that is bound")?;
    first
        .info()
        .must("VFIO_DEVICE_GET_INFO after the second BIND")?;
    held()
}
