// SPDX-License-Identifier: GPL-2.0

//! Fuzz target: any bytes as the lines that describe machines and build them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oxmm_model::expect;

fuzz_target!(|input: &[u8]| expect::machine_follows_its_lines(input));
