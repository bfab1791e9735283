// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the person at the terminal gets: one line per entry with its time, then the count.

use std::time::{Duration, Instant};

use crate::libtest::Counts;
use crate::screen::Screen;
use crate::verdict::Judgement;

/// One line of the summary.
#[derive(Debug)]
struct Entry {
    name: String,
    counts: Counts,
    time: Option<Duration>,
}

/// All that was checked so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    entries: Vec<Entry>,
    notes: Vec<String>,
    /// What would be on the terminal, if something else has it.
    kept: Option<String>,
}

/// The only entries that may have ignored tests, how many at most, and why. An ignored test anywhere else
/// is a failure: nobody reads a count that never fails.
const IGNORED: &[(&str, u64, &str)] = &[];

impl Report {
    /// For what runs while something else has the terminal: see [`Report::join`].
    pub(crate) fn aside() -> Self {
        Self {
            kept: Some(String::new()),
            ..Self::default()
        }
    }

    /// Takes over what ran aside, and shows what it had to say.
    pub(crate) fn join(&mut self, aside: Self) {
        self.say(aside.kept.as_deref().unwrap_or_default().trim_end());
        self.entries.extend(aside.entries);
        self.notes.extend(aside.notes);
    }

    /// Where the output of test programs goes.
    pub(crate) fn screen(&self) -> Screen {
        match self.kept {
            Some(_) => Screen::dark(),
            None => Screen::tests(),
        }
    }

    fn say(&mut self, line: &str) {
        match &mut self.kept {
            Some(kept) => kept.extend([line, "\n"]),
            None => println!("{line}"),
        }
    }

    /// Runs a check that passes or fails as a whole. What it made is returned.
    pub(crate) fn check<T>(
        &mut self,
        name: &str,
        check: impl FnOnce() -> anyhow::Result<T>,
    ) -> Option<T> {
        self.suite(name, || {
            check().map(|made| {
                (
                    made,
                    Counts {
                        passed: 1,
                        ..Counts::default()
                    },
                )
            })
        })
    }

    /// Runs a step that others need and that is no check by itself; only its failure is counted.
    pub(crate) fn step<T>(
        &mut self,
        name: &str,
        step: impl FnOnce() -> anyhow::Result<T>,
    ) -> Option<T> {
        self.suite(name, || step().map(|made| (made, Counts::default())))
    }

    /// Runs something that counts its own tests.
    pub(crate) fn suite<T>(
        &mut self,
        name: &str,
        suite: impl FnOnce() -> anyhow::Result<(T, Counts)>,
    ) -> Option<T> {
        self.say(&format!("== {name}"));
        let start = Instant::now();
        let (made, counts) = match suite() {
            Ok((made, counts)) => (Some(made), counts),
            Err(error) => (None, failed(format!("{error:#}"))),
        };
        self.enter(name.to_owned(), counts, Some(start.elapsed()));
        made
    }

    /// Adds an entry, and says at once what failed.
    fn enter(&mut self, name: String, mut counts: Counts, time: Option<Duration>) {
        if let Some(why) = ignored(&name, counts.ignored) {
            counts.failed += 1;
            counts.failures.push(why);
        }
        for failure in &counts.failures {
            self.say(&format!("FAILED {name}: {failure}"));
        }
        self.entries.push(Entry { name, counts, time });
    }

    /// Takes over what a VM run showed. Problems of the run as a whole count as one failure each.
    pub(crate) fn judged(&mut self, name: &str, judgement: Judgement) {
        for line in &judgement.details {
            self.say(line);
        }
        for (suite, counts) in judgement.suites {
            let time = Some(counts.time).filter(|time| !time.is_zero());
            self.enter(format!("{name} {suite}"), counts, time);
        }
        for problem in judgement.problems {
            self.fail(name, &problem);
        }
    }

    /// Counts a failure that has no step of its own.
    pub(crate) fn fail(&mut self, name: &str, why: &str) {
        self.enter(name.to_owned(), failed(why.to_owned()), None);
    }

    /// A line below the summary.
    pub(crate) fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    /// Prints the summary, whose last line is `N passed, N failed`; true if nothing failed.
    pub(crate) fn finish(self) -> bool {
        println!("\n   time  passed  failed");
        for Entry { name, counts, time } in &self.entries {
            let time = time.map_or_else(String::new, |time| format!("{:.1} s", time.as_secs_f64()));
            let skipped = if counts.ignored > 0 {
                format!("  ({} IGNORED)", counts.ignored)
            } else {
                String::new()
            };
            println!(
                "{time:>7} {:>7} {:>7}  {name}{skipped}",
                counts.passed, counts.failed
            );
        }
        for Entry { name, counts, .. } in &self.entries {
            for failure in &counts.failures {
                println!("FAILED {name}: {failure}");
            }
        }
        for line in &self.notes {
            println!("{line}");
        }
        let (passed, failed) = self.totals();
        println!("\n{passed} passed, {failed} failed");
        failed == 0 && passed > 0
    }

    /// Tests passed and failed so far.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let sum = |of: fn(&Counts) -> u64| self.entries.iter().map(|entry| of(&entry.counts)).sum();
        (sum(|counts| counts.passed), sum(|counts| counts.failed))
    }
}

/// What is wrong with `count` ignored tests in the entry `name`.
fn ignored(name: &str, count: u64) -> Option<String> {
    let row = IGNORED.iter().find(|(entry, ..)| *entry == name);
    let allowed = row.map_or(0, |(_, allowed, _)| *allowed);
    (count > allowed).then(|| format!("{count} tests are ignored, {allowed} may be"))
}

fn failed(why: String) -> Counts {
    Counts {
        failed: 1,
        failures: vec![why],
        ..Counts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted() {
        let mut report = Report::default();
        assert_eq!(report.check("a", || Ok(7)), Some(7));
        assert_eq!(report.check::<()>("b", || anyhow::bail!("no")), None);
        assert_eq!(report.step("c", || Ok(())), Some(()));
        assert_eq!(report.step::<()>("d", || anyhow::bail!("no")), None);
        report.suite("e", || {
            Ok((
                (),
                Counts {
                    passed: 5,
                    failed: 2,
                    ..Counts::default()
                },
            ))
        });
        let judgement = Judgement {
            suites: vec![(
                "s".into(),
                Counts {
                    passed: 3,
                    ..Counts::default()
                },
            )],
            problems: vec!["no verdict".into()],
            details: Vec::new(),
        };
        report.judged("vm", judgement);
        report.fail("f", "why");
        report.suite("g", || {
            Ok((
                (),
                Counts {
                    passed: 2,
                    ignored: 7,
                    ..Counts::default()
                },
            ))
        });
        assert_eq!(report.totals(), (1 + 5 + 3 + 2, 1 + 1 + 2 + 1 + 1 + 1));
        let mut aside = Report::aside();
        aside.fail("h", "why");
        assert_eq!(aside.kept.as_deref(), Some("FAILED h: why\n"));
        report.join(aside);
        assert_eq!(report.totals(), (1 + 5 + 3 + 2, 1 + 1 + 2 + 1 + 1 + 1 + 1));
        assert!(!report.finish());
        assert!(
            !Report::default().finish(),
            "nothing that ran is no success"
        );
    }
}
