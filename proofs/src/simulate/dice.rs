//! Chance, from a seed. The generator is one whose numbers are specified (ChaCha with 8 rounds),
//! and what is made of them here is whole numbers: a seed means the same run on every machine, and
//! next year.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::ops::Range;

/// A million.
const MILLION: u64 = 1_000_000;

/// Draws numbers.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Those of a seed.
    pub fn new(seed: u64) -> Self {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `bound`; 0 where there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a product: bounds are small, so that no number is noticeably likelier.
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in a range; its start where the range is empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end.saturating_sub(range.start))
    }

    /// A wait whose mean is this.
    pub fn about(&mut self, mean: u64) -> u64 {
        self.below(2 * mean)
    }

    /// Whether something happens that happens so many times in a million.
    pub fn chance(&mut self, in_a_million: u64) -> bool {
        in_a_million > 0 && self.below(MILLION) < in_a_million
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, some: &[T]) -> T {
        some[self.below(some.len() as u64) as usize].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_numbers_for_ever() {
        let mut dice = Dice::new(7);
        let drawn: Vec<_> = (0..6).map(|_| dice.below(1000)).collect();
        assert_eq!(drawn, PINNED);
        assert_eq!((dice.below(0), dice.within(5..5), dice.chance(0)), (0, 5, false));
    }

    const PINNED: [u64; 6] = [157, 167, 704, 726, 601, 359];
}
