// SPDX-License-Identifier: GPL-2.0

//! Draws build/bench.tsv: table on stdin, SVG on stdout.

use std::io::{
    self,
    Read,
    Write, //
};

fn main() -> io::Result<()> {
    let mut table = String::new();
    io::stdin().read_to_string(&mut table)?;
    io::stdout().write_all(oxmm_benches::draw::draw(&table).as_bytes())
}
