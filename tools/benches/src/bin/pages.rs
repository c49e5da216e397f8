// SPDX-License-Identifier: GPL-2.0

//! Measures oxmm's page allocator and those of others, and prints a row for each figure and peer.

use std::process::ExitCode;

fn main() -> ExitCode {
    oxmm_benches::run(Vec::new())
}
