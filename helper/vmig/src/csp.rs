// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Search: the first solution, in the order of the variables and of their values, of clauses over
//! variables with finite domains.
//!
//! Depth first with unit propagation, so the solution found is the lexicographically first one. What
//! is asked here is as hard as SAT: every step is paid from a [`Budget`].

/// A set of values of a variable, a bit each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bits(Box<[u64]>);

impl Bits {
    pub(crate) fn new(size: usize, contains: impl Fn(usize) -> bool) -> Self {
        let mut words = vec![0; size.div_ceil(64)];
        for value in (0..size).filter(|value| contains(*value)) {
            words[value / 64] |= 1 << (value % 64);
        }
        Self(words.into())
    }

    fn contains(&self, value: usize) -> bool {
        self.0
            .get(value / 64)
            .is_some_and(|word| word & (1 << (value % 64)) != 0)
    }

    /// The first value that is not below `from`.
    fn next(&self, from: usize) -> Option<usize> {
        let first = self.0.get(from / 64)? & (u64::MAX << (from % 64));
        let rest = self.0.iter().copied().skip(from / 64 + 1);
        (from / 64..)
            .zip(std::iter::once(first).chain(rest))
            .find(|(_, word)| *word != 0)
            .map(|(i, word)| i * 64 + word.trailing_zeros() as usize)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a & !b == 0)
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }
}

/// Steps that may still be taken.
#[derive(Clone, Debug)]
pub(crate) struct Budget(u64);

/// An answer is beyond the work limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("beyond the work limit")]
pub struct TooComplex;

impl Budget {
    /// Steps of a whole command: about half a second.
    pub(crate) const COMMAND: Self = Self(100_000_000);
    /// Steps for one of many documents.
    pub(crate) const DOCUMENT: Self = Self(20_000_000);

    pub(crate) fn spend(&mut self, steps: usize) -> Result<(), TooComplex> {
        self.0 = self.0.checked_sub(steps as u64).ok_or(TooComplex)?;
        Ok(())
    }
}

/// Variables, numbered from 0 in the order of decision, and clauses: of each, one literal must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Csp {
    pub(crate) sizes: Vec<usize>,
    /// A literal is a variable and the values with which it holds.
    pub(crate) clauses: Vec<Vec<(usize, Bits)>>,
    /// Of some variables, the value that costs nothing; any other costs one. `Some(None)`: all do.
    pub(crate) keep: Vec<Option<Option<usize>>>,
}

impl Csp {
    /// The first solution.
    pub(crate) fn first(&self, budget: &mut Budget) -> Result<Option<Vec<usize>>, TooComplex> {
        Search::new(self, usize::MAX).run(budget)
    }

    /// The first of the solutions that cost least.
    pub(crate) fn cheapest(&self, budget: &mut Budget) -> Result<Option<Vec<usize>>, TooComplex> {
        if self.first(budget)?.is_none() {
            return Ok(None);
        }
        for limit in 0..=self.sizes.len() {
            if let Some(found) = Search::new(self, limit).run(budget)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// A decision: the variable is the one with the frame's number.
struct Frame {
    /// How long the trail was before.
    trail: usize,
    /// The value to be tried next.
    next: usize,
    /// Whether other values make no difference.
    free: bool,
}

struct Search<'a> {
    csp: &'a Csp,
    domains: Vec<Bits>,
    /// The clauses of each variable.
    clauses: Vec<Vec<usize>>,
    /// Domains as they were before they were narrowed.
    trail: Vec<(usize, Bits)>,
    limit: usize,
}

impl<'a> Search<'a> {
    fn new(csp: &'a Csp, limit: usize) -> Self {
        let mut clauses = vec![Vec::new(); csp.sizes.len()];
        for (i, clause) in csp.clauses.iter().enumerate() {
            for (var, _) in clause {
                clauses[*var].push(i);
            }
        }
        Self {
            csp,
            domains: csp
                .sizes
                .iter()
                .map(|size| Bits::new(*size, |_| true))
                .collect(),
            clauses,
            trail: Vec::new(),
            limit,
        }
    }

    fn run(mut self, budget: &mut Budget) -> Result<Option<Vec<usize>>, TooComplex> {
        let all: Vec<usize> = (0..self.csp.clauses.len()).collect();
        if self.domains.iter().any(Bits::is_empty) || !self.propagate(all, budget)? {
            return Ok(None);
        }
        let mut frames: Vec<Frame> = Vec::with_capacity(self.csp.sizes.len());
        loop {
            let var = frames.len();
            if var == self.csp.sizes.len() {
                let value = |domain: &Bits| domain.next(0);
                return Ok(self.domains.iter().map(value).collect());
            }
            frames.push(Frame {
                trail: self.trail.len(),
                next: 0,
                free: self.is_free(var, budget)?,
            });
            // Go on with the newest decision that has a value left.
            loop {
                let Some(mut frame) = frames.pop() else {
                    return Ok(None);
                };
                let var = frames.len();
                self.undo(frame.trail);
                if let Some(value) = self.candidate(var, &mut frame) {
                    frames.push(frame);
                    if self.decide(var, value, budget)? {
                        break;
                    }
                }
            }
        }
    }

    /// The value to try next. Where all clauses of the variable hold anyway, one is enough: the
    /// cheapest, else the first.
    fn candidate(&self, var: usize, frame: &mut Frame) -> Option<usize> {
        let domain = &self.domains[var];
        if frame.free && frame.next > 0 {
            return None;
        }
        let kept = self.kept(var).flatten();
        let value = match kept.filter(|kept| frame.free && domain.contains(*kept)) {
            Some(kept) => kept,
            None => domain.next(frame.next)?,
        };
        frame.next = value + 1;
        Some(value)
    }

    fn kept(&self, var: usize) -> Option<Option<usize>> {
        self.csp.keep.get(var).copied().flatten()
    }

    fn decide(
        &mut self,
        var: usize,
        value: usize,
        budget: &mut Budget,
    ) -> Result<bool, TooComplex> {
        budget.spend(1)?;
        let only = Bits::new(self.csp.sizes[var], |other| other == value);
        if self.domains[var] == only {
            return self.affordable(budget);
        }
        self.narrow(var, only);
        let touched = self.clauses[var].clone();
        Ok(self.propagate(touched, budget)? && self.affordable(budget)?)
    }

    /// Whether what must be changed by now is within the limit.
    fn affordable(&self, budget: &mut Budget) -> Result<bool, TooComplex> {
        if self.limit == usize::MAX {
            return Ok(true);
        }
        budget.spend(self.domains.len())?;
        let changed = (0..self.domains.len()).filter(|var| {
            self.kept(*var)
                .is_some_and(|kept| !kept.is_some_and(|kept| self.domains[*var].contains(kept)))
        });
        Ok(changed.count() <= self.limit)
    }

    fn is_free(&self, var: usize, budget: &mut Budget) -> Result<bool, TooComplex> {
        for clause in &self.clauses[var] {
            let clause = &self.csp.clauses[*clause];
            budget.spend(clause.len())?;
            if !clause
                .iter()
                .any(|(var, bits)| self.domains[*var].is_subset(bits))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn narrow(&mut self, var: usize, bits: Bits) {
        let before = std::mem::replace(&mut self.domains[var], bits);
        self.trail.push((var, before));
    }

    fn undo(&mut self, length: usize) {
        for (var, before) in self.trail.drain(length..).rev() {
            self.domains[var] = before;
        }
    }

    /// Narrows domains until no clause asks for more; false: a clause cannot hold any more.
    fn propagate(
        &mut self,
        mut queue: Vec<usize>,
        budget: &mut Budget,
    ) -> Result<bool, TooComplex> {
        let csp = self.csp;
        while let Some(i) = queue.pop() {
            let clause = &csp.clauses[i];
            let mut holds = false;
            let mut last = None;
            let mut left = 0;
            for (var, bits) in clause {
                let domain = &self.domains[*var];
                budget.spend(1 + domain.0.len() / 8)?;
                if domain.is_subset(bits) {
                    holds = true;
                    break;
                }
                if domain.meets(bits) {
                    left += 1;
                    last = Some((*var, bits));
                }
            }
            match (holds, last) {
                (true, _) => {}
                (false, None) => return Ok(false),
                (false, Some((var, bits))) if left == 1 => {
                    let narrowed = self.domains[var].intersection(bits);
                    self.narrow(var, narrowed);
                    queue.extend(&self.clauses[var]);
                }
                (false, Some(_)) => {}
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(literals: &[(usize, &[usize])]) -> Vec<(usize, Bits)> {
        let literal = |(var, values): &(usize, &[usize])| {
            (*var, Bits::new(3, |value| values.contains(&value)))
        };
        literals.iter().map(literal).collect()
    }

    #[test]
    fn the_first_solution() {
        let mut csp = Csp {
            sizes: vec![3, 3, 3],
            // Any two differ, and the first is not 0.
            clauses: vec![clause(&[(0, &[1, 2])])],
            keep: Vec::new(),
        };
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            for value in 0..3 {
                let others: Vec<usize> = (0..3).filter(|other| *other != value).collect();
                csp.clauses.push(clause(&[(a, &others), (b, &others)]));
            }
        }
        let mut budget = Budget::COMMAND;
        assert_eq!(csp.first(&mut budget), Ok(Some(vec![1, 0, 2])));
        assert_eq!(csp.first(&mut Budget(20)), Err(TooComplex));
        csp.keep = vec![Some(Some(2)), Some(Some(1)), Some(None)];
        assert_eq!(csp.cheapest(&mut budget), Ok(Some(vec![2, 1, 0])));
        csp.clauses.push(clause(&[(1, &[2]), (2, &[1])]));
        csp.clauses.push(clause(&[(2, &[2])]));
        assert_eq!(csp.first(&mut budget), Ok(None));
        assert_eq!(csp.cheapest(&mut budget), Ok(None));
    }

    #[test]
    fn values_beyond_a_word() {
        let bits = Bits::new(200, |value| value == 70 || value == 199);
        assert_eq!(bits.next(0), Some(70));
        assert_eq!(bits.next(71), Some(199));
        assert_eq!(bits.next(200), None);
    }
}
