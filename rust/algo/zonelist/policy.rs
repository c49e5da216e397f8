// SPDX-License-Identifier: GPL-2.0

//! Memory policies: which node's zonelist a request walks, and which nodes it may take from.
//!
//!   policy        list of               nodes allowed
//!   local         the CPU's node        all
//!   preferred     the node named        all
//!   bind          the CPU's node        the set, unless the request is for a low zone
//!   interleave    the set's next node   all
//!
//! # Locking     none: values in, values out; who asks keeps the counter.
//! # Cost        O(nodes) for interleave, else O(1).
//! # Limits      the policies of set_mempolicy() without its flags: no home node, no
//!               MPOL_PREFERRED_MANY, no weights. Nodes that a cpuset forbids are to be left out of
//!               the sets by the caller.
//! # Reference   mm/mempolicy.c: mpol_new(), policy_nodemask(), interleave_nid(), apply_policy_zone().

use crate::algo::units::{
    named,
    NodeId,
    NodeMask,
    ZoneKind, //
};

named! {
    /// The name of a policy, without the nodes that it goes by.
    pub enum Mode {
        Local = "local",
        Bind = "bind",
        Preferred = "preferred",
        Interleave = "interleave",
    }
}

/// Why a policy and a set of nodes do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPolicy {
    /// It goes by a set, and there is none or an empty one.
    NeedsNodes(Mode),
    /// It is near the CPU, wherever that is, and there is a set.
    TakesNoNodes,
}

/// A memory policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// MPOL_LOCAL, the default: near the CPU.
    Local,
    /// MPOL_BIND: from these nodes only.
    Bind(NodeMask),
    /// MPOL_PREFERRED: near this node.
    Preferred(NodeId),
    /// MPOL_INTERLEAVE: near one of these nodes after the other.
    Interleave(NodeMask),
}

/// What a policy needs to know of a request and of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The node of the CPU.
    pub local: NodeId,
    /// The number of the page: its offset in what is interleaved, or how many came before it.
    pub counter: usize,
    /// The highest zone that the gfp flags allow.
    pub highest: ZoneKind,
    /// The zone from which on a request is bound, see `zonelist::policy_zone()`.
    pub policy_zone: ZoneKind,
    /// The nodes with pages in zones other than Movable (N_NORMAL_MEMORY).
    pub normal: &'a NodeMask,
}

/// What a policy says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The node whose zonelist is walked.
    pub node: NodeId,
    /// The nodes of the list that may serve; `None` for all.
    pub allowed: Option<&'a NodeMask>,
}

impl Policy {
    /// Makes a policy (mpol_new()): the nodes are those of the set that may serve at all, and a
    /// preference for none is for the CPU's.
    ///
    /// # Errors
    ///
    /// That set and policy do not go together.
    pub fn new(mode: Mode, nodes: Option<NodeMask>) -> Result<Self, BadPolicy> {
        let needed = nodes.filter(|nodes| !nodes.is_empty());
        let needed = needed.ok_or(BadPolicy::NeedsNodes(mode));
        match mode {
            Mode::Local if nodes.is_some() => Err(BadPolicy::TakesNoNodes),
            Mode::Local => Ok(Self::Local),
            Mode::Bind => needed.map(Self::Bind),
            Mode::Interleave => needed.map(Self::Interleave),
            Mode::Preferred => match nodes {
                None => Ok(Self::Local),
                // The lowest, as in mpol_new_preferred().
                Some(nodes) => nodes
                    .first()
                    .map(Self::Preferred)
                    .ok_or(BadPolicy::NeedsNodes(mode)),
            },
        }
    }

    /// Chooses the list of a request, and what of it may serve.
    ///
    /// A set without any node, which set_mempolicy() does not take but which is left when a cpuset
    /// shrinks, is as no policy.
    pub fn choose<'a>(&'a self, request: &Request<'_>) -> Choice<'a> {
        let all_from = |node| Choice {
            node,
            allowed: None,
        };
        match self {
            Self::Local => all_from(request.local),
            Self::Preferred(node) => all_from(*node),
            Self::Bind(set) => Choice {
                node: request.local,
                allowed: (!set.is_empty() && is_bound(set, request)).then_some(set),
            },
            Self::Interleave(set) => {
                let turn = request.counter.checked_rem(set.len());
                let node = turn.and_then(|turn| set.iter().nth(turn));
                all_from(node.unwrap_or(request.local))
            }
        }
    }
}

/// Says whether a set binds a request: low zones are too scarce for that, and a set that has but
/// Movable zones says nothing of requests for others.
fn is_bound(set: &NodeMask, request: &Request<'_>) -> bool {
    let from = match set.meets(request.normal) {
        true => request.policy_zone,
        false => ZoneKind::Movable,
    };
    request.highest >= from
}
