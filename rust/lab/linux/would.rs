// SPDX-License-Identifier: GPL-2.0

//! Requests and flags as Linux would take them, for the views that only look.
//!
//! # Limits      the flags are those that were written, while an allocation of the lab adds
//!               `__GFP_NOWARN`, which decides nothing.
//! # Reference   `rust/linux/would.rs`.

use crate::algo::{
    gfp::Gfp as Expression,
    snapshot::would::Asked, //
};
use crate::lab::{
    Decoded,
    PagesWish,
    Refusal, //
};
use crate::linux::{
    gfp::Gfp,
    node::Node,
    pages::MAX_ORDER,
    would, //
};

/// What the page allocator would make of a wish; refused are those that `alloc pages` refuses.
pub(super) fn asked(wish: &PagesWish) -> Result<Asked, Refusal> {
    if wish.order > MAX_ORDER {
        return Err(Refusal::Order {
            asked: wish.order,
            max: MAX_ORDER,
        });
    }
    let mut gfp = Gfp::new(wish.gfp)?;
    if let Some(migratetype) = wish.migratetype {
        gfp = gfp.with_type(migratetype)?;
    }
    let gfp = gfp.check()?;
    let node = match wish.node {
        None => None,
        Some(id) => Some(Node::get(id).ok_or(Refusal::NoNode(id))?),
    };
    let asked = would::asked(wish.order, gfp, node)
        .ok_or(Refusal::NotOffered("the node of this CPU is not online"))?;
    Ok(Asked {
        nodes: wish.nodes,
        ..asked
    })
}

/// What an expression comes down to.
pub(super) fn decode(gfp: Expression) -> Result<Decoded, Refusal> {
    let gfp = Gfp::new(gfp)?;
    Ok(Decoded {
        bits: gfp.as_raw(),
        flags: gfp.flags(),
        zone: gfp.zone(),
        list: gfp.list(),
        rules: would::rules(),
        refused: gfp.check().err().map(Refusal::from),
    })
}
