// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C57, C58, C65, C70 and what bad streams share: streams that are good.
//!
//! The section has the numbers C57 to C71; those that feed bad streams stand in `refusal.rs`.

use vmig_vfio::{
    State, //
};

use crate::{
    bench::Bench,
    catalogue::{
        Class::{
            Must,
            Should,
            Wish, //
        },
        Id,
        Section,
        Statement, //
    },
    mutate::Numbers,
    stream::{
        difference,
        feed,
        load,
        load_by,
        must_take_nothing,
        pour,
        save,
        save_some,
        CHUNK, //
    },
    v2::refusal::{
        c59,
        c60,
        c61,
        c62,
        c63,
        c64,
        c66,
        c67,
        c68,
        c69,
        c71, //
    },
    verdict::{
        check,
        held,
        Call,
        Held,
        Verdict, //
    },
};

/// C57 to C71.
pub(crate) const SECTION: Section = Section {
    title: "Resuming",
    statements: &[
        Statement::new(
            Must,
            Id::c(57),
            "writes of any size have the same result",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, buffer segmentation",
            c57,
        ),
        Statement::new(
            Must,
            Id::c(58),
            "a complete stream is accepted, again and again",
            "linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP",
            c58,
        ),
        Statement::new(
            Must,
            Id::c(59),
            "a stream cut short at any byte makes RESUMING -> STOP fail",
            "linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP, incomplete",
            c59,
        )
        .destructive(),
        Statement::new(
            Must,
            Id::c(60),
            "an empty stream makes RESUMING -> STOP fail",
            "linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP, incomplete",
            c60,
        )
        .destructive(),
        Statement::new(
            Should,
            Id::c(61),
            "bytes after the end of a stream are refused by write() or by SET",
            "linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP, otherwise invalid",
            c61,
        )
        .destructive(),
        Statement::new(
            Must,
            Id::c(62),
            "a stream with one bit flipped never makes the device unusable or the kernel complain",
            "linux/vfio.h, RESUMING -> STOP; acceptance rules for vfio-pci variant drivers",
            c62,
        )
        .destructive(),
        Statement::new(
            Must,
            Id::c(63),
            "a refused write() stays refused: no later bytes make SET succeed",
            "linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP, found to be invalid",
            c63,
        )
        .destructive(),
        Statement::new(
            Should,
            Id::c(64),
            "nothing of a refused stream is visible after VFIO_DEVICE_RESET",
            "linux/vfio.h, RESUMING -> STOP, to abort; wish of the maintainers, validate then apply",
            c64,
        )
        .destructive(),
        Statement::new(
            Must,
            Id::c(65),
            "RESUMING is aborted by VFIO_DEVICE_RESET, and the device works then",
            "linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP, to abort",
            c65,
        ),
        Statement::new(
            Must,
            Id::c(66),
            "RESUMING -> RUNNING with a bad stream fails, and the device does not run",
            "linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP, must fail",
            c66,
        )
        .destructive(),
        Statement::new(
            Must,
            Id::c(67),
            "a bad session does not spoil the next good one, nor a good one the refusal of a bad one",
            "linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP",
            c67,
        )
        .destructive(),
        Statement::new(
            Wish,
            Id::c(68),
            "hostile lengths in a stream cost neither time nor memory",
            "acceptance rules for vfio-pci variant drivers, unchecked user data",
            c68,
        )
        .destructive(),
        Statement::new(
            Should,
            Id::c(69),
            "writing on and on after a stream is refused",
            "linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP, otherwise invalid",
            c69,
        )
        .destructive(),
        Statement::new(
            Must,
            Id::c(70),
            "after RESUMING was left the data_fd takes nothing",
            "linux/vfio.h, RESUMING -> STOP, terminates; struct vfio_migration_ops",
            c70,
        ),
        Statement::new(
            Wish,
            Id::c(71),
            "streams of a newer major version are refused, of a newer minor as documented",
            "no uAPI text; review comments of the VFIO maintainers",
            c71,
        )
        .destructive(),
    ],
};

fn c57(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    load(&subject, &stream, "a stream in few writes")?;
    let repeats = save(&subject)? == stream;
    // That the stream is taken is not all: a driver may judge nothing.
    let must_repeat = |what: &str| {
        if !repeats {
            return Ok(());
        }
        let state = save(&subject)?;
        check(
            state == stream,
            format!("{what} gives the state that it gives in few writes"),
            difference(&state, &stream),
        )
    };
    let mut sizes = vec![4095, 4096, 65_537];
    if stream.len() <= CHUNK {
        sizes.extend([7, 8, 16, 23, 333]);
    }
    if stream.len() <= 64 * 1024 {
        sizes.extend([1, 2, 3]);
    }
    for &size in &sizes {
        let what = format!("a stream in writes of {size} bytes");
        load_by(&subject, &stream, size, &what)?;
        must_repeat(&what)?;
    }
    // Cut in two at every place near the beginning, where headers are.
    for cut in 1..stream.len().min(64) {
        let data = subject.session(State::Resuming)?;
        let (first, rest) = stream.split_at(cut);
        let what = format!("write() of a stream in two parts, cut at {cut}");
        data.write_all(first).must(&what)?;
        data.write_all(rest).must(&what)?;
        subject
            .set_state(State::Stop)
            .must(&format!("SET STOP after {what}"))?;
        subject.set(State::Running)?;
        must_repeat(&format!("a stream in two parts, cut at {cut},"))?;
    }
    let mut numbers = Numbers::new(57);
    for _ in 0..8 {
        let data = subject.session(State::Resuming)?;
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let size = 1 + numbers.below((stream.len() / 4).clamp(1, CHUNK));
            let (piece, left) = rest.split_at(size.min(rest.len()));
            data.write_all(piece)
                .must("write() in pieces of many sizes")?;
            rest = left;
        }
        subject
            .set_state(State::Stop)
            .must("SET STOP after writes of many sizes")?;
        subject.set(State::Running)?;
        must_repeat("a stream in writes of many sizes")?;
    }
    let mut held = Held::default();
    held.note(format!("{} bytes by {sizes:?} and others", stream.len()));
    if !repeats {
        held.note("not compared: the device does not save again what it has loaded");
    }
    Ok(held)
}

fn c58(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let mut held = Held::default();
    let first = save_some(&subject)?;
    let mut stream = first.clone();
    for round in 1..=3 {
        load(
            &subject,
            &stream,
            &format!("a complete stream (round {round})"),
        )?;
        stream = save(&subject)?;
    }
    if stream != first {
        let difference = difference(&stream, &first);
        held.note(format!("streams differ after three rounds: {difference}"));
    }
    for from in subject.states() {
        // From every state there is a way to RESUMING that needs no reset.
        if matches!(from, State::Resuming) {
            continue;
        }
        let _old = subject.enter(from)?;
        let data = subject.begin(State::Resuming)?;
        data.write_all(&stream)
            .must("write() of a complete stream")?;
        subject
            .set_state(State::Stop)
            .must(&format!("{from} -> RESUMING -> STOP"))?;
    }
    Ok(held)
}

fn c65(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let mut held = Held::default();
    subject.restart()?;
    let fresh = save_some(&subject)?;
    let repeatable = {
        subject.restart()?;
        save(&subject)? == fresh
    };
    let half = fresh.get(..fresh.len() / 2).unwrap_or_default();
    for part in [&[][..], half, &fresh] {
        let data = subject.session(State::Resuming)?;
        pour(&data, part, CHUNK)?;
        subject.restart()?;
        let after = save(&subject)?;
        if repeatable && after != fresh {
            let difference = difference(&after, &fresh);
            held.note(format!(
                "the state after an abort is not that after a reset: {difference}"
            ));
        }
        load(&subject, &fresh, "a good stream after an aborted one")?;
    }
    Ok(held)
}

fn c70(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save(&subject)?;
    for way in ["STOP", "VFIO_DEVICE_RESET"] {
        let data = subject.session(State::Resuming)?;
        pour(&data, &stream, CHUNK)?;
        match way {
            "STOP" => drop(subject.set(State::Stop)?),
            _ => subject.restart()?,
        }
        must_take_nothing(&data, &format!("after RESUMING was left by {way}"))?;
        // A later session is another one.
        let again = feed(&subject, &stream, CHUNK)?;
        must_take_nothing(&data, "after a later session")?;
        check(
            again.is_accepted(),
            "a good stream is accepted",
            again.shown(),
        )?;
    }
    held()
}
