// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The process that has statements checked, as seen by the one that wants to know.

use std::{
    io::{
        self,
        BufRead,
        BufReader,
        Read,
        Write, //
    },
    process::{
        Child,
        ChildStdin,
        Command,
        Stdio, //
    },
    sync::mpsc::{
        self,
        Receiver,
        RecvTimeoutError, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use wait_timeout::ChildExt as _;

use crate::{
    child::{
        ended,
        Answer,
        Job,
        END, //
    },
    run::Starter,
};

/// How long a killed process may take to be gone.
const GRACE: Duration = Duration::from_secs(5);

/// How a job ended.
pub(crate) enum End {
    Answer(Answer),
    /// Without an answer.
    Died(String),
    /// Not in time.
    Late,
    /// Not in time, and it cannot be killed.
    Stuck,
}

/// Has jobs done by a process that is started when there is none. One that went wrong is not asked again.
pub(crate) struct Server {
    starter: Starter,
    running: Option<Running>,
}

impl Server {
    pub(crate) fn new(starter: Starter) -> Self {
        Self {
            starter,
            running: None,
        }
    }

    /// Has `job` done within `deadline`.
    pub(crate) fn ask(&mut self, job: Job, deadline: Duration) -> io::Result<End> {
        let end = Instant::now() + deadline;
        let mut running = match self.running.take() {
            Some(running) => running,
            None => Running::start(&self.starter)?,
        };
        if let Some(jobs) = &mut running.jobs {
            // One that has ended does not read; it has no answer either.
            let _ = writeln!(jobs, "{job}");
        }
        let mut answer = None;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match running.lines.recv_timeout(left) {
                Ok(line) => match line.strip_prefix(END) {
                    Some("") => break,
                    Some(how) => return Ok(End::Died(running.finish(how.trim()))),
                    None => answer = serde_json::from_str(&line).ok(),
                },
                Err(RecvTimeoutError::Disconnected) => return Ok(End::Died(running.died())),
                Err(RecvTimeoutError::Timeout) => return running.kill(),
            }
        }
        Ok(match answer {
            Some(answer) => {
                self.running = Some(running);
                End::Answer(answer)
            }
            None => End::Died(running.finish("gave no answer")),
        })
    }
}

/// The process.
struct Running {
    child: Child,
    /// `None` when it is to end.
    jobs: Option<ChildStdin>,
    /// What it prints; disconnected when nobody has its standard output any more.
    lines: Receiver<String>,
    /// All that it has said on standard error, when nobody has that any more.
    said: Receiver<String>,
}

impl Running {
    fn start(starter: &Starter) -> io::Result<Self> {
        let mut child = Command::new(&starter.program)
            .args(&starter.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("a pipe is missing");
        Ok(Self {
            jobs: child.stdin.take(),
            lines: lines(child.stdout.take().ok_or_else(missing)?),
            said: text(child.stderr.take().ok_or_else(missing)?),
            child,
        })
    }

    /// Lets it end that has had a job that went wrong. In words, what became of the job.
    fn finish(mut self, how: &str) -> String {
        self.jobs = None;
        told(how, &self.said)
    }

    /// In words, how a process ended that should have answered.
    fn died(mut self) -> String {
        match self.child.wait_timeout(GRACE) {
            Ok(Some(status)) => told(&ended(status), &self.said),
            _ => told("closed its standard output", &self.said),
        }
    }

    /// Kills it, and with it the process that does its job.
    fn kill(mut self) -> io::Result<End> {
        self.child.kill()?;
        self.child.wait()?;
        // That process has the standard output as long as there is any of it.
        let end = Instant::now() + GRACE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(End::Late),
                Err(RecvTimeoutError::Timeout) => return Ok(End::Stuck),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends when there are no more jobs.
        self.jobs = None;
        if let Ok(None) | Err(_) = self.child.wait_timeout(GRACE) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Reads lines in a thread: whoever prints must not wait for one who waits for something else.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            // Nobody may want it any more; the pipe is emptied all the same.
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    receiver
}

/// Reads a pipe to its end, in a thread.
fn text(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        // What could be read before a failure is all there is to have.
        let _ = pipe.read_to_end(&mut text);
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    receiver
}

/// `how`, and what was said on standard error. Programs that were started on the way may hold that pipe a
/// little longer.
fn told(how: &str, said: &Receiver<String>) -> String {
    let said = said.recv_timeout(GRACE).unwrap_or_default();
    match said.trim() {
        "" => how.to_owned(),
        said => format!("{how}: {said}"),
    }
}
