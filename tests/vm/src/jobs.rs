// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Several things at a time, VM runs above all.
//!
//! A VM keeps one processor busy at most, and is idle whenever a test waits, so one more is run than there
//! are processors. Whoever is free takes the next job; with the long ones first, all end at about the same time.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::report::Report;

/// Something to do, and to report on.
pub(crate) type Job<'a> = Box<dyn FnOnce(&mut Report) + Send + 'a>;

/// More VMs than this at a time would want more memory than a machine can be expected to have.
const MOST: usize = 4;

/// Does all jobs. One row of them has the terminal; what the others say comes at the end.
pub(crate) fn run(jobs: Vec<Job<'_>>, report: &mut Report) {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let rows = (processors + 1).min(MOST).min(jobs.len());
    let left = Mutex::new(VecDeque::from(jobs));
    let next = || {
        left.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    let work = |report: &mut Report| {
        while let Some(job) = next() {
            job(report);
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..rows)
            .map(|_| {
                scope.spawn(|| {
                    let mut report = Report::aside();
                    work(&mut report);
                    report
                })
            })
            .collect();
        work(report);
        if others.iter().any(|other| !other.is_finished()) {
            eprintln!("vmig: waiting for what runs beside");
        }
        for other in others {
            match other.join() {
                Ok(aside) => report.join(aside),
                Err(_) => report.fail("what ran beside", "the harness panicked"),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once() {
        let done = Mutex::new(Vec::new());
        let done = &done;
        let jobs = (0..20).map(|i| -> Job<'_> {
            Box::new(move |report| {
                done.lock().unwrap().push(i);
                report.fail("job", &i.to_string());
            })
        });
        let mut report = Report::default();
        run(jobs.collect(), &mut report);
        let mut done = done.lock().unwrap().clone();
        done.sort_unstable();
        assert_eq!(done, (0..20).collect::<Vec<_>>());
        assert_eq!(report.totals(), (0, 20));
        run(Vec::new(), &mut report);
        assert_eq!(report.totals(), (0, 20));
    }
}
