// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Numbered lines, and what has become of them on their way.

use crate::noise::Noise;

/// No line is longer.
pub(crate) const LONGEST: usize = 80;

/// Digits of the number.
const DIGITS: usize = 10;

/// Line `number`: its number, then bytes of any value but that of the newline, then a newline. The
/// length goes from 12 bytes up to [`LONGEST`].
pub(crate) fn line(number: u64) -> Vec<u8> {
    let mut noise = Noise::new(number);
    let most = u32::try_from(LONGEST - DIGITS - 1).unwrap_or(1);
    let len = 1 + noise.below(most);
    let mut line = format!("{number:0DIGITS$}").into_bytes();
    let bytes = noise.bytes(usize::try_from(len).unwrap_or(1));
    line.extend(bytes.into_iter().map(|byte| match byte {
        b'\n' => b'\r',
        other => other,
    }));
    line.push(b'\n');
    line
}

/// Judges lines as they arrive.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// The line that is next.
    next: u64,
    /// The line that arrives.
    part: Vec<u8>,
    /// Lines that arrived as they were sent, in their turn.
    pub(crate) good: u64,
    /// Lines that others have overtaken, and that had not come when these did.
    pub(crate) lost: u64,
    /// Whole lines that came when another one's turn had come.
    pub(crate) doubled: u64,
    /// What is no line that was ever sent.
    pub(crate) damaged: u64,
}

impl Checker {
    /// Takes what has arrived.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.part.push(*byte);
            if *byte == b'\n' || self.part.len() > LONGEST {
                let arrived = std::mem::take(&mut self.part);
                self.judge(&arrived);
            }
        }
    }

    fn judge(&mut self, arrived: &[u8]) {
        let number = arrived.get(..DIGITS).and_then(number);
        match number.filter(|number| line(*number) == arrived) {
            Some(number) if number >= self.next => {
                self.lost += number - self.next;
                self.good += 1;
                self.next = number + 1;
            }
            Some(_) => self.doubled += 1,
            None => {
                self.damaged += 1;
                self.next += 1;
            }
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(bytes: &[u8]) -> [u64; 4] {
        let mut checker = Checker::default();
        // However it is cut.
        for piece in bytes.chunks(7) {
            checker.feed(piece);
        }
        [checker.good, checker.lost, checker.doubled, checker.damaged]
    }

    fn lines(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|number| line(*number)).collect()
    }

    #[test]
    fn a_line_is_what_it_should_be() {
        let all: Vec<_> = (0..5000).map(line).collect();
        assert!(all.iter().all(|line| line.ends_with(b"\n")));
        assert!(all.iter().all(|line| (12..=LONGEST).contains(&line.len())));
        let newlines = all.iter().flatten().filter(|byte| **byte == b'\n');
        assert_eq!(newlines.count(), all.len());
        let every = (0..=255).filter(|byte| all.iter().flatten().any(|b| b == byte));
        assert_eq!(every.count(), 256);
        assert_eq!(all.iter().map(Vec::len).max(), Some(LONGEST));
    }

    #[test]
    fn what_happened_to_lines_is_told_apart() {
        for (numbers, expected) in [
            (&[0, 1, 2][..], [3, 0, 0, 0]),
            (&[0, 1, 4, 5], [4, 2, 0, 0]),
            (&[0, 1, 1, 2], [3, 0, 1, 0]),
            (&[1, 0, 2], [2, 1, 1, 0]),
        ] {
            assert_eq!(counts(&lines(numbers)), expected, "{numbers:?}");
        }
    }

    #[test]
    fn every_byte_counts() {
        let whole = lines(&[0, 1, 2]);
        let second = line(0).len();
        for at in second..second + line(1).len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            let mut shorter = whole.clone();
            shorter.remove(at);
            let mut longer = whole.clone();
            longer.insert(at, whole[at]);
            for wrong in [changed, shorter, longer] {
                let [good, lost, doubled, damaged] = counts(&wrong);
                assert!(good < 4 && lost + doubled + damaged > 0, "byte {at}");
            }
        }
    }
}
