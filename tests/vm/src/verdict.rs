// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Judging a run by what came over the guest's report channel.
//!
//! The channel carries the output of the test programs as it is, and between them the lines of
//! init, which start with the byte 0x1e (init takes that byte out of all other output):
//!
//! ```text
//! run NAME                    a suite starts; its output follows
//! exit NAME code N            it has ended by itself
//! exit NAME signal N          it was killed
//! leaks N                     objects that kmemleak found unreferenced at the end
//! taint N                     /proc/sys/kernel/tainted at the end
//! figures JSON                what the benchmarks have measured, see [`crate::bench`]
//! error TEXT                  init could not do what it should
//! verdict passed|failed       the last line, exactly once
//! ```
//!
//! A run passes only if everything says so: each suite asked for has run, its exit status and its
//! summary agree, nothing leaked, the kernel is not tainted by a warning, and there is exactly one
//! verdict.

use crate::libtest::{self, Counts};

/// Starts a line of init.
pub(crate) const MARK: char = '\u{1e}';

/// The suite that init makes out of the KUnit results of our module.
pub(crate) const KUNIT: &str = "kunit";

/// Taints that no run may leave: died (7), warned (9), soft lockup (14), bad page (5), hardware
/// error (4), forced load or unload (1, 3).
const BAD_TAINT: u64 = 1 << 7 | 1 << 9 | 1 << 14 | 1 << 5 | 1 << 4 | 1 << 3 | 1 << 1;

/// What a run showed.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Each suite that ran, in order.
    pub(crate) suites: Vec<(String, Counts)>,
    /// What is wrong with the run apart from tests that failed.
    pub(crate) problems: Vec<String>,
    /// What helps to understand a failure, in lines.
    pub(crate) details: Vec<String>,
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Suites that must run, in any order.
    pub(crate) suites: Vec<String>,
    /// Whether a test filter is given, so that a suite may have nothing to run.
    pub(crate) filtered: bool,
    /// Whether the programs are tests at all (else only their exit status counts).
    pub(crate) counted: bool,
    /// Whether kmemleak has to have looked.
    pub(crate) leaks: bool,
}

/// Whether `channel` already has the verdict, so that the VM should be ending.
pub(crate) fn has_verdict(channel: &str) -> bool {
    channel.lines().any(|line| {
        line.strip_prefix(MARK)
            .is_some_and(|rest| rest.starts_with("verdict "))
    })
}

/// Judges the complete text of the report channel.
pub(crate) fn judge(channel: &str, wanted: &Wanted) -> Judgement {
    let mut result = Judgement::default();
    let mut open: Option<(String, String)> = None;
    let mut verdicts = Vec::new();
    let mut scanned = false;
    let mut trailing = false;
    for line in channel.lines() {
        let Some(event) = line.strip_prefix(MARK) else {
            match &mut open {
                Some((_, text)) => text.extend([line, "\n"]),
                None => trailing |= !verdicts.is_empty() && !line.trim().is_empty(),
            }
            continue;
        };
        let (word, rest) = event.split_once(' ').unwrap_or((event, ""));
        match word {
            "run" => {
                if let Some((name, _)) = open.replace((rest.to_owned(), String::new())) {
                    result.problems.push(format!("{name}: no exit status"));
                }
            }
            "exit" => match open.take() {
                Some((name, text)) => {
                    let status = rest
                        .strip_prefix(name.as_str())
                        .map_or(rest, str::trim_start);
                    result
                        .suites
                        .push((name.clone(), counts(&name, &text, status, wanted)));
                }
                None => result.problems.push(format!("exit without run: {rest}")),
            },
            "leaks" => {
                scanned = true;
                if rest != "0" {
                    result
                        .problems
                        .push(format!("kmemleak found unreferenced objects: {rest}"));
                }
            }
            "taint" => match rest.parse::<u64>() {
                Ok(bits) if bits & BAD_TAINT == 0 => {}
                _ => result
                    .problems
                    .push(format!("the kernel is tainted: {rest}")),
            },
            "error" => result.problems.push(rest.to_owned()),
            // Whoever has asked for them looks for them.
            "figures" => {}
            "verdict" => verdicts.push(rest.to_owned()),
            _ => result
                .problems
                .push(format!("unknown line of init: {event}")),
        }
    }
    if let Some((name, text)) = open {
        let test = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("test "))
            .unwrap_or("before the first test");
        result
            .problems
            .push(format!("{name} did not end; last: {test}"));
    }
    for name in &wanted.suites {
        if !result.suites.iter().any(|(ran, _)| ran == name)
            && !result.problems.iter().any(|p| p.starts_with(name))
        {
            result.problems.push(format!("{name}: was not run"));
        }
    }
    if wanted.leaks && !scanned {
        result
            .problems
            .push("kmemleak has not looked for leaks".to_owned());
    }
    let failed =
        !result.problems.is_empty() || result.suites.iter().any(|(_, counts)| counts.failed > 0);
    match verdicts.as_slice() {
        [] => result.problems.push("no verdict from the guest".to_owned()),
        [one] if one == "passed" || (one == "failed" && failed) => {}
        [one] => result.problems.push(format!(
            "the guest's verdict is {one:?}, its suites say otherwise"
        )),
        many => result
            .problems
            .push(format!("{} verdicts from the guest", many.len())),
    }
    if trailing {
        result
            .problems
            .push("output after the guest's verdict".to_owned());
    }
    result
}

fn counts(name: &str, text: &str, status: &str, wanted: &Wanted) -> Counts {
    let fail = |mut counts: Counts, why: String| {
        counts.failed += 1;
        counts.failures.push(why);
        counts
    };
    if !wanted.counted {
        return match status {
            "code 0" => Counts {
                passed: 1,
                ..Counts::default()
            },
            _ => fail(Counts::default(), format!("ended with {status}")),
        };
    }
    let counts = if name == KUNIT {
        Some(libtest::ktap(text))
    } else {
        libtest::libtest(text)
    };
    let Some(counts) = counts else {
        let test = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("test "))
            .unwrap_or("before the first test");
        return fail(
            Counts::default(),
            format!("ended with {status} and no summary; last: {test}"),
        );
    };
    if name == KUNIT && counts.passed + counts.failed == 0 {
        return fail(counts, "no KUnit suite of the module has run".to_owned());
    }
    if (status == "code 0") != (counts.failed == 0) {
        return fail(
            counts,
            format!("ended with {status}, which its summary does not explain"),
        );
    }
    if counts.passed + counts.failed == 0 && !wanted.filtered {
        return fail(counts, "has no test that ran".to_owned());
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\x1erun a\n\nrunning 1 test\ntest x ... ok\n\n\
        test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
        \x1eexit a code 0\n\x1etaint 4096\n\x1everdict passed\n";

    fn wanted() -> Wanted {
        Wanted {
            suites: vec!["a".into()],
            filtered: false,
            counted: true,
            leaks: false,
        }
    }

    fn bad(channel: &str, wanted: &Wanted) -> bool {
        let result = judge(channel, wanted);
        !result.problems.is_empty() || result.suites.iter().any(|(_, counts)| counts.failed > 0)
    }

    #[test]
    fn a_good_run_passes() {
        let result = judge(GOOD, &wanted());
        assert!(result.problems.is_empty(), "{:?}", result.problems);
        assert_eq!(
            result.suites,
            [(
                "a".into(),
                Counts {
                    passed: 1,
                    time: std::time::Duration::from_millis(10),
                    ..Counts::default()
                }
            )]
        );
        assert!(has_verdict(GOOD));
    }

    #[test]
    fn one_thing_wrong_fails_the_run() {
        let rows = [
            ("nothing at all", String::new()),
            ("no verdict", GOOD.replace("\x1everdict passed\n", "")),
            ("two verdicts", format!("{GOOD}\x1everdict passed\n")),
            (
                "verdict disagrees",
                GOOD.replace("verdict passed", "verdict failed"),
            ),
            ("text after the verdict", format!("{GOOD}more\n")),
            (
                "suite missing",
                "\x1etaint 0\n\x1everdict passed\n".to_owned(),
            ),
            ("suite did not end", GOOD.replace("\x1eexit a code 0\n", "")),
            ("killed by a signal", GOOD.replace("code 0", "signal 11")),
            (
                "exit code without a failure",
                GOOD.replace("code 0", "code 101"),
            ),
            (
                "exit code 0 with a failure",
                GOOD.replace("1 passed; 0 failed", "0 passed; 1 failed"),
            ),
            ("no summary", GOOD.replace("test result:", "result:")),
            ("no test", GOOD.replace("1 passed", "0 passed")),
            ("warned", GOOD.replace("taint 4096", "taint 4608")),
            ("leaks", GOOD.replace("\x1etaint", "\x1eleaks 2\n\x1etaint")),
            ("taint unreadable", GOOD.replace("taint 4096", "taint ?")),
            (
                "init's error",
                GOOD.replace("\x1etaint", "\x1eerror cannot load vmig\n\x1etaint"),
            ),
            (
                "unknown event",
                GOOD.replace("\x1etaint", "\x1ewhat\n\x1etaint"),
            ),
        ];
        for (what, channel) in rows {
            assert!(bad(&channel, &wanted()), "{what}");
        }
    }

    #[test]
    fn a_scan_for_leaks_must_have_been() {
        let leaks = Wanted {
            leaks: true,
            ..wanted()
        };
        assert!(bad(GOOD, &leaks));
        let scanned = GOOD.replace("\x1etaint", "\x1eleaks 0\n\x1etaint");
        assert!(!bad(&scanned, &leaks));
        assert!(!bad(&scanned, &wanted()));
    }

    #[test]
    fn a_failed_test_is_counted_once() {
        let channel = GOOD
            .replace("1 passed; 0 failed", "4 passed; 2 failed")
            .replace("code 0", "code 101")
            .replace("verdict passed", "verdict failed");
        let result = judge(&channel, &wanted());
        assert!(result.problems.is_empty(), "{:?}", result.problems);
        let counts = result
            .suites
            .first()
            .map(|(_, counts)| (counts.passed, counts.failed));
        assert_eq!(counts, Some((4, 2)));
    }

    #[test]
    fn a_filter_may_leave_a_suite_empty() {
        let channel = GOOD.replace("1 passed", "0 passed");
        assert!(!bad(
            &channel,
            &Wanted {
                filtered: true,
                ..wanted()
            }
        ));
    }

    #[test]
    fn a_program_that_is_no_test_counts_by_its_status() {
        let uncounted = Wanted {
            counted: false,
            ..wanted()
        };
        let channel = "\x1erun a\nhello\n\x1eexit a code 0\n\x1etaint 0\n\x1everdict passed\n";
        assert!(!bad(channel, &uncounted));
        assert!(bad(&channel.replace("code 0", "code 1"), &uncounted));
    }
}
