// SPDX-License-Identifier: GPL-2.0

//! Fuzz target: any free block counts, a byte for each order.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oxmm_model::expect;

fuzz_target!(|input: &[u8]| {
    let nr_free: Vec<usize> = input.iter().map(|nr| usize::from(*nr)).take(24).collect();
    expect::indices_follow_the_list(&nr_free);
});
