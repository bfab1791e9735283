// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Concatenated documents: where one ends and the next begins.
//!
//! Only brackets and strings are looked at, so that a document which is malformed inside hides none
//! of those after it, and memory is bounded by one document, however long the input is.

use std::io::{
    self,
    BufRead, //
};

use memchr::{
    memchr,
    memchr2, //
};

use crate::json::DOCUMENT_MAX;

/// How much of an oversized document is passed over in search of the next one.
const SKIP_MAX: u64 = 256 << 20;

/// A piece of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'p> {
    /// What looks like an object, or what is left where nothing does.
    Document(&'p [u8]),
    /// A document of more than 16 MiB.
    TooLong,
}

/// The documents of an input, one after the other.
pub(crate) struct Split<R> {
    input: R,
    ended: bool,
    /// The newest piece, as far as it was read.
    piece: Vec<u8>,
}

impl<R: BufRead> Split<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            ended: false,
            piece: Vec::new(),
        }
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        if self.ended || !self.skip_space()? {
            return Ok(None);
        }
        let mut scanner = Scanner::default();
        self.piece.clear();
        let mut length = 0u64;
        loop {
            let chunk = fill(&mut self.input)?;
            let (used, state) = scanner.scan(chunk);
            let taken = chunk.get(..used).unwrap_or(chunk);
            length = length.saturating_add(taken.len() as u64);
            if self.piece.len() <= DOCUMENT_MAX {
                self.piece.extend_from_slice(taken);
            }
            let at_end = chunk.is_empty();
            self.input.consume(used);
            if matches!(state, State::Inside) && !at_end && length < SKIP_MAX {
                continue;
            }
            // After garbage, a truncated document, or endless length no next one can be found.
            self.ended = !matches!(state, State::Whole);
            return Ok(Some(if self.piece.len() > DOCUMENT_MAX {
                Piece::TooLong
            } else {
                Piece::Document(&self.piece)
            }));
        }
    }

    /// Passes over white space; whether anything is left.
    fn skip_space(&mut self) -> io::Result<bool> {
        loop {
            let chunk = fill(&mut self.input)?;
            let Some(space) = chunk.iter().position(|b| !is_space(*b)) else {
                let all = chunk.len();
                if all == 0 {
                    return Ok(false);
                }
                self.input.consume(all);
                continue;
            };
            self.input.consume(space);
            return Ok(true);
        }
    }
}

/// JSON's white space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn fill<R: BufRead>(input: &mut R) -> io::Result<&[u8]> {
    // The borrow of a first `fill_buf` that succeeds cannot be returned out of a loop, so the loop
    // only waits; the second call returns at once what the first one read.
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    input.fill_buf()
}

/// What a scan ended with.
enum State {
    /// The document is whole.
    Whole,
    /// It goes on.
    Inside,
    /// There is no object here: everything up to the end of the line is garbage.
    Garbage,
}

/// Follows brackets and strings.
#[derive(Default)]
struct Scanner {
    depth: u64,
    in_string: bool,
    escaped: bool,
    garbage: bool,
}

impl Scanner {
    /// How much of `chunk` belongs to the document, and what then.
    fn scan(&mut self, chunk: &[u8]) -> (usize, State) {
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            let found = if self.garbage {
                memchr(b'\n', rest)
            } else if self.in_string {
                memchr2(b'"', b'\\', rest)
            } else if self.depth == 0 {
                Some(0)
            } else {
                rest.iter()
                    .position(|b| matches!(b, b'"' | b'{' | b'[' | b'}' | b']'))
            };
            let Some(found) = found else { break };
            at += found + 1;
            match rest[found] {
                _ if self.garbage => return (at, State::Garbage),
                b'\\' if self.in_string => self.escaped = true,
                _ if self.in_string => self.in_string = false,
                b'{' => self.depth += 1,
                _ if self.depth == 0 => self.garbage = true,
                b'"' => self.in_string = true,
                b'[' => self.depth += 1,
                _ if self.depth > 1 => self.depth -= 1,
                _ => return (at, State::Whole),
            }
        }
        (chunk.len(), State::Inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of `text`, none of them too long.
    fn split(text: &[u8]) -> Vec<String> {
        // A buffer of three bytes makes every boundary fall inside something.
        let mut split = Split::new(io::BufReader::with_capacity(3, text));
        let mut pieces = Vec::new();
        while let Some(Piece::Document(piece)) = split.next().unwrap() {
            pieces.push(String::from_utf8(piece.to_vec()).unwrap());
        }
        pieces
    }

    #[test]
    fn documents_end_where_their_brackets_do() {
        for (text, pieces) in [
            ("", &[][..]),
            (" \n", &[]),
            ("{}", &["{}"]),
            ("{}{}", &["{}", "{}"]),
            (
                "\n{\"a\": [{}]}\n {\"b\":\"}\\\"{\"} ",
                &["{\"a\": [{}]}", "{\"b\":\"}\\\"{\"}"],
            ),
            // Malformed inside: the next one is still found.
            ("{bad}{}", &["{bad}", "{}"]),
            // Truncated, or no object at all: nothing after it can be.
            ("{}{\"a\":", &["{}", "{\"a\":"]),
            ("{}[1]\n{}", &["{}", "[1]\n"]),
            ("{\"a\": \"", &["{\"a\": \""]),
        ] {
            assert_eq!(split(text.as_bytes()), pieces, "{text}");
        }
    }

    #[test]
    fn a_document_may_have_16_mib() {
        let document = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        let text = document(DOCUMENT_MAX) + "{}" + &document(DOCUMENT_MAX + 1) + "{\"b\":0}";
        let mut split = Split::new(text.as_bytes());
        let first = split.next().unwrap();
        assert!(matches!(first, Some(Piece::Document(d)) if d.len() == DOCUMENT_MAX));
        assert_eq!(split.next().unwrap(), Some(Piece::Document(b"{}")));
        assert_eq!(split.next().unwrap(), Some(Piece::TooLong));
        assert_eq!(split.next().unwrap(), Some(Piece::Document(b"{\"b\":0}")));
        assert_eq!(split.next().unwrap(), None);
    }
}
