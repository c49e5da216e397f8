// SPDX-License-Identifier: GPL-2.0

//! Fuzz target: any actions on a zone of the private buddy, six bytes each, beside a list of what is
//! held.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oxmm_model::zone::{
    follow,
    Action,
    Span, //
};

fuzz_target!(|input: &[u8]| {
    let actions = input.chunks_exact(6).take(120);
    let actions = actions.filter_map(|bytes| bytes.try_into().ok());
    follow(Span::PAGEBLOCKS, actions.map(Action::from_bytes), 30);
});
