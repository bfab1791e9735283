// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What runs in a process of its own: one statement, or the first look at the device.
//!
//! Starting a program takes longer than many a statement. So one is started, [`serve`], and forks itself
//! for each job; its memory is small, and nothing of one job is left for the next.
#![expect(unsafe_code, reason = "a process forks itself here")]

use std::{
    fs::{
        self,
        File, //
    },
    io::{
        self,
        BufRead,
        Write, //
    },
    os::unix::process::ExitStatusExt,
    panic::{
        self,
        AssertUnwindSafe, //
    },
    process::{
        self,
        ExitStatus, //
    },
};

use nix::{
    sys::{
        prctl::set_pdeathsig,
        signal::Signal,
        wait::{
            waitpid,
            WaitStatus, //
        },
    },
    unistd::{
        dup2_stdin,
        fork,
        ForkResult, //
    },
};
use serde::{
    Deserialize,
    Serialize, //
};
use vmig_vfio::Attach;

use crate::{
    bench::{
        Bench,
        Options, //
    },
    catalogue::{
        statement,
        Id, //
    },
    report::Outcome,
    target, //
};

/// The job of a child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Look at the device.
    Look,
    /// Check this statement.
    Check(Id),
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Look => f.write_str("look"),
            Self::Check(id) => id.fmt(f),
        }
    }
}

impl std::str::FromStr for Job {
    type Err = crate::catalogue::NoId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "look" => Ok(Self::Look),
            id => id.parse().map(Self::Check),
        }
    }
}

/// What is seen of a device before anything is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The kernel's name of it: a UUID, or a PCI address. Of a vfio-user server: its socket.
    pub name: String,
    /// The interface that it was opened through.
    pub attach: AttachForm,
    /// The flags of feature MIGRATION; none if the device has no migration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration_flags: Option<u64>,
}

/// An interface to a device, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachForm {
    /// The device's own node and IOMMUFD.
    Cdev,
    /// The IOMMU group and a container.
    Group,
    /// No device of the kernel: the socket of a vfio-user server.
    #[serde(rename = "vfio-user")]
    VfioUser,
}

/// What a child process prints.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Look(Look),
    /// The device could not be looked at; the reason, for people.
    Closed(String),
    Outcome(Outcome),
}

/// After the answer to a job, on a line of its own: its process is gone, and the device closed. A
/// process that went wrong has in words how.
pub(crate) const END: &str = "end";

/// Does a job. The answer is for the one who asked; it is a line without an end.
pub fn run(job: Job, options: &Options) -> String {
    let answer = match job {
        Job::Look => match look(options) {
            Ok(look) => Answer::Look(look),
            Err(error) => Answer::Closed(error.to_string()),
        },
        Job::Check(id) => Answer::Outcome(check(id, options)),
    };
    // Strings, numbers and lists of them: there is nothing that JSON could not hold.
    serde_json::to_string(&answer).unwrap_or_default()
}

/// Prints a line at once: a process that forks must not have lines that wait.
fn print(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Does the jobs that `jobs` names, a line each, by a process each. What they answer goes to standard output, and
/// a line `end` after each.
///
/// # Errors
///
/// What keeps it from reading jobs, starting processes or printing. So does a second thread in this
/// process.
pub fn serve(jobs: impl BufRead, options: &Options) -> io::Result<()> {
    // The kernel's own count. What is checked here stays true: nothing below starts a thread but in
    // a process that was forked.
    let threads = fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        let reason = format!("a process with {threads} threads cannot fork itself");
        return Err(io::Error::other(reason));
    }
    for job in jobs.lines() {
        let job = job?.parse().map_err(io::Error::other)?;
        // SAFETY: There is no other thread, whose locks the new process would have without their
        // owner.
        match unsafe { fork() }? {
            ForkResult::Child => alone(job, options),
            ForkResult::Parent { child } => {
                let status = match waitpid(child, None)? {
                    WaitStatus::Exited(_, code) => ExitStatus::from_raw(code << 8),
                    WaitStatus::Signaled(_, signal, _) => ExitStatus::from_raw(signal as i32),
                    // It was not asked for.
                    other => return Err(io::Error::other(format!("{other:?}"))),
                };
                match status.success() {
                    true => print(END)?,
                    false => print(&format!("{END} {}", ended(status)))?,
                }
            }
        }
    }
    Ok(())
}

/// In words, how a process ended.
pub(crate) fn ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("died of signal {signal}"),
        (None, Some(code)) => format!("ended with status {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// A process that does `job` and nothing else.
fn alone(job: Job, options: &Options) -> ! {
    let work = || {
        // Who kills the server means this one. It goes on being the child of it until here, or nobody waits.
        set_pdeathsig(Signal::SIGKILL)?;
        // The jobs that follow are not its own, nor its programs'.
        dup2_stdin(File::open("/dev/null")?)?;
        print(&run(job, options))
    };
    // A panic has said on standard error what it is about, and must not end up in the server's loop.
    process::exit(match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            eprintln!("{error}");
            1
        }
        Err(_) => 101,
    })
}

fn look(options: &Options) -> Result<Look, vmig_vfio::Error> {
    let target = target::open(options)?;
    Ok(Look {
        name: target.name().to_owned(),
        attach: match target.kernel().map(vmig_vfio::Device::attached) {
            None => AttachForm::VfioUser,
            Some(Attach::Group) => AttachForm::Group,
            Some(Attach::Auto | Attach::Cdev) => AttachForm::Cdev,
        },
        migration_flags: target.migration_flags().ok().flatten().map(|flags| flags.0),
    })
}

fn check(id: Id, options: &Options) -> Outcome {
    let Some(statement) = statement(id) else {
        let reason = format!("there is no statement {id}");
        return Outcome::Skip { reason };
    };
    let bench = Bench::new(options.clone());
    Outcome::new(statement.class, (statement.check)(&bench))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_words_and_back() {
        for job in [Job::Look, Job::Check(Id::c(36)), Job::Check(Id::v(1))] {
            assert_eq!(job.to_string().parse(), Ok(job));
        }
        assert!("C91".parse::<Job>().is_err());
    }

    #[test]
    fn a_process_with_threads_does_not_fork() {
        // A test is a thread.
        let refused = serve(&b"look\n"[..], &Options::default());
        let refused = refused.expect_err("not alone").to_string();
        assert!(refused.contains("threads cannot fork"), "{refused}");
    }

    #[test]
    fn a_device_that_is_not_there_is_said_so() {
        let options = Options {
            directory: "/nonexistent/device".into(),
            ..Options::default()
        };
        let text = run(Job::Look, &options);
        assert!(
            text.contains("closed") && text.contains("/nonexistent/device"),
            "{text}"
        );
        let text = run(Job::Check(Id::c(1)), &options);
        assert!(matches!(
            serde_json::from_str(&text).unwrap(),
            Answer::Outcome(Outcome::NotOk { .. })
        ));
        let socket = Some("/nonexistent/socket".into());
        let text = run(Job::Look, &Options { socket, ..options });
        assert!(
            text.contains("closed") && text.contains("cannot connect"),
            "{text}"
        );
    }
}
