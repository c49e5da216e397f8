// SPDX-License-Identifier: GPL-2.0

//! A machine as it was described: with memory behind its frames, or none.
//!
//!   backed   memory of Linux's node of the same number, or of any where that has none
//!   shadow   numbers alone: pages without an address, whose contents are nobody's
//!
//! Everything that can be too much is counted before anything is taken.
//!
//! # Locking     none: the machine is nobody else's yet.
//! # Cost        37 MiB and some ten milliseconds for a TiB without memory behind it.
//! # Limits      blocks above Linux's largest are for shadow nodes alone. State may take as much as
//!               memory may, and half of what is free in Linux; of the states of frames, which come
//!               when they are first used, what is left of that.
//! # Reference   algo/machine.rs.

use kernel::prelude::*;

use super::{
    set_state,
    state_of,
    BuildError,
    Machine, //
};
use crate::algo::{
    machine::{
        self,
        NodeDesc,
        ZoneDesc, //
    },
    snapshot::NodeState,
    units::{
        usize_from,
        Bytes,
        FrameIdx,
        NrPages, //
    },
};
use crate::linux::{
    node::Node,
    quietly,
    PAGE_SHIFT, //
};
use crate::private::{
    arena::{
        Arena,
        Short,
        Source,
        LARGEST, //
    },
    memory::Budget,
};

/// The zones of a node that allocations come from.
fn zones<'a>(
    machine: &machine::Machine<'a>,
    node: &NodeDesc,
) -> impl Iterator<Item = &'a ZoneDesc> {
    let zones = machine.zones_of(node).iter();
    zones.filter(|zone| zone.present() > NrPages::ZERO)
}

/// The bytes of all zones of such nodes; `None` if they cannot be counted.
fn memory_of(machine: &machine::Machine<'_>, wanted: impl Fn(&NodeDesc) -> bool) -> Option<Bytes> {
    let nodes = machine.nodes().iter().filter(|node| wanted(node));
    let mut zones = nodes.flat_map(|node| zones(machine, node));
    zones.try_fold(Bytes::ZERO, |sum, zone| {
        sum.checked_add(zone.present().bytes(PAGE_SHIFT)?)
    })
}

/// What is free in Linux.
fn free_in_linux() -> Bytes {
    let zones = Node::online().flat_map(|node| node.populated_zones());
    let free = zones.fold(NrPages::ZERO, |sum, zone| sum + zone.free());
    free.bytes(PAGE_SHIFT).unwrap_or_default()
}

/// What the state of a machine takes and may take.
struct State {
    asked: Option<Bytes>,
    most: Bytes,
}

impl State {
    fn of(machine: &machine::Machine<'_>, backed: Bytes, most: Bytes) -> Self {
        let cpus = nr_cpus();
        let mut zones = machine.nodes().iter().flat_map(|it| zones(machine, it));
        let asked = zones.try_fold(Bytes::ZERO, |sum, zone| {
            sum.checked_add(state_of(zone.nr_frames(), cpus)?)
        });
        let free = free_in_linux().saturating_sub(backed);
        let most = most.min(Bytes::new(free.get() / 2));
        Self { asked, most }
    }

    /// What is left for the states of frames.
    fn budget(&self) -> Result<Budget, BuildError> {
        let asked = self.asked.filter(|&asked| asked <= self.most);
        let asked = asked.ok_or(BuildError::State {
            asked: self.asked,
            most: self.most,
        })?;
        Ok(Budget::new(self.most.saturating_sub(asked))?)
    }
}

/// How many CPUs Linux can have.
fn nr_cpus() -> usize {
    usize_from(kernel::cpu::nr_cpu_ids())
}

impl Machine {
    /// The machine that was described, with at most so much memory behind its frames and in its
    /// state, each.
    ///
    /// # Errors
    ///
    /// What was too much or too little; all that was taken is given back.
    pub(in crate::private) fn described(
        machine: &machine::Machine<'_>,
        most: Bytes,
    ) -> Result<Self, BuildError> {
        check_orders(machine)?;
        let asked = memory_of(machine, |node| !node.is_shadow);
        let Some(backed) = asked.filter(|&asked| asked <= most) else {
            return Err(BuildError::Memory { asked, most });
        };
        let budget = State::of(machine, backed, most).budget()?;
        let mut made = Self::empty(machine.largest(), budget)?;
        made.place_cpus(machine)?;
        for node in machine.nodes() {
            made.add_node(node.node, states(node))?;
            for zone in zones(machine, node) {
                let arena = match node.is_shadow {
                    true => Arena::empty(),
                    false => back(zone, machine)?,
                };
                made.add_zone(*zone, arena)?;
            }
        }
        made.finish(machine.distances())?;
        Ok(made)
    }

    /// Puts every CPU that Linux can have on a node: one that the machine lacks on the first that
    /// has CPUs.
    fn place_cpus(&mut self, machine: &machine::Machine<'_>) -> Result {
        let host = machine.nodes_with_cpus().first();
        for cpu in 0..kernel::cpu::nr_cpu_ids() {
            let node = machine.node_of(cpu);
            self.cpus.push(node, quietly())?;
            self.homes.push(node.or(host), quietly())?;
        }
        Ok(())
    }
}

/// Says no to blocks with memory behind them that Linux has none of.
fn check_orders(machine: &machine::Machine<'_>) -> Result<(), BuildError> {
    let asked = machine.largest();
    let mut nodes = machine.nodes().iter();
    let backed = nodes.find(|node| !node.is_shadow && zones(machine, node).next().is_some());
    match backed {
        Some(node) if asked > LARGEST => Err(BuildError::Order {
            node: node.node,
            asked,
            max: LARGEST,
        }),
        _ => Ok(()),
    }
}

/// The states of a node that has no zones yet.
fn states(node: &NodeDesc) -> [bool; NodeState::COUNT] {
    let mut states = [false; NodeState::COUNT];
    set_state(&mut states, NodeState::Possible);
    set_state(&mut states, NodeState::Online);
    if node.nr_cpus > 0 {
        set_state(&mut states, NodeState::Cpu);
    }
    states
}

/// Takes the memory of a zone.
fn back(zone: &ZoneDesc, machine: &machine::Machine<'_>) -> Result<Arena, BuildError> {
    let node = Node::get(zone.node).filter(Node::has_memory);
    let before = zone.start.checked_sub(zone.base).unwrap_or_default();
    let first = FrameIdx::new(0).checked_add(before).ok_or(ERANGE)?;
    let frames = (first, zone.present());
    Arena::fill(&Source::node(node)?, frames, machine.largest()).map_err(|short| match short {
        Short::Table => BuildError::NoTable,
        Short::Pages(had) => BuildError::Pages {
            node: zone.node,
            kind: zone.kind,
            asked: zone.present(),
            had,
        },
    })
}
