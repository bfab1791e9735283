// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The steps of the demo, in order.

use std::io::Write;

use crate::shell::{self, Step, Unexpected};

const SOURCE: &str = "11111111-0000-4000-8000-000000000001";
const DESTINATION: &str = "22222222-0000-4000-8000-000000000002";

/// Where the demo's lists and nothing else are kept.
const DIR: &str = "/tmp/demo";

const NEW: &str = "vmig/vmig-serial-var";
const OLD: &str = "vmig-old/vmig-serial-var";

/// Runs all steps; returns how many there were.
///
/// # Errors
///
/// At the first step that is not as promised.
pub(crate) fn tell(out: &mut dyn Write) -> Result<usize, Unexpected> {
    let steps = [fleet(), source(), judge(), cure(), moved()].concat();
    for step in &steps {
        shell::run(step, out)?;
    }
    Ok(steps.len())
}

/// Two parents with unequal drivers on one machine.
fn fleet() -> Vec<Step> {
    vec![
        step(
            "This machine offers one parent, with the newest generation of the driver.",
            "vmig types",
            0,
        )
        .shows(&["vmig-serial-var", "vmig.example/pci-serial"]),
        step(
            "A second parent with the older generation, as on a host that was not updated yet.",
            "mkdir /sys/kernel/config/vmig/old && echo 1 >/sys/kernel/config/vmig/old/generation \
             && echo 1 >/sys/kernel/config/vmig/old/live && vmig types",
            0,
        )
        .shows(&["vmig-old"]),
        step(
            "What the two say of one and the same type.",
            format!("vmig info {NEW} {OLD}"),
            0,
        )
        .shows(&["fifo-size", "auto-flow", "line-stats"]),
    ]
}

/// A device made from a list, with bytes in its FIFOs.
fn source() -> Vec<Step> {
    vec![
        step(
            "A list: what is not in it is off.",
            format!(
                "mkdir -p {DIR} && printf 'model: vmig.example/pci-serial\\nline-stats=on\\nports=2\\n' \
                 >{DIR}/source.list && cat {DIR}/source.list"
            ),
            0,
        ),
        step(
            "The source device. Its contents are to survive a close, hence --keep.",
            format!("vmig create --keep --from {DIR}/source.list {NEW} {SOURCE}"),
            0,
        ),
        step("Bytes go out through both ports and come back into their FIFOs.", format!("uart send {SOURCE} 0 'left in port 0'"), 0),
        step("", format!("uart send {SOURCE} 1 'and in port 1'"), 0),
        step("The migration parameter list of the device.", format!("vmig params {SOURCE}"), 0)
            .shows(&["line-stats=on\n", "ports=2\n"])
            .hides(&["fifo-size", "auto-flow"]),
    ]
}

/// Verdicts, without touching any destination.
fn judge() -> Vec<Step> {
    vec![
        step(
            "Does it fit? Both destinations have to say yes.",
            format!("vmig params {SOURCE} | vmig check --all --from - {NEW} {OLD}"),
            1,
        )
        .shows(&["incompatible  vm    vmig-old/vmig-serial-var", "unknown_param line-stats"]),
        step("Nothing was created there by asking.", "vmig types && ls /sys/bus/mdev/devices", 0)
            .shows(&[SOURCE])
            .hides(&[DESTINATION]),
        step(
            "A list that uses the newer chip. None of its parameters may change while a device is \
             open, so that only a new device would cure this one.",
            format!(
                "printf 'model: vmig.example/pci-serial\\nauto-flow=on\\nfifo-size=64\\nports=2\\n' \
                 >{DIR}/newer.list && vmig check --all --from {DIR}/newer.list {NEW} {OLD}"
            ),
            1,
        )
        .shows(&["unknown_param auto-flow", "value_not_allowed fifo-size"]),
        step(
            "The same in JSON, with the codes that programs look at.",
            format!("vmig check -o json --all --from {DIR}/newer.list {OLD}"),
            1,
        )
        .shows(&["\"unknown_param\"", "\"value_not_allowed\""]),
    ]
}

/// The runtime parameter is the one thing in the way.
fn cure() -> Vec<Step> {
    vec![
        step(
            "line-stats changes the state format only, never the hardware interface: switch it off.",
            format!("vmig set {SOURCE} line-stats=off && vmig params {SOURCE}"),
            0,
        )
        .shows(&["ports=2\n"])
        .hides(&["line-stats=on"]),
        step(
            "Ask again.",
            format!("vmig params {SOURCE} | vmig check --all --from - {NEW} {OLD}"),
            0,
        )
        .hides(&["incompatible"]),
    ]
}

/// The state moves into a device that was staged before it existed.
fn moved() -> Vec<Step> {
    vec![
        step(
            "Stage the list on the older parent, then create the device from it.",
            format!("vmig params {SOURCE} | vmig create --keep --from - {OLD} {DESTINATION}"),
            0,
        ),
        step(
            "Save the state here, load it there.",
            format!("vmig state save -q {SOURCE} - | vmig state load {DESTINATION} -"),
            0,
        ),
        step(
            "The bytes have arrived.",
            format!("uart read {DESTINATION} 0"),
            0,
        )
        .shows(&["left in port 0"]),
        step("", format!("uart read {DESTINATION} 1"), 0).shows(&["and in port 1"]),
        step(
            "The source keeps its contents until it is removed.",
            format!("vmig remove {SOURCE} && vmig remove {DESTINATION} && vmig types"),
            0,
        )
        .hides(&[SOURCE, DESTINATION]),
    ]
}

/// A step that has to end with `status`.
fn step(say: &'static str, command: impl Into<String>, status: i32) -> Step {
    Step {
        say,
        command: command.into(),
        status,
        shows: &[],
        hides: &[],
    }
}

impl Step {
    fn shows(mut self, texts: &'static [&'static str]) -> Self {
        self.shows = texts;
        self
    }

    fn hides(mut self, texts: &'static [&'static str]) -> Self {
        self.hides = texts;
        self
    }
}
