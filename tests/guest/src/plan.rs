// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the harness asks for, as words on the kernel's command line after `--`.
//!
//! | word | meaning |
//! |---|---|
//! | `mode=tests`, `mode=demo`, `mode=bench`, `mode=shell` | what to run |
//! | `modules=NAME,...` | load them first, in this order |
//! | `suites=NAME,...` | run these of `/tests` (or `kunit`); without it: all |
//! | `filter=TEXT` | only tests whose name contains it |
//! | `thorough=TEXT` | write it to `/run/thorough`, which the suite `faults` reads |
//! | `leaks=find` | look for leaked memory in the end, see [`crate::leaks`] |
//! | `provoke=WHAT` | misbehave in the end, see [`crate::provoke`] |

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    /// The guest tests.
    #[default]
    Tests,
    /// `/bin/demo`.
    Demo,
    /// `/bin/bench`, and the figures that it leaves.
    Bench,
    /// A shell on the console, without a report.
    Shell,
}

/// All that was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What to run.
    pub(crate) mode: Mode,
    /// Modules to load first, in this order.
    pub(crate) modules: Vec<String>,
    /// Suites to run; empty: all.
    pub(crate) suites: Vec<String>,
    /// Passed on to the test programs.
    pub(crate) filter: Option<String>,
    /// What the suite `faults` is to check with all statements.
    pub(crate) thorough: Option<String>,
    /// Whether to look for leaked memory in the end.
    pub(crate) leaks: bool,
    /// What to do wrong, so that the harness can be seen to notice.
    pub(crate) provoke: Option<String>,
}

impl Plan {
    /// Reads the words; the first one that is not known is the error.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut plan = Self::default();
        for word in words {
            match word.split_once('=') {
                Some(("mode", "tests")) => plan.mode = Mode::Tests,
                Some(("mode", "demo")) => plan.mode = Mode::Demo,
                Some(("mode", "bench")) => plan.mode = Mode::Bench,
                Some(("mode", "shell")) => plan.mode = Mode::Shell,
                Some(("modules", names)) => plan.modules = list(names),
                Some(("suites", names)) => plan.suites = list(names),
                Some(("filter", text)) => plan.filter = Some(text.to_owned()),
                Some(("thorough", text)) => plan.thorough = Some(text.to_owned()),
                Some(("leaks", "find")) => plan.leaks = true,
                Some(("provoke", what)) => plan.provoke = Some(what.to_owned()),
                _ => return Err(word),
            }
        }
        Ok(plan)
    }
}

/// The names in `a,b,c`.
fn list(names: &str) -> Vec<String> {
    names.split(',').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Plan, String> {
        Plan::parse(line.split_ascii_whitespace().map(str::to_owned))
    }

    #[test]
    fn words_are_read() {
        assert_eq!(parse(""), Ok(Plan::default()));
        assert_eq!(
            parse("mode=demo modules=a,b suites=s filter=a=b thorough=t leaks=find provoke=mute"),
            Ok(Plan {
                mode: Mode::Demo,
                modules: vec!["a".into(), "b".into()],
                suites: vec!["s".into()],
                filter: Some("a=b".into()),
                thorough: Some("t".into()),
                leaks: true,
                provoke: Some("mute".into()),
            })
        );
        for bad in ["mode=x", "tests", "module=a", "leaks=x"] {
            assert_eq!(parse(bad), Err(bad.to_owned()));
        }
    }
}
