// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The directory of one VM run: image and logs.
//!
//! While the run lasts its process holds a lock on the file `running` in it. A run that was killed
//! leaves the file without the lock, by which the next one knows what to remove.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

/// Names start with it.
const PREFIX: &str = "run-";
/// Locked as long as the run lasts.
const RUNNING: &str = "running";

/// A directory that vanishes with the value, unless it is kept.
#[derive(Debug)]
pub(crate) struct RunDir {
    dir: TempDir,
    _running: Flock<File>,
}

impl RunDir {
    /// A new one in `work`. Removes what runs that were killed have left there.
    pub(crate) fn new(work: &Path) -> Result<Self> {
        fs::create_dir_all(work)?;
        sweep(work)?;
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(work)?;
        // Nobody sees it under its name before it is locked.
        let starting = dir.path().join("starting");
        let running = Flock::lock(File::create(&starting)?, FlockArg::LockExclusive)
            .map_err(|(_, errno)| errno)?;
        fs::rename(starting, dir.path().join(RUNNING))?;
        Ok(Self {
            dir,
            _running: running,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Keeps the logs, for a person to read, and says where.
    pub(crate) fn keep_logs(self) -> PathBuf {
        let path = self.dir.keep();
        fs::remove_file(path.join("initrd")).ok();
        fs::remove_dir_all(path.join("modules")).ok();
        fs::remove_file(path.join(RUNNING)).ok();
        path
    }
}

/// Removes the directories whose run has ended without doing so.
fn sweep(work: &Path) -> Result<()> {
    for entry in fs::read_dir(work)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // Without the file it is a failed run's, kept on purpose, or one that is just starting.
        let Ok(file) = File::open(entry.path().join(RUNNING)) else {
            continue;
        };
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_killed_run_left_is_removed() {
        let work = tempfile::tempdir().unwrap();
        let killed = work.path().join("run-killed");
        let other = work.path().join("module");
        for dir in [&killed, &other] {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join(RUNNING), "").unwrap();
        }
        let kept = RunDir::new(work.path()).unwrap();
        assert!(!killed.exists() && other.exists());
        fs::write(kept.path().join("initrd"), "").unwrap();
        let kept = kept.keep_logs();
        assert!(!kept.join("initrd").exists());

        let running = RunDir::new(work.path()).unwrap();
        let next = RunDir::new(work.path()).unwrap();
        assert!(kept.exists() && running.path().exists() && next.path().exists());
        let gone = next.path().to_owned();
        drop(next);
        assert!(!gone.exists());
    }
}
