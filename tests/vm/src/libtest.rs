// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Reading what test programs print: libtest's summaries, and KTAP of the kernel's KUnit.

use std::time::Duration;

/// Counts of one suite.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were not run although nobody filtered them out.
    pub(crate) ignored: u64,
    /// Names of those that failed.
    pub(crate) failures: Vec<String>,
    /// How long they took, as they say themselves.
    pub(crate) time: Duration,
}

/// Adds up the `test result:` lines of one or more libtest programs; `None` if there is none.
///
/// The lines of the single tests are not counted: what a test prints past the capture may tear them.
pub(crate) fn libtest(text: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut any = false;
    let mut failures = Vec::new();
    let mut listing = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("test result: ") {
            any = true;
            listing = false;
            counts.passed += number_before(rest, " passed");
            counts.failed += number_before(rest, " failed");
            counts.ignored += number_before(rest, " ignored");
            counts.time += seconds(rest);
            counts.failures.append(&mut failures);
        } else if line == "failures:" {
            // Comes twice: before the output of the failed tests, and before their names.
            listing = true;
            failures.clear();
        } else if listing {
            failures.extend(line.strip_prefix("    ").map(str::to_owned));
        }
    }
    any.then_some(counts)
}

fn number_before(text: &str, word: &str) -> u64 {
    let Some((before, _)) = text.split_once(word) else {
        return 0;
    };
    before
        .rsplit(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// The time of `finished in 1.25s`.
fn seconds(text: &str) -> Duration {
    let seconds = text.rsplit_once("finished in ").and_then(|(_, time)| {
        let seconds = time.trim_end().strip_suffix('s')?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    });
    seconds.unwrap_or_default()
}

/// Counts the tests in the `results` files of KUnit suites (KTAP version 1).
///
/// A suite's own result is indented by four less than those of its tests and is not counted.
pub(crate) fn ktap(text: &str) -> Counts {
    let mut counts = Counts::default();
    for line in text.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            continue;
        };
        let line = line.trim_start();
        if line.starts_with("ok ") && line.contains("# SKIP") {
            counts.ignored += 1;
        } else if line.starts_with("ok ") {
            counts.passed += 1;
        } else if let Some(name) = line.strip_prefix("not ok ") {
            counts.failed += 1;
            counts.failures.push(
                name.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
                    .to_owned(),
            );
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_summaries_add_up() {
        let one = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 1.25s\n";
        let two = concat!(
            "test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\n    indented output\n\n",
            "failures:\n    b\n    m::c\n\n",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n"
        );
        let counts = |passed, failed, ignored, failures: &[&str], time| Counts {
            passed,
            failed,
            ignored,
            failures: failures.iter().map(|&f| f.into()).collect(),
            time: Duration::from_millis(time),
        };
        assert_eq!(libtest(""), None);
        assert_eq!(libtest("running 3 tests\ntest a ... ok\n"), None);
        assert_eq!(libtest(one), Some(counts(3, 0, 1, &[], 1_250)));
        assert_eq!(libtest(two), Some(counts(1, 2, 0, &["b", "m::c"], 10)));
        assert_eq!(
            libtest(&format!("{one}{two}{one}")),
            Some(counts(7, 2, 2, &["b", "m::c"], 2_510))
        );
    }

    #[test]
    fn ktap_counts_tests_and_not_suites() {
        let text = concat!(
            "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: vmig\n    # module: vmig\n    1..4\n",
            "    ok 1 a\n    not ok 2 b\n    ok 3 c # SKIP no such thing\n    ok 4 d\n",
            "# vmig: pass:2 fail:1 skip:1 total:4\nnot ok 1 vmig\n"
        );
        assert_eq!(
            ktap(text),
            Counts {
                passed: 2,
                failed: 1,
                ignored: 1,
                failures: vec!["b".into()],
                time: Duration::ZERO,
            }
        );
        assert_eq!(ktap("ok 1 vmig\n"), Counts::default());
    }
}
