// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration parameters, documents, lists and verdicts: the library behind the `vmig` command.
//!
//! A driver says in a *document* which migration parameters its devices have. A *list* has the values
//! of one device. Six questions are asked about them:
//!
//! | question | answered by |
//! |---|---|
//! | What does this text say? | [`Document::parse`](document::Document::parse), [`List::parse`](list::List::parse) |
//! | Does a list fit here, and if not, why? | [`check::check`] |
//! | Which of two sources, or lists, is more? | [`Compare::sources`](compare::Compare::sources), [`Compare::lists`](compare::Compare::lists) |
//! | Which list fits everywhere? | [`Baseline::new`](baseline::Baseline::new) |
//! | Where should a device go, and what would have to change? | [`Plan::new`](plan::Plan::new), [`plan::changes`] |
//! | Which sources accept the same? | [`label::label`], [`Labels::new`](label::Labels::new) |
//!
//! ```
//! use vmig::{
//!     baseline::{Baseline, Options}, check::check, document::Document, fleet::Fleet, label::label,
//!     list::List, verdict::Verdict,
//! };
//!
//! const NIC: &str = "example.org/nic";
//! let text = |queues| format!(r#"{{"models": {{"example.org/nic": {{"params": {{
//!     "num-queues": {{"type": "int", "init_value": 4, "off_value": 1, "allowed_values": ["{queues}"]}}
//! }}}}}}}}"#);
//! let old = Document::parse(text("1-4").as_bytes(), "old.json")?;
//! let new = Document::parse(text("1-8").as_bytes(), "new.json")?;
//!
//! // A device of the new driver does not fit the old one ...
//! let device = List::parse(b"model: example.org/nic\nnum-queues=8\n", "device.list", None)?;
//! assert_eq!(check(&device, NIC, &new).verdict, Verdict::Compatible);
//! let outcome = check(&device, NIC, &old);
//! assert_eq!(outcome.verdict, Verdict::Incompatible);
//! assert_eq!(outcome.reasons[0].to_string(),
//!     "value_not_allowed num-queues: num-queues=8 is not accepted (accepts 1-4)");
//!
//! // ... so a device that is to move freely between both gets what both accept.
//! let mut fleet = Fleet::default();
//! fleet.add("host-a", "old.json", NIC, &old.models[NIC]);
//! fleet.add("host-b", "new.json", NIC, &new.models[NIC]);
//! let baseline = Baseline::new(&fleet, &Options::default())?;
//! assert_eq!(baseline.models[0].params.as_ref().unwrap()["num-queues"].to_string(), "4");
//!
//! assert_ne!(label(NIC, &old.models[NIC]), label(NIC, &new.models[NIC]));
//! # Ok::<(), vmig::error::Error>(())
//! ```
//!
//! Answers about several sources are made of [`source::Record`]s, as [`source::read`] returns them. All
//! answers are documents: they serialize to the JSON that `helper/schemas` describes.
//!
//! # Modules
//!
//! - [`document`]: what a device implementation says it accepts.
//! - [`list`]: the migration parameters of one device.
//! - [`check`]: whether the one takes the other, and every reason why not.
//! - [`fleet`], [`baseline`]: parameters that every host of a fleet accepts.
//! - [`compare`], [`plan`], [`label`]: two of a kind; destinations by rank; names for groups.
//! - [`source`], [`inventory`], [`exec`]: where documents come from.
//! - [`program`]: the options of vfio-user programs; [`mdevctl`]: its configuration of a device.
//! - [`sysfs`]: this host; the only place that knows a path below /sys.
//! - [`value`], [`set`], [`verdict`], [`reason`], [`error`]: what those are made of.
//!
//! What this crate does not do: parse command lines, print tables, or talk to VFIO.

#![forbid(unsafe_code)]

mod accept;
pub mod baseline;
pub mod check;
pub mod compare;
mod csp;
pub mod document;
mod elements;
pub mod error;
pub mod exec;
pub mod fleet;
pub mod inventory;
mod json;
pub mod label;
pub mod list;
pub mod mdevctl;
mod order;
pub mod output;
pub mod plan;
mod profile;
pub mod program;
mod read;
pub mod reason;
mod recent;
pub mod set;
pub mod source;
mod space;
mod split;
pub mod sysfs;
mod time;
pub mod value;
pub mod verdict;
