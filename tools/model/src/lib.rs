// SPDX-License-Identifier: GPL-2.0

//! The pure room on the host, and what must hold for it whatever it is given.
//!
//! `algo` is not a copy: it is compiled from the folder that the module is compiled from, and its
//! unit tests run here. `expect` holds the properties that the tests of `tests/` and the targets of
//! `tools/fuzz` share, `expect_early` those of early memory. The naive models: `attempt` of the way
//! through a zonelist, `fallback` of the order of its nodes, `early` of early memory, `region` of a
//! region, `holders` of who holds blocks of a zone, which `drawn` draws. `zone` is a zone beside a
//! list of what is held, `board` a machine of a few zones. `host` is where zones of the private
//! manager keep their state here.

#[path = "../../../rust/algo/mod.rs"]
pub mod algo;

pub mod attempt;
pub mod board;
pub mod drawn;
pub mod early;
pub mod expect;
pub mod expect_early;
pub mod fallback;
pub mod holders;
pub mod host;
pub mod region;
pub mod zone;

#[path = "../../../rust/seam.rs"]
mod seam;
