// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A run: every statement in a process of its own, with a deadline.
//!
//! A system call that is stuck in a driver cannot be cancelled from inside the process that made
//! it, and often not by killing that process either. Then the device stays open, nothing more can
//! be said about it, and the statements that are left are skipped.

use std::{
    ffi::OsString,
    fmt,
    io,
    path::PathBuf,
    time::Instant, //
};

use crate::{
    bench::Options,
    catalogue::Statement,
    child::{
        Answer,
        Job,
        Look, //
    },
    klog::Watch,
    report::{
        Outcome,
        Report, //
    },
    server::{
        End,
        Server, //
    },
};

/// How a child process is started: the program, and arguments that lead to [`crate::child::serve`] with its
/// standard input.
#[derive(Clone, Debug)]
pub struct Starter {
    /// The program, normally this one.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Why no statement could be checked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A child process could not be started.
    Start(io::Error),
    /// The device cannot be opened; the reason, for people.
    Closed(String),
    /// The child process did not do its job.
    Child(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "cannot start a process: {error}"),
            Self::Closed(reason) => f.write_str(reason),
            Self::Child(reason) => write!(f, "the process that opens the device {reason}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            Self::Closed(_) | Self::Child(_) => None,
        }
    }
}

/// A run, from the first look on.
pub struct Run {
    server: Server,
    options: Options,
    log: Watch,
    look: Look,
    /// Why the rest of the run is skipped.
    stuck: Option<String>,
}

impl Run {
    /// Looks at the device.
    ///
    /// # Errors
    ///
    /// [`Error`]: nothing can be checked.
    pub fn begin(starter: Starter, options: Options) -> Result<Self, Error> {
        // A server is a process like any other: what the kernel says is not about it.
        let log = match options.socket {
            None => Watch::new(&options.roots.dev),
            Some(_) => Watch::nothing(),
        };
        let mut server = Server::new(starter);
        let look = match server
            .ask(Job::Look, options.deadline)
            .map_err(Error::Start)?
        {
            End::Answer(Answer::Look(look)) => look,
            End::Answer(Answer::Closed(reason)) => return Err(Error::Closed(reason)),
            End::Answer(Answer::Outcome(_)) => return Err(Error::Child("misunderstood".into())),
            End::Died(how) => return Err(Error::Child(how)),
            End::Late | End::Stuck => return Err(Error::Child("does not answer".into())),
        };
        Ok(Self {
            server,
            options,
            log,
            look,
            stuck: None,
        })
    }

    /// What was seen of the device.
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// Whether the kernel's log can be read, so that its complaints are seen; those about a vfio-user
    /// server never are.
    pub fn sees_log(&self) -> bool {
        self.log.sees()
    }

    /// Checks one statement.
    pub fn check(&mut self, statement: &'static Statement) -> Report {
        let begun = Instant::now();
        let outcome = self.outcome(statement);
        Report {
            statement,
            outcome,
            ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn outcome(&mut self, statement: &Statement) -> Outcome {
        if let Some(reason) = &self.stuck {
            let reason = reason.clone();
            return Outcome::Skip { reason };
        }
        if let (Some(_), Some(why)) = (&self.options.socket, statement.kernel_only()) {
            let reason = format!("has no meaning over vfio-user: {why}");
            return Outcome::Skip { reason };
        }
        if statement.destructive && !self.options.destructive {
            let reason = "feeds bad streams or removes the device: only with --destructive".into();
            return Outcome::Skip { reason };
        }
        let class = statement.class;
        // What came before is not to be blamed on this one.
        self.log.worst();
        let job = Job::Check(statement.id);
        let seconds = self.options.deadline.as_secs();
        let outcome = match self.server.ask(job, self.options.deadline) {
            Err(error) => Outcome::Skip {
                reason: format!("cannot start a process: {error}"),
            },
            Ok(End::Answer(Answer::Outcome(outcome))) => outcome,
            Ok(End::Answer(Answer::Look(_) | Answer::Closed(_))) => {
                Outcome::broken(class, "a result", "the process misunderstood")
            }
            Ok(End::Died(how)) => Outcome::broken(
                class,
                "the check comes to an end",
                format!("its process {how}"),
            ),
            Ok(End::Late) => Outcome::broken(
                class,
                format!("an end within {seconds} s"),
                "none; its process was killed",
            ),
            Ok(End::Stuck) => {
                let id = statement.id;
                self.stuck = Some(format!(
                    "the process of {id} cannot be killed and has the device"
                ));
                // Whatever the statement is about: the user is not rid of the driver any more.
                Outcome::NotOk {
                    expected: format!("an end within {seconds} s"),
                    seen: "none, and its process cannot even be killed".into(),
                }
            }
        };
        match self.log.worst() {
            None => outcome,
            Some(complaint) => {
                let expected = "no complaint in the kernel's log";
                let seen = match outcome.details().join("; ") {
                    details if details.is_empty() => complaint.line,
                    details => format!("{} ({details})", complaint.line),
                };
                match complaint.is_fault {
                    // "must not result in error conditions outside the user context"
                    true => Outcome::NotOk {
                        expected: expected.into(),
                        seen,
                    },
                    false => Outcome::broken(class, expected, seen),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::catalogue::Id;

    /// A starter whose child runs a shell script for each job, which is `$job`.
    fn shell(script: &str) -> Starter {
        let script = format!("while read -r job; do {script}; echo end; done");
        Starter {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
        }
    }

    const LOOK: &str = r#"{"look":{"name":"n","attach":"cdev","migration_flags":7}}"#;

    /// The outcome of a statement whose child does `script`.
    fn outcome(id: Id, script: &str) -> (Outcome, Outcome) {
        let script = format!("case $job in look) echo '{LOOK}';; *) {script};; esac");
        let options = Options {
            deadline: Duration::from_millis(1000),
            directory: "/nonexistent".into(),
            ..Options::default()
        };
        let mut run = Run::begin(shell(&script), options).unwrap();
        // The machine's own log is not the matter of these tests.
        run.log = Watch::new("/nonexistent".as_ref());
        assert_eq!(run.look().migration_flags, Some(7));
        let statement = crate::catalogue::statement(id).unwrap();
        let outcome = run.check(statement).outcome;
        (outcome, run.check(statement).outcome)
    }

    #[test]
    fn an_answer_is_taken_as_it_is() {
        let answer = r#"echo '{"outcome":{"result":"ok","notes":["n"]}}'"#;
        let expected = Outcome::Ok {
            notes: vec!["n".into()],
        };
        assert_eq!(outcome(Id::c(1), answer).0, expected);
    }

    #[test]
    fn a_child_that_dies_has_not_shown_anything() {
        let not_ok = |script| match outcome(Id::c(1), script).0 {
            Outcome::NotOk { seen, .. } => seen,
            other => panic!("{other:?}"),
        };
        assert_eq!(not_ok("kill -SEGV $$"), "its process died of signal 11");
        assert_eq!(
            not_ok("echo no >&2; exit 3"),
            "its process ended with status 3: no"
        );
        assert_eq!(not_ok("exit 0"), "its process ended with status 0");
        assert_eq!(not_ok("echo garbage"), "its process gave no answer");
        assert_eq!(not_ok(":"), "its process gave no answer");
        let late = r#"echo '{"outcome":{"result":"ok"}}'; exit 1"#;
        assert_eq!(not_ok(late), "its process ended with status 1");
        let late = r#"echo '{"outcome":{"result":"ok"}}'; echo why >&2; echo end died of signal 9"#;
        assert_eq!(not_ok(late), "its process died of signal 9: why");
    }

    #[test]
    fn one_that_went_wrong_is_not_asked_again() {
        let answer = r#"echo "{\"outcome\":{\"result\":\"ok\",\"notes\":[\"$n\"]}}""#;
        let noted = |outcome: Outcome| outcome.details().join(",");
        // A process counts what it is asked: the first is the look.
        let (first, second) = outcome(Id::c(1), &format!("n=${{n}}x; {answer}"));
        assert_eq!((noted(first), noted(second)), ("x".into(), "xx".into()));
        let (first, second) = outcome(Id::c(1), &format!("n=${{n}}x; {answer}; echo end failed"));
        assert_eq!(noted(first), noted(second));
    }

    #[test]
    fn a_child_that_hangs_is_killed() {
        let (first, second) = outcome(Id::c(1), "exec sleep 60");
        for outcome in [first, second] {
            let Outcome::NotOk { expected, .. } = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!(expected, "an end within 1 s");
        }
    }

    #[test]
    fn destructive_statements_are_not_even_started() {
        let (outcome, _) = outcome(Id::c(59), "exit 1");
        assert!(matches!(outcome, Outcome::Skip { reason } if reason.contains("--destructive")));
    }

    #[test]
    fn what_cannot_be_looked_at_is_no_run() {
        let begin = |script: &str| Run::begin(shell(script), Options::default()).err();
        let closed = begin(r#"echo '{"closed":"busy"}'"#);
        assert_eq!(closed.map(|e| e.to_string()), Some("busy".to_owned()));
        assert!(matches!(begin("exit 1"), Some(Error::Child(_))));
        let starter = Starter {
            program: "/nonexistent".into(),
            arguments: Vec::new(),
        };
        let missing = Run::begin(starter, Options::default()).err();
        assert!(matches!(missing, Some(Error::Start(_))));
    }
}
