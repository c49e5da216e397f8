// SPDX-License-Identifier: GPL-2.0

//! Memory policies of a line: which node each of its blocks is asked for, and which may serve it.
//!
//!   policy=bind nodes=1,3         one plan: the CPU's node or node=, with the nodemask 1,3
//!   policy=interleave nodes=0-2   a plan for each node; block after block takes the next
//!                                 line 1: 0 1 2 0     line 2: 1 2 0     the turns go on
//!   nodes=1                       one plan, with the nodemask as it stands
//!
//! `node=` stands for the node of the CPU, where the policy does not name another.
//!
//! # Locking     none; the turn is one atomic, to which a line adds all of its blocks at once.
//! # Cost        a plan for each node that is interleaved.
//! # Limits      those of algo/zonelist/policy.rs. Of two lines that run at a time either may have
//!               the earlier turns.
//! # Reference   `mm/mempolicy.c`: `alloc_pages_mpol()`, whose `nid` is `node=` here,
//!               `mpol_set_nodemask()`.

use kernel::prelude::*;

use super::{
    Lab,
    Manager,
    PagesWish,
    Plan,
    Refusal,
    Request,
    Wanted, //
};
use crate::algo::{
    command::Placement,
    gfp::Flag,
    snapshot::would::Asked,
    units::{
        Bytes,
        NodeId,
        NodeMask,
        ZoneKind, //
    },
};
use crate::linux::quietly;
use crate::private::{
    policy_zone,
    Mode,
    Policy,
    PolicyRequest, //
};
use crate::seam::Relaxed;

/// What the blocks of a line are allocated by.
///
/// # Invariants
///
/// There is at least one plan.
pub(super) struct Plans<P> {
    first: P,
    /// Those of the other turns; none but for interleaving.
    others: KVVec<P>,
    /// Whether blocks take turns.
    pub(super) is_interleaved: bool,
}

impl<P: Plan> Plans<P> {
    fn one(plan: P) -> Self {
        Self {
            first: plan,
            others: KVVec::new(),
            is_interleaved: false,
        }
    }

    /// The plan of a turn.
    pub(super) fn of_turn(&self, turn: usize) -> &P {
        let place = turn.checked_rem(self.others.len() + 1).unwrap_or(0);
        let other = place.checked_sub(1).and_then(|it| self.others.get(it));
        other.unwrap_or(&self.first)
    }

    /// What one allocation takes, whichever turn it is.
    pub(super) fn taken(&self) -> Option<Bytes> {
        self.first.taken()
    }
}

impl<M: Manager> Lab<M> {
    /// Plans all blocks of a line.
    ///
    /// # Errors
    ///
    /// What is wrong with the request, its policy, or its nodes.
    pub(super) fn plans(
        &self,
        manager: &M,
        request: &Request<'_, M::Cache>,
        placement: &Placement,
    ) -> Result<Plans<M::Plan>, Refusal> {
        let Wanted::Pages {
            order,
            migratetype,
            nodes,
        } = request.wanted
        else {
            return Ok(Plans::one(manager.plan(request)?));
        };
        let wish = PagesWish {
            order,
            gfp: request.gfp,
            node: request.node,
            migratetype,
            nodes,
        };
        let plan = |turn| {
            let placed = placed(manager, &wish, placement, turn)?;
            manager.plan(&Request {
                wanted: Wanted::Pages {
                    order,
                    migratetype,
                    nodes: placed.nodes,
                },
                gfp: request.gfp,
                node: placed.node,
                tag: request.tag,
            })
        };
        let mut plans = Plans::one(plan(0)?);
        if placement.policy == Some(Mode::Interleave) {
            plans.is_interleaved = true;
            for turn in 1..usable(manager, placement).map_or(0, |nodes| nodes.len()) {
                let pushed = plans.others.push(plan(turn)?, quietly());
                pushed.map_err(|_| Refusal::NoTable)?;
            }
        }
        Ok(plans)
    }

    /// Takes the turns of so many blocks; returns the first.
    pub(super) fn take_turns(&self, count: usize) -> usize {
        self.turn.fetch_add(count, Relaxed)
    }

    /// A wish with its policy as it would be for the block that is next.
    ///
    /// # Errors
    ///
    /// As for an allocation.
    pub fn placed_next(
        &self,
        manager: &M,
        wish: &PagesWish,
        placement: &Placement,
    ) -> Result<PagesWish, Refusal> {
        placed(manager, wish, placement, self.turn.load(Relaxed))
    }
}

fn placed<M: Manager>(
    manager: &M,
    wish: &PagesWish,
    placement: &Placement,
    turn: usize,
) -> Result<PagesWish, Refusal> {
    if *placement == Placement::default() {
        return Ok(*wish);
    }
    let asked = manager.asked(wish)?;
    let named = placement.nodes.unwrap_or(NodeMask::EMPTY);
    let missing = |node: &NodeId| !manager.nodes().any(|it| it == *node);
    if let Some(node) = named.iter().find(missing) {
        return Err(Refusal::NoNode(node));
    }
    let (node, nodes) = match placement.policy {
        None => (asked.node, placement.nodes),
        Some(mode) => chosen(manager, (mode, usable(manager, placement)), &asked, turn)?,
    };
    Ok(PagesWish {
        node: Some(node),
        nodes,
        ..*wish
    })
}

/// The nodes of a line that a policy can use (mpol_set_nodemask()).
fn usable<M: Manager>(manager: &M, placement: &Placement) -> Option<NodeMask> {
    let nodes = manager.nodes();
    let usable: NodeMask = nodes.filter(|&node| manager.serves(node)).collect();
    Some(placement.nodes?.common(&usable))
}

/// The node and the nodemask that a policy chooses for a turn.
fn chosen<M: Manager>(
    manager: &M,
    (mode, nodes): (Mode, Option<NodeMask>),
    asked: &Asked,
    turn: usize,
) -> Result<(NodeId, Option<NodeMask>), Refusal> {
    if mode != Mode::Local && nodes.is_some_and(|nodes| nodes.is_empty()) {
        return Err(Refusal::NoUsableNode);
    }
    let policy = Policy::new(mode, nodes)?;
    if mode == Mode::Bind && asked.flags.contains(Flag::Thisnode) {
        return Err(Refusal::BoundAlone);
    }
    let zones = |node| manager.zones(node);
    let is_normal = |&node: &NodeId| zones(node).any(|zone| zone <= ZoneKind::Normal);
    let normal: NodeMask = manager.nodes().filter(is_normal).collect();
    let choice = policy.choose(&PolicyRequest {
        local: asked.node,
        counter: turn,
        highest: asked.highest,
        policy_zone: policy_zone(manager.nodes().flat_map(zones)),
        normal: &normal,
    });
    Ok((choice.node, choice.allowed.copied()))
}
