// SPDX-License-Identifier: GPL-2.0

//! Fuzz target: any bytes written to `ctl`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oxmm_model::expect;

fuzz_target!(|input: &[u8]| expect::write_is_answered(input));
