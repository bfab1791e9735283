// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Showing the report channel to a person while it comes in.

use std::io::Write;

use crate::verdict::MARK;

/// Where the bytes go.
#[derive(Debug)]
pub(crate) struct Screen {
    /// What is shown of the lines of init.
    events: Events,
    /// The line of init that is coming in.
    event: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Events {
    /// The name of each suite as a heading.
    Headings,
    /// Nothing: the output of the programs speaks for itself.
    Hidden,
    /// Not even the output.
    Dark,
}

impl Screen {
    /// For test programs.
    pub(crate) fn tests() -> Self {
        Self {
            events: Events::Headings,
            event: None,
        }
    }

    /// For a program that talks to a person.
    pub(crate) fn plain() -> Self {
        Self {
            events: Events::Hidden,
            event: None,
        }
    }

    /// For nobody.
    pub(crate) fn dark() -> Self {
        Self {
            events: Events::Dark,
            event: None,
        }
    }

    /// Whether nothing is shown.
    pub(crate) fn is_dark(&self) -> bool {
        self.events == Events::Dark
    }

    /// Shows the next bytes.
    pub(crate) fn show(&mut self, bytes: &[u8]) {
        let text = self.filter(bytes);
        let mut out = std::io::stdout().lock();
        // Nobody is there to hear about a closed terminal.
        out.write_all(&text).and_then(|()| out.flush()).ok();
    }

    fn filter(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for &byte in bytes {
            match &mut self.event {
                Some(event) if byte == b'\n' => {
                    if let Some(name) = event.strip_prefix(b"run ") {
                        if self.events == Events::Headings {
                            text.extend([b"-- ", name, b"\n"].concat());
                        }
                    }
                    self.event = None;
                }
                Some(event) => event.push(byte),
                None if char::from(byte) == MARK => self.event = Some(Vec::new()),
                None if self.events == Events::Dark => {}
                None => text.push(byte),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_hidden_however_they_are_cut() {
        let pieces: [&[u8]; 4] = [b"\x1eru", b"n a\nhel", b"lo\n\x1eexit a code 0\n", b"bye\n"];
        let shown = |mut screen: Screen| {
            let text: Vec<u8> = pieces
                .iter()
                .flat_map(|piece| screen.filter(piece))
                .collect();
            String::from_utf8(text).unwrap()
        };
        assert_eq!(shown(Screen::tests()), "-- a\nhello\nbye\n");
        assert_eq!(shown(Screen::plain()), "hello\nbye\n");
        assert_eq!(shown(Screen::dark()), "");
    }
}
