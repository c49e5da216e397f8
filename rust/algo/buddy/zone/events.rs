// SPDX-License-Identifier: GPL-2.0

//! What the lists of a CPU note of an allocation.
//!
//! # Locking     under the lock of the lists.
//! # Reference   `mm/page_alloc.c`: `rmqueue()`; `mm/vmstat.c`: `zone_statistics()`.

use super::Want;
use crate::algo::buddy::pcp::{
    Event,
    Pcp, //
};

/// Notes an allocation through a list.
#[inline]
pub(super) fn note_list(pcp: &mut Pcp, want: &Want) {
    pcp.note_alloc();
    if !want.is_hit {
        pcp.note(Event::NumaMiss, 1);
    }
}

/// Counts a block that did not come through a list (__count_zid_vm_events(), zone_statistics()).
pub(super) fn note_alloc(pcp: &mut Pcp, want: &Want) {
    pcp.note(Event::Alloc, 1 << want.order.get());
    // What came another way is taken off what came at all.
    pcp.note(Event::NumaHit, 1);
    if !want.is_hit {
        pcp.note(Event::NumaMiss, 1);
    }
}
