// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `make demo`: a device with a migration parameter list is created, filled with data, judged
//! against unequal destinations, and its state moved into a device that was staged before it
//! existed.
//!
//! Nothing is simulated: every step is a command run in the VM on the real kernel, printed with
//! its real output. Every step is also judged, by exit status and by what it has to say, so that
//! the demo is a test as well; the program ends with status 1 at the first step that is not as
//! promised.

mod shell;
mod story;

use std::process::ExitCode;

fn main() -> ExitCode {
    match story::tell(&mut std::io::stdout().lock()) {
        Ok(steps) => {
            println!(
                "\nShown: a migration parameter list read from a device, judged against two \
                 unequal destinations without touching them, and the device's state moved into \
                 a device that was staged before it existed ({steps} commands, all real)."
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\ndemo: {error}");
            ExitCode::FAILURE
        }
    }
}
