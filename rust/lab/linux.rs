// SPDX-License-Identifier: GPL-2.0

//! Linux's memory manager as a [`Manager`].
//!
//! # Limits      `__GFP_NOWARN` is added to every request: a failure is reported in `result`, with
//!               what to do about it, and the kernel log stays for faults.
//! # Reference   `rust/linux/`.

use kernel::prelude::*;

use super::{
    Manager,
    Refusal,
    Request,
    Run, //
};
use crate::algo::{
    command::{
        Command,
        What, //
    },
    snapshot::{
        self,
        ListKind, //
    },
    units::{
        NodeId,
        Order,
        Pfn,
        ZoneKind, //
    },
};
use crate::linux::{
    gfp::Gfp,
    node::Node,
    pages::{
        Pages,
        MAX_ORDER, //
    },
};

/// The running kernel's memory manager.
pub struct Linux;

/// A request that Linux may see.
pub struct Plan {
    order: Order,
    gfp: Gfp,
    node: Option<Node>,
}

impl Manager for Linux {
    const NAME: &'static CStr = c"linux";
    type Plan = Plan;
    type Pages = Pages;

    fn nodes(&self) -> impl Iterator<Item = NodeId> {
        Node::online().map(|node| node.id())
    }

    fn node(&self, node: NodeId) -> Option<snapshot::Node> {
        Some(Node::get(node)?.snapshot())
    }

    fn distance(&self, from: NodeId, to: NodeId) -> Option<u32> {
        Some(Node::get(from)?.distance(&Node::get(to)?))
    }

    fn cpus(&self, node: NodeId) -> impl Iterator<Item = u32> {
        Node::get(node).into_iter().flat_map(|node| node.cpus())
    }

    fn zones(&self, node: NodeId) -> impl Iterator<Item = ZoneKind> {
        Node::get(node)
            .into_iter()
            .flat_map(|node| node.populated_zones())
            .filter_map(|zone| zone.kind())
    }

    fn zone(&self, node: NodeId, zone: ZoneKind) -> Option<snapshot::Zone> {
        Node::get(node)?.zone(zone)?.snapshot()
    }

    fn free_area(&self, node: NodeId, zone: ZoneKind) -> Option<snapshot::FreeArea> {
        Some(Node::get(node)?.zone(zone)?.free_area())
    }

    fn zonelist(&self, node: NodeId, list: ListKind) -> impl Iterator<Item = snapshot::ZoneRef> {
        let own = Node::get(node);
        own.into_iter()
            .flat_map(move |node| node.zonelist(list))
            .filter_map(move |zone| {
                let node = Node::get(zone.node_id()?)?;
                Some(snapshot::ZoneRef {
                    node: node.id(),
                    kind: zone.kind()?,
                    distance: own?.distance(&node),
                    managed: zone.managed(),
                })
            })
    }

    fn not_offered(&self, command: &Command<'_>) -> &'static str {
        match command {
            Command::Alloc(alloc) if matches!(alloc.what, What::Pages { .. }) => {
                "memcg= and kind= are not offered: Linux charges the writer's own group when gfp= \
                 has __GFP_ACCOUNT"
            }
            Command::Alloc(_) => "alloc object, percpu and vmalloc are not built yet",
            Command::AddPercpu { .. } => "per-CPU variables are not built yet",
            Command::Query(_) => "a question is written to the view that answers it",
            Command::Free(_) => "defer= is for objects; pages are freed at once",
            Command::Drain => "Linux exports no way to empty its per-CPU page lists",
            Command::Shrink { .. } | Command::CacheCreate(_) | Command::CacheDestroy { .. } => {
                "caches are not built yet"
            }
            Command::MemcgCreate { .. }
            | Command::MemcgRemove { .. }
            | Command::MemcgSet(_)
            | Command::MemcgReclaim { .. } => {
                "Linux's memory cgroups are made and set in the cgroup file system"
            }
            Command::MachineNode(_) | Command::MachineBuild | Command::MachineReset => {
                "the machine that Linux runs on cannot be rebuilt"
            }
        }
    }

    fn plan(&self, request: &Request) -> Result<Plan, Refusal> {
        if request.order > MAX_ORDER {
            return Err(Refusal::Order {
                asked: request.order,
                max: MAX_ORDER,
            });
        }
        let mut gfp = Gfp::new(request.gfp)?;
        if let Some(migratetype) = request.migratetype {
            gfp = gfp.with_type(migratetype)?;
        }
        let node = match request.node {
            None => None,
            Some(id) => Some(Node::get(id).ok_or(Refusal::NoNode(id))?),
        };
        Ok(Plan {
            order: request.order,
            gfp: gfp.check()? | Gfp::NOWARN,
            node,
        })
    }

    fn alloc(&self, plan: &Plan) -> Result<Pages, Refusal> {
        Pages::alloc(plan.order, plan.gfp, plan.node).map_err(|_| Refusal::NoMemory {
            order: plan.order,
            // A node without memory of its own has nothing to give when fallback is forbidden.
            alone: plan
                .node
                .filter(|node| plan.gfp.contains(Gfp::THISNODE) && !node.has_memory())
                .map(|node| (node.id(), node.served_by())),
        })
    }
}

impl Run for Pages {
    fn pfn(&self) -> Pfn {
        Pages::pfn(self)
    }

    fn order(&self) -> Order {
        Pages::order(self)
    }

    fn node(&self) -> Option<NodeId> {
        Pages::node(self)
    }

    fn zone(&self) -> Option<ZoneKind> {
        Pages::zone(self)
    }
}
