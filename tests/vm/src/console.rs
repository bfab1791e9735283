// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Watching the kernel's console for words that mean the run has failed.
//!
//! There is no list of exceptions: a kernel line that looks like trouble is trouble.

use std::collections::VecDeque;

/// How many of the last lines are shown.
const KEPT: usize = 50;

/// How many lines are shown from the first line of trouble on: a report with its stack.
const REPORT: usize = 60;

/// How many lines of trouble are named: one report has several, and one fault may cause two reports.
const NAMED: usize = 8;

/// Words that mean trouble, wherever in a line they are.
const MARKERS: &[&str] = &[
    "Kernel panic - not syncing",
    "BUG: ",
    "BUG at ",
    "kernel BUG",
    "WARNING: ",
    "Oops: ",
    "Oops - ",
    "Call Trace:",
    "cut here ]---",
    "general protection fault, ",
    "Unable to handle kernel",
    "rust_kernel: panicked",
    // Hangs.
    " blocked for more than ",
    "soft lockup",
    "hard LOCKUP",
    "detected stall",
    "self-detected stall",
    "rcu_preempt kthread starved",
    // Lockdep and the other checkers.
    "possible circular locking",
    "possible recursive locking",
    "INFO: trying to register non-static key",
    "suspicious RCU usage",
    "DEBUG_LOCKS_WARN_ON",
    "bad unlock balance",
    "sleeping function called from invalid context",
    "scheduling while atomic",
    "KASAN: ",
    "UBSAN: ",
    "KCSAN: ",
    "CFI failure at ",
    // What it found is told by init, which has the details. Without an object of its own it stops.
    "kmemleak: Cannot allocate",
    "kmemleak: Kernel memory leak detector disabled",
    "unknown object at 0x",
    "refcount_t: ",
    "list_add corruption",
    "list_del corruption",
    "ODEBUG: ",
    // What the driver core says of a driver that cleans up badly.
    "kernfs: can not remove",
    "sysfs: cannot create duplicate",
    "tried to init an initialized object",
    "does not have a release() function",
    "must have a release() function",
    "nobody cared",
    "page allocation failure",
    "Out of memory: ",
    "VFS: Unable to mount root",
];

/// What has been seen on a console so far.
#[derive(Debug, Default)]
pub(crate) struct Console {
    partial: Vec<u8>,
    last: VecDeque<String>,
    trouble: Vec<String>,
    /// What came from the first line of trouble on.
    report: Vec<String>,
}

impl Console {
    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.partial);
                self.line(
                    String::from_utf8_lossy(&line)
                        .trim_end_matches('\r')
                        .to_owned(),
                );
            } else {
                self.partial.push(byte);
            }
        }
    }

    fn line(&mut self, line: String) {
        if self.trouble.len() < NAMED && is_trouble(&line) {
            self.trouble.push(line.clone());
        }
        if !self.trouble.is_empty() && self.report.len() < REPORT {
            self.report.push(line.clone());
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The first lines that mean trouble.
    pub(crate) fn trouble(&self) -> &[String] {
        &self.trouble
    }

    /// The first line of trouble and what followed; the last lines may be past that.
    pub(crate) fn report(&self) -> &[String] {
        &self.report
    }

    /// The last lines, the unfinished one included.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let partial = String::from_utf8_lossy(&self.partial).into_owned();
        self.last
            .iter()
            .cloned()
            .chain(Some(partial).filter(|line| !line.is_empty()))
            .collect()
    }
}

fn is_trouble(line: &str) -> bool {
    MARKERS.iter().any(|marker| line.contains(marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_from_noise() {
        for (line, trouble) in [
            ("[    1.0] WARNING: fs/kernfs/dir.c:1785 at kernfs_remove_by_name_ns+0x8a/0x90, CPU#0: rmmod/77", true),
            ("[    1.0] WARNING: CPU: 0 PID: 1 at lib/x.c:3 f+0x1/0x2", true),
            ("[    1.0] ------------[ cut here ]------------", true),
            ("[    1.0] kernel BUG at mm/slub.c:1!", true),
            ("[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000", true),
            ("[    1.0] BUG: unable to handle page fault for address: ffffffffc0", true),
            ("[    1.0] Oops: Oops: 0002 [#1] SMP", true),
            ("[    1.0]  Call Trace:", true),
            ("[    1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", true),
            ("[   99.0] INFO: task vmig:77 blocked for more than 60 seconds.", true),
            ("[   99.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [x:1]", true),
            ("[   99.0] rcu: INFO: rcu_sched self-detected stall on CPU", true),
            ("[    9.0] WARNING: possible circular locking dependency detected", true),
            ("[    9.0] rust_kernel: panicked at driver/vmig_main.rs:1:1:", true),
            ("[    9.0] kernfs: can not remove 'migration_info.json', no directory", true),
            ("[    9.0] irq 10: nobody cared (try booting with the \"irqpoll\" option)", true),
            ("[    1.0] vmig: loading out-of-tree module taints kernel.", false),
            ("[    1.0] Console: colour *CGA 80x25", false),
            ("[    1.0] vfio-mdev 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001: Adding to iommu group 0", false),
            ("[    1.0] debug: (none)", false),
            ("", false),
        ] {
            assert_eq!(is_trouble(line), trouble, "{line}");
        }
    }

    #[test]
    fn lines_may_come_in_pieces() {
        let mut console = Console::default();
        for piece in [b"a\r\nOo".as_slice(), b"ps: ", b"1\nend"] {
            console.feed(piece);
        }
        assert_eq!(console.trouble(), ["Oops: 1"]);
        assert_eq!(console.last_lines(), ["a", "Oops: 1", "end"]);
    }

    #[test]
    fn a_report_does_not_hide_the_next() {
        // A lock that is kept is noticed by the scheduler first, if the clock ticks just then.
        let mut console = Console::default();
        console.feed(
            b"[4.2] BUG: scheduling while atomic: init/1/0x00000002\n\
              [4.2] 1 lock held by init/1:\n\
              [4.3] WARNING: lock held when returning to user space!\n",
        );
        assert!(console.trouble()[0].contains("scheduling while atomic"));
        assert!(console.trouble()[1].contains("lock held"));
        for _ in 0..NAMED {
            console.feed(b"Oops: 1\n");
        }
        assert_eq!(console.trouble().len(), NAMED);
    }

    #[test]
    fn a_report_is_kept_however_much_comes_after() {
        let mut console = Console::default();
        console.feed(b"before\nBUG: x\nCall Trace:\n f+0x1\n");
        for n in 0..KEPT + REPORT {
            console.feed(format!("{n}\n").as_bytes());
        }
        assert_eq!(console.report().len(), REPORT);
        assert_eq!(console.report()[..3], ["BUG: x", "Call Trace:", " f+0x1"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut console = Console::default();
        for n in 0..KEPT + 5 {
            console.feed(format!("{n}\n").as_bytes());
        }
        assert_eq!(console.last_lines().len(), KEPT);
        assert_eq!(console.last_lines().first().map(String::as_str), Some("5"));
    }
}
