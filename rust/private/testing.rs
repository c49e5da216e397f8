// SPDX-License-Identifier: GPL-2.0

//! What the tests of the manager's parts share.

use kernel::sync::Arc;

use super::{
    FreePages,
    Private, //
};
use crate::algo::{
    snapshot::would::Asked,
    units::{
        Bytes,
        NodeId,
        Order,
        ZoneKind, //
    },
};
use crate::linux::{
    cpu,
    gfp::Gfp, //
};

/// A manager with a little memory of each node; `None` if there is none to be had.
pub(super) fn manager(free: FreePages) -> Option<Arc<Private>> {
    Private::new(Bytes::from_mib(8), free).ok()
}

/// What flags come down to, on a node, for any of its zones.
pub(super) fn asked(manager: &Private, order: Order, gfp: Gfp, node: NodeId) -> Asked {
    let flags = gfp.flags();
    Asked {
        order,
        flags,
        bits: gfp.as_raw(),
        migratetype: flags.migratetype(),
        node,
        list: gfp.list(),
        nodes: None,
        highest: ZoneKind::Movable,
        cpu: cpu::current(),
        rules: manager.rules(),
    }
}

/// Says whether every zone is as a slow recount has it.
pub(super) fn is_sound(manager: &Private) -> bool {
    manager.check().all(|(_, _, outcome)| outcome.is_ok())
}
