// SPDX-License-Identifier: GPL-2.0

//! Sorting in place: a heap, which needs no memory and has no bad case.
//!
//!   [ 5 2 8 1 ]  heap  [ 8 2 5 1 ]  largest to the end  [ 5 2 1 | 8 ]  and so on  [ 1 2 5 8 ]
//!
//! `core` sorts faster, and may panic in the middle of it when an order contradicts itself, which
//! the kernel's object checker objects to.
//!
//! # Locking     none: values in, values out.
//! # Cost        O(n log n) comparisons and swaps; no recursion.
//! # Limits      equals end up in any order.
//! # Reference   lib/sort.c: sort(), which is a heap sort too.

/// Sorts by a key, from small to large.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    let len = items.len();
    for at in (0..len / 2).rev() {
        sink(items, at, &key);
    }
    for end in (1..len).rev() {
        items.swap(0, end);
        if let Some(heap) = items.get_mut(..end) {
            sink(heap, 0, &key);
        }
    }
}

/// Lets an item sink until none below it is larger.
fn sink<T, K: Ord>(heap: &mut [T], mut at: usize, key: &impl Fn(&T) -> K) {
    loop {
        let mut largest = at;
        for below in [2 * at + 1, 2 * at + 2] {
            // What is not there is smaller than anything.
            if heap.get(below).map(key) > heap.get(largest).map(key) {
                largest = below;
            }
        }
        if largest == at {
            return;
        }
        heap.swap(at, largest);
        at = largest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every order of up to seven items, equals among them, is sorted, and none is lost.
    #[test]
    fn every_order_is_sorted() {
        for len in 0..=7u32 {
            for code in 0..4u32.pow(len) {
                let mut items: Vec<_> = (0..len).map(|it| code >> (2 * it) & 3).collect();
                let mut expected = items.clone();
                expected.sort();
                sort_by_key(&mut items, |&it| it);
                assert_eq!(items, expected);
            }
        }
    }

    /// The key decides, not the item; long and sorted either way before is no different.
    #[test]
    fn key_decides() {
        let mut items: Vec<_> = (0..1000).collect();
        sort_by_key(&mut items, |&it| core::cmp::Reverse(it));
        assert!(items.iter().copied().eq((0..1000).rev()));
        sort_by_key(&mut items, |&it| core::cmp::Reverse(it));
        assert!(items.iter().copied().eq((0..1000).rev()));
    }
}
