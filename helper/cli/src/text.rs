// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Text for people: escapes, tables, colour.

use std::borrow::Cow;

use anstyle::{
    AnsiColor,
    Style, //
};
use vmig::verdict::Verdict;

/// Whether a terminal could take `c` for something else than a character to show: control
/// characters, and marks that change the direction or are not seen at all.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` from elsewhere, harmless on a terminal and in one line.
///
/// ```
/// use vmig_cli::text::escape;
///
/// assert_eq!(escape("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
/// ```
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => escaped.extend(c.escape_default()),
            c if is_active(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// The longest line of a message, in characters.
const LINE_MAX: usize = 2000;

/// The widest cell of a table, in characters.
const CELL_MAX: usize = 200;

/// A line of a message: escaped, and cut where somebody has put a whole file into it.
pub fn message_line(text: &str) -> String {
    cut(text, LINE_MAX)
}

/// The longest message, in lines.
const LINES_MAX: usize = 100;

/// The lines of a message from elsewhere, each as [`message_line`].
pub fn message_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().take(LINES_MAX).map(message_line).collect();
    lines.join("\n") + "\n"
}

fn cut(text: &str, limit: usize) -> String {
    // First what is surely too long, so that a whole file is not escaped for nothing.
    let (text, whole) = match text.char_indices().nth(limit) {
        Some((end, _)) => (text.get(..end).unwrap_or_default(), false),
        None => (text, true),
    };
    let escaped = escape(text);
    match escaped.char_indices().nth(limit) {
        Some((end, _)) => format!("{}...", escaped.get(..end).unwrap_or_default()),
        None if whole => escaped.into_owned(),
        None => format!("{escaped}..."),
    }
}

/// As [`escape`], but lines stay lines.
pub fn escape_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(escape).collect();
    lines.join("\n")
}

/// JSON text that is harmless on a terminal: the same document, with more escapes.
pub fn escape_json(text: &str) -> Cow<'_, str> {
    let active = |c| c != '\n' && is_active(c);
    if !text.contains(active) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if active(c) {
            // Outside of strings JSON has no such characters.
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// A table: columns separated by two spaces, widths from the content.
pub struct Table {
    table: comfy_table::Table,
}

impl Table {
    /// A table with this head.
    pub fn new(head: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(head);
        Self { table }
    }

    /// One more row. The cells are escaped here, and cut where they are very wide.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter();
        self.table
            .add_row(cells.map(|cell| cut(cell.as_ref(), CELL_MAX)));
    }

    /// The lines, without white space at their ends; the first is the head.
    pub fn lines(mut self) -> Vec<String> {
        for column in self.table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        self.table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }
}

/// The verdict's colour.
pub fn style(verdict: Verdict) -> Style {
    AnsiColor::on_default(match verdict {
        Verdict::Compatible => AnsiColor::Green,
        Verdict::Possible | Verdict::Unknown => AnsiColor::Yellow,
        Verdict::Incompatible => AnsiColor::Red,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_see_no_control_character() {
        for (text, shown) in [
            ("plain", "plain"),
            ("\u{e9}\u{4e2d}", "\u{e9}\u{4e2d}"),
            ("\u{1b}]0;x\u{7}", "\\u{1b}]0;x\\u{7}"),
            ("a\tb\r\n", "a\\tb\\r\\n"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("\u{202e}abc\u{200b}", "\\u{202e}abc\\u{200b}"),
        ] {
            assert_eq!(escape(text), shown);
        }
        assert_eq!(escape_lines("a\n\u{1b}\n"), "a\n\\u{1b}\n");
    }

    #[test]
    fn escaped_json_is_the_same_document() {
        let text = "{\n  \"a\u{9b}\": \"\u{202e}\u{e0041}\"\n}\n";
        let escaped = escape_json(text);
        assert!(escaped.chars().all(|c| c == '\n' || !is_active(c)));
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&escaped), parse(text));
    }

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&["A", "LONGER"]);
        table.row(["abc", "x"]);
        table.row(["\u{1b}", ""]);
        assert_eq!(table.lines(), ["A       LONGER", "abc     x", "\\u{1b}"]);
    }
}
