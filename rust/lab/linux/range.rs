// SPDX-License-Identifier: GPL-2.0

//! Ranges of pages as Linux can be asked for them.
//!
//! # Limits      no limits of place, which Linux takes for whole zones alone; up to its largest block,
//!               of which the tail is given back.
//! # Reference   `rust/linux/exact.rs`.

use super::{
    whole,
    What, //
};
use crate::algo::{
    command::RangeWish,
    gfp::Flag,
    units::{
        NrPages,
        Order, //
    },
};
use crate::lab::Refusal;
use crate::linux::{
    gfp::Gfp,
    pages::MAX_ORDER,
    PAGE_SHIFT, //
};

/// The block that a range is cut out of, and how many pages are kept.
///
/// # Errors
///
/// What Linux offers no way to, and a range that no block has.
pub(super) fn range(wish: &RangeWish, gfp: Gfp) -> Result<What, Refusal> {
    if wish.min.is_some() || wish.max.is_some() || wish.bottom_up {
        return Err(Refusal::NotOffered(
            "min=, max= and bottom_up= are not offered: Linux places what it allocates",
        ));
    }
    if wish.fill {
        return Err(Refusal::NotOffered(
            "fill= is offered for pages here, not for a range",
        ));
    }
    if gfp.flags().contains(Flag::Comp) {
        return Err(Refusal::NotOffered(
            "__GFP_COMP is not offered: pages of a range are parted from the rest of their block",
        ));
    }
    let pages = whole(wish.size);
    let align = wish.align.map_or(0, |align| align.bytes().get());
    let most = pages.max(NrPages::new(align >> PAGE_SHIFT));
    match Order::up_to(MAX_ORDER).find(|order| order.nr_pages() >= most) {
        Some(order) => Ok(What::Range(order, pages)),
        None => Err(Refusal::Order {
            asked: Order::up_to(Order::MAX)
                .find(|order| order.nr_pages() >= most)
                .unwrap_or(Order::MAX),
            max: MAX_ORDER,
        }),
    }
}
