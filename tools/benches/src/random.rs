// SPDX-License-Identifier: GPL-2.0

//! Numbers that look random and are the same in every run.
//!
//! # Cost        a multiplication and some shifts for each number.
//! # Limits      for order of work, not for secrets.
//! # Reference   Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (SplitMix).

/// A row of numbers that its seed determines.
pub struct Random(u64);

impl Random {
    /// Starts the row of `seed`.
    pub fn new(seed: usize) -> Self {
        // CAST: `usize` has 64 bits at most.
        Self(seed as u64)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        // CAST: `usize` has 64 bits at most.
        let wide = u128::from(self.next()) * (end as u128);
        // CAST: the product's upper half is below `end`.
        (wide >> 64) as usize
    }

    /// Puts `list` into another order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number from 0 to 99 is met, none above.
    #[test]
    fn below_meets_every_number_below_the_end() {
        let mut random = Random::new(1);
        let mut met = [false; 100];
        for _ in 0..10_000 {
            met[random.below(100)] = true;
        }
        assert!(met.iter().all(|met| *met));
    }

    /// What was in the list stays in it, elsewhere.
    #[test]
    fn shuffle_keeps_what_is_in_the_list() {
        let mut list: Vec<usize> = (0..1000).collect();
        Random::new(2).shuffle(&mut list);
        assert!(list.iter().enumerate().filter(|(i, v)| i == *v).count() < 20);
        list.sort_unstable();
        assert!(list.iter().enumerate().all(|(i, v)| i == *v));
    }
}
