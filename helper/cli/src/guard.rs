// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Panics: a bug of ours ends in a message and exit status 70, not in a trace.

use std::panic;

use crate::exit::Exit;

/// Runs `f`; a panic becomes [`Exit::Bug`].
pub fn catch(f: impl FnOnce() -> Exit + panic::UnwindSafe) -> Exit {
    panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|at| format!("{}:{}", at.file(), at.line()));
        let what = info.payload();
        let what = what
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| what.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("panic");
        // Not `eprintln!`, which panics itself when nobody listens.
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!(
                "vmig: this is a bug in vmig {}, please report it: {} ({})\n",
                env!("CARGO_PKG_VERSION"),
                crate::text::escape(what),
                place.unwrap_or_default(),
            ),
        );
    }));
    panic::catch_unwind(f).unwrap_or(Exit::Bug)
}
