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
//! # Reference   mm/mempolicy.c: policy_nodemask(), interleave_nid(), apply_policy_zone().

use crate::algo::units::{
    NodeId,
    NodeMask,
    ZoneKind, //
};

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
