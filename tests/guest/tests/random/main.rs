// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Random operations on a device, compared one by one with the model's own engine run beside it:
//! what is returned, errno included, state, data size, every byte of every stream and register,
//! interrupts, parameters, the reason of a refusal.
//!
//! This shows that driver and abstractions add nothing to the model and take nothing away. That
//! the model is right is shown elsewhere. A failure prints the seed and the last operations;
//! [`run`] with that seed does the same again.

mod generator;
mod kernel;
mod model;
mod op;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use guest::{uuid, Parent, Test, Type};
use vmig_vfio::Errno;

use generator::Generator;
use kernel::Kernel;
use model::Model;
use op::Op;

/// Operations that a failure shows.
const HISTORY: usize = 24;

/// Operations of a test, over all kinds of devices.
const OPERATIONS: usize = 5_000;

/// Does `count` operations on a new device. Returns how many whole streams were saved and loaded.
///
/// # Panics
///
/// Where kernel and model differ.
#[track_caller]
fn run(seed: u64, count: usize, kind: &Type, model: (u32, &str), list: &str) -> (usize, usize) {
    println!(
        "seed {seed:#018x}: {count} operations on {} of generation {} with {list}",
        model.1, model.0
    );
    let start = Instant::now();
    let mut kernel = Kernel::new(kind.new_device_with(list));
    let mut model = Model::new(model.0, model.1, list);
    let mut generator = Generator::new(seed, &kernel.params());
    let mut history = VecDeque::new();
    let mut seen = model.look();
    let mut refused = 0;
    for n in 0..count {
        let op = generator.next(seen.open.map(|(state, _)| state));
        let expected = model.apply(&op);
        let found = kernel.apply(&op);
        let line = format!("{n}: {op:?} -> {:?}", brief(&found));
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back(line);
        let differs = |what: &str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
            panic!(
                "seed {seed:#x}, operation {n} ({op:?}): {what}\n  model : {expected:?}\n  kernel: {found:?}\n{}",
                Vec::from(history.clone()).join("\n")
            )
        };
        if found != expected {
            differs("answer", &expected, &found);
        }
        refused += usize::from(found.is_err());
        let (after, is) = (model.look(), kernel.look());
        if after != is {
            differs("state, data size or interrupts", &after, &is);
        }
        // Each look costs more than all the operations in between.
        if n % 16 == 0 {
            let (files, are) = (model.files(), kernel.files());
            if files != are {
                differs("files in sysfs", &files, &are);
            }
        }
        generator.note(&op, &found);
        seen = after;
    }
    println!(
        "  {refused} refused, {:.1} s",
        start.elapsed().as_secs_f32()
    );
    // A generator that never gets anywhere would show nothing.
    assert!(
        refused > count / 50 && refused < count * 2 / 3,
        "seed {seed:#x}: {refused} refused"
    );
    (generator.saved, generator.loaded)
}

/// An answer without its bytes.
fn brief(answer: &op::Answer) -> String {
    match answer {
        Ok(op::Value::Bytes(bytes)) => format!("{} bytes", bytes.len()),
        other => format!("{other:?}"),
    }
}

/// All kinds of devices, each with its share of the operations and a seed of its own.
fn on_all_kinds(seed: u64) {
    let old = Parent::live("random", 1);
    let new = |name| Type::default_parent(name);
    let kinds = [
        (
            new("serial-var"),
            (2, "serial-var"),
            "ports=2 fifo-size=64 auto-flow=on",
        ),
        (new("serial-var"), (2, "serial-var"), "ports=1"),
        (
            new("serial-1"),
            (2, "serial-1"),
            "ports=1 fifo-size=64 line-stats=on",
        ),
        (new("serial-2"), (2, "serial-2"), "ports=2 fifo-size=64"),
        (old.kind("serial-var"), (1, "serial-var"), "ports=2"),
    ];
    let (mut saved, mut loaded) = (0, 0);
    for ((kind, model, list), n) in kinds.iter().zip(0..) {
        let seed = seed.wrapping_add(n);
        let whole = run(seed, OPERATIONS / kinds.len(), kind, *model, list);
        saved += whole.0;
        loaded += whole.1;
    }
    println!("{saved} streams saved, {loaded} loaded");
    assert!(
        saved > 10 && loaded > 5,
        "seed {seed:#x}: {saved} saved, {loaded} loaded"
    );
}

#[test]
fn kernel_and_model_agree_on_a_fixed_seed() {
    let _test = Test::begin_within(Duration::from_secs(120));
    on_all_kinds(0x7669_6d67);
}

#[test]
fn kernel_and_model_agree_on_a_fresh_seed() {
    let _test = Test::begin_within(Duration::from_secs(120));
    let digits: String = uuid().split('-').take(2).collect();
    on_all_kinds(u64::from_str_radix(&digits, 16).expect("hex digits") << 8);
}

/// The generator would show nothing of what it never does: every way from state to state, every
/// errno that there is a way to, whole streams in both directions.
#[test]
fn the_generator_gets_everywhere() {
    let mut model = Model::new(2, "serial-var", "ports=2 fifo-size=64 auto-flow=on");
    let names = model.files().params.into_iter().map(|(name, _)| name);
    let mut generator = Generator::new(0x7669_6d67, &names.collect::<Vec<_>>());
    let (mut ways, mut errnos) = (BTreeSet::new(), BTreeSet::new());
    let (mut intx, mut msi) = (0, 0);
    let mut seen = model.look();
    for _ in 0..10_000 {
        let op = generator.next(seen.open.map(|(state, _)| state));
        let answer = model.apply(&op);
        generator.note(&op, &answer);
        let after = model.look();
        match (&op, &answer) {
            (Op::SetState(to), Ok(_)) => drop(ways.insert((seen.open.unwrap().0, *to))),
            (_, Err(errno)) => drop(errnos.insert(*errno as i32)),
            _ => {}
        }
        intx += after.interrupts.0;
        msi += after.interrupts.1;
        seen = after;
    }
    println!("{intx} INTx, {msi} MSI");
    assert!(intx > 50 && msi > 50, "{intx} INTx, {msi} MSI");
    let (saved, loaded) = (generator.saved, generator.loaded);
    println!("{saved} streams saved, {loaded} loaded; {ways:?}");
    // From STOP_COPY there is no way back to the two states of pre-copy.
    let states = 1..=7;
    for (from, to) in states
        .clone()
        .flat_map(|from| states.clone().map(move |to| (from, to)))
    {
        let blocked = from == 3 && to >= 6;
        assert_eq!(ways.contains(&(from, to)), !blocked, "{from} to {to}");
    }
    for errno in [
        Errno::EBADF,
        Errno::EBUSY,
        Errno::EDOM,
        Errno::EINVAL,
        Errno::ENODEV,
        Errno::ENOMSG,
        Errno::ENOTTY,
        Errno::ERANGE,
        Errno::EXDEV,
    ] {
        assert!(errnos.contains(&(errno as i32)), "{errno}");
    }
    assert!(saved > 50 && loaded > 20, "{saved} saved, {loaded} loaded");
}
