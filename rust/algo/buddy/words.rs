// SPDX-License-Identifier: GPL-2.0

//! Free blocks in words: 64 bits, of which a set one is free, and 8 such words in a row.
//!
//!   bit      76543210
//!   word     11110100      a block of order 2 at bit 4, one of order 0 at bit 2
//!   order 0  11110100      starts of blocks, those inside of larger ones too
//!   order 1  .1.1.0.0
//!   order 2  ...1...0
//!
//! The same arithmetic serves three times: frames of a word (orders 0 to 6), full words of a
//! pageblock (from 6), and whole pageblocks of a region (from 9). Orders are counted from 0 here.
//!
//! # Locking     none: plain numbers.
//! # Cost        a few instructions an order and word; the basic set only, for the kernel is built
//!               without those that count bits.
//! # Limits      none.
//! # Reference   none: the kernel keeps lists of blocks.

use crate::algo::units::{
    usize_from, //
};

/// The words of a pageblock.
pub(super) type Line = [u64; 8];

/// The order of a full word.
pub(super) const WORD_ORDER: u32 = 6;

/// Where blocks of each order start.
const STARTS: [u64; 7] = [
    u64::MAX,
    0x5555_5555_5555_5555,
    0x1111_1111_1111_1111,
    0x0101_0101_0101_0101,
    0x0001_0001_0001_0001,
    0x0000_0001_0000_0001,
    1,
];

/// Returns the bits at which blocks of an order start; none above order 6.
#[inline]
pub(super) fn starts(word: u64, order: u32) -> u64 {
    let mut runs = word;
    let mut length = 0;
    while length < order {
        // From here on a bit says that it and the next 2^length - 1 are set.
        runs &= runs >> (1u32 << (length & 7)).min(63);
        length += 1;
    }
    runs & STARTS.get(usize_from(order)).unwrap_or(&0)
}

/// Returns all bits of the blocks of an order, at most 6, that start at these bits.
#[inline]
pub(super) const fn spread(starts: u64, order: u32) -> u64 {
    // Twice, for a shift by 64 is none. A block at the end is borrowed from the bit after the last.
    let ends = (starts << 1) << ((1u64 << order) - 1);
    ends.wrapping_sub(starts)
}

/// Returns the bits of the block of an order, at most 6, that this bit is in.
#[inline]
pub(super) const fn block(bit: u32, order: u32) -> u64 {
    spread(1 << (bit & 63 & (u32::MAX << order)), order)
}

/// Says whether the block of an order that this bit is in is in the word entirely; of orders above
/// those of a word, whether the word is full.
#[inline]
pub(super) fn is_in_block(word: u64, bit: u32, order: u32) -> bool {
    const FIRST: [u64; 7] = [1, 3, 15, 0xff, 0xffff, 0xffff_ffff, u64::MAX];
    let order = order.min(WORD_ORDER);
    let bits = FIRST[usize_from(order)];
    word >> (bit & 63 & (u32::MAX << order)) & bits == bits
}

/// Returns the order of the largest block, or `None` of 0.
#[inline]
pub(super) fn largest(word: u64) -> Option<u32> {
    orders(word, u64::MAX).checked_sub(1)
}

/// Counts the orders of which blocks start at these bits: one more than the largest.
#[inline]
pub(super) fn orders(word: u64, at: u64) -> u32 {
    let mut runs = word;
    let mut orders = 0;
    for starts in STARTS {
        if runs & starts & at == 0 {
            break;
        }
        runs &= runs >> (1u32 << (orders & 7)).min(63);
        orders += 1;
    }
    orders
}

/// The same without a branch, where the number can not be foretold.
#[inline]
pub(super) fn orders_of_all(word: u64, at: u64) -> u32 {
    let mut runs = word;
    let mut orders = 0;
    for (order, starts) in (0u32..).zip(STARTS) {
        // Where a block starts, one of the order below does too: those that there are come first.
        orders += u32::from(runs & starts & at != 0);
        runs &= runs >> (1u32 << order).min(63);
    }
    orders
}

/// Returns the order of the largest block that this bit, which is set, is in.
#[inline]
pub(super) const fn order_at(word: u64, bit: u32) -> u32 {
    // The nearest bit that is not set decides on either side: a block of 2^k bits holds those
    // numbers that differ from `bit` below 2^k only. Past the ends they differ in bit 6 or above.
    let clear = !word;
    let above = (clear & (u64::MAX << (bit & 63))).trailing_zeros() ^ bit;
    let below = 63u32.wrapping_sub((clear & !(u64::MAX << (bit & 63))).leading_zeros()) ^ bit;
    let nearest = if above < below { above } else { below };
    31 - (nearest | 1).leading_zeros()
}

/// Finds, of the blocks of `order` that start at `starts`, one inside of the smallest block that
/// the word has, and the order of that one.
#[inline]
pub(super) fn best_fit(word: u64, candidates: u64, order: u32) -> Option<(u32, u32)> {
    if candidates == 0 {
        return None;
    }
    let mut runs = word;
    for (size, starts) in (0..WORD_ORDER).zip(STARTS.iter().skip(1)) {
        runs &= runs >> (1u32 << size);
        if size < order {
            continue;
        }
        let small = candidates & !spread(runs & starts, size + 1);
        if small != 0 {
            return Some((small.trailing_zeros(), size));
        }
    }
    Some((candidates.trailing_zeros(), WORD_ORDER))
}

/// Returns where the blocks of an order start that are part of no larger one; those of order `max`
/// are part of none.
pub(super) fn maximal(word: u64, order: u32, max: u32) -> u64 {
    let blocks = starts(word, order);
    match order < max.min(WORD_ORDER) {
        true => blocks & !spread(starts(word, order + 1), order + 1),
        false => blocks,
    }
}

/// Counts the blocks of a line that are part of no larger one, nor above order `max`, by order.
///
/// The line is not full.
pub(super) fn count_of_line(line: &Line, max: u32, mut add: impl FnMut(u32, usize)) {
    for order in 0..=max.min(WORD_ORDER - 1) {
        let not_full = line
            .iter()
            .filter(|word| **word != u64::MAX || max < WORD_ORDER);
        let blocks = not_full.map(|word| ones(maximal(*word, order, max))).sum();
        if blocks > 0 {
            add(order, blocks);
        }
    }
    let full = full(line);
    let Some(max) = max.checked_sub(WORD_ORDER).filter(|_| full != 0) else {
        return;
    };
    for order in 0..=max.min(2) {
        let blocks = maximal(full, order, max);
        if blocks != 0 {
            add(order + WORD_ORDER, ones(blocks));
        }
    }
}

/// Returns which words of a line are full.
#[inline]
pub(super) fn full(line: &Line) -> u64 {
    (0u32..)
        .zip(line)
        .map(|(place, word)| u64::from(*word == u64::MAX) << place)
        .fold(0, |full, bit| full | bit)
}

/// Returns the largest order of a line, of which it is known that it is at most `bound`.
pub(super) fn largest_of_line(line: &Line, bound: u32) -> Option<u32> {
    if bound >= WORD_ORDER {
        if let Some(order) = largest(full(line)) {
            return Some(order + WORD_ORDER);
        }
    }
    let mut orders = (0..=bound.min(WORD_ORDER - 1)).rev();
    orders.find(|order| line.iter().any(|word| starts(*word, *order) != 0))
}

/// Finds a block of an order, at most 8, in a line: inside of the smallest that fits, with the
/// order of that one.
pub(super) fn best_fit_of_line(line: &Line, order: u32) -> Option<(u32, u32)> {
    let mut best = None;
    if order < WORD_ORDER {
        for (place, word) in (0u32..).zip(line) {
            if *word == 0 || *word == u64::MAX {
                continue;
            }
            let found = best_fit(*word, starts(*word, order), order);
            let Some((bit, size)) = found else { continue };
            if best.is_none_or(|(_, smallest)| size < smallest) {
                best = Some((place * 64 + bit, size));
                if size == order {
                    break;
                }
            }
        }
    }
    best.or_else(|| {
        let full = full(line);
        let order = order.saturating_sub(WORD_ORDER);
        let (place, size) = best_fit(full, starts(full, order), order)?;
        Some((place * 64, size + WORD_ORDER))
    })
}

/// Says whether all frames of a block of an order, at most 8, are free.
pub(super) fn is_block_free(line: &Line, bit: u32, order: u32) -> bool {
    let block = |word: u64, bits: u64| word & bits == bits;
    parts(bit, order).all(|(place, bits)| line.get(place).is_some_and(|word| block(*word, bits)))
}

/// Returns the words of a block of an order, at most 8, and its bits in each.
#[inline]
pub(super) fn parts(bit: u32, order: u32) -> impl Iterator<Item = (usize, u64)> {
    let first = place(bit / 64);
    let words = 1usize << order.saturating_sub(WORD_ORDER);
    let bits = block(bit, order.min(WORD_ORDER));
    (first..first + words).map(move |place| (place & 7, bits))
}

/// Returns the order of the largest block of a line that this bit, which is set, is in.
pub(super) fn order_at_of_line(line: &Line, bit: u32) -> u32 {
    match order_at(line[place(bit / 64)], bit & 63) {
        WORD_ORDER.. => WORD_ORDER + order_at(full(line), (bit / 64) & 7),
        order => order,
    }
}

/// Counts the free frames of a line.
pub(super) fn frames(line: &Line) -> usize {
    line.iter().map(|word| ones(*word)).sum()
}

/// Counts the bits that are set.
#[inline]
pub(super) fn ones(word: u64) -> usize {
    usize_from(word.count_ones())
}

/// Returns the lowest bit that is set.
pub(super) fn first(word: u64) -> Option<u32> {
    (word != 0).then(|| word.trailing_zeros())
}

/// Returns the place of a word in its line; of the number, three bits count.
#[inline]
pub(super) const fn place(word: u32) -> usize {
    usize_from(word & 7)
}

/// Takes up to `want` blocks of an order, at most 5, out of a word; returns how many.
#[inline]
pub(super) fn drain(word: &mut u64, order: u32, want: usize, mut out: impl FnMut(u32)) -> usize {
    let before = starts(*word, order);
    let mut rest = before;
    let mut taken = 0;
    while rest != 0 && taken < want {
        out(rest.trailing_zeros());
        rest &= rest - 1;
        taken += 1;
    }
    *word &= !spread(before & !rest, order);
    taken
}

/// Returns a mask of the bits from `from` to `to`, which is at most 64.
pub(super) fn range(from: usize, to: usize) -> u64 {
    let below = |end: usize| match end {
        0..=63 => (1u64 << end) - 1,
        _ => u64::MAX,
    };
    below(to) & !below(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of order 2 at 4 and of order 0 at 2; the rest of the word is not free.
    const SOME: u64 = 0b1111_0100;

    #[test]
    fn blocks_start_at_multiples_of_their_size() {
        assert_eq!(starts(SOME, 0), SOME);
        assert_eq!(starts(SOME, 1), 0b0101_0000);
        assert_eq!(starts(SOME, 2), 0b0001_0000);
        assert_eq!(starts(SOME, 3), 0);
        // A run that is long enough, but begins in the middle of a block.
        assert_eq!(starts(0b0111_1110, 2), 0);
        assert_eq!(starts(u64::MAX, 6), 1);
    }

    #[test]
    fn spread_blocks_are_all_of_their_bits() {
        assert_eq!(spread(0b0001_0000, 2), 0b1111_0000);
        assert_eq!(spread(1 << 63, 0), 1 << 63);
        assert_eq!(spread(1 << 48 | 1, 4), 0xffff_0000_0000_ffff);
        assert_eq!(spread(1, 6), u64::MAX);
        assert_eq!(block(37, 5), 0xffff_ffff_0000_0000);
    }

    #[test]
    fn best_fit_is_inside_of_the_smallest_block() {
        assert_eq!(best_fit(SOME, SOME, 0), Some((2, 0)));
        assert_eq!(best_fit(SOME, starts(SOME, 1), 1), Some((4, 2)));
        assert_eq!(best_fit(SOME, 0, 0), None);
        assert_eq!(best_fit(u64::MAX, u64::MAX, 0), Some((0, 6)));
        // Of two of the same size the one that starts at a bit that may be taken.
        assert_eq!(best_fit(0b1111_1111, 0b0001_0000, 1), Some((4, 3)));
    }

    /// Every word that is free but for two bits, against the definition.
    #[test]
    fn bit_is_in_the_largest_block_without_a_clear_bit() {
        for clear in (0..64_u32).flat_map(|low| (low..64).map(move |high| (low, high))) {
            let word = !(1 << clear.0 | 1 << clear.1);
            for bit in (0..64).filter(|bit| word >> bit & 1 == 1) {
                let is_free = |order: &u32| word & block(bit, *order) == block(bit, *order);
                let expected = (0..=6).rev().find(is_free).unwrap();
                assert_eq!(order_at(word, bit), expected);
                assert!(is_in_block(word, bit, expected) && !is_in_block(word, bit, expected + 1));
            }
        }
        assert_eq!(order_at(u64::MAX, 63), 6);
    }

    #[test]
    fn line_is_searched_in_words_that_are_not_full_first() {
        let line = [u64::MAX, u64::MAX, 0, SOME, 0, 0, 0, 0];
        assert_eq!(best_fit_of_line(&line, 0), Some((3 * 64 + 2, 0)));
        assert_eq!(best_fit_of_line(&line, 2), Some((3 * 64 + 4, 2)));
        assert_eq!(best_fit_of_line(&line, 3), Some((0, 7)));
        assert_eq!(best_fit_of_line(&line, 8), None);
        assert_eq!(largest_of_line(&line, 8), Some(7));
        assert_eq!(order_at_of_line(&line, 70), 7);
    }

    #[test]
    fn line_counts_each_free_frame_in_one_block() {
        let line = [u64::MAX, u64::MAX, u64::MAX, SOME, 0, 1, 0, 0];
        let blocks_to = |max| {
            let mut found = Vec::new();
            count_of_line(&line, max, |order, blocks| found.push((order, blocks)));
            found
        };
        assert_eq!(blocks_to(8), [(0, 2), (2, 1), (6, 1), (7, 1)]);
        assert_eq!(blocks_to(6), [(0, 2), (2, 1), (6, 3)]);
        assert_eq!(blocks_to(1), [(0, 2), (1, 98)]);
    }

    #[test]
    fn drained_word_keeps_the_rest() {
        let mut word = 0b1111_1100;
        let mut bits = Vec::new();
        assert_eq!(drain(&mut word, 1, 2, |bit| bits.push(bit)), 2);
        assert_eq!((word, bits), (0b1100_0000, vec![2, 4]));
        assert_eq!(drain(&mut word, 2, 1, |_| {}), 0);
    }

    #[test]
    fn range_ends_with_the_word() {
        assert_eq!(range(0, 64), u64::MAX);
        assert_eq!(range(4, 8), 0xf0);
        assert_eq!(range(64, 64), 0);
    }
}
