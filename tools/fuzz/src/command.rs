// SPDX-License-Identifier: GPL-2.0

//! Fuzz target: any bytes written to `ctl`, and as one line to each view that takes one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oxmm_model::expect;

fuzz_target!(|input: &[u8]| {
    expect::write_is_answered(input);
    expect::question_is_answered(input);
});
