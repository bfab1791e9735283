// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What runs in a process of its own: one statement, or the first look at the device.

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

/// Does the job of a child process. The text is for the parent: its standard output and nothing
/// else must be this.
pub fn run(job: Job, options: Options) -> String {
    let answer = match job {
        Job::Look => match look(&options) {
            Ok(look) => Answer::Look(look),
            Err(error) => Answer::Closed(error.to_string()),
        },
        Job::Check(id) => Answer::Outcome(check(id, options)),
    };
    // Strings, numbers and lists of them: there is nothing that JSON could not hold.
    serde_json::to_string(&answer).unwrap_or_default()
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

fn check(id: Id, options: Options) -> Outcome {
    let Some(statement) = statement(id) else {
        let reason = format!("there is no statement {id}");
        return Outcome::Skip { reason };
    };
    let bench = Bench::new(options);
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
    fn a_device_that_is_not_there_is_said_so() {
        let options = Options {
            directory: "/nonexistent/device".into(),
            ..Options::default()
        };
        let text = run(Job::Look, options.clone());
        assert!(
            text.contains("closed") && text.contains("/nonexistent/device"),
            "{text}"
        );
        let text = run(Job::Check(Id::c(1)), options.clone());
        assert!(matches!(
            serde_json::from_str(&text).unwrap(),
            Answer::Outcome(Outcome::NotOk { .. })
        ));
        let socket = Some("/nonexistent/socket".into());
        let text = run(Job::Look, Options { socket, ..options });
        assert!(
            text.contains("closed") && text.contains("cannot connect"),
            "{text}"
        );
    }
}
