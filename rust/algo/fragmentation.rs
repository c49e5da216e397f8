// SPDX-License-Identifier: GPL-2.0

//! The kernel's two indices of external fragmentation, from the free block counts of a zone.
//!
//!   order    0  1  2  3 ...    wanted order 2: 6 + 2 of 20 free pages are unusable   -> 0.400
//!   nr_free  6  1  3  0                        a block is free, no failure to explain  -> -1.000
//!
//! # Locking     none: the caller brings the counts, all of one moment or not, as the kernel's own
//!               files do.
//! # Cost        O(orders) for each answer.
//! # Limits      The kernel divides by the low 32 bits of the divisor, which fails for zones from
//!               16 TiB on; here the division is exact. Sums saturate where the kernel's wrap,
//!               beyond any memory there is. A wanted order past the counts finds no block, where
//!               the kernel warns.
//! # Reference   mm/vmstat.c: fill_contig_page_info(), unusable_free_index(),
//!               __fragmentation_index(), and the debugfs files extfrag/unusable_index and
//!               extfrag/extfrag_index.

use core::fmt;

use crate::algo::units::{
    u64_from,
    Order, //
};

/// An index in thousandths; it prints as the kernel prints it.
///
/// `{}` is the kernel's `%d.%03d`, and a width is that of the part before the point: `{:2}` is
/// `%2d.%03d`. Where the index lies between -1 and 0 the minus stands after the point, `0.-500`,
/// because the kernel's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index(i32);

impl Index {
    /// Returns the index times 1000.
    pub const fn thousandths(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0 / 1000).fmt(f)?;
        write!(f, ".{:03}", self.0 % 1000)
    }
}

/// What the indices need to know of a zone, for one wanted order.
struct Free {
    pages: u64,
    blocks: u64,
    suitable_blocks: u64,
}

impl Free {
    fn count(nr_free: &[usize], wanted: Order) -> Self {
        let mut free = Self {
            pages: 0,
            blocks: 0,
            suitable_blocks: 0,
        };
        for (order, &blocks) in Order::up_to(Order::MAX).zip(nr_free) {
            let blocks = u64_from(blocks);
            free.blocks = free.blocks.saturating_add(blocks);
            free.pages = free.pages.saturating_add(pages_of(blocks, order));
            if let Some(more) = order.get().checked_sub(wanted.get()).and_then(Order::new) {
                free.suitable_blocks = free.suitable_blocks.saturating_add(pages_of(blocks, more));
            }
        }
        free
    }
}

/// Returns the pages in so many blocks of one order.
fn pages_of(blocks: u64, order: Order) -> u64 {
    blocks.saturating_mul(u64_from(order.nr_pages().get()))
}

/// Narrows a number of thousandths; those of real memory are below 2000.
fn narrow(thousandths: u64) -> i32 {
    i32::try_from(thousandths).unwrap_or(i32::MAX)
}

/// Returns which part of the free pages lies in blocks too small for `wanted`, from 0 (none) to 1
/// (all).
///
/// `nr_free` holds the number of free blocks of each order, from 0 on. Without free pages the
/// answer is 1.
pub fn unusable_index(nr_free: &[usize], wanted: Order) -> Index {
    let free = Free::count(nr_free, wanted);
    if free.pages == 0 {
        return Index(1000);
    }
    let usable = pages_of(free.suitable_blocks, wanted);
    let unusable = free.pages.saturating_sub(usable).saturating_mul(1000);
    Index(narrow(unusable / free.pages))
}

/// Returns why an allocation of `wanted` would fail: towards 0 for lack of memory, towards 1 for
/// fragmentation.
///
/// `nr_free` is that of `unusable_index`. The answer is -1 if the allocation would not fail, and 0
/// if nothing is free.
pub fn fragmentation_index(nr_free: &[usize], wanted: Order) -> Index {
    let free = Free::count(nr_free, wanted);
    if free.blocks == 0 {
        return Index(0);
    }
    if free.suitable_blocks != 0 {
        return Index(-1000);
    }
    let requested = u64_from(wanted.nr_pages().get());
    let share = (free.pages.saturating_mul(1000) / requested).saturating_add(1000) / free.blocks;
    // Does not overflow: 1000 less a number that is not negative.
    Index(1000 - narrow(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Joins what the kernel would print for orders 0 to 10.
    fn print(index_of: impl Fn(Order) -> Index) -> String {
        let max = Order::new(10).unwrap();
        let columns = Order::up_to(max).map(|order| format!("{:2} ", index_of(order)));
        columns.collect()
    }

    /// The expectations were printed by the kernel's own functions, compiled for the host.
    #[track_caller]
    fn prints(nr_free: [usize; 11], unusable: &str, fragmentation: &str) {
        assert_eq!(print(|order| unusable_index(&nr_free, order)), unusable);
        let printed = print(|order| fragmentation_index(&nr_free, order));
        assert_eq!(printed, fragmentation);
    }

    #[test]
    fn indices_print_as_the_kernel_prints_them() {
        prints(
            [0; 11],
            " 1.000  1.000  1.000  1.000  1.000  1.000  1.000  1.000  1.000  1.000  1.000 ",
            " 0.000  0.000  0.000  0.000  0.000  0.000  0.000  0.000  0.000  0.000  0.000 ",
        );
        prints(
            [6, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0],
            " 0.000  0.300  0.400  1.000  1.000  1.000  1.000  1.000  1.000  1.000  1.000 ",
            "-1.000 -1.000 -1.000  0.650  0.775  0.838  0.869  0.885  0.893  0.897  0.899 ",
        );
        prints(
            [1000, 500, 0, 0, 2, 0, 0, 0, 0, 0, 0],
            " 0.000  0.492  0.984  0.984  0.984  1.000  1.000  1.000  1.000  1.000  1.000 ",
            "-1.000 -1.000 -1.000 -1.000 -1.000  0.958  0.979  0.989  0.995  0.997  0.999 ",
        );
        prints(
            [123_456, 54_321, 999, 321, 77, 13, 5, 0, 1, 0, 0],
            " 0.000  0.512  0.963  0.980  0.990  0.995  0.997  0.998  0.998  1.000  1.000 ",
            "-1.000 -1.000 -1.000 -1.000 -1.000 -1.000 -1.000 -1.000 -1.000  0.998  0.999 ",
        );
    }

    /// Between -1 and 0 the kernel's `%d` loses the sign of the part before the point, and its
    /// `%03d` prints one after it.
    #[test]
    fn small_negative_index_prints_its_minus_after_the_point() {
        prints(
            [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            " 0.000  1.000  1.000  1.000  1.000  1.000  1.000  1.000  1.000  1.000  1.000 ",
            "-1.000  0.-500  0.-250  0.-125  0.-62  0.-31  0.-15  0.-07  0.-03  0.-01  0.000 ",
        );
    }

    #[test]
    fn without_width_nothing_is_padded() {
        assert_eq!(unusable_index(&[3], Order::ZERO).to_string(), "0.000");
        assert_eq!(fragmentation_index(&[3], Order::ZERO).to_string(), "-1.000");
    }

    #[test]
    fn absurd_counts_are_answered() {
        let nr_free = [usize::MAX; Order::COUNT];
        for order in Order::up_to(Order::MAX) {
            let unusable = unusable_index(&nr_free, order).thousandths();
            assert!((0..=1000).contains(&unusable));
            assert_eq!(fragmentation_index(&nr_free, order).thousandths(), -1000);
        }
    }

    #[test]
    fn counts_past_the_largest_order_are_not_read() {
        let mut nr_free = [0; Order::COUNT + 1];
        nr_free[Order::COUNT] = 1;
        assert_eq!(unusable_index(&nr_free, Order::MAX).thousandths(), 1000);
    }
}
