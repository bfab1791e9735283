// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migrations between two QEMUs.

use std::time::{Duration, Instant};

use serde_json::{json, Value};

use super::{uri, Qemu};
use crate::wait;

/// Longest wait for a migration to get ahead.
const LONG: Duration = Duration::from_secs(40);

/// The states in which a migration stays as it is.
const FINAL: [&str; 3] = ["completed", "failed", "cancelled"];

impl Qemu {
    /// Switches capabilities of migrations on.
    #[track_caller]
    pub fn capabilities(&mut self, names: &[&str]) {
        let on = names
            .iter()
            .map(|name| json!({"capability": name, "state": true}));
        let list = json!({"capabilities": on.collect::<Vec<_>>()});
        self.done("migrate-set-capabilities", &list);
    }

    /// Sets parameters of migrations.
    #[track_caller]
    pub fn parameters(&mut self, parameters: &Value) {
        self.done("migrate-set-parameters", parameters);
    }

    /// Waits for a migration from now on.
    #[track_caller]
    pub fn listen(&mut self) {
        let socket = self.socket();
        // That of a migration before it.
        let _ = std::fs::remove_file(&socket);
        self.done("migrate-incoming", &json!({"uri": uri(&socket)}));
    }

    /// Waits until a destination whose source is gone runs, or has ended; whether it runs.
    ///
    /// # Panics
    ///
    /// If it does neither.
    #[track_caller]
    pub fn outlives(&mut self) -> bool {
        let settled = wait::until(LONG, || self.has_ended() || self.runs());
        assert!(settled, "{}: {}", self.name(), self.errors());
        !self.has_ended()
    }

    /// Waits until it runs.
    ///
    /// # Panics
    ///
    /// If it does not within `limit`.
    #[track_caller]
    pub fn await_running(&mut self, limit: Duration) {
        let running = wait::until(limit, || self.status() == "running");
        let name = self.name().to_owned();
        assert!(running, "{name}: {}; {}", self.status(), self.errors());
    }

    /// Whether it runs; one that has ended, or ends now, does not.
    fn runs(&mut self) -> bool {
        let answer = self.qmp.execute("query-status", &json!({}));
        answer.is_ok_and(|answer| answer["status"] == "running")
    }

    /// Begins a migration to `to`, which listens.
    #[track_caller]
    pub fn start_migration(&mut self, to: &Qemu) {
        self.done("migrate", &json!({"uri": uri(&to.socket())}));
    }

    /// What `query-migrate` says.
    #[track_caller]
    pub fn migration(&mut self) -> Value {
        self.done("query-migrate", &json!({}))
    }

    /// Waits until the migration is in one of `states`, or cannot get there any more; the answer then.
    #[track_caller]
    pub fn wait_for_migration(&mut self, states: &[&str]) -> Value {
        let start = Instant::now();
        self.wait_for(states, |_| wait::pause(start))
    }

    /// Begins a migration to `to` that does not get to its end as long as [`Qemu::linger`] is called.
    #[track_caller]
    pub fn start_slow_migration(&mut self, to: &Qemu) {
        self.parameters(&json!({"max-bandwidth": 2_000_000, "downtime-limit": 1}));
        self.dirty();
        self.start_migration(to);
    }

    /// Lets a slow migration go fast.
    #[track_caller]
    pub fn hurry(&mut self) {
        self.parameters(&json!({"max-bandwidth": 1 << 30, "downtime-limit": 2000}));
    }

    /// Writes to so much memory that moving it takes half a second.
    fn dirty(&self) {
        self.qtest.fill(0x100_0000, 1 << 20, 0x5a);
    }

    /// Waits as [`Qemu::wait_for_migration`], with a guest that writes to its memory all the time.
    #[track_caller]
    pub fn linger(&mut self, states: &[&str]) -> Value {
        self.wait_for(states, Self::dirty)
    }

    #[track_caller]
    fn wait_for(&mut self, states: &[&str], meanwhile: impl Fn(&Self)) -> Value {
        let end = Instant::now() + LONG;
        loop {
            let answer = self.migration();
            let state = answer["status"].as_str().unwrap_or("none");
            if states.contains(&state) || FINAL.contains(&state) {
                return answer;
            }
            let name = self.name();
            assert!(Instant::now() < end, "{name} does not get ahead: {answer}");
            meanwhile(self);
        }
    }

    /// Moves the machine to `to` and waits until it runs there; what the source said in the end.
    ///
    /// # Panics
    ///
    /// If it does not get there.
    #[track_caller]
    pub fn migrate(&mut self, to: &mut Qemu) -> Value {
        to.listen();
        self.start_migration(to);
        let answer = self.wait_for_migration(&["completed"]);
        assert_eq!(
            answer["status"],
            "completed",
            "{} to {}: {answer}; {}; {}",
            self.name(),
            to.name(),
            self.errors(),
            to.errors()
        );
        to.await_running(LONG);
        answer
    }

    /// The states that migrations went through, as events told them. Only with the capability `events`.
    pub fn migration_events(&mut self) -> Vec<String> {
        self.told("MIGRATION", "status")
    }

    /// What the member `member` of all events `event` said so far.
    pub fn told(&mut self, event: &str, member: &str) -> Vec<String> {
        // What was seen otherwise may be newer than the last answer; events come with answers.
        self.status();
        let events = self.qmp.events().iter();
        events
            .filter(|told| told.name == event)
            .map(|told| told.data[member].as_str().unwrap_or("?").to_owned())
            .collect()
    }
}
