// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The static programs that run in the VM: init, the guest tests, the `vmig` command, the
//! vfio-user programs.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{bail, Context, Result};
use serde_json::Value;

use crate::paths::Paths;

/// Static, so that the image needs no libraries.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// One executable for the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// Target name: `init`, `vmig`, or that of the test.
    pub(crate) name: String,
    /// Where cargo put it.
    pub(crate) file: PathBuf,
    /// Whether it is a libtest binary.
    pub(crate) test: bool,
}

/// Builds them with the cargo that runs us, in a target directory of their own (other flags).
pub(crate) fn build(paths: &Paths) -> Result<Vec<Program>> {
    let mut programs = static_programs(paths, &["-p", "guest", "--bins", "--tests"])?;
    let arguments = ["-p", "vmig-cli", "-p", "vmig-vfio-user", "--bins"];
    programs.extend(static_programs(paths, &arguments)?);
    Ok(programs)
}

/// Builds the program of the guest in the VM, likewise.
pub(crate) fn guestos(paths: &Paths) -> Result<PathBuf> {
    let programs = static_programs(paths, &["-p", "guestos", "--bins"])?;
    let program = programs.into_iter().next();
    Ok(program.context("guestos is no program")?.file)
}

fn static_programs(paths: &Paths, arguments: &[&str]) -> Result<Vec<Program>> {
    let mut cargo = paths.cargo();
    cargo.arg("build").args(arguments);
    cargo.args([
        "--quiet",
        "--target",
        TARGET,
        "--message-format=json-render-diagnostics",
    ]);
    cargo
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_TARGET_DIR", paths.target.join("guest"));
    // Emulation makes slow code slower, and the image travels into memory at each boot.
    cargo
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "false");
    cargo.env("CARGO_PROFILE_DEV_STRIP", "debuginfo");
    let output = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo build {} failed", arguments.join(" "));
    }
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

/// The executables in cargo's JSON messages.
fn executables(messages: &str) -> Vec<Program> {
    let mut programs: Vec<Program> = messages.lines().filter_map(executable).collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    programs
}

fn executable(line: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message.get("reason")? != "compiler-artifact" {
        return None;
    }
    Some(Program {
        file: message.get("executable")?.as_str()?.into(),
        name: message.get("target")?.get("name")?.as_str()?.to_owned(),
        test: message.get("profile")?.get("test")?.as_bool()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_come_from_artifact_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"z"},"profile":{"test":true},"executable":"/t/z-1"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"lib"},"profile":{"test":false},"executable":null}"#,
            "\n",
            r#"{"reason":"build-script-executed","package_id":"x"}"#,
            "\nnot json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"init"},"profile":{"test":false},"executable":"/t/init"}"#,
        );
        let program = |name: &str, file: &str, test| Program {
            name: name.into(),
            file: file.into(),
            test,
        };
        assert_eq!(
            executables(messages),
            [
                program("init", "/t/init", false),
                program("z", "/t/z-1", true)
            ]
        );
    }
}
