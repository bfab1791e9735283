// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Text for people: escapes, tables, colour.

use std::borrow::Cow;

use anstyle::{
    AnsiColor,
    Style, //
};
use unicode_width::UnicodeWidthStr;
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
    // Nearly all text is plain ASCII.
    let plain = |b: u8| (b' '..0x7f).contains(&b);
    if text.bytes().all(plain) || !text.contains(is_active) {
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
    let end = |text: &str| match text.len() > limit {
        true => text.char_indices().nth(limit).map(|(end, _)| end),
        false => None,
    };
    let (text, whole) = match end(text) {
        Some(end) => (text.get(..end).unwrap_or_default(), false),
        None => (text, true),
    };
    let escaped = escape(text);
    match end(&escaped) {
        Some(end) => format!("{}...", escaped.get(..end).unwrap_or_default()),
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
    widths: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this head.
    pub fn new(head: &[&str]) -> Self {
        let mut table = Self {
            widths: vec![0; head.len()],
            rows: Vec::new(),
        };
        table.row(head);
        table
    }

    /// One more row. The cells are escaped here, and cut where they are very wide.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter();
        let row: Vec<String> = cells.map(|cell| cut(cell.as_ref(), CELL_MAX)).collect();
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = cell.width().max(*width);
        }
        self.rows.push(row);
    }

    /// The lines, without white space at their ends; the first is the head.
    pub fn lines(self) -> Vec<String> {
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&self.widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
            }
            line.truncate(line.trim_end().len());
            line
        };
        self.rows.iter().map(line).collect()
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
