// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Commands as a script for sh(1).

use super::{
    Command,
    Script, //
};
use crate::report::quote;

/// What ends standard input. No line of JSON, XML or a list is that.
const END: &str = "END";

/// The script. It is run as it is, so nothing in it is escaped for people.
pub(super) fn text(script: &Script) -> String {
    let mut text = String::new();
    if script.commands.len() > 1 {
        text.push_str("set -e\n");
    }
    for command in &script.commands {
        text.push_str(&line(command));
    }
    text
}

fn line(command: &Command) -> String {
    let mut words: Vec<String> = command.argv.iter().map(|word| quote(word)).collect();
    if command.more {
        // The script's own arguments.
        words.insert(1, "\"$@\"".to_owned());
    }
    let words = words.join(" ");
    match &command.stdin {
        None => format!("{words}\n"),
        Some(text) if text.starts_with("model: ") => {
            // A carriage return belongs to the value.
            let lines: Vec<String> = text.split_terminator('\n').map(quote).collect();
            format!("printf '%s\\n' {} | {words}\n", lines.join(" "))
        }
        Some(text) => format!("{words} <<'{END}'\n{text}{END}\n"),
    }
}
