// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! One VM run from sources to judgement.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;

use crate::kernel::Kernel;
use crate::module::{self, Pass};
use crate::paths::Paths;
use crate::programs::{self, Program};
use crate::verdict::{self, Judgement, Wanted};
use crate::{image, qemu};

/// Loaded before anything runs: the module, and what user programs open by its device nodes.
const MODULES: &[&str] = &["iommufd", "vfio_iommu_type1", "vmig"];

/// All that a VM is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The kernel it boots.
    pub(crate) kernel: Kernel,
    /// `vmig.ko`.
    pub(crate) module: PathBuf,
    /// The programs in its image.
    pub(crate) programs: Vec<Program>,
}

impl Parts {
    /// Builds what is not up to date.
    pub(crate) fn ensure(paths: &Paths) -> Result<Self> {
        let kernel = Kernel::ensure(paths)?;
        let module = module::build(paths, &kernel, Pass::Build)?.join("driver/vmig.ko");
        Ok(Self {
            module,
            programs: programs::build(paths)?,
            kernel,
        })
    }

    /// The names of the guest's test programs, and that of the KUnit results.
    pub(crate) fn suites(&self) -> Vec<String> {
        let tests = self
            .programs
            .iter()
            .filter(|program| program.test)
            .map(|program| program.name.clone());
        std::iter::once(verdict::KUNIT.to_owned())
            .chain(tests)
            .collect()
    }

    fn run(&self, paths: &Paths, mut words: Vec<String>, wanted: &Wanted) -> Result<Judgement> {
        fs::create_dir_all(&paths.work)?;
        let dir = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&paths.work)?;
        let initrd = image::write(
            paths,
            dir.path(),
            &self.kernel,
            Some(&self.module),
            &self.programs,
        )?;
        words.extend(MODULES.iter().map(|name| format!("module={name}")));
        let mut output = |bytes: &[u8]| {
            // The lines of init are for the judge.
            let text = String::from_utf8_lossy(bytes).replace(verdict::MARK, "# ");
            print!("{text}");
            std::io::stdout().flush().ok();
        };
        let ended = qemu::run(paths, &self.kernel, &initrd, &words, &mut output)?;
        let mut judgement = verdict::judge(&ended.channel, wanted);
        // What the console says comes before what followed from it.
        judgement.problems.splice(0..0, ended.trouble);
        let bad = !judgement.problems.is_empty();
        if bad {
            println!("\n-- last lines of the console");
            for line in &ended.last_lines {
                println!("| {line}");
            }
        }
        if bad || judgement.suites.iter().any(|(_, counts)| counts.failed > 0) {
            // Only the logs are worth keeping.
            fs::remove_file(&initrd).ok();
            fs::remove_dir_all(dir.path().join("modules")).ok();
            println!(
                "-- console.log and report.log are in {}",
                dir.keep().display()
            );
        }
        Ok(judgement)
    }

    /// Runs the guest tests: all, or one suite, or the tests of it whose name has `filter` in it.
    pub(crate) fn tests(
        &self,
        paths: &Paths,
        suite: Option<&str>,
        filter: Option<&str>,
    ) -> Result<Judgement> {
        let suites = suite.map_or_else(|| self.suites(), |one| vec![one.to_owned()]);
        let mut words: Vec<String> = suites.iter().map(|name| format!("suite={name}")).collect();
        words.push("mode=tests".to_owned());
        words.extend(filter.map(|text| format!("filter={text}")));
        self.run(
            paths,
            words,
            &Wanted {
                suites,
                filtered: filter.is_some(),
                counted: true,
            },
        )
    }

    /// Runs the demo.
    pub(crate) fn demo(&self, paths: &Paths) -> Result<Judgement> {
        let wanted = Wanted {
            suites: vec!["demo".to_owned()],
            filtered: false,
            counted: false,
        };
        self.run(paths, vec!["mode=demo".to_owned()], &wanted)
    }

    /// A shell on this terminal.
    pub(crate) fn shell(&self, paths: &Paths) -> Result<()> {
        fs::create_dir_all(&paths.work)?;
        let dir = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&paths.work)?;
        let initrd = image::write(
            paths,
            dir.path(),
            &self.kernel,
            Some(&self.module),
            &self.programs,
        )?;
        let mut words = vec!["mode=shell".to_owned()];
        words.extend(MODULES.iter().map(|name| format!("module={name}")));
        qemu::shell(paths, &self.kernel, &initrd, &words)
    }
}
