// SPDX-License-Identifier: GPL-2.0

//! What must hold for machines: each is what its lines say, and no line or machine stops anything.

use super::sentence_is_printable;
use crate::algo::command::{
    self,
    Command,
    MachineNode, //
};
use crate::algo::machine::{
    Draft,
    Machine,
    NodeDesc,
    NodeDraft,
    Room,
    Tables,
    Wanted,
    ZoneDesc,
    LARGEST_ORDER,
    MAX_FRAMES,
    PAGEBLOCK_ORDER,
    REGION_ORDER, //
};
use crate::algo::units::{
    Bytes,
    NodeId,
    NodeMask,
    Order,
    Pfn,
    ZoneKind, //
};
use crate::algo::zonelist::{
    fallback_order,
    Nodes, //
};

const PAGE_SHIFT: u32 = 12;

/// Fewer than lines can name, so that ends are met.
const NODES: usize = 7;
const CPUS: usize = 20;
const DEFAULT_CPUS: u32 = 3;

/// Tables of a draft, and the lines that it took.
struct Said<'a> {
    nodes: [NodeDraft; NODES],
    cpus: [Option<NodeId>; CPUS],
    distances: [u8; NODES * NODES],
    lines: Vec<MachineNode<'a>>,
}

impl<'a> Said<'a> {
    fn nothing() -> Self {
        Self {
            nodes: [NodeDraft::default(); NODES],
            cpus: [None; CPUS],
            distances: [0; NODES * NODES],
            lines: Vec::new(),
        }
    }

    fn draft(&mut self) -> Draft<'_> {
        let tables = Tables {
            nodes: &mut self.nodes,
            cpus: &mut self.cpus,
            distances: &mut self.distances,
        };
        Draft::new(tables, PAGE_SHIFT).expect("the table has a row for each node")
    }

    fn add(&mut self, line: MachineNode<'a>) {
        let before = (self.nodes, self.cpus, self.distances);
        match self.draft().add(&line) {
            Ok(()) => self.lines.push(line),
            Err(error) => {
                sentence_is_printable(&error.to_string());
                assert_eq!(before, (self.nodes, self.cpus, self.distances));
            }
        }
    }

    fn build(&mut self, order: Option<Order>) {
        let wanted = Wanted {
            largest: order,
            nr_cpus: DEFAULT_CPUS,
        };
        let room = Room {
            nodes: &mut [NodeDesc::EMPTY; NODES],
            zones: &mut [ZoneDesc::EMPTY; NODES * ZoneKind::COUNT],
            cpus: &mut [None; CPUS],
            distances: &mut [0; NODES * NODES],
        };
        match self.draft().build(&wanted, room) {
            Ok(machine) => {
                assert_eq!(machine.largest(), order.unwrap_or(LARGEST_ORDER));
                self.nodes_are_those_of_the_lines(&machine);
                self.cpus_are_where_lines_say(&machine);
                self.distances_are_those_of_the_lines(&machine);
                zones_have_their_places(&machine);
                zonelists_name_all_memory(&machine);
            }
            Err(error) => sentence_is_printable(&error.to_string()),
        }
    }

    fn nodes_are_those_of_the_lines(&self, machine: &Machine<'_>) {
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort_by_key(|line| line.node);
        let mut zones = machine.zones().iter();
        assert_eq!(machine.nodes().len(), lines.len());
        for (node, line) in machine.nodes().iter().zip(lines) {
            assert_eq!((node.node, node.is_shadow), (line.node, line.shadow));
            let mut cma = 0;
            for zone in machine.zones_of(node) {
                assert_eq!(zones.next(), Some(zone), "zones stand together");
                let wanted = match line.zones {
                    Some(sizes) => sizes.get(zone.kind),
                    None => line.mem.filter(|_| zone.kind == ZoneKind::Normal),
                };
                assert_eq!(zone.node, line.node);
                assert_eq!(zone.spanned().bytes(PAGE_SHIFT), wanted);
                cma += zone.cma.get() << PAGE_SHIFT;
            }
            assert_eq!(Bytes::new(cma), line.cma.unwrap_or_default());
            let sizes = machine.zones_of(node).iter().map(|it| it.spanned().get());
            let sum = Bytes::new(sizes.sum::<usize>() << PAGE_SHIFT);
            assert!(line.mem.is_none_or(|mem| mem == sum), "{line}: {sum}");
            assert!(line.zones.is_some() || line.mem.is_some() || sum == Bytes::ZERO);
        }
        assert_eq!(zones.next(), None, "every zone is a node's");
    }

    fn cpus_are_where_lines_say(&self, machine: &Machine<'_>) {
        let is_silent = self.lines.iter().all(|line| line.cpus.is_none());
        let first = self.lines.iter().map(|line| line.node).min();
        for cpu in 0..8192 {
            let mut named = self.lines.iter().filter(|line| {
                let mut ranges = line.cpus.into_iter().flat_map(|list| list.ranges());
                ranges.any(|range| range.contains(&cpu))
            });
            let expected = match named.next() {
                Some(line) => Some(line.node),
                None => first.filter(|_| is_silent && cpu < DEFAULT_CPUS),
            };
            assert!(named.next().is_none(), "CPU {cpu} is named twice");
            assert_eq!(machine.node_of(cpu), expected);
        }
        let nr_cpus: u32 = machine.nodes().iter().map(|node| node.nr_cpus).sum();
        assert_eq!(Ok(machine.nr_cpus()), usize::try_from(nr_cpus));
        assert!(nr_cpus > 0);
    }

    fn distances_are_those_of_the_lines(&self, machine: &Machine<'_>) {
        for from in &self.lines {
            for to in &self.lines {
                let said = |from: &MachineNode<'_>, to: &MachineNode<'_>| {
                    from.distance
                        .and_then(|row| row.iter().nth(to.node.index()))
                };
                let usual = if from.node == to.node { 10 } else { 20 };
                let expected = said(from, to).or(said(to, from)).unwrap_or(usual);
                assert_eq!(machine.distances().get(from.node, to.node), expected);
            }
        }
    }
}

fn zones_have_their_places(machine: &Machine<'_>) {
    let bytes = |pfn: Pfn| pfn.get() << PAGE_SHIFT;
    let mut zones: Vec<_> = machine.zones().iter().collect();
    zones.sort_by_key(|zone| zone.start);
    for pair in zones.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:?}");
        assert!(
            pair[0].kind.min(ZoneKind::Normal) <= pair[1].kind,
            "{pair:?}"
        );
    }
    let has = |kind| machine.zones().iter().any(|zone| zone.kind == kind);
    for zone in zones {
        assert!(zone.start < zone.end && zone.start.is_aligned(machine.largest()));
        assert_eq!(zone.base, zone.start.align_down(REGION_ORDER));
        assert!(zone.nr_frames() <= MAX_FRAMES);
        let cma_end = zone.cma_start + zone.cma;
        assert!(zone.cma_start >= zone.start && cma_end <= zone.end);
        assert!(zone.cma_start.is_aligned(PAGEBLOCK_ORDER) && cma_end.is_aligned(PAGEBLOCK_ORDER));
        for (low, limit) in [(ZoneKind::Dma, 16 << 20), (ZoneKind::Dma32, 4 << 30)] {
            match zone.kind > low {
                true => assert!(!has(low) || bytes(zone.start) >= limit, "{zone:?}"),
                false => assert!(bytes(zone.end) <= limit, "{zone:?}"),
            }
        }
    }
}

fn zonelists_name_all_memory(machine: &Machine<'_>) {
    let nodes = Nodes {
        memory: &machine.nodes_with(ZoneKind::ALL),
        cpus: &machine.nodes_with_cpus(),
        distances: machine.distances(),
    };
    let mut load = [0; NODES];
    for desc in machine.nodes() {
        let mut order = [NodeId::FIRST; NODES];
        let order = fallback_order(desc.node, &nodes, &mut load, &mut order);
        let order = order.expect("the tables have a place for each node");
        assert_eq!(order.iter().copied().collect::<NodeMask>(), *nodes.memory);
        assert_eq!(order.len(), nodes.memory.len());
        if nodes.memory.has(desc.node) {
            assert_eq!(order.first(), Some(&desc.node));
        }
    }
}

/// Checks the machines that lines describe and build; lines of other commands are passed over.
pub fn machine_follows_its_lines(input: &[u8]) {
    let mut said = Said::nothing();
    for line in command::lines(input) {
        match line.command {
            Ok(Some(Command::MachineNode(node))) => said.add(node),
            Ok(Some(Command::MachineBuild { order })) => said.build(order),
            Ok(Some(Command::MachineReset)) => {
                said.draft().clear();
                said.lines.clear();
            }
            _ => {}
        }
    }
}
