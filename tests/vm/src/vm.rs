// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! One VM run from sources to judgement.

use std::borrow::Borrow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::flavor::Flavor;
use crate::guestos;
use crate::image::Extra;
use crate::kernel::Kernel;
use crate::libtest::Counts;
use crate::module::{self, Pass};
use crate::paths::Paths;
use crate::programs::{self, Program};
use crate::qemu::{Files, Processors, Terms};
use crate::rundir::RunDir;
use crate::screen::Screen;
use crate::verdict::{self, Judgement, Wanted};
use crate::{client, image, qemu};

/// Loaded before anything runs: the module, and what user programs open by its device nodes.
const MODULES: &[&str] = &["iommufd", "vfio_iommu_type1", "vmig"];

/// The suite that needs the module that breaks rules on purpose.
const FAULTS: &str = "faults";

/// For a kernel whose KUnit tests, the module's too, are not asked for.
const NO_KUNIT: &str = "kunit.enable=0";

/// For all statements on every fault: some 10,000 checks.
const THOROUGH: Terms = Terms {
    total: Duration::from_secs(3 * 60 * 60),
    ..Terms::USUAL
};

/// For clients, which are emulators in an emulator: a test may take ten minutes without a word.
const CLIENTS: Terms = Terms {
    total: Duration::from_secs(60 * 60),
    silence: Duration::from_secs(11 * 60),
    ..Terms::USUAL
};

/// For what happens at the same time: races, and a device that works while its state is saved.
const AT_ONCE: Terms = Terms {
    processors: Processors::Threads,
    silence: Duration::from_secs(2 * 60),
    ..Terms::USUAL
};

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

/// One run, ended.
struct Run {
    judgement: Judgement,
    /// All that came over the report channel.
    channel: String,
    /// Whether somebody has seen it come.
    shown: bool,
    /// What the console shows of the trouble, then its last lines.
    report: Vec<String>,
    console: Vec<String>,
    /// Image and logs.
    dir: RunDir,
}

impl Parts {
    /// Builds what is not up to date.
    pub(crate) fn ensure(paths: &Paths, flavor: Flavor) -> Result<Self> {
        let kernel = Kernel::ensure(paths, flavor)?;
        let module = module::build(paths, &kernel, Pass::Build)?.join("driver/vmig.ko");
        Ok(Self {
            module,
            programs: programs::build(paths)?,
            kernel,
        })
    }

    /// The names of the guest's test programs for this kernel, and that of the KUnit results. Not
    /// those that have a VM of their own.
    pub(crate) fn suites(&self) -> Vec<String> {
        let flavor = self.kernel.flavor;
        let left_out = flavor.left_out().iter().map(|(suite, _)| *suite);
        let apart = flavor.apart().iter().copied().flatten().copied();
        let elsewhere: Vec<&str> = apart.chain(left_out).collect();
        let tests = self.programs.iter().filter(|program| program.test);
        let names = tests.map(|program| program.name.clone());
        let here = names.filter(|name| !elsewhere.contains(&name.as_str()));
        std::iter::once(verdict::KUNIT.to_owned())
            .chain(here)
            .collect()
    }

    /// Runs the guest tests: all, or some suites, or the tests of them whose name has `filter` in it.
    pub(crate) fn tests(
        &self,
        paths: &Paths,
        suites: Option<&[&str]>,
        filter: Option<&str>,
        screen: Screen,
    ) -> Result<Judgement> {
        let owned = |some: &[&str]| some.iter().map(|&one| one.to_owned()).collect();
        let suites = suites.map_or_else(|| self.suites(), owned);
        let mut words = vec![list("suites", &suites)];
        words.extend(filter.map(|text| format!("filter={text}")));
        let wanted = Wanted {
            suites,
            filtered: filter.is_some(),
            counted: true,
            leaks: self.kernel.flavor.finds_leaks(),
        };
        let terms = terms(self.kernel.flavor, &wanted.suites);
        let run = self.run(paths, words, &wanted, terms, screen)?;
        Ok(run.explained())
    }

    /// Runs one suite; with what came over the report channel.
    pub(crate) fn heard(&self, paths: &Paths, suite: &str) -> Result<(Judgement, String)> {
        let wanted = Wanted {
            suites: vec![suite.to_owned()],
            filtered: false,
            counted: true,
            leaks: self.kernel.flavor.finds_leaks(),
        };
        let words = vec![format!("suites={suite}")];
        let run = self.run(paths, words, &wanted, Terms::USUAL, Screen::dark())?;
        Ok((run.judgement, run.channel))
    }

    /// Runs the suite `faults` with all statements, for the faults whose name has `part` in it.
    pub(crate) fn faults(&self, paths: &Paths, part: &str) -> Result<Judgement> {
        let suite = FAULTS.to_owned();
        let words = vec![format!("suites={suite}"), format!("thorough={part}")];
        let wanted = Wanted {
            suites: vec![suite],
            filtered: false,
            counted: true,
            leaks: self.kernel.flavor.finds_leaks(),
        };
        let run = self.run(paths, words, &wanted, THOROUGH, Screen::tests())?;
        Ok(run.explained())
    }

    /// Runs the demo.
    pub(crate) fn demo(&self, paths: &Paths) -> Result<Judgement> {
        let wanted = Wanted {
            suites: vec!["demo".to_owned()],
            leaks: self.kernel.flavor.finds_leaks(),
            ..Wanted::default()
        };
        let words = vec!["mode=demo".to_owned()];
        Ok(self
            .run(paths, words, &wanted, Terms::USUAL, Screen::plain())?
            .explained())
    }

    /// Runs the benchmarks; with what came over the report channel.
    pub(crate) fn bench(&self, paths: &Paths) -> Result<(Judgement, String)> {
        let wanted = Wanted {
            suites: vec!["bench".to_owned()],
            ..Wanted::default()
        };
        let words = vec!["mode=bench".to_owned()];
        let run = self.run(paths, words, &wanted, AT_ONCE, Screen::plain())?;
        let channel = run.channel.clone();
        Ok((run.explained(), channel))
    }

    /// A run that is to fail: init does `what` wrong after a suite that passes.
    pub(crate) fn provoke(&self, paths: &Paths, what: &str, terms: Terms) -> Result<Judgement> {
        let suite = Self::PROVOKED.to_owned();
        let words = vec![format!("suites={suite}"), format!("provoke={what}")];
        let wanted = Wanted {
            suites: vec![suite],
            filtered: false,
            counted: true,
            leaks: false,
        };
        Ok(self
            .run(paths, words, &wanted, terms, Screen::dark())?
            .judgement)
    }

    /// The suite that runs, and passes, before a run is made to fail: the tests of init itself.
    const PROVOKED: &str = "init";

    /// A shell on this terminal.
    pub(crate) fn shell(&self, paths: &Paths) -> Result<()> {
        let (dir, initrd) = self.image(paths, &[], |_| true)?;
        qemu::shell(
            paths,
            &self.kernel,
            &Files {
                initrd: &initrd,
                clients: &[],
            },
            NO_KUNIT,
            &self.words(vec!["mode=shell".to_owned()]),
        )?;
        drop(dir);
        Ok(())
    }

    /// The words for init: those given, the modules to load, and what the kernel can do.
    fn words(&self, mut words: Vec<String>) -> Vec<String> {
        words.push(list("modules", MODULES));
        if self.kernel.flavor.finds_leaks() {
            words.push("leaks=find".to_owned());
        }
        words
    }

    /// The image, with the tests that `runs` names: a megabyte more is 0.07 s more of each boot of the debug
    /// kernel.
    fn image(
        &self,
        paths: &Paths,
        extras: &[Extra],
        runs: impl Fn(&str) -> bool,
    ) -> Result<(RunDir, PathBuf)> {
        let dir = RunDir::new(&paths.work)?;
        let programs = self.programs.iter();
        let programs = programs.filter(|program| !program.test || runs(&program.name));
        let initrd = image::write(
            paths,
            dir.path(),
            &self.kernel,
            &self.module,
            extras,
            programs,
        )?;
        Ok((dir, initrd))
    }

    fn run(
        &self,
        paths: &Paths,
        asked: Vec<String>,
        wanted: &Wanted,
        terms: Terms,
        mut screen: Screen,
    ) -> Result<Run> {
        let mut extras = Vec::<Extra>::new();
        if wanted.suites.iter().any(|suite| suite == FAULTS) {
            let module = module::build(paths, &self.kernel, Pass::Faults)?;
            extras.push(("lib/faults/vmig.ko", module.join("driver/vmig.ko")));
        }
        if wanted.suites.iter().any(|suite| guestos::is_in(suite)) {
            extras.push(("lib/guestos/state.gz", guestos::ensure(paths)?));
        }
        let clients = client::ensure(paths, &wanted.suites)?;
        let (dir, initrd) = self.image(paths, &extras, |name| {
            wanted.suites.iter().any(|suite| suite == name)
        })?;
        let files = Files {
            initrd: &initrd,
            clients: &clients,
        };
        let mut output = |bytes: &[u8]| screen.show(bytes);
        let options = match wanted.suites.iter().any(|suite| suite == verdict::KUNIT) {
            true => "",
            false => NO_KUNIT,
        };
        let words = self.words(asked);
        let mut boot = || {
            qemu::run(
                paths,
                &self.kernel,
                &files,
                options,
                &words,
                terms,
                &mut output,
            )
        };
        let mut ended = boot()?;
        if ended.stillborn {
            let last = ended.last_lines.last().map_or("", String::as_str);
            eprintln!("vmig: the emulator stands still since {last:?}: once more");
            ended = boot()?;
        }
        let mut judgement = verdict::judge(&ended.channel, wanted);
        // What the console says comes before what followed from it.
        judgement.problems.splice(0..0, ended.trouble);
        Ok(Run {
            judgement,
            channel: ended.channel,
            shown: !screen.is_dark(),
            report: ended.report,
            console: ended.last_lines,
            dir,
        })
    }
}

/// The terms for a VM of these suites.
fn terms(flavor: Flavor, suites: &[String]) -> Terms {
    if !client::needed_by(suites).is_empty() {
        CLIENTS
    } else if flavor.races(suites) {
        AT_ONCE
    } else {
        Terms::USUAL
    }
}

/// `name=a,b,c`: one word however many there are, since the kernel passes on no more than 32.
fn list<S: Borrow<str>>(name: &str, values: &[S]) -> String {
    format!("{name}={}", values.join(","))
}

impl Run {
    /// With what helps to understand a failure.
    fn explained(mut self) -> Judgement {
        let details = &mut self.judgement.details;
        let failed = |(_, counts): &(String, Counts)| counts.failed > 0;
        let failed = self.judgement.suites.iter().any(failed);
        if failed && !self.shown {
            details.extend(self.channel.lines().map(|line| format!("> {line}")));
        }
        if !self.judgement.problems.is_empty() {
            if !self.report.is_empty() {
                details.push("-- trouble on the console".to_owned());
                details.extend(self.report.iter().map(|line| format!("| {line}")));
            }
            details.push("-- last lines of the console".to_owned());
            details.extend(self.console.iter().map(|line| format!("| {line}")));
        }
        if failed || !self.judgement.problems.is_empty() {
            let logs = self.dir.keep_logs();
            details.push(format!(
                "-- console.log and report.log are in {}",
                logs.display()
            ));
        }
        self.judgement
    }
}
