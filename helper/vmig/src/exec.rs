// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `exec:PROGRAM ARGS`: asking a program for its migration information.
//!
//! The RFC's way for vfio-user programs: run with `--print-migration-info-json`, the program prints
//! the document and ends. No shell is involved. The program may take ten seconds and print 16 MiB.

use std::{
    io::{
        self,
        Read, //
    },
    process::{
        Command,
        Stdio, //
    },
    sync::mpsc,
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use wait_timeout::ChildExt as _;

use crate::{
    error::{
        Code,
        Errno,
        Error, //
    },
    json::DOCUMENT_MAX,
};

/// The option that asks for the document.
pub const OPTION: &str = "--print-migration-info-json";

/// How long the program may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How much of what it says on standard error is shown.
const COMPLAINT_MAX: usize = 1024;

/// Splits a command like a shell does, without expanding anything.
///
/// # Errors
///
/// [`Code::Malformed`]: unbalanced quotes, or nothing to run.
pub fn split(command: &str) -> Result<Vec<String>, Error> {
    let words = shlex::split(command).unwrap_or_default();
    if words.first().is_none_or(String::is_empty) {
        let message = "no program to run, or unbalanced quotes";
        return Err(Error::malformed(format!("exec:{command}"), message));
    }
    Ok(words)
}

/// Runs the program `argv` and returns what it prints; `source` names it in errors.
///
/// # Errors
///
/// [`Code::ExecFailed`]: it cannot be run, fails, or takes too long; [`Code::Malformed`]: it prints
/// too much.
pub fn run(argv: &[String], source: &str, timeout: Duration) -> Result<Vec<u8>, Error> {
    let failed = |message: String| Error::new(Code::ExecFailed, source, message);
    let Some((program, arguments)) = argv.split_first() else {
        return Err(failed("nothing to run".to_owned()));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .arg(OPTION)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cannot run {program}: {}", Errno(&error))))?;

    let until = Instant::now() + timeout;
    let output = collect(child.stdout.take(), DOCUMENT_MAX + 1, false);
    let complaint = collect(child.stderr.take(), COMPLAINT_MAX, true);
    let left = || until.saturating_duration_since(Instant::now());
    let result = match output.recv_timeout(left()) {
        Ok(output) => output.map_err(|error| failed(Errno(&error).to_string())),
        Err(_) => Err(failed(format!("no answer within {} s", timeout.as_secs()))),
    };
    let result = result.and_then(|output| {
        if output.len() > DOCUMENT_MAX {
            return Err(Error::malformed(source, "output of more than 16 MiB"));
        }
        let status = child
            .wait_timeout(left())
            .map_err(|error| failed(Errno(&error).to_string()))?
            .ok_or_else(|| failed(format!("not ended within {} s", timeout.as_secs())))?;
        if status.success() {
            return Ok(output);
        }
        let said = complaint.recv_timeout(left()).ok().and_then(Result::ok);
        let said = String::from_utf8_lossy(&said.unwrap_or_default())
            .trim()
            .to_owned();
        let colon = if said.is_empty() { "" } else { ": " };
        Err(failed(format!("{status}{colon}{said}")))
    });
    if result.is_err() {
        // It may be gone already. A grandchild that holds the pipe is left to itself.
        let _ = child.kill();
        let _ = child.wait();
    }
    result
}

/// Reads a pipe on a thread and keeps at most `limit` bytes; what follows is thrown away with
/// `drain`, else the pipe is closed, which ends the writer.
fn collect<R: Read + Send + 'static>(
    pipe: Option<R>,
    limit: usize,
    drain: bool,
) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut data = Vec::new();
        let Some(mut pipe) = pipe else { return };
        let mut head = pipe.by_ref().take(limit as u64);
        let result = head.read_to_end(&mut data).map(|_| data);
        // Nobody waits any more once the time is over.
        let _ = sender.send(result);
        if drain {
            let _ = io::copy(&mut pipe, &mut io::sink());
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, timeout: Duration) -> Result<Vec<u8>, Error> {
        let argv = ["sh", "-c", script].map(str::to_owned);
        run(&argv, "exec:test", timeout)
    }

    #[test]
    fn the_option_is_the_last_argument() {
        // sh -c SCRIPT NAME: the option comes as $0.
        assert_eq!(sh("printf %s \"$0\"", TIMEOUT).unwrap(), OPTION.as_bytes());
    }

    #[test]
    fn failures() {
        let second = Duration::from_secs(1);
        for (script, code, message) in [
            (
                "echo no >&2; exit 3",
                Code::ExecFailed,
                "exit status: 3: no",
            ),
            (
                "head -c 99999 /dev/zero >&2; exit 4",
                Code::ExecFailed,
                "exit status: 4",
            ),
            ("sleep 60", Code::ExecFailed, "no answer within 1 s"),
            (
                "sleep 60 >&- & exec >&-; sleep 60",
                Code::ExecFailed,
                "not ended within 1 s",
            ),
            (
                "head -c 17000000 /dev/zero",
                Code::Malformed,
                "output of more than 16 MiB",
            ),
        ] {
            let begin = Instant::now();
            let error = sh(script, second).unwrap_err();
            assert_eq!(error.code, code, "{script}");
            assert!(error.message.contains(message), "{script}: {error}");
            assert!(begin.elapsed() < Duration::from_secs(5), "{script}");
        }
        let error = run(&["/no/such".to_owned()], "exec:/no/such", second).unwrap_err();
        assert_eq!(
            error.message,
            "cannot run /no/such: No such file or directory (ENOENT)"
        );
    }

    #[test]
    fn splitting_expands_nothing() {
        let words = split("prog 'a b' \"c d\" e\\ f $HOME *").unwrap();
        assert_eq!(words, ["prog", "a b", "c d", "e f", "$HOME", "*"]);
        for bad in ["", "  ", "prog 'a", "''"] {
            assert_eq!(split(bad).unwrap_err().code, Code::Malformed, "{bad}");
        }
    }
}
