// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The plan: destinations by rank, and for each the fewest changes that would make a list fit.

use std::{
    cmp::{
        Ordering,
        Reverse, //
    },
    collections::{
        hash_map::Entry,
        BTreeSet,
        HashMap, //
    },
};

use serde::Serialize;

pub use crate::csp::TooComplex;
use crate::{
    check::{
        check,
        Outcome, //
    },
    csp::Budget,
    document::Model,
    elements::{
        Element,
        Elements,
        Level, //
    },
    error::{
        Code,
        Error, //
    },
    list::{
        Given,
        List, //
    },
    order::Order,
    output::{
        places,
        CheckResult,
        Checked,
        ErrorForm,
        Where, //
    },
    source::Record,
    space::{
        Alternative,
        Space, //
    },
    verdict::Verdict,
};

/// `vmig.plan/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    schema: &'static str,
    /// What is to be moved.
    pub from: Checked,
    /// The best verdict of all.
    pub verdict: Verdict,
    /// A result per implementation and model, in the order of the input.
    pub results: Vec<PlanResult>,
}

/// What a plan says about one model of one implementation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanResult {
    /// Its place, best first, from 1.
    pub rank: usize,
    /// What a check says about it; unknown also if the changes cannot be known.
    #[serde(flatten)]
    pub check: CheckResult,
    /// The fewest changes with which it fits; `None`: nothing fits, or it is not known.
    pub changes: Option<Vec<Change>>,
}

/// A change of one parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The parameter.
    pub param: String,
    /// The value it has; `None`: it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Given>,
    /// The value it would have; `None`: it would be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Given>,
    /// When it can be made.
    pub when: When,
}

/// When a change can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// While the device is open.
    Now,
    /// Only with the device closed.
    Restart,
}

impl PlanResult {
    /// What it says about other implementations with the same document.
    fn judged(&self) -> Judged {
        Judged {
            outcome: self.check.outcome(),
            error: self.check.error.clone(),
            changes: self.changes.clone(),
        }
    }
}

impl Plan {
    /// Ranks everything in `records`.
    ///
    /// ```
    /// use vmig::{list::List, plan::{Plan, When}, source, sysfs::System, verdict::Verdict};
    ///
    /// let documents = br#"
    ///     {"models": {"example.org/nic": {"params": {
    ///         "mtu": {"type": "int", "init_value": 1500, "allowed_values": [1500], "runtime": true}
    ///     }}}}
    ///     {"models": {"example.org/nic": {"params": {
    ///         "mtu": {"type": "int", "init_value": 1500, "allowed_values": ["1500-9000"]}
    ///     }}}}
    /// "#;
    /// let records = source::read(&["-".to_owned()], &System::new("/sys"), &mut &documents[..]);
    /// let list = List::parse(b"model: example.org/nic\nmtu=9000\n", "list", None)?;
    ///
    /// let plan = Plan::new(&list, &records);
    /// assert_eq!(plan.verdict, Verdict::Compatible);
    /// // The results stand in the order of the input; the second document is the better place.
    /// assert_eq!(plan.results.iter().map(|one| one.rank).collect::<Vec<_>>(), [2, 1]);
    /// let changes = plan.results[0].changes.as_ref().unwrap();
    /// assert_eq!(changes[0].to.as_ref().unwrap().to_string(), "1500");
    /// assert_eq!(changes[0].when, When::Now);
    /// # Ok::<(), vmig::error::Error>(())
    /// ```
    pub fn new(list: &List, records: &[Record]) -> Self {
        // Identical documents are judged once: by the result with this number.
        let mut known: HashMap<*const Model, usize> = HashMap::new();
        let mut results: Vec<PlanResult> = Vec::new();
        for (place, one, found) in places(records) {
            let judged = match found {
                Err(error) => Judged::unknown(error),
                Ok((name, model, document)) => match known.entry(std::ptr::from_ref(model)) {
                    Entry::Occupied(first) => results[*first.get()].judged(),
                    Entry::Vacant(entry) => {
                        entry.insert(results.len());
                        judge(list, check(list, name, document), name, model)
                    }
                },
            };
            results.push(judged.at(place, one.free));
        }
        rank(&mut results);
        Self {
            schema: "vmig.plan/1",
            from: Checked {
                model: list.model.clone(),
                params: list.params.clone(),
            },
            verdict: Verdict::any(results.iter().map(|result| result.check.verdict)),
            results,
        }
    }
}

/// What is said of every implementation with the same document.
struct Judged {
    outcome: Outcome,
    error: Option<ErrorForm>,
    changes: Option<Vec<Change>>,
}

impl Judged {
    fn unknown(error: &Error) -> Self {
        Self {
            outcome: Outcome::unknown(),
            error: Some(error.into()),
            changes: None,
        }
    }

    fn at(self, place: Where, free: Option<u64>) -> PlanResult {
        PlanResult {
            rank: 0,
            check: CheckResult::new(place, self.outcome, free, self.error),
            changes: self.changes,
        }
    }
}

fn judge(list: &List, outcome: Outcome, name: &str, model: &Model) -> Judged {
    let changes = match outcome.verdict {
        Verdict::Compatible | Verdict::Possible => Ok(Some(Vec::new())),
        _ if name != list.model => Ok(None),
        _ => changes(list, model),
    };
    match changes {
        Ok(changes) => Judged {
            outcome,
            error: None,
            changes,
        },
        Err(TooComplex) => {
            let message = "its constraints are beyond the work limit";
            Judged::unknown(&Error::new(Code::TooComplex, name, message))
        }
    }
}

/// The fewest changes of `list` that `model` asks for; `None`: it accepts nothing.
///
/// ```
/// use vmig::{document::Document, list::List, plan};
///
/// let nic = br#"{"models": {"example.org/nic": {"params": {
///     "num-queues": {"type": "int", "init_value": 4, "off_value": 1, "allowed_values": ["1-8"]}
/// }}}}"#;
/// let nic = Document::parse(nic, "nic.json")?;
/// let list = List::parse(b"checksum=on\nnum-queues=9\n", "list", Some("example.org/nic"))?;
///
/// let changes = plan::changes(&list, &nic.models["example.org/nic"]).unwrap().unwrap();
/// assert_eq!(changes[0].param, "checksum");
/// assert_eq!(changes[0].to, None);
/// assert_eq!(changes[1].to.as_ref().unwrap().to_string(), "4");
/// # Ok::<(), vmig::error::Error>(())
/// ```
///
/// # Errors
///
/// The constraints of `model` are beyond the work limit.
pub fn changes(list: &List, model: &Model) -> Result<Option<Vec<Change>>, TooComplex> {
    let names: BTreeSet<&str> = model
        .params
        .keys()
        .chain(list.params.keys())
        .map(String::as_str)
        .collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut orders = vec![Order::default(); names.len()];
    let mut space = Space::all(names.len());
    space.add(vec![Alternative::new(model, &names, Level::Possible)?]);
    let mut kept: Vec<Option<Element>> = Vec::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        let param = model.params.get(*name);
        let off = param.and_then(|param| param.off.as_ref());
        orders[i].learn(param.and_then(|param| param.init.as_ref()), off);
        kept.push(match list.params.get(*name) {
            Some(given) => {
                let typed = param.and_then(|param| given.typed(param.kind));
                typed.map(Element::Value)
            }
            None => Some(Element::Absent),
        });
        // "Off" is another value there: leaving it out would not say the same.
        let there = list.off.as_ref().and_then(|off| off.get(*name));
        if there.zip(off).is_some_and(|(there, here)| there != here) {
            space.restrict(i, &Elements::absent().complement());
        }
    }
    let found = space.nearest(&orders, &kept, &mut Budget::DOCUMENT.clone())?;
    Ok(found.map(|found| {
        let params = names.iter().zip(kept).zip(found);
        let changed = params.filter(|((_, kept), element)| kept.as_ref() != Some(element));
        changed
            .map(|((name, kept), element)| Change {
                param: (*name).to_owned(),
                from: match kept {
                    Some(kept) => kept.value().cloned().map(Given::from),
                    None => list.params.get(*name).cloned(),
                },
                to: element.value().cloned().map(Given::from),
                when: when(name, list, model),
            })
            .collect()
    }))
}

fn when(name: &str, list: &List, model: &Model) -> When {
    let runtime = match &list.runtime {
        Some(runtime) => runtime.contains(name),
        None => model.params.get(name).is_some_and(|param| param.runtime),
    };
    match runtime {
        true => When::Now,
        false => When::Restart,
    }
}

/// Numbers the results, best first.
fn rank(results: &mut [PlanResult]) {
    let mut order: Vec<usize> = (0..results.len()).collect();
    order.sort_by(|a, b| compare(&results[*a], &results[*b]));
    for (rank, i) in (1..).zip(order) {
        results[i].rank = rank;
    }
}

fn compare(a: &PlanResult, b: &PlanResult) -> Ordering {
    fn key(result: &PlanResult) -> impl Ord + '_ {
        let verdict = match result.check.verdict {
            Verdict::Compatible => 0,
            Verdict::Possible => 1,
            Verdict::Incompatible => 2,
            Verdict::Unknown => 3,
        };
        let changes = result.changes.as_ref().map_or(usize::MAX, Vec::len);
        let place = &result.check.place;
        (
            verdict,
            result.check.free == Some(0),
            changes,
            Reverse(result.check.free),
            (&place.host, &place.parent, &place.kind, &place.source),
        )
    }
    key(a)
        .cmp(&key(b))
        .then_with(|| a.check.place.model.cmp(&b.check.place.model))
}
